"""A process that enqueues jobs until its time is over, and tells what it has committed.

    produce NAME SECONDS SEED
    produce --once NAME

In two ways: in a transaction of its own work, which it holds open for a while and sometimes rolls
back; and at once, as the API does. One line on stdout for each transaction, when it is over. With
`--once` it enqueues one list of everything that there is to do, half of it each way.
"""

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from core.errors import StoreUnavailableError, UsageError
from core.jobs.model import NewJob, Priority
from infra.postgres.engine import make_engine
from infra.postgres.job_rows import enqueue
from infra.postgres.jobs import PostgresJobs
from infra.postgres.transaction import Database
from infra.postgres.url import parse
from tests.support.storm_kinds import KINDS

HELD, DIRECT = "held", "direct"
KEYS = 20
MOODS = ("count", "write", "write", "write", "call", "once", "snooze", "wait")
PACE_S = 0.15


@dataclass
class Producer:
    """`stream`: its jobs are numbered, and of each key they come in the order of their numbers,
    whichever way each of them was enqueued.
    """

    stream: str
    database: Database
    rng: Random
    _number: int = 0

    def produce(self, ends: float) -> None:
        while time.monotonic() < ends:
            self.enqueue(
                [self._job() for _ in range(self.rng.randint(1, 8))],
                self.rng.choice((HELD, DIRECT)),
            )
            time.sleep(self.rng.uniform(0, 2 * PACE_S))

    def produce_everything(self) -> None:
        jobs = [self._numbered(job) for job in EVERYTHING]
        half = len(jobs) // 2
        with self.database.transaction() as connection:
            enqueue(connection, jobs[:half], KINDS)
        self._direct(jobs[half:])

    def enqueue(self, jobs: Sequence[NewJob], way: str) -> None:
        try:
            committed = self._held(jobs) if way == HELD else self._direct(jobs)
        except UsageError:
            # A key is full: those who work are behind.
            committed = False
        except StoreUnavailableError:
            # Cut off, maybe in the midst of a COMMIT: nobody can say.
            return
        self._tell(jobs, way, committed=committed)

    def _held(self, jobs: Sequence[NewJob]) -> bool:
        with self.database.engine.connect() as connection:
            transaction = connection.begin()
            enqueue(connection, jobs, KINDS)
            time.sleep(self.rng.choice((0.0, 0.05, 0.3, 1.0)))
            if self.rng.random() < 0.2:
                transaction.rollback()
                return False
            transaction.commit()
            return True

    def _direct(self, jobs: Sequence[NewJob]) -> bool:
        PostgresJobs(self.database, KINDS).enqueue(jobs)
        return True

    def _job(self) -> NewJob:
        payload: dict[str, object] = {}
        if self.rng.random() < 0.15:
            payload["fails"] = self.rng.randint(1, 3)
        if self.rng.random() < 0.05:
            payload["refuses"] = True
        kind = self.rng.choice(MOODS)
        if kind == "write" and self.rng.random() < 0.3:
            payload["then"] = f"then-{self.rng.randrange(KEYS)}"
        job = NewJob(
            kind=f"storm.{kind}",
            payload=payload,
            ordering_key=f"key-{self.rng.randrange(KEYS)}" if self.rng.random() < 0.6 else None,
            priority=self.rng.choice(list(Priority)),
            run_at=self._later(),
        )
        return self._numbered(job)

    def _numbered(self, job: NewJob) -> NewJob:
        self._number += 1
        return replace(job, payload={**job.payload, "stream": self.stream, "n": self._number})

    def _later(self) -> datetime | None:
        if self.rng.random() < 0.9:
            return None
        return datetime.now(UTC) + timedelta(seconds=self.rng.uniform(0, 0.5))

    def _tell(self, jobs: Sequence[NewJob], way: str, *, committed: bool) -> None:
        numbers = [job.payload["n"] for job in jobs]
        told = {"stream": self.stream, "way": way, "numbers": numbers, "committed": committed}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


EVERYTHING = (
    NewJob(kind="storm.write", ordering_key="a"),
    NewJob(kind="storm.write", ordering_key="a", payload={"then": "b"}),
    NewJob(kind="storm.count"),
    NewJob(kind="storm.call", ordering_key="b"),
    NewJob(kind="storm.write"),
    NewJob(kind="storm.once"),
    NewJob(kind="storm.write", ordering_key="a", payload={"fails": 1}),
    NewJob(kind="storm.count", payload={"refuses": True}),
    NewJob(
        kind="storm.count", ordering_key="b", payload={"fails": 1, "doomed": True}, max_attempts=1
    ),
    NewJob(kind="storm.write", ordering_key="b"),
    NewJob(kind="storm.call"),
    NewJob(kind="storm.count"),
)


def main(arguments: Sequence[str]) -> int:
    once = arguments[0] == "--once"
    name, *rest = arguments[1:] if once else arguments
    engine = make_engine(
        parse(os.environ["DATABASE_URL"]), pool_size=1, application_name="a producer"
    )
    producer = Producer(name, Database(engine), Random(" ".join(arguments)))
    if once:
        producer.produce_everything()
    else:
        producer.produce(time.monotonic() + float(rest[0]))
    engine.dispose()
    return 0


def told(out: str) -> Iterator[dict[str, Any]]:
    """What one has said; the last line may be cut short, for it was killed."""
    for line in out.splitlines():
        if line.endswith("}"):
            yield json.loads(line)
