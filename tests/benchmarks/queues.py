"""`make bench ARGS=--jobs`: so many jobs that do nothing, enqueued and drained by each contender.

In one run, in turn, the order reversed from one repetition to the next, each in a new database;
then a worker that finds nothing, from the start of its process to its end.
"""

import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks import measure
from tests.benchmarks.ground import server_with_schema
from tests.benchmarks.queue_contenders import (
    CONTENDERS,
    IMPORTS,
    OURS,
    PGQUEUER,
    PGQUEUER_DEFAULT,
    PROCRASTINATE,
    Contender,
    Place,
)
from tests.benchmarks.report import Aim, Ratio, aligned, ratio, sentence
from tests.benchmarks.server_use import ServerUse, server_use, settled
from tests.support.postgres import Server, execute, scratch

JOBS = 20_000
EMPTY_TIMES = 7
LIBRARIES = ("procrastinate", "pgqueuer", "dbos", "asyncpg", "psycopg", "pg8000", "sqlalchemy")
IMPORTED = ("httpx", "sqlalchemy", "pg8000", "pydantic_settings")
HEAD = (
    *("", "n", "wall s", "slowest", "jobs/s", "cpu s/1k", "server cpu s/1k"),
    *("transactions/job", "WAL B/job"),
)
EMPTY_HEAD = ("", "n", "wall ms", "slowest", "cpu ms", "transactions")
ENQUEUE, DRAIN, EMPTY = "enqueue", "drain", "empty one-shot"
AIMS: Mapping[str, Sequence[Aim]] = {
    ENQUEUE: (),
    DRAIN: (
        Aim(OURS.name, PGQUEUER.name, least=2.0),
        Aim(OURS.name, PGQUEUER_DEFAULT.name, least=2.0),
        Aim(OURS.name, PROCRASTINATE.name, least=40.0),
    ),
    EMPTY: (
        Aim(OURS.name, IMPORTS, most=1.3),
        Aim(OURS.name, PGQUEUER.name),
        Aim(OURS.name, PROCRASTINATE.name),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """`wall_s` and `cpu_s`: of the work, without the interpreter's start and the imports; of an
    empty one-shot, of all of the process.
    """

    contender: str
    phase: str
    repetition: int
    wall_s: float
    cpu_s: float
    server: ServerUse


@dataclass(frozen=True, slots=True)
class Bench:
    server: Server
    template: str
    folder: Path
    jobs: int

    @contextmanager
    def place(self, contender: Contender) -> Iterator[Place]:
        """A new database, with what the contender keeps in it."""
        database = self.server.create_database(self.template)
        try:
            with tempfile.TemporaryDirectory(dir=self.folder) as folder:
                place = Place(self.server.admin.with_database(database), Path(folder))
                if (command := contender.install(place)) is not None:
                    self._ran(contender, place, command)
                yield place
        finally:
            self.server.drop_database(database)

    def trial(self, contender: Contender, repetition: int) -> Iterator[Sample]:
        with self.place(contender) as place:
            settled(self.server)
            commands = {
                ENQUEUE: contender.enqueue(place, self.jobs),
                DRAIN: contender.drain(place),
            }
            for phase, command in commands.items():
                yield self._measured(contender, phase, repetition, place, command)
            ((done,),) = execute(place.url, contender.done)
            if done != self.jobs:
                raise SystemExit(f"{contender.name}: did {done} of {self.jobs} jobs")

    def empty(self, contender: Contender, place: Place, repetition: int) -> Sample:
        return self._measured(contender, EMPTY, repetition, place, contender.one_shot(place))

    def imports(self, repetition: int) -> Sample:
        """The libraries that any worker like ours needs, and nothing done with them."""
        used = measure.run(
            measure.product_code(f"import {', '.join(IMPORTED)}"), settings={}, folder=self.folder
        )
        nothing = ServerUse(transactions=0, wal_bytes=0, cpu_s=0.0)
        return _sample(IMPORTS, EMPTY, repetition, used, nothing)

    def _measured(
        self, contender: Contender, phase: str, repetition: int, place: Place, command: list[str]
    ) -> Sample:
        database = place.url.database
        before = server_use(self.server, database)
        used = self._ran(contender, place, command)
        after = server_use(self.server, database)
        return _sample(contender.name, phase, repetition, used, after.since(before))

    def _ran(self, contender: Contender, place: Place, command: list[str]) -> measure.Usage:
        return measure.run(command, settings=contender.settings(place), folder=place.folder)


def main(jobs: int, repetitions: int, words: Sequence[str], json_to: Path | None) -> int:
    chosen = [each for each in CONTENDERS if not words or any(word in each.name for word in words)]
    with scratch() as folder, server_with_schema(folder) as (server, template):
        bench = Bench(server, template, folder, jobs)
        conditions = _conditions(server)
        for name, value in conditions.items():
            say(f"  {name}: {value}")
        samples = [*_drained(bench, chosen, repetitions), *_found_empty(bench, chosen)]
    for phase in AIMS:
        print(f"\n{_title(phase, jobs)}")
        print("\n".join(_table(phase, jobs, samples)))
        for each in _ratios(phase, samples):
            print(sentence(each))
    for contender in chosen:
        print(f"\n{contender.name}: {contender.said}", end="")
    print()
    if json_to:
        told = {"conditions": conditions, "jobs": jobs, "samples": [asdict(s) for s in samples]}
        ratios = [asdict(each) for phase in AIMS for each in _ratios(phase, samples)]
        json_to.write_text(json.dumps(told | {"ratios": ratios}, indent=2) + "\n")
    return 0


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _conditions(server: Server) -> dict[str, Any]:
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, load {os.getloadavg()[0]:.1f}",
        "python": platform.python_version(),
        "postgresql": f"{execute(server.admin, 'SHOW server_version')[0][0]}, its default settings,"
        " fsync on, Unix socket",
        "libraries": ", ".join(f"{name} {version(name)}" for name in LIBRARIES),
    }


def _drained(bench: Bench, chosen: Sequence[Contender], repetitions: int) -> Iterator[Sample]:
    for repetition in range(repetitions):
        for contender in chosen if repetition % 2 == 0 else chosen[::-1]:
            for sample in bench.trial(contender, repetition):
                say(f"  {repetition + 1}: {contender.name:24} {sample.phase:14} {_took(sample)}")
                yield sample


def _found_empty(bench: Bench, chosen: Sequence[Contender]) -> Iterator[Sample]:
    """Once beforehand, so that nobody waits for a disk."""
    for contender in chosen:
        with bench.place(contender) as place:
            bench.empty(contender, place, -1)
    for repetition in range(EMPTY_TIMES):
        yield bench.imports(repetition)
        for contender in chosen if repetition % 2 == 0 else chosen[::-1]:
            with bench.place(contender) as place:
                sample = bench.empty(contender, place, repetition)
            say(f"  {repetition + 1}: {contender.name:24} {sample.phase:14} {_took(sample)}")
            yield sample


def _took(sample: Sample) -> str:
    return f"{sample.wall_s:7.2f} s"


def _sample(
    name: str, phase: str, repetition: int, used: measure.Usage, server: ServerUse
) -> Sample:
    """A child that works says of its work what it took."""
    own = {"wall_s": used.wall_s, "cpu_s": used.cpu_s}
    if phase != EMPTY:
        own = json.loads(used.output.splitlines()[-1])
    return Sample(
        contender=name,
        phase=phase,
        repetition=repetition,
        wall_s=own["wall_s"],
        cpu_s=own["cpu_s"],
        server=server,
    )


def _ratios(phase: str, samples: Sequence[Sample]) -> list[Ratio]:
    walls = {name: _median(mine, "wall_s") for name, mine in _by_name(phase, samples).items()}
    return [
        ratio(phase, walls, aim)
        for aim in AIMS[phase]
        if aim.ours in walls and aim.against in walls
    ]


def _by_name(phase: str, samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    found: dict[str, list[Sample]] = {}
    for sample in samples:
        if sample.phase == phase:
            found.setdefault(sample.contender, []).append(sample)
    return found


def _median(samples: Sequence[Sample], name: str) -> float:
    return median(float(getattr(sample, name)) for sample in samples)


def _title(phase: str, jobs: int) -> str:
    return phase if phase == EMPTY else f"{phase} of {jobs:,} jobs"


def _table(phase: str, jobs: int, samples: Sequence[Sample]) -> list[str]:
    by_name = _by_name(phase, samples)
    if phase == EMPTY:
        return aligned(EMPTY_HEAD, [_empty_row(name, mine) for name, mine in by_name.items()])
    return aligned(HEAD, [_row(name, jobs, mine) for name, mine in by_name.items()])


def _row(name: str, jobs: int, mine: Sequence[Sample]) -> Sequence[str]:
    wall_s = _median(mine, "wall_s")
    return (
        name,
        str(len(mine)),
        f"{wall_s:.2f}",
        f"{max(each.wall_s for each in mine):.2f}",
        f"{jobs / wall_s:,.0f}",
        f"{_median(mine, 'cpu_s') / jobs * 1000:.3f}",
        f"{median(each.server.cpu_s for each in mine) / jobs * 1000:.3f}",
        f"{median(each.server.transactions for each in mine) / jobs:.3f}",
        f"{median(each.server.wal_bytes for each in mine) / jobs:,.0f}",
    )


def _empty_row(name: str, mine: Sequence[Sample]) -> Sequence[str]:
    return (
        name,
        str(len(mine)),
        f"{_median(mine, 'wall_s') * 1000:.0f}",
        f"{max(each.wall_s for each in mine) * 1000:.0f}",
        f"{_median(mine, 'cpu_s') * 1000:.0f}",
        f"{median(each.server.transactions for each in mine):.0f}",
    )
