"""A process that enqueues jobs until its time is over, and tells what it has committed.

    produce NAME SECONDS SEED [WAY]

Two ways: in a transaction of its own work, which it holds open for a while and sometimes rolls
back; and at once, as the API does. One line on stdout for each transaction, when it is over.
"""

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from core.errors import UsageError
from core.jobs.model import NewJob, Priority
from infra.postgres.engine import make_engine
from infra.postgres.job_rows import enqueue
from infra.postgres.jobs import PostgresJobs
from infra.postgres.transaction import Database
from infra.postgres.url import parse
from tests.support.storm_kinds import KINDS

HELD, DIRECT = "held", "direct"
KEYS = 12
MOODS = ("count", "write", "write", "write", "call", "once", "snooze", "wait")
PACE_S = 0.15


@dataclass
class Producer:
    """`name` and way together are a stream: its jobs are numbered, and of each key they come in
    the order of their numbers. Each way has keys of its own, for in the moment of a commit nobody
    can say which of two was first.
    """

    name: str
    way: str
    database: Database
    rng: Random
    _number: int = 0
    _keys: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self._keys = [f"{self.way}-{number}" for number in range(KEYS)]

    def produce(self, ends: float) -> None:
        while time.monotonic() < ends:
            jobs = [self._job() for _ in range(self.rng.randint(1, 8))]
            try:
                committed = self._held(jobs) if self.way == HELD else self._direct(jobs)
            except UsageError:
                # A key is full: those who work are behind.
                committed = False
            self._tell(jobs, committed=committed)
            time.sleep(self.rng.uniform(0, 2 * PACE_S))

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
        self._number += 1
        payload: dict[str, object] = {"stream": f"{self.name}/{self.way}", "n": self._number}
        if self.rng.random() < 0.15:
            payload["fails"] = self.rng.randint(1, 3)
        if self.rng.random() < 0.05:
            payload["refuses"] = True
        kind = self.rng.choice(MOODS)
        if kind == "write" and self.rng.random() < 0.3:
            payload["then"] = f"then-{self.rng.randrange(KEYS)}"
        return NewJob(
            kind=f"storm.{kind}",
            payload=payload,
            ordering_key=self.rng.choice(self._keys) if self.rng.random() < 0.6 else None,
            priority=self.rng.choice(list(Priority)),
            run_at=self._later(),
        )

    def _later(self) -> datetime | None:
        if self.rng.random() < 0.9:
            return None
        return datetime.now(UTC) + timedelta(seconds=self.rng.uniform(0, 0.5))

    def _tell(self, jobs: Sequence[NewJob], *, committed: bool) -> None:
        numbers = [job.payload["n"] for job in jobs]
        told = {"stream": f"{self.name}/{self.way}", "numbers": numbers, "committed": committed}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


def main(arguments: Sequence[str]) -> int:
    name, seconds, seed, way = arguments
    engine = make_engine(
        parse(os.environ["DATABASE_URL"]), pool_size=1, application_name="a producer"
    )
    producer = Producer(name, way, Database(engine), Random(f"{name} {seed} {way}"))
    producer.produce(time.monotonic() + float(seconds))
    engine.dispose()
    return 0


def told(out: str) -> Iterator[dict[str, object]]:
    """What one has said; the last line may be cut short, for it was killed."""
    for line in out.splitlines():
        if line.endswith("}"):
            yield json.loads(line)
