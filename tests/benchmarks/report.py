"""Medians and ratios, as a table for people and as JSON for programs."""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tests.benchmarks.contenders import AHEAD, BARE, DLT, DLT_FLAT, OURS, SIDE_BY_SIDE, Phase


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
    """`value` is how many times faster, or for `most` how many times the other's time."""

    phase: Phase
    ours: str
    against: str
    value: float
    aim: str
    met: bool | None


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
            ratio
            for ours, against, aim, most in AIMS
            if (ratio := _ratio(phase, walls, ours, against, aim, most=most)) is not None
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
        return "\n".join([f"{phase} of {self.orders:,} orders", *_aligned(head, rows)])

    def verdicts(self, phase: Phase) -> str:
        return "\n".join(_sentence(ratio) for ratio in self.ratios(phase))


# Ours, the other, the aim, and whether the aim is the most of the other's time that ours may take.
AIMS = (
    (OURS.name, DLT.name, 4.0, False),
    (OURS.name, DLT_FLAT.name, 3.0, False),
    (SIDE_BY_SIDE.name, DLT.name, 9.0, False),
    (OURS.name, BARE.name, 1.15, True),
    (OURS.name, AHEAD.name, None, True),
)


def _ratio(
    phase: Phase, walls: dict[str, float], ours: str, against: str, aim: float | None, *, most: bool
) -> Ratio | None:
    if ours not in walls or against not in walls:
        return None
    value = walls[ours] / walls[against] if most else walls[against] / walls[ours]
    met = None if aim is None else (value <= aim if most else value >= aim)
    return Ratio(
        phase=phase,
        ours=ours,
        against=against,
        value=value,
        aim="" if aim is None else f"{'at most' if most else 'at least'} {aim:g}",
        met=met,
    )


def _sentence(ratio: Ratio) -> str:
    kind = "times the time of" if ratio.aim.startswith("at most") or ratio.met is None else "times"
    verdict = "" if ratio.met is None else f"   aim {ratio.aim}: {'met' if ratio.met else 'MISSED'}"
    return f"  {ratio.ours}: {ratio.value:.2f} {kind} {ratio.against}{verdict}"


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


def _aligned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, *rows)
    ]
