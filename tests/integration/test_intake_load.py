"""Large files of judgments: few statements, no more memory, all of it or nothing."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.postgres.transaction import Database
from tests.integration.test_memory import MEASURED, STATUS, _run, environment_of
from tests.integration.test_statement_budget import counting
from tests.support.intake_desk import HEADER, Desk, bad_rows, rows

ROWS = 100_000
STATEMENTS_PER_THOUSAND = 4


def lines(number: int, bad_percent: int) -> Iterator[str]:
    yield HEADER
    for each in range(number):
        yield bad_rows(each) if each % 100 < bad_percent else rows(each)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_100_000_rows_of_which_9_percent_are_bad_are_taken_in_few_statements(
    database: Database,
) -> None:
    desk = Desk(database)
    desk.files.put("".join(lines(ROWS, 9)))
    job = desk.claim(job_id := desk.put())

    with counting() as statements:
        desk.perform(job)

    assert desk.job(job_id)["outcome"] == "ingested"
    assert desk.counted(job_id) == (ROWS, 91_000, 0, 0, 9_000)
    assert desk.sql("SELECT count(*) FROM intake.judgments") == [{"count": 91_000}]
    assert len(desk.errors(job_id)) == 9_000
    assert len(statements) <= STATEMENTS_PER_THOUSAND * ROWS / 1000


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_of_100_000_rows_of_which_11_percent_are_bad_none_is_taken(database: Database) -> None:
    desk = Desk(database)

    done = desk.read("".join(lines(ROWS, 11)))

    assert (done["status"], done["error_code"]) == ("failed", "error_budget")
    assert done["error_detail"].startswith("11,000 of 100,000 rows (11.0%) have an error")
    assert desk.counted(done["id"]) == (ROWS, 0, 0, 0, ROWS)
    assert desk.judgments() == []
    assert desk.sql("SELECT 1 FROM intake.staged_rows") == []
    errors = desk.errors(done["id"])
    assert [each["row_number"] for each in errors] == [*range(2, 13), *range(102, 111)]
    assert {each["code"] for each in errors} == {"amount_negative"}


@pytest.mark.skipif(not STATUS.exists(), reason="the peak of memory is read in /proc")
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_file_of_200_000_rows_needs_no_more_memory_than_one_of_20_000(
    database_url: str, tmp_path: Path
) -> None:
    short, long = (peak_kb(database_url, tmp_path, number) for number in (20_000, 200_000))

    assert long <= 1.2 * short, (short, long)


def peak_kb(url: str, folder: Path, number: int) -> int:
    """Of the drain that reads a file of so many rows."""
    file = folder / f"{number}.csv"
    with file.open("w") as written:
        written.writelines(lines(number, 9))
    environment = environment_of(url) | {"INTAKE_FOLDERS": str(folder)}
    asked = json.dumps({"file_path": str(file)})
    _run(environment, "-m", "core.run", "jobs", "enqueue", "intake", asked)
    done = _run(environment, "-c", MEASURED, "queue", "--json")
    assert json.loads(done.stdout)["counts"]["completed"] == 1, done.stdout
    return int(done.stderr.split()[-1])
