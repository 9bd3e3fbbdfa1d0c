"""Tables and sentences for people."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shlex import quote

from core.report import SENTENCES, Counts, Reason, RunReport, UnitReport

WRITTEN = {"token-refresh": ("token refreshed", "tokens refreshed")}
ROWS = ("row written", "rows written")
LOOKED_AT = ("row would be written", "rows would be written")
ENDINGS = ("retried", "waiting", "snoozed", "cancelled", "failed", "dead", "lost")
LEFT = {
    "not_due": "not due yet",
    "key_busy": "behind another of their key",
    "waiting": "waiting for a signal",
    "paused": "of a paused key",
    "disabled": "in a paused queue",
    "tripped": "in a queue that stopped itself",
    "locked": "with another run",
    "budget": "keys that had their share",
}

STOPPED = "It was stopped by Ctrl-C or SIGTERM; what was read is saved."
UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))
PROGRAM = "python -m core.run"
"""As sentences name it; `as_typed` puts the interpreter that is there in its place."""


def as_typed(text: str) -> str:
    """Commands in it can be copied: a plain `python` is often missing, or another one."""
    python = Path(sys.executable or "python")
    # The current folder may be gone.
    with suppress(OSError, ValueError):
        python = python.relative_to(Path.cwd())
    return text.replace(PROGRAM, PROGRAM.replace("python", quote(str(python)), 1))


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    cells = [list(head), *[["" if cell is None else shown(cell) for cell in row] for row in rows]]
    widths = [max(len(row[place]) for row in cells) for place in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def shown(value: object) -> str:
    """On one line, and nothing that a terminal obeys: much of it was said by somebody else."""
    return "".join(each if each.isprintable() else " " for each in str(value))


def moment(at: datetime | None) -> str:
    return "never" if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def span(length: timedelta) -> str:
    """As it would be typed: 90s, 30m, 6h, 2d."""
    seconds = round(length.total_seconds())
    size, unit = next(each for each in UNITS if not seconds % each[0])
    return f"{seconds // size}{unit}"


def report_text(report: RunReport, *, dry_run: bool = False, stopped: bool = False) -> str:
    """A line per unit, what it adds up to, and what to do.

    `stopped`: by a person, who has not used up the time of the run.
    """
    parts = [_units(report, stopped=stopped)] if report.units else []
    parts.append(_last_line(report, dry_run=dry_run, stopped=stopped))
    if report.holder is not None and report.holder.run_id is not None:
        until = moment(report.holder.until)
        parts.append(f"held by run {report.holder.run_id} until {until}")
    return as_typed("\n".join(parts))


def _units(report: RunReport, *, stopped: bool) -> str:
    head = ("account", "stream", "outcome", "fetched", "inserted", "updated", "unchanged",
            "quarantined", "pages", "cursor")  # fmt: skip
    rows = [
        (
            unit.account,
            _stream(unit),
            unit.outcome if unit.reason is None else f"{unit.outcome}: {unit.reason}",
            unit.fetched,
            unit.inserted,
            unit.updated,
            unit.unchanged,
            unit.quarantined,
            unit.pages,
            _cursor(unit),
        )
        for unit in report.units
    ]
    told = [table(head, rows)]
    reasons = {unit.reason for unit in report.units if unit.reason is not None}
    told += [f"{reason}: {_sentence(reason, stopped=stopped)}" for reason in sorted(reasons)]
    return "\n".join([*told, *_details(report)])


def _cursor(unit: UnitReport) -> str:
    """Tokens and rows that are still open are not read up to an instant."""
    has_none = unit.cursor_after is None and (unit.pass_ != "new" or unit.stream == "token")  # noqa: S105  (a pass over the data, a word for a unit)
    return "" if has_none else moment(unit.cursor_after)


def _sentence(reason: Reason, *, stopped: bool) -> str:
    return STOPPED if stopped and reason is Reason.DEADLINE else SENTENCES[reason]


def _details(report: RunReport) -> list[str]:
    """What was said, once, before the units to which it was said."""
    units: dict[str, list[str]] = {}
    for unit in report.units:
        if unit.detail:
            units.setdefault(unit.detail, []).append(f"{unit.account}/{_stream(unit)}")
    return [f"{', '.join(names)}: {detail}" for detail, names in units.items()]


def _stream(unit: UnitReport) -> str:
    return unit.stream if unit.pass_ == "new" else f"{unit.stream} ({unit.pass_})"  # noqa: S105  (a pass over the data)


def written(counts: Counts) -> object:
    """How much a run did, in the one number that tells most."""
    return counts.get("completed", counts.get("written", 0))


def _done(report: RunReport, *, dry_run: bool) -> str:
    counts = report.counts
    if "completed" not in counts:
        one, many = WRITTEN.get(report.worker, LOOKED_AT if dry_run else ROWS)
        number = counts.get("written", 0)
        return f"{number} {one if number == 1 else many}"
    others = [f"{n} {word}" for word, n in counts.items() if word in ENDINGS and n]
    jobs = "job" if counts["completed"] == 1 else "jobs"
    return ", ".join([f"{counts['completed']} {jobs} completed", *others])


def _left(report: RunReport) -> list[str]:
    """Why jobs were left, if any were."""
    skipped = report.counts.get("skipped")
    if not isinstance(skipped, Mapping) or not skipped:
        return []
    return ["not done: " + ", ".join(f"{n} {LEFT.get(word, word)}" for word, n in skipped.items())]


def _last_line(report: RunReport, *, dry_run: bool, stopped: bool) -> str:
    """How it ended, in a line that a log viewer shows whole; why and what to do below it."""
    reason = "" if report.reason is None else f", {report.reason}"
    took = f"{report.duration_ms / 1000:.1f} s"
    head = f"{report.worker}: {report.outcome}{reason}: {_done(report, dry_run=dry_run)} in {took}"
    lines = [f"{head} [run {report.run_id}]"]
    lines += _left(report)
    if stopped and report.reason is Reason.DEADLINE:
        lines.append(STOPPED)
    elif report.message is not None:
        lines.append(report.message)
    if report.detail:
        lines.append(report.detail)
    if report.more:
        lines.append("More is waiting: call again.")
    return "\n".join(lines)
