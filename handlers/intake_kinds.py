"""Kinds that one office has added, for files of court judgments; imported with the first job."""

from collections.abc import Callable

from core.intake.ingest import Ingest
from core.jobs.kinds import JobKind
from handlers.intake_places import files
from handlers.opening import Opened
from infra.postgres.intake import PostgresBatches


def intake_kinds(ready: Opened, *, stopping: Callable[[], bool]) -> tuple[JobKind, ...]:
    reads = Ingest(files=files(ready), batches=PostgresBatches(ready.database), stopping=stopping)
    return reads.kinds()
