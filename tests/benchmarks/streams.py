"""Cronshot alone on streams that nobody else reads: a first sync, then the same list once more."""

import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import httpx

from tests.benchmarks import measure
from tests.benchmarks.contenders import Cronshot, Phase, Place
from tests.benchmarks.ground import Ground, prepared_alone
from tests.benchmarks.report import Sample, aligned

MEGABYTE = 1_000_000
HEAD = ("", "n", "rows", "wall s", "rows/s", "cpu s", "peak MB", "WAL MB")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """`rows`: how many by default. `orders_per_row`: so many orders bring one about."""

    rows: int
    orders_per_row: int = 0


TRIALS: Mapping[str, Trial] = {
    "active_inventory": Trial(rows=25_000),
    "returns": Trial(rows=1_000, orders_per_row=25),
}


def main(names: Sequence[str], rows: int | None, repetitions: int) -> int:
    for name in names:
        count = TRIALS[name].rows if rows is None else rows
        with prepared_alone(count * TRIALS[name].orders_per_row, count) as ground:
            expected = _rows_there(ground, name)
            print(f"preparing {name}: {expected:,} rows", file=sys.stderr, flush=True)
            samples = [
                sample
                for repetition in range(repetitions)
                for sample in _measured(ground, name, expected, repetition)
            ]
        print(f"\n{_table(name, expected, samples)}")
    return 0


def _rows_there(ground: Ground, stream: str) -> int:
    """Asked beforehand: what the simulator makes when it is first asked is made then."""
    answer = httpx.get(
        f"{ground.one.url}/_simulator/truth",
        params={"account": ground.one.sellers[0].name, "kind": stream, "form": "digest"},
        timeout=300,
        trust_env=False,
    )
    return len(answer.raise_for_status().text.splitlines())


def _measured(ground: Ground, stream: str, expected: int, repetition: int) -> Iterator[Sample]:
    ours = Cronshot(stream, "`python -m core.run ebay`, one unit", several=False, stream=stream)
    database = ground.server.create_database(ground.template)
    folder = Path(tempfile.mkdtemp(dir=ground.folder))
    try:
        place = Place(ground, database, folder, datetime.now(UTC))
        settings = ours.set_up(place)
        for phase in (Phase.FIRST, Phase.RESYNC):
            yield _sample(ours, place, settings, phase, expected, repetition)
    finally:
        ground.server.drop_database(database)
        shutil.rmtree(folder)


def _sample(
    ours: Cronshot,
    place: Place,
    settings: Mapping[str, str],
    phase: Phase,
    expected: int,
    repetition: int,
) -> Sample:
    command = ours.command(place, phase)
    place.ground.settle()
    wal = place.ground.wal_bytes()
    used = measure.run(command, settings=settings, folder=place.folder)
    wal = place.ground.wal_bytes() - wal
    stored = ours.stored(place)
    if stored != expected:
        raise SystemExit(f"{ours.name}: stored {stored} of {expected} rows: {used.output}")
    return Sample(
        contender=ours.name,
        phase=phase,
        repetition=repetition,
        wall_s=used.wall_s,
        cpu_s=used.cpu_s,
        peak_mb=used.peak_mb,
        wal_mb=wal / MEGABYTE,
    )


def _table(stream: str, rows: int, samples: Sequence[Sample]) -> str:
    lines = [
        _line(phase, rows, [each for each in samples if each.phase is phase])
        for phase in (Phase.FIRST, Phase.RESYNC)
    ]
    return "\n".join([f"{stream}, {rows:,} rows", *aligned(HEAD, lines)])


def _line(phase: Phase, rows: int, mine: Sequence[Sample]) -> Sequence[str]:
    wall_s = median(each.wall_s for each in mine)
    return (
        phase,
        str(len(mine)),
        f"{rows:,}",
        f"{wall_s:.2f}",
        f"{rows / wall_s:,.0f}",
        f"{median(each.cpu_s for each in mine):.2f}",
        f"{median(each.peak_mb for each in mine):.0f}",
        f"{median(each.wal_mb for each in mine):.1f}",
    )
