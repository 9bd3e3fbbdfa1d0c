"""Cronshot alone on streams that nobody else reads: a first sync, then the same list once more."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import httpx

from tests.benchmarks.contenders import Cronshot, Phase
from tests.benchmarks.ground import Ground, prepared_alone
from tests.benchmarks.report import Sample, aligned
from tests.benchmarks.trial import trial

PHASES = (Phase.FIRST, Phase.RESYNC)
WHAT = "`python -m core.run ebay`, one unit"
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
            ours = Cronshot(name, WHAT, several=False, stream=name)
            samples = [
                sample
                for repetition in range(repetitions)
                for sample in trial(ground, ours, PHASES, repetition, expected)
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


def _table(stream: str, rows: int, samples: Sequence[Sample]) -> str:
    lines = [
        _line(phase, rows, [each for each in samples if each.phase is phase]) for phase in PHASES
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
