"""Every kind of job that there is, named one by one: what is not here is unknown, and ends as dead.

To add one: write it in a module of its own beside `core/jobs/kind_test.py` and name it here.
"""

from collections.abc import Mapping

from core.jobs.kind_test import TEST
from core.jobs.kinds import JobKind
from handlers.opening import Opened
from handlers.task_kinds import enrich_task


def job_kinds(ready: Opened) -> Mapping[str, JobKind]:
    """By name; `ready` is what kinds that reach outside are made with."""
    del ready
    return _by_name(TEST, enrich_task())


def _by_name(*kinds: JobKind) -> Mapping[str, JobKind]:
    named = {kind.name: kind for kind in kinds}
    assert len(named) == len(kinds), "two kinds have one name"
    return named
