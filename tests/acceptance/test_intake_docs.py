"""docs/intake.md: its commands, typed as they stand there; its tables name what there is."""

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.enforcement.kinds import NO_JUDGMENT, NOTHING_NEW, PLANNED
from core.enforcement.model import SIGNED, ActionType, Strategy
from core.intake import watch
from core.intake.ingest import KNOWN
from core.intake.uploads import LARGEST
from core.intake.watch_kind import FIELDS
from tests.support.postgres import Server
from tests.support.site import ROOT, Served, Site, new_site, served
from tests.support.typed import typed

pytestmark = pytest.mark.timeout(120)
TEXT = (ROOT / "docs" / "intake.md").read_text()
SHOWN = re.findall(r"^```sh\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
SQL = re.findall(r"^```sql\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
FIRST, SENT, WATCHED, PLANS = SHOWN
FOLDER, EXAMPLE = "/srv/intake", "0f8fad5b-d9cb-469f-a165-70867728950e"
COMMAND = ".venv/bin/python -m core.run "
TOKEN = "canary-api-token-0123456789"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("intake")


@pytest.fixture(scope="module")
def _module_site(_session_server: Server, _template: str, folder: Path) -> Iterator[Site]:
    with new_site(_session_server, _template, seed=9, accounts=1, orders=1) as site:
        yield site.with_settings(API_TOKEN=TOKEN, INTAKE_FOLDERS=str(folder))


@pytest.fixture(scope="module")
def server(_module_site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    log = tmp_path_factory.mktemp("serve") / "log"
    with served(_module_site.environment(), log) as server:
        yield server


@pytest.fixture
def site(_module_site: Site, postgres_server: Server) -> Site:
    _module_site.sql(
        "TRUNCATE ops.jobs, ops.job_keys, ops.schedules, intake.batches, intake.judgments,"
        " intake.uploads, intake.seen_files, intake.seen_contents CASCADE"
    )
    return _module_site


def type_all(site: Site, folder: Path, script: str) -> None:
    """Our commands in this process, every other line by the shell."""
    for line in script.replace(FOLDER, str(folder)).splitlines():
        if line.startswith(COMMAND):
            done = typed(site, *shlex.split(line.removeprefix(COMMAND)))
            assert done.returncode == 0, done.stderr
        else:
            subprocess.run(["bash", "-euc", line], check=True, timeout=60)


def ended(site: Site, kind: str) -> list[tuple[Any, ...]]:
    rows = site.sql(
        f"SELECT status, outcome, result FROM ops.jobs WHERE kind = '{kind}' ORDER BY seq"
    )
    return [tuple(row) for row in rows]


def test_a_first_file_becomes_the_rows_that_its_query_shows(site: Site, folder: Path) -> None:
    type_all(site, folder, FIRST)

    [(status, outcome, result)] = ended(site, "intake")
    [row] = site.sql(SQL[0])
    assert (status, outcome) == ("completed", "ingested")
    assert (result["total"], result["inserted"]) == (1, 1)
    assert [str(each) for each in row] == [
        "2026-CV-1", "Acme LLC", "Jane Roe", "1250.00", "2026-03-02", "Kings",
    ]  # fmt: skip


def test_a_file_is_sent_and_read_by_the_next_queue(
    site: Site, server: Served, folder: Path
) -> None:
    type_all(site, folder, FIRST.splitlines()[0])
    script = SENT.replace(FOLDER, str(folder)).replace("http://127.0.0.1:8000", server.url)

    done = subprocess.run(
        ["bash", "-euc", script], env={"API_TOKEN": TOKEN, "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    typed(site, "queue")

    assert json.loads(done.stdout)["params"]["file_path"].startswith("upload:")
    assert ended(site, "intake")[0][:2] == ("completed", "ingested")


def test_a_watched_folder_hands_on_its_files_and_what_was_taken_is_a_duplicate(
    site: Site, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "SETTLED", timedelta(0))
    type_all(site, folder, FIRST)

    type_all(site, folder, WATCHED)

    [(_, outcome, result)] = ended(site, "watch_folder")
    assert (outcome, result["new"]) == ("enqueued", 1)
    assert [each[1] for each in ended(site, "intake")] == ["ingested", "duplicate"]


def test_a_plan_is_made_of_what_is_known(site: Site, folder: Path) -> None:
    type_all(site, folder, FIRST)
    known = next(each for each in SQL if "enforcement.intelligence" in each)
    site.sql(known)
    judgment = str(site.one("SELECT id FROM intake.judgments"))

    type_all(site, folder, PLANS)
    type_all(site, folder, PLANS.replace(EXAMPLE, judgment))

    absent, planned = ended(site, "enforcement_action")
    assert absent[1] == "no_judgment"
    assert planned[2]["planned"] == [
        "demand_letter", "information_subpoena", "income_execution", "bank_levy",
    ]  # fmt: skip


def test_who_is_taken_out_is_gone_from_every_table(site: Site, folder: Path) -> None:
    type_all(site, folder, FIRST)

    site.sql(next(each for each in SQL if each.startswith("DELETE")))

    assert site.one("SELECT count(*) FROM intake.judgments") == 0


def test_it_explains_every_kind_field_action_and_outcome() -> None:
    named = set(re.findall(r"`([A-Za-z_]+)`", TEXT))

    assert {*KNOWN, *FIELDS, "watch_folder", "enforcement_action"} <= named
    assert {field for fields in KNOWN.values() for field in fields} <= named
    assert {*ActionType, *Strategy, NO_JUDGMENT, NOTHING_NEW, PLANNED} <= named
    assert "`information_subpoena`, `income_execution` and `bank_levy` carry" in TEXT
    assert {"information_subpoena", "income_execution", "bank_levy"} == SIGNED
    assert f"at most {LARGEST // 2**20} MB" in TEXT
    assert f"at most {watch.MOST:,} files" in TEXT
    assert f"last {watch.SETTLED.total_seconds():.0f} seconds" in TEXT
