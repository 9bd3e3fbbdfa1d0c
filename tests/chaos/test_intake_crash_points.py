"""A drain that reads a file of judgments is killed for real: the next one counts as a clean run."""

import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra.postgres.url import DatabaseUrl
from tests.support.caused import Caused
from tests.support.intake_desk import HEADER, bad_rows, rows
from tests.support.postgres import Server, execute
from tests.support.site import KEPT, ROOT

SIDE_BY_SIDE = 4
EACH = 4
"""Which fourth it is, the seed says."""
KNOWN, GOOD = 500, 10_500
TOTALS = (GOOD + 1_000, GOOD - KNOWN, 0, KNOWN, 1_000)
KILLED = -9


@dataclass(frozen=True)
class Ground:
    """A database, and a file for its intake."""

    url: DatabaseUrl
    folder: Path

    def sql(self, statement: str) -> Sequence[Sequence[Any]]:
        return execute(self.url, statement)

    @property
    def environment(self) -> Mapping[str, str]:
        kept = {name: value for name, value in os.environ.items() if name in KEPT}
        return kept | {
            "CRONSHOT_ENV_FILE": "",
            "DATABASE_URL": self.url.reveal(),
            "INTAKE_FOLDERS": str(self.folder),
            "WORKERS_MAX_PARALLEL": "1",
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tests.support.launcher", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def begin(self) -> None:
        """Some judgments are known; a file with them and many others waits to be read."""
        self.sql(
            "TRUNCATE ops.jobs CASCADE; TRUNCATE intake.batches CASCADE;"
            " TRUNCATE intake.judgments CASCADE;"
            " INSERT INTO intake.judgments (case_number, plaintiff, defendant, amount, filing_date,"
            " county, created_at, updated_at)"
            " SELECT 'C-' || lpad(CAST(n AS text), 6, '0'), 'Bank ' || n, 'Debtor ' || n, 100.50,"
            f" '2024-01-31', 'Kings', now(), now() FROM generate_series(0, {KNOWN - 1}) AS n"
        )
        file = self.folder / "judgments.csv"
        file.write_text(HEADER + rows(*range(GOOD)) + bad_rows(*range(1_000)))
        asked = json.dumps({"file_path": str(file)})
        added = self.run("--", "jobs", "enqueue", "intake", asked)
        assert added.returncode == 0, added.stderr

    def let_leases_run_out(self) -> None:
        past = "clock_timestamp() - make_interval(secs => 1)"
        self.sql(
            "SET session_replication_role = replica;"
            f" UPDATE ops.jobs SET leased_until = {past} WHERE status = 'processing';"
            f" UPDATE ops.runs SET expires_at = {past} WHERE status = 'running'"
        )

    def judge(self, point: str) -> None:
        ((status, outcome),) = self.sql("SELECT status, outcome FROM ops.jobs")
        assert (status, outcome) == ("completed", "ingested"), point
        [totals] = self.sql(
            "SELECT total, inserted, updated, duplicate, rejected FROM intake.batches"
            " WHERE status = 'completed'"
        )
        assert tuple(totals) == TOTALS, point
        ((judgments, staged, errors),) = self.sql(
            "SELECT (SELECT count(*) FROM intake.judgments), (SELECT count(*) FROM"
            " intake.staged_rows), (SELECT count(*) FROM intake.row_errors)"
        )
        assert (judgments, staged, errors) == (GOOD, 0, 1_000), point


@pytest.fixture
def grounds(postgres_server: Server, _template: str, tmp_path: Path) -> Iterator[list[Ground]]:
    with ExitStack() as stack:
        made = []
        for number in range(SIDE_BY_SIDE):
            name = postgres_server.create_database(_template)
            stack.callback(postgres_server.drop_database, name)
            folder = tmp_path / str(number)
            folder.mkdir()
            made.append(Ground(postgres_server.admin.with_database(name), folder))
        yield made


def points_of(ground: Ground) -> list[str]:
    ground.begin()
    record = ground.folder / "points"
    done = ground.run("--count", str(record), "--", "queue", "--json")
    assert done.returncode == 0, done.stderr
    ground.judge("a clean run")
    # Renewals come by the clock, and would not be passed each time.
    named = record.read_text().splitlines()
    return [point for point in named if point.startswith("jobs intake") and "renew" not in point]


def fate(ground: Ground, point: str) -> str:
    ground.begin()
    ended = ground.run("--crash-at", point, "--", "queue", "--json")
    assert ended.returncode in {KILLED, 0}, f"{point}: {ended.returncode} {ended.stderr}"
    ground.let_leases_run_out()
    again = ground.run("--", "queue", "--json")
    assert again.returncode in {0, 1}, f"{point}: {again.stderr}"
    ground.judge(point)
    return "killed" if ended.returncode == KILLED else "not reached"


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_df2_killed_at_every_fourth_crash_point_the_next_drain_has_a_clean_runs_totals(
    grounds: list[Ground], caused: Caused
) -> None:
    points = points_of(grounds[0])[random.randrange(EACH) :: EACH]

    def sweep(number: int) -> Counter[str]:
        share = points[number::SIDE_BY_SIDE]
        return Counter(fate(grounds[number], point) for point in share)

    with ThreadPoolExecutor(SIDE_BY_SIDE) as threads:
        fates = sum(threads.map(sweep, range(SIDE_BY_SIDE)), Counter())

    caused(f"crash points of a drain that reads a file: N = {len(points)}; {dict(fates)}")
    assert len(points) >= 20
    assert fates["killed"] >= 0.9 * len(points)
