"""Files that are read by jobs killed at any statement or COMMIT: they count as in a clean run."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import sqlalchemy as sa

from core.jobs.model import JobId
from core.jobs.ports import Ended
from infra.postgres.dialect import Dialect
from infra.postgres.transaction import Database
from tests.support.caused import Caused
from tests.support.intake_desk import HEADER, Desk, bad_rows, rows

KNOWN = HEADER + rows(0, 1)
GOOD = HEADER + rows(*range(6), amount="5") + rows(*range(6, 10)) + rows(7) + bad_rows(99)
BAD = HEADER + rows(*range(8)) + bad_rows(*range(90, 94))
AFTER = {
    "good": ("completed", (12, 8, 2, 1, 1)),
    "bad": ("failed", (12, 0, 0, 0, 12)),
    "same": ("completed", (0, 0, 0, 0, 0)),
}
CONTENTS = {"good": GOOD, "bad": BAD, "same": KNOWN}
EACH = 13


class KilledError(BaseException):
    pass


@contextmanager
def killed_at(point: int | None) -> Iterator[list[None]]:
    """From that point on nothing of this process reaches the server; the points passed."""
    passed: list[None] = []

    def reached(*_: Any) -> None:
        if point is not None and len(passed) >= point:
            raise KilledError
        passed.append(None)

    original = Dialect.do_commit

    def commit(self: Dialect, connection: Any) -> None:
        reached()
        original(self, connection)
        reached()

    sa.event.listen(sa.Engine, "before_cursor_execute", reached)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Dialect, "do_commit", commit)
        try:
            yield passed
        finally:
            sa.event.remove(sa.Engine, "before_cursor_execute", reached)


def begun(desk: Desk, content: str) -> JobId:
    """A job for a new file, and nothing else but what one before has brought."""
    for table in ("ops.jobs", "intake.batches", "intake.judgments"):
        desk.sql(f"DELETE FROM {table}")
    desk.read(KNOWN)
    desk.files.put(content)
    return desk.put()


def killed(desk: Desk, job_id: JobId, point: int) -> None:
    job = desk.claim(job_id)
    with killed_at(point), pytest.raises(KilledError):
        desk.perform(job)
    desk.let_lease_run_out(job_id)


def finished(desk: Desk, job_id: JobId) -> JobId:
    desk.run(job_id)
    return job_id


def by_another_job(desk: Desk, job_id: JobId) -> JobId:
    """Of the dead one nobody says anything more; as `jobs retry` makes it."""
    desk.sql(
        "UPDATE ops.jobs SET status = 'dead', error_code = 'x', finished_at = now(),"
        " leased_until = NULL, locked_by = NULL, locked_at = NULL WHERE id = :id",
        id=job_id,
    )
    other = desk.put()
    desk.run(other)
    return other


def points_of(desk: Desk, content: str) -> int:
    job = desk.claim(begun(desk, content))
    with killed_at(None) as passed:
        assert desk.perform(job) in {Ended.COMPLETED, Ended.FAILED}
    return len(passed)


def sweep(desk: Desk, which: str, follow: Callable[[Desk, JobId], JobId], *, each: int = 1) -> int:
    points = range(0, points_of(desk, CONTENTS[which]) - 1, each)
    for point in points:
        job_id = begun(desk, CONTENTS[which])
        killed(desk, job_id, point)

        done = follow(desk, job_id)

        assert_clean(desk, which, done, follow)
    return len(points)


def assert_clean(
    desk: Desk, which: str, done: JobId, follow: Callable[[Desk, JobId], JobId]
) -> None:
    status, counted = AFTER[which]
    row = desk.job(done)
    # One that was staged by the job before is finished under its own id.
    batch = done if row["result"] is None else row["result"]["batch_id"]
    assert row["status"] == status
    if follow is finished or row["outcome"] != "duplicate":
        # Another job may come when all was done, and nothing was left to say so.
        assert desk.counted(batch) == counted
    assert desk.sql("SELECT 1 FROM intake.staged_rows") == []
    assert desk.sql("SELECT 1 FROM intake.batches WHERE finished_at IS NULL") == []
    assert len(desk.judgments()) == {"good": 10, "bad": 2, "same": 2}[which]
    ours = {"good": 1, "bad": 4, "same": 0}[which]
    assert len(desk.errors(batch)) in {ours, 0 if row["outcome"] == "duplicate" else ours}


@pytest.fixture
def desk(database: Database) -> Desk:
    return Desk(database, at_once=4)


@pytest.mark.parametrize("which", CONTENTS)
def test_df2_killed_at_a_sample_of_points_the_retry_counts_as_a_clean_run(
    desk: Desk, which: str
) -> None:
    assert sweep(desk, which, finished, each=EACH) >= 2


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("which", CONTENTS)
@pytest.mark.parametrize("follow", [finished, by_another_job])
def test_df2_killed_at_every_point_the_next_try_counts_as_a_clean_run(
    desk: Desk, which: str, follow: Callable[[Desk, JobId], JobId], caused: Caused
) -> None:
    points = sweep(desk, which, follow)

    caused(f"points where a job that reads a file was killed ({which}): N = {points}")
    assert points >= 10


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_df2_killed_again_and_again_it_gets_done(desk: Desk) -> None:
    """One point further each time: each try does some of it."""
    job_id = begun(desk, GOOD)
    point = 12
    while desk.job(job_id)["status"] != "completed":
        desk.sql("UPDATE ops.jobs SET max_attempts = 1000")
        job = desk.claim(job_id)
        with suppress(KilledError), killed_at(point):
            desk.perform(job)
        desk.let_lease_run_out(job_id)
        point += 1
        assert point < 200

    assert desk.counted(job_id) == AFTER["good"][1]
