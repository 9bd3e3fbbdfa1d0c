"""Every kind of job that there is, named one by one: what is not here is unknown, and ends as dead.

To add one: write it in a module of its own beside `core/jobs/kind_test.py` and name it here.
"""

from collections.abc import Mapping

from core.errors import UsageError
from core.jobs.asked_run import AskedRun, RunOnce
from core.jobs.kind_test import TEST
from core.jobs.kinds import JobKind
from core.report import RunReport
from handlers.late_kinds import CHATS, ENFORCEMENT, INTAKE, WATCHING, late_kinds
from handlers.opening import STOP, Opened
from handlers.task_kinds import enrich_task


def job_kinds(ready: Opened, run_once: RunOnce | None = None) -> Mapping[str, JobKind]:
    """By name; `ready` is what kinds that reach outside are made with.

    `run_once` is the drain's: who only looks at kinds, or adds jobs, runs no worker.
    """

    def made() -> Mapping[str, JobKind]:
        from handlers.outside_kinds import blocks, outside_kinds

        runs = run_once or _only_drains_run
        kinds = outside_kinds(
            ready.settings, stopping=STOP.is_set, run_once=runs, blocks=blocks(ready)
        )
        return _by_name(*kinds)

    def enforcing() -> Mapping[str, JobKind]:
        from handlers.enforcement_kinds import enforcement_kinds

        return _by_name(*enforcement_kinds(ready))

    def chats() -> Mapping[str, JobKind]:
        from handlers.chat_kinds import chat_kinds

        return chat_kinds(ready, lambda: job_kinds(ready, run_once))

    def watching() -> Mapping[str, JobKind]:
        from handlers.intake_places import watch_folder

        return _by_name(watch_folder(ready, lambda: kinds))

    def intake() -> Mapping[str, JobKind]:
        from handlers.intake_kinds import intake_kinds

        return _by_name(*intake_kinds(ready, stopping=STOP.is_set))

    kinds = _by_name(
        TEST,
        enrich_task(),
        *late_kinds(made),
        *late_kinds(enforcing, ENFORCEMENT),
        *late_kinds(chats, CHATS),
        *late_kinds(watching, WATCHING),
        *late_kinds(intake, INTAKE),
    )
    return kinds


def _only_drains_run(asked: AskedRun) -> RunReport:
    raise UsageError(f"{asked.worker} is run by `queue-drain` only")


def _by_name(*kinds: JobKind) -> Mapping[str, JobKind]:
    named = {kind.name: kind for kind in kinds}
    assert len(named) == len(kinds), "two kinds have one name"
    return named
