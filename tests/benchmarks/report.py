"""Medians and ratios, as a table for people and as JSON for programs."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tests.benchmarks.contenders import BARE, DLT, DLT_FLAT, OURS, SIDE_BY_SIDE, Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    contender: str
    phase: Phase
    repetition: int
    wall_s: float
    cpu_s: float
    peak_mb: float
    wal_mb: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Medians of one contender in one phase. `orders_per_s`: all orders kept, by the wall time."""

    contender: str
    phase: Phase
    n: int
    wall_s: float
    slowest_s: float
    orders_per_s: float
    cpu_s: float
    peak_mb: float
    wal_mb: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """Of wall times, both ways round, and what was aimed at."""

    phase: str
    ours: str
    against: str
    times_as_fast: float
    times_its_time: float
    least: float | None
    most: float | None


@dataclass(frozen=True, slots=True)
class Result:
    orders: int
    samples: Sequence[Sample]

    def lines(self, phase: Phase) -> list[Line]:
        names = dict.fromkeys(each.contender for each in self.samples if each.phase is phase)
        return [self._line(name, phase) for name in names]

    def _line(self, name: str, phase: Phase) -> Line:
        mine = [each for each in self.samples if (each.contender, each.phase) == (name, phase)]
        wall_s = statistics.median(each.wall_s for each in mine)
        return Line(
            contender=name,
            phase=phase,
            n=len(mine),
            wall_s=wall_s,
            slowest_s=max(each.wall_s for each in mine),
            orders_per_s=self.orders / wall_s,
            cpu_s=statistics.median(each.cpu_s for each in mine),
            peak_mb=statistics.median(each.peak_mb for each in mine),
            wal_mb=statistics.median(each.wal_mb for each in mine),
        )

    def ratios(self, phase: Phase) -> list[Ratio]:
        walls = {line.contender: line.wall_s for line in self.lines(phase)}
        return [
            ratio(phase, walls, aim)
            for aim in AIMS[phase]
            if aim.ours in walls and aim.against in walls
        ]

    def as_json(self) -> dict[str, Any]:
        return {
            "orders": self.orders,
            "medians": [asdict(line) for phase in Phase for line in self.lines(phase)],
            "ratios": [asdict(ratio) for phase in Phase for ratio in self.ratios(phase)],
            "samples": [asdict(sample) for sample in self.samples],
        }

    def table(self, phase: Phase) -> str:
        rows = [_row(line) for line in self.lines(phase)]
        head = ("", "n", "wall s", "slowest", "orders/s", "cpu s", "peak MB", "WAL MB")
        return "\n".join([f"{phase} of {self.orders:,} orders", *aligned(head, rows)])

    def verdicts(self, phase: Phase) -> str:
        return "\n".join(sentence(each) for each in self.ratios(phase))


@dataclass(frozen=True, slots=True)
class Aim:
    """`least`: times as fast. `most`: times the other's time. Neither: to be seen, not aimed at."""

    ours: str
    against: str
    least: float | None = None
    most: float | None = None


ONE_UNIT = (
    Aim(OURS.name, DLT.name, least=4.0),
    Aim(OURS.name, DLT_FLAT.name, least=3.0),
    Aim(OURS.name, BARE.name, most=1.15),
)
AIMS: Mapping[Phase, Sequence[Aim]] = {
    Phase.FIRST: (*ONE_UNIT, Aim(SIDE_BY_SIDE.name, DLT.name, least=9.0)),
    Phase.RESYNC: ONE_UNIT,
    Phase.FULL: tuple(Aim(aim.ours, aim.against) for aim in ONE_UNIT),
}


def ratio(phase: str, walls: Mapping[str, float], aim: Aim) -> Ratio:
    ours, other = walls[aim.ours], walls[aim.against]
    return Ratio(
        phase=phase,
        ours=aim.ours,
        against=aim.against,
        times_as_fast=other / ours,
        times_its_time=ours / other,
        least=aim.least,
        most=aim.most,
    )


def sentence(ratio: Ratio) -> str:
    said = f"  {ratio.ours}: {ratio.times_as_fast:.2f} times as fast as {ratio.against}"
    if ratio.least is not None:
        verdict = "met" if ratio.times_as_fast >= ratio.least else "MISSED"
        return f"{said} (aim: at least {ratio.least:g}, {verdict})"
    if ratio.most is not None:
        verdict = "met" if ratio.times_its_time <= ratio.most else "MISSED"
        return f"{said}, {ratio.times_its_time:.2f} of its time (at most {ratio.most:g}, {verdict})"
    return said


def _row(line: Line) -> Sequence[str]:
    return (
        line.contender,
        str(line.n),
        f"{line.wall_s:.2f}",
        f"{line.slowest_s:.2f}",
        f"{line.orders_per_s:,.0f}",
        f"{line.cpu_s:.2f}",
        f"{line.peak_mb:.0f}",
        f"{line.wal_mb:.0f}",
    )


def aligned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, *rows)
    ]
