"""The rows of `ops.run_units`: what each unit that was tried came to."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

import sqlalchemy as sa

from core.ids import RunId
from core.report import UnitReport
from infra.postgres.queries import load


def record_units(connection: sa.Connection, run_id: RunId, reports: Sequence[UnitReport]) -> None:
    units = json.dumps([_unit_row(report) for report in reports])
    connection.execute(load("sync")["record_units"], {"run_id": run_id, "units": units})


def _unit_row(report: UnitReport) -> dict[str, object]:
    row = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in asdict(report).items()
    }
    return row | {"pass": report.pass_, "error": report.detail}
