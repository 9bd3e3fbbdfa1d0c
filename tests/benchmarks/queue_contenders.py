"""Whose queues are measured: how each is set up, and the command of each phase.

The settings of the others are the fastest of those that their documentation names, found by trying
them on jobs that do nothing (docs/performance.md says which were tried).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from infra.postgres.url import DatabaseUrl
from tests.benchmarks import measure

IMPORTS = "bare imports"
CHILDREN = "tests.benchmarks.children"


@dataclass(frozen=True, slots=True)
class Place:
    url: DatabaseUrl
    folder: Path

    @property
    def address(self) -> tuple[str, str]:
        return str(self.url.socket_dir), self.url.database


class Contender(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def said(self) -> str:
        """What it is, in one sentence."""

    @property
    def done(self) -> str:
        """The statement that counts the jobs that are done."""

    def settings(self, place: Place) -> Mapping[str, str]: ...

    def install(self, place: Place) -> list[str] | None: ...

    def enqueue(self, place: Place, jobs: int) -> list[str]: ...

    def drain(self, place: Place) -> list[str]: ...

    def one_shot(self, place: Place) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class Cronshot:
    """`keys`: the jobs are shared by so many ordering keys; 0: they have none."""

    name: str
    said: str
    keys: int = 0
    done: str = "SELECT count(*) FROM ops.jobs WHERE status = 'completed'"

    def settings(self, place: Place) -> Mapping[str, str]:
        return {"DATABASE_URL": place.url.reveal(), "CRONSHOT_HOME": str(place.folder)}

    def install(self, place: Place) -> None:
        """Its schema is the template's."""

    def enqueue(self, place: Place, jobs: int) -> list[str]:
        return self._child("enqueue", str(jobs), str(self.keys))

    def drain(self, place: Place) -> list[str]:
        return self._child("drain")

    def one_shot(self, place: Place) -> list[str]:
        return measure.product("core.run", "queue", "--json")

    def _child(self, *arguments: str) -> list[str]:
        return measure.product(f"{CHILDREN}.queue_cronshot", *arguments)


@dataclass(frozen=True, slots=True)
class Peer:
    """A child that knows `install`, `enqueue N` and `drain SETTING`."""

    name: str
    said: str
    child: str
    done: str
    options: Sequence[str]
    drains: int

    def settings(self, place: Place) -> Mapping[str, str]:
        return {}

    def install(self, place: Place) -> list[str]:
        return self._child(place, "install", 0)

    def enqueue(self, place: Place, jobs: int) -> list[str]:
        return self._child(place, "enqueue", jobs)

    def drain(self, place: Place) -> list[str]:
        return self._child(place, "drain", self.drains)

    def one_shot(self, place: Place) -> list[str]:
        return self.drain(place)

    def _child(self, place: Place, what: str, number: int) -> list[str]:
        module = f"{CHILDREN}.{self.child}"
        return measure.python(module, *place.address, *self.options, what, str(number))


def _pgqueuer(name: str, said: str, batch: int) -> Peer:
    return Peer(
        name=name,
        said=said,
        child="queue_pgqueuer",
        done="SELECT count(*) FROM pgqueuer_log WHERE status = 'successful'",
        options=(),
        drains=batch,
    )


OURS = Cronshot("cronshot", "`run_once`, kind `test`, no ordering keys")
KEYED = Cronshot("cronshot, 1,000 keys", "the same, each key's jobs strictly in order", keys=1000)
PGQUEUER = _pgqueuer("pgqueuer", "asyncpg, uvloop, mode=drain, batch_size=100", batch=100)
PGQUEUER_DEFAULT = _pgqueuer("pgqueuer, batch 10", "the same with its default of 10", batch=10)
PROCRASTINATE = Peer(
    name="procrastinate",
    said="psycopg, wait=False, concurrency=30, a pool of 10, listen_notify=False",
    child="queue_procrastinate",
    done="SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'",
    options=("10",),
    drains=30,
)
DBOS = Peer(
    name="dbos",
    said="worker_concurrency=200, polled every 10 ms, a pool of 50",
    child="queue_dbos",
    done="SELECT count(*) FROM dbos.workflow_status WHERE status = 'SUCCESS'",
    options=("50",),
    drains=200,
)
CONTENDERS: Sequence[Contender] = (OURS, KEYED, PGQUEUER, PGQUEUER_DEFAULT, PROCRASTINATE, DBOS)
