"""`simplicity_ingest`, `intake` and `ingest`: a file of court judgments becomes rows of ours.

1. Survey: the whole file is read once, and nothing kept but what it is. Content that was taken
   before ends the job here.
2. Staging: it is read again, each row checked, the good ones put aside; the content must still be
   the same at its end. Too many bad ones: none is taken.
3. Upserting: what was put aside becomes judgments.

Each step of the last two is a short transaction that notes how far it came. Whoever is killed,
stopped or out of time goes on from there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import UUID

from core.errors import UsageError
from core.intake.model import Batch, BatchId, BatchStatus, Busy, Duplicate, Format, NewBatch
from core.intake.ports import Batches, Files
from core.intake.rows import chunks
from core.intake.survey import survey
from core.intake.text import Hashed
from core.jobs.kinds import PATIENT, BadPayloadError, Effect, JobContext, JobKind
from core.jobs.model import Cancelled, Completed, Failed, Job, Retry, Snooze, Verdict
from core.jobs.shipped import answers, fields

SIMPLICITY, INTAKE, INGEST = "simplicity_ingest", "intake", "ingest"
NAMES = (SIMPLICITY, INTAKE, INGEST)
QUEUE = "intake"
KNOWN: Mapping[str, tuple[str, ...]] = {
    SIMPLICITY: ("file_path", "source_reference"),
    INTAKE: ("file_path", "batch_id", "force"),
    INGEST: ("file_path", "batch_id", "force"),
}
STAGED_AT_ONCE, MOVED_AT_ONCE = 5_000, 5_000
NEEDS_S, STEP_S = 4.0, 1.5
"""Of the run's time: to begin at all, and for a step more."""
BUSY = timedelta(seconds=10)
NO_PROGRESS = (
    "the run had not the time to read the file once; give it more:"
    " `python -m core.run queue --deadline 10m`"
)
CHANGED = "the file was changed while it was read"
CANCELLED = "the job's end was asked for"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingest:
    """`stopping`: the process was asked to end."""

    files: Files
    batches: Batches
    stopping: Callable[[], bool]
    staged_at_once: int = STAGED_AT_ONCE
    moved_at_once: int = MOVED_AT_ONCE

    def kinds(self) -> tuple[JobKind, ...]:
        return tuple(
            JobKind(
                name=name,
                queue=QUEUE,
                effect=Effect.DATABASE,
                check=partial(self.check, name),
                perform=self.perform,
                backoff=PATIENT,
                batch=1,
            )
            for name in NAMES
        )

    def check(self, name: str, payload: Mapping[str, object], /) -> None:
        fields.only(payload, KNOWN[name])
        place = fields.line(payload, "file_path", 2000)
        try:
            self.files.check(place)
        except UsageError as error:
            raise BadPayloadError(f"file_path: {error}") from error
        fields.optional(payload, "source_reference", 500)
        _batch_id(payload)
        fields.flag(payload, "force")

    def perform(self, job: Job, context: JobContext, /) -> Verdict:
        put_off = answers.held_up(job, context, needs_s=NEEDS_S)
        if put_off is not None:
            return put_off
        try:
            return _Reading(ingest=self, job=job, context=context).read()
        except _InterruptedError as interrupted:
            return interrupted.verdict


class _InterruptedError(Exception):
    def __init__(self, verdict: Verdict) -> None:
        super().__init__()
        self.verdict = verdict


@dataclass(slots=True, kw_only=True)
class _Reading:
    """One try. `batch`: as it was last written down; `advanced`: in this try."""

    ingest: Ingest
    job: Job
    context: JobContext
    batch: Batch | None = None
    advanced: bool = False

    def read(self) -> Verdict:
        store = self.ingest.batches
        self.batch = store.resume(self.job)
        if self.batch is None:
            instead = self._begin()
            if instead is not None:
                return instead
        batch = self._held()
        if batch.status is BatchStatus.STAGING and not self._staged(batch):
            self._give_up(self._held(), CHANGED)
            return Retry(code="file_changed", detail=CHANGED)
        return self._take()

    def _id(self) -> BatchId:
        return _batch_id(self.job.payload) or BatchId(self.job.id)

    def _held(self) -> Batch:
        assert self.batch is not None
        return self.batch

    def _begin(self) -> Verdict | None:
        """None: it is begun."""
        payload = self.job.payload
        begun = self.ingest.batches.begin(
            self.job,
            NewBatch(
                id=self._id(),
                kind=self.job.kind,
                file_path=self._place(),
                source_reference=fields.optional(payload, "source_reference", 500),
                force=fields.flag(payload, "force"),
                survey=survey(
                    lambda: self.ingest.files.open(self._place()),
                    Format.SIMPLICITY if self.job.kind == SIMPLICITY else None,
                    self._pause,
                ),
            ),
        )
        if isinstance(begun, Busy):
            return Snooze(until=self.context.clock.now() + BUSY, reason="file_busy")
        if isinstance(begun, Duplicate):
            return _duplicate(begun.id, begun.of)
        self.batch = begun
        return None

    def _place(self) -> str:
        return fields.line(self.job.payload, "file_path", 2000)

    def _staged(self, batch: Batch) -> bool:
        """False: it was changed, perhaps into another encoding than the one that was found."""
        try:
            return self._stage(batch)
        except UnicodeDecodeError:
            return False

    def _stage(self, batch: Batch) -> bool:
        """False: it was changed."""
        with self.ingest.files.open(batch.file_path) as file:
            source = Hashed(file.content, self._pause)
            for chunk in chunks(
                source,
                batch.layout,
                file_hash=batch.file_hash,
                after=batch.rows_read,
                most=self.ingest.staged_at_once,
            ):
                self._pause()
                # What is over its budget is read to its end, to tell how many there are.
                found = chunk.counted() if batch.is_over_budget else chunk
                batch = self._advanced(self.ingest.batches.stage(self.job, batch, found))
            if source.digest() != batch.file_hash:
                return False
        if not batch.is_over_budget:
            self._advanced(self.ingest.batches.seal(self.job, batch))
        return True

    def _take(self) -> Verdict:
        batch = self._held()
        while batch.status is BatchStatus.UPSERTING and not batch.is_over_budget:
            self._pause()
            batch = self._advanced(
                self.ingest.batches.upsert(self.job, batch, self.ingest.moved_at_once)
            )
        if batch.is_over_budget:
            return self._reject(batch)
        if batch.duplicate_of is not None:
            return _duplicate(batch.id, batch.duplicate_of)
        return Completed(result=batch.report(), outcome="ingested" if batch.total else "empty")

    def _reject(self, batch: Batch) -> Failed:
        reason = _over_budget(batch)
        self._give_up(batch, reason)
        look = f"the first errors stand in intake.row_errors, batch_id {batch.id}"
        return Failed(code="error_budget", detail=f"{reason}; {look}")

    def _give_up(self, batch: Batch, reason: str) -> None:
        """Tidied up for as long as there is time: the verdict must not come too late for that."""
        store = self.ingest.batches
        store.fail(self.job, batch, reason)
        while self.context.deadline.allows(STEP_S) and store.discard(batch):
            pass

    def _advanced(self, batch: Batch) -> Batch:
        self.batch, self.advanced = batch, True
        return batch

    def _pause(self) -> None:
        """Between two steps: whether there is to be another one."""
        context = self.context
        if not context.renew():
            raise _InterruptedError(answers.lease_lost(context))
        if context.cancelled():
            if self.batch is not None:
                self._give_up(self.batch, CANCELLED)
            raise _InterruptedError(Cancelled())
        if self.ingest.stopping():
            raise _InterruptedError(Snooze(until=context.clock.now(), reason="stopping"))
        if not context.deadline.allows(STEP_S):
            raise _InterruptedError(self._out_of_time())

    def _out_of_time(self) -> Snooze | Retry:
        """A run that had not the time for a single step will not have it next time either."""
        if not self.advanced:
            return Retry(code="out_of_time", detail=NO_PROGRESS)
        left = timedelta(seconds=self.context.deadline.remaining() + 1)
        return Snooze(until=self.context.clock.now() + left, reason="deadline")


def _duplicate(batch_id: BatchId, of: BatchId) -> Completed:
    result = {"batch_id": str(batch_id), "duplicate_of": str(of), "total": 0, "inserted": 0}
    return Completed(result=result, outcome="duplicate")


def _over_budget(batch: Batch) -> str:
    share = batch.invalid / batch.rows_surveyed
    taken = batch.inserted + batch.updated
    rest = f"{taken:,} judgments were in, the rest was not taken" if taken else "none was taken"
    return (
        f"{batch.invalid:,} of {batch.rows_surveyed:,} rows ({share:.1%}) have an error, more than"
        f" {batch.error_threshold_percent} %: {rest}"
    )


def _batch_id(payload: Mapping[str, object]) -> BatchId | None:
    given = payload.get("batch_id")
    if given is None:
        return None
    try:
        return BatchId(UUID(given if isinstance(given, str) else ""))
    except ValueError:
        raise BadPayloadError("batch_id: must be a UUID, of a batch that you name") from None
