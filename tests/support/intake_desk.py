"""Files of judgments read by real jobs on a real database; the files are in memory."""

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa

from core.deadline import Deadline
from core.errors import UsageError
from core.ids import RunId
from core.intake.ingest import Ingest
from core.intake.ports import Opened
from core.jobs.kinds import JobContext, JobKind
from core.jobs.model import Job, JobId, NewJob
from core.jobs.ports import Ended, NotClaimed
from core.jobs.trying import try_job
from handlers.opening import WallClock
from infra.postgres.intake import PostgresBatches
from infra.postgres.jobs import PostgresJobs
from infra.postgres.transaction import Database
from tests.support.log import ListLog

LEASE = timedelta(seconds=60)
PLACE = "/srv/intake/judgments.csv"
HEADER = "Case Number,Plaintiff,Defendant,Judgment Amount,Filing Date,County\n"
TOLD = "total", "inserted", "updated", "duplicate", "rejected"


def rows(*numbers: int, amount: str = "100.50") -> str:
    return "".join(
        f"C-{number:06},Bank {number},Debtor {number},{amount},01/31/2024,Kings\n"
        for number in numbers
    )


def bad_rows(*numbers: int) -> str:
    return rows(*numbers, amount="-1")


@dataclass
class MemoryFiles:
    """By place. `reads`: what a file is at each opening; the last one for ever."""

    contents: dict[str, list[bytes]] = field(default_factory=dict)
    opened: int = 0

    def put(self, *contents: str | bytes, place: str = PLACE) -> None:
        self.contents[place] = [
            each.encode() if isinstance(each, str) else each for each in contents
        ]

    def check(self, place: str) -> None:
        if not place.startswith("/srv/intake/"):
            raise UsageError(f"{place} is not below /srv/intake")

    @contextmanager
    def open(self, place: str) -> Iterator[Opened]:
        contents = self.contents.get(place)
        if not contents:
            raise UsageError(f"{place}: there is no such file or folder")
        self.opened += 1
        content = contents.pop(0) if len(contents) > 1 else contents[0]
        yield Opened(name=place.rpartition("/")[2], content=io.BytesIO(content), size=len(content))


@dataclass
class Desk:
    """`at_once`: rows of a step. `stop`: the process is asked to end."""

    database: Database
    files: MemoryFiles = field(default_factory=MemoryFiles)
    at_once: int = 5_000
    stop: Callable[[], bool] = lambda: False
    log: ListLog = field(default_factory=ListLog)

    def __post_init__(self) -> None:
        self.store = PostgresJobs(self.database, self.kinds())

    def kinds(self) -> Mapping[str, JobKind]:
        ingest = Ingest(
            files=self.files,
            batches=PostgresBatches(self.database),
            stopping=self.stop,
            staged_at_once=self.at_once,
            moved_at_once=self.at_once,
        )
        return {kind.name: kind for kind in ingest.kinds()}

    def put(self, kind: str = "intake", *, place: str = PLACE, **payload: object) -> JobId:
        job = NewJob(kind=kind, payload={"file_path": place, **payload})
        return self.store.enqueue([job])[0].id

    def claim(self, job_id: JobId) -> Job:
        self.sql(
            "UPDATE ops.jobs SET run_at = now() WHERE id = :id AND status = 'pending'", id=job_id
        )
        claimed = self.store.claim_one(RunId(uuid4()), job_id, LEASE)
        assert not isinstance(claimed, NotClaimed), claimed
        return claimed

    def perform(self, job: Job, *, deadline: Deadline | None = None) -> Ended:
        lost: list[bool] = []
        asked: list[bool] = []

        def renew() -> bool:
            held = self.store.renew([job], LEASE)
            asked.extend(held.values())
            lost.append(job.id not in held)
            return not any(lost)

        clock = WallClock()
        context = JobContext(
            clock=clock,
            deadline=deadline or Deadline.after(None, clock.monotonic),
            rng=Random(1),
            log=self.log,
            renew=renew,
            cancelled=lambda: any(asked),
        )
        settled = try_job(job, self.kinds()[job.kind], context, RunId(uuid4()))
        return self.store.settle(RunId(uuid4()), [settled])[0]

    def run(self, job_id: JobId, **how: Any) -> dict[str, Any]:
        """One try of it; its row."""
        self.perform(self.claim(job_id), **how)
        return self.job(job_id)

    def read(self, content: str | bytes, kind: str = "intake", **payload: Any) -> dict[str, Any]:
        """A job for a file of that content, from the beginning to the end; its row."""
        self.files.put(content)
        return self.run(self.put(kind, **payload))

    def let_lease_run_out(self, job_id: JobId) -> None:
        self.sql(
            "UPDATE ops.jobs SET leased_until = clock_timestamp() - make_interval(secs => 1)"
            " WHERE id = :id AND status = 'processing'",
            id=job_id,
        )

    def job(self, job_id: JobId) -> dict[str, Any]:
        [row] = self.sql("SELECT * FROM ops.jobs WHERE id = :id", id=job_id)
        return row

    def batch(self, batch_id: UUID | str) -> dict[str, Any]:
        [row] = self.sql("SELECT * FROM intake.batches WHERE id = :id", id=batch_id)
        return row

    def judgments(self) -> list[dict[str, Any]]:
        return self.sql("SELECT * FROM intake.judgments ORDER BY case_number")

    def errors(self, batch_id: UUID | str) -> list[dict[str, Any]]:
        return self.sql(
            "SELECT row_number, severity, column_name, code, value FROM intake.row_errors"
            " WHERE batch_id = :id ORDER BY severity, row_number, column_name",
            id=batch_id,
        )

    def counted(self, batch_id: UUID | str) -> tuple[int, ...]:
        """Total, inserted, updated, duplicate, rejected."""
        batch = self.batch(batch_id)
        return tuple(batch[name] for name in TOLD)

    def sql(self, statement: str, **values: object) -> list[dict[str, Any]]:
        with self.database.transaction(statement_timeout_ms=60_000) as connection:
            done = connection.execute(sa.text(statement), values)
            return [dict(row) for row in done.mappings()] if done.returns_rows else []
