"""What PostgreSQL did, by EXPLAIN (ANALYZE, FORMAT JSON)."""

from collections.abc import Container
from typing import Any


def rows_scanned(plan: dict[str, Any], tables: Container[str] | None = None) -> float:
    """Of these tables, or of all, by each scan: those passed on and those thrown away."""
    read = sum(rows_scanned(child, tables) for child in plan.get("Plans", ()))
    table = plan.get("Relation Name")
    if table is None or not plan["Node Type"].endswith("Scan"):
        return read
    if tables is not None and table not in tables:
        return read
    thrown_away = sum(value for name, value in plan.items() if name.startswith("Rows Removed"))
    return float(read + (plan["Actual Rows"] + thrown_away) * plan["Actual Loops"])
