"""What the intake needs from outside."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from core.intake.model import Batch, Begun, Chunk, NewBatch
from core.jobs.model import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A file that is read once, from its beginning. `size` in bytes, None where nobody says."""

    name: str
    content: BinaryIO
    size: int | None


class Files(Protocol):
    """Where files are: a path or `file://` below an allowed folder, `s3://bucket/key`,
    `upload:<id>` for what was sent to us.
    """

    def check(self, place: str) -> None:
        """Raises UsageError for a place that this installation never reads."""
        ...

    def open(self, place: str) -> AbstractContextManager[Opened]:
        """Raises UsageError where there is no such file, UpstreamUnavailableError when it is
        out of reach.
        """
        ...


class Batches(Protocol):
    """Files that are read, and how far. Each method but `resume` is fenced by the job's lease.

    Those raise LeaseLostError where another run has the job, or another job the batch: nothing was
    written.
    """

    def resume(self, job: Job) -> Batch | None:
        """What this job has begun, or taken over, and not given up; or has ended."""
        ...

    def begin(self, job: Job, new: NewBatch) -> Begun:
        """One job at a time reads a file, by its content.

        What another one has left is taken over where it was staged, by its own id; else it is given
        up and begun anew. Raises UsageError: the id is that of another file.
        """
        ...

    def stage(self, job: Job, batch: Batch, chunk: Chunk) -> Batch:
        """Rows that the database refuses are rejected, one by one."""
        ...

    def seal(self, job: Job, batch: Batch) -> Batch:
        """All is staged: from now on it becomes judgments."""
        ...

    def upsert(self, job: Job, batch: Batch, most: int) -> Batch:
        """Move some staged rows into judgments; the last ones complete the batch.

        Rows that the database refuses are rejected, one by one; where they are too many nothing is
        moved, and the batch is over its budget.
        """
        ...

    def fail(self, job: Job, batch: Batch, reason: str) -> None:
        """Give it up: what was not moved yet never will be; its first errors are kept."""
        ...

    def discard(self, batch: Batch) -> bool:
        """Remove some staged rows of what was given up; False: there are no more.

        What is left of them goes when the next file begins.
        """
        ...
