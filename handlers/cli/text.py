"""Tables and sentences for people."""

from collections.abc import Sequence
from datetime import UTC, datetime

from core.report import SENTENCES, RunReport


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    cells = [list(head), *[["" if cell is None else str(cell) for cell in row] for row in rows]]
    widths = [max(len(row[place]) for row in cells) for place in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def moment(at: datetime | None) -> str:
    return "never" if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def report_text(report: RunReport) -> str:
    """A line per unit, what it adds up to, and what to do."""
    parts = [_units(report)] if report.units else []
    parts.append(_last_line(report))
    if report.holder is not None and report.holder.run_id is not None:
        until = moment(report.holder.until)
        parts.append(f"held by run {report.holder.run_id} until {until}")
    return "\n".join(parts)


def _units(report: RunReport) -> str:
    head = ("account", "stream", "outcome", "fetched", "inserted", "updated", "unchanged",
            "quarantined", "pages", "cursor")  # fmt: skip
    rows = [
        (
            unit.account,
            unit.stream if unit.pass_ == "new" else f"{unit.stream} ({unit.pass_})",  # noqa: S105  (a pass over the data)
            unit.outcome if unit.reason is None else f"{unit.outcome}: {unit.reason}",
            unit.fetched,
            unit.inserted,
            unit.updated,
            unit.unchanged,
            unit.quarantined,
            unit.pages,
            moment(unit.cursor_after),
        )
        for unit in report.units
    ]
    told = [table(head, rows)]
    reasons = {unit.reason for unit in report.units if unit.reason is not None}
    told += [f"{reason}: {SENTENCES[reason]}" for reason in sorted(reasons)]
    told += [f"{unit.account}/{unit.stream}: {unit.detail}" for unit in report.units if unit.detail]
    return "\n".join(told)


def _last_line(report: RunReport) -> str:
    reason = "" if report.reason is None else f" ({report.reason}: {SENTENCES[report.reason]})"
    detail = f" {report.detail}" if report.detail else ""
    more = "; more is waiting, call again" if report.more else ""
    written = report.counts.get("written", 0)
    return (
        f"{report.worker}: {report.outcome}{reason}{detail} - {written} written"
        f" in {report.duration_ms / 1000:.1f} s{more} [run {report.run_id}]"
    )
