"""The kind `watch_folder`."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.errors import UsageError
from core.intake.watch import Folders, Pass, Seen, SeenFiles
from core.jobs.kinds import BadPayloadError, Effect, JobContext, JobKind
from core.jobs.model import Completed, Job, NewJob, Transaction, Verdict
from core.jobs.shipped import fields

NAME, QUEUE = "watch_folder", "intake"
INTAKE, CSV = "intake", "*.csv"
FILE = "file_path"
FIELDS = ("folder", "kind", "pattern", "dry_run")
LONGEST_FOLDER, LONGEST_PATTERN = 400, 100
ENQUEUED, NOTHING_NEW, DRY_RUN = "enqueued", "nothing_new", "dry_run"
STOP_S = 3.0
"""A pass ends so long before its deadline: what it saw has still to be written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    folder: str
    kind: str
    pattern: str
    dry_run: bool

    @classmethod
    def of(cls, payload: Mapping[str, object]) -> "Watch":
        """Raises BadPayloadError."""
        fields.only(payload, FIELDS)
        pattern = fields.optional(payload, "pattern", LONGEST_PATTERN) or CSV
        if "/" in pattern:
            raise BadPayloadError("pattern: names files of the folder itself, as *.csv")
        return cls(
            folder=fields.line(payload, "folder", LONGEST_FOLDER),
            kind=fields.optional(payload, "kind", LONGEST_PATTERN) or INTAKE,
            pattern=pattern,
            dry_run=fields.flag(payload, "dry_run"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchFolders:
    """`kinds`: all that there are, asked when there is a job; `now`: this machine's clock."""

    folders: Folders
    seen: SeenFiles
    kinds: Callable[[], Mapping[str, JobKind]]
    now: Callable[[], datetime]

    def job_kind(self) -> JobKind:
        return JobKind(
            name=NAME,
            queue=QUEUE,
            effect=Effect.DATABASE,
            check=self._check,
            perform=self._perform,
            batch=1,
            # Two passes at once would read every file twice.
            key=lambda payload: f"{NAME}:{payload.get('folder')}",
        )

    def _check(self, payload: Mapping[str, object]) -> None:
        watch = Watch.of(payload)
        try:
            self.folders.check(watch.folder)
        except UsageError as error:
            raise BadPayloadError(f"folder: {error}") from error
        reads = self.kinds().get(watch.kind)
        if reads is None or watch.kind == NAME:
            raise BadPayloadError(f"kind: there is no kind of job {watch.kind!r} that reads a file")
        reads.check({FILE: f"{watch.folder.rstrip('/')}/a.csv"})

    def _perform(self, job: Job, context: JobContext, /) -> Verdict:
        watch = Watch.of(job.payload)
        with self.folders.opened(watch.folder) as folder:
            work = Pass(
                kind=watch.kind,
                pattern=watch.pattern,
                folder=folder,
                seen=self.seen,
                goes_on=lambda: _goes_on(context),
                now=self.now,
            )
            seen = work.run()
        report = work.report(seen)
        if watch.dry_run:
            return Completed(outcome=DRY_RUN, result=report)
        new = [each for each in seen if each.new]
        return Completed(
            outcome=ENQUEUED if new else NOTHING_NEW,
            result=report,
            effect=_marks(job, watch.kind, seen, context.clock.now()) if seen else None,
            then=[_follow_up(watch.kind, each) for each in new],
        )


def _goes_on(context: JobContext) -> bool:
    return context.deadline.allows(STOP_S) and context.renew() and not context.cancelled()


def _follow_up(kind: str, seen: Seen) -> NewJob:
    """By its content: two passes over two folders that hold the same file make one job."""
    return NewJob(
        kind=kind, payload={FILE: seen.stamp.path}, idempotency_key=f"watch:{kind}:{seen.sha256}"
    )


def _marks(
    job: Job, kind: str, seen: Sequence[Seen], now: datetime
) -> Callable[[Transaction], None]:
    rows = [
        {
            "path": each.stamp.path,
            "size": each.stamp.size,
            "changed_ns": each.stamp.changed_ns,
            "sha256": each.sha256,
        }
        for each in seen
    ]

    def write(transaction: Transaction) -> None:
        transaction.execute("watch.mark", kind=kind, job_id=job.id, now=now, files=json.dumps(rows))

    return write
