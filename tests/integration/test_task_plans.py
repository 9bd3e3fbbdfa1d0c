"""A page of tasks costs what stands on it, however many tasks there are."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from infra.postgres.queries import load
from infra.postgres.transaction import Database
from tests.support.plans import rows_scanned

STORED, PAGE = 5_000, 50
FILL = f"""
INSERT INTO ops.jobs (queue, kind, status, max_attempts, payload, run_at, created_at, updated_at, is_task)
SELECT 'default', 'test', 'draft', 1, '{{}}', now(), now() - make_interval(secs => n), now(), true FROM generate_series(1, {STORED}) AS n;
INSERT INTO ops.tasks (job_id, description, drift_score, event_tags, confidence, attributes, redacted, digest, created_at, changed_at)
SELECT id, 'a task', 0, '{{}}', 0.3, '{{}}', '{{}}', CAST(CAST(id AS text) AS bytea), created_at, created_at FROM ops.jobs
"""  # noqa: E501  (a row is read across)
RARE = """
UPDATE ops.tasks SET description = 'Rarely said'
 WHERE job_id = (SELECT job_id FROM ops.tasks ORDER BY created_at OFFSET :place - 1 LIMIT 1)
"""
EVERYTHING: dict[str, Any] = {
    "statuses": [], "types": [], "domain": None, "since": None, "search": None,
}  # fmt: skip
BEGINNING = {"until": None, "after_at": None, "after_id": None}
MIDDLE = BEGINNING | {
    "after_at": datetime.now(UTC) - timedelta(seconds=STORED / 2), "after_id": UUID(int=0),
}  # fmt: skip
A_PAGE = {"longest": 100, "most": PAGE}
NOBODY = b"no digest"
LOOKS: list[tuple[str, dict[str, Any], int]] = [
    ("list_tasks", EVERYTHING | A_PAGE | BEGINNING, 2 * PAGE),
    ("list_tasks", EVERYTHING | A_PAGE | MIDDLE, 2 * PAGE),
    ("changes", {"late_s": 5.0, "after_at": None, "after_id": None} | A_PAGE, 2 * PAGE),
    ("between", {"first": UUID(int=0), "last": UUID(int=9), "most": 10}, 0),
    ("same", {"digest": NOBODY, "within_s": 60.0}, 0),
]


@pytest.mark.parametrize(("name", "values", "most"), LOOKS, ids=[each[0] for each in LOOKS])
@pytest.mark.parametrize("analysed", [False, True], ids=["no statistics", "statistics"])
def test_a_look_at_tasks_reads_what_it_shows(
    database: Database, name: str, values: dict[str, Any], most: int, analysed: bool
) -> None:
    with database.transaction() as connection:
        for statement in FILL.split(";\n"):
            connection.execute(sa.text(statement))
        if analysed:
            connection.execute(sa.text("ANALYZE ops.jobs, ops.tasks"))
        explained = sa.text("EXPLAIN (ANALYZE, FORMAT JSON) " + load("tasks")[name].text)

        plan = connection.execute(explained, values).scalar_one()[0]["Plan"]

    assert rows_scanned(plan) <= most


@pytest.mark.parametrize("place", [1, STORED // 2, STORED])
def test_a_page_of_what_is_rare_goes_through_everything_once(
    database: Database, place: int
) -> None:
    """To count it; the one that is found is not looked for a second time."""
    with database.transaction() as connection:
        for statement in FILL.split(";\n"):
            connection.execute(sa.text(statement))
        connection.execute(sa.text(RARE), {"place": place})
        connection.execute(sa.text("ANALYZE ops.jobs, ops.tasks"))
        values = EVERYTHING | {"search": "rarely"}
        found = connection.execute(load("tasks")["count_tasks"], values).one()
        between = {"since": found.oldest, "until": found.newest}
        explained = sa.text("EXPLAIN (ANALYZE, FORMAT JSON) " + load("tasks")["list_tasks"].text)
        values |= A_PAGE | BEGINNING | between
        plan = connection.execute(explained, values).scalar_one()[0]["Plan"]

    assert found.total == 1
    assert rows_scanned(plan) <= 5
