"""A folder that is watched by jobs: each file is handed on once, with what tells that it was."""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.errors import UsageError
from core.intake import watch
from core.jobs.model import NewJob
from handlers import job_desk, opening
from tests.support.postgres import Server
from tests.support.site import DRAIN, Site, new_site
from tests.support.typed import typed

NO_JOBS = "TRUNCATE ops.jobs, ops.job_keys, ops.queues CASCADE"
CLEAR = f"{NO_JOBS}; TRUNCATE ops.schedules, intake.seen_files, intake.seen_contents"
SEEN = "SELECT count(*) FROM intake.seen_contents"
HANDED = "SELECT payload ->> 'file_path' FROM ops.jobs WHERE kind = 'test' ORDER BY 1"
LAST = "SELECT result FROM ops.jobs WHERE kind = 'watch_folder' ORDER BY created_at DESC LIMIT 1"
LONG_AGO = 1_700_000_000


@pytest.fixture(scope="module")
def _module_site(_session_server: Server, _template: str) -> Iterator[Site]:
    with new_site(_session_server, _template, seed=9, accounts=1, orders=1) as site:
        yield site


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "intake"
    folder.mkdir()
    return folder


@pytest.fixture
def site(
    _module_site: Site, postgres_server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Site:
    _module_site.sql(CLEAR)
    # However long this machine takes, what a test has just written is young.
    monkeypatch.setattr(watch, "SETTLED", timedelta(hours=1))
    return _module_site.with_settings(INTAKE_FOLDERS=str(folder.parent))


def put(folder: Path, name: str, content: str) -> Path:
    """Long since written."""
    file = folder / name
    file.write_text(content)
    os.utime(file, (LONG_AGO, LONG_AGO))
    return file


def ask(site: Site, folder: Path, **payload: object) -> None:
    settings = site.settings()
    asked = NewJob(kind="watch_folder", payload={"folder": str(folder), "kind": "test", **payload})
    with opening.opened(settings, opening.log_for(settings)) as ready:
        job_desk.store(ready).enqueue([asked])


def passed(site: Site, folder: Path, **payload: object) -> dict[str, Any]:
    """The report of a pass; what it has made is done in the same run."""
    ask(site, folder, **payload)
    site.run(worker=DRAIN)
    told: dict[str, Any] = site.one(LAST)
    return told


def handed(site: Site) -> list[str]:
    return [row[0] for row in site.sql(HANDED)]


def test_new_files_become_jobs_that_are_done_in_the_same_run(site: Site, folder: Path) -> None:
    put(folder, "a.csv", "1")
    put(folder, "b.csv", "2")
    put(folder, "copy of a.csv", "1")
    (folder / "young.csv").write_text("half")
    (folder / "link.csv").symlink_to("/etc/passwd")
    os.mkfifo(folder / "fifo.csv")
    (folder / "deeper.csv").mkdir()

    report = passed(site, folder)

    assert handed(site) == [f"{folder}/a.csv", f"{folder}/b.csv"]
    assert (report["new"], report["duplicate"], report["being_written"]) == (2, 1, 1)
    reasons = {each["name"]: each["reason"] for each in report["not_read"]}
    assert set(reasons) == {"link.csv", "fifo.csv", "deeper.csv"}
    assert "symbolic link" in reasons["link.csv"]
    assert site.one("SELECT count(*) FROM ops.jobs WHERE status <> 'completed'") == 0


def test_a_second_pass_makes_nothing_and_moves_and_deletes_nothing(
    site: Site, folder: Path
) -> None:
    put(folder, "a.csv", "1")
    passed(site, folder)

    report = passed(site, folder)

    assert (report["known"], report["new"]) == (1, 0)
    assert handed(site) == [f"{folder}/a.csv"]
    assert (folder / "a.csv").read_text() == "1"


def test_df10_a_file_is_marked_only_if_its_job_is_enqueued_in_the_same_transaction(
    site: Site, folder: Path
) -> None:
    put(folder, "a.csv", "1")
    put(folder, "b.csv", "2")
    site.sql(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'cut off'; END $$;"
        " CREATE TRIGGER refuse BEFORE INSERT ON ops.jobs FOR EACH ROW"
        " WHEN (NEW.payload ->> 'file_path' LIKE '%b.csv') EXECUTE FUNCTION refuse()"
    )
    try:
        ask(site, folder)
        site.run(worker=DRAIN)
        # The job of a.csv stood in the same transaction, and the marks of both.
        assert (site.one(SEEN), handed(site)) == (0, [])
    finally:
        site.sql(f"DROP TRIGGER refuse ON ops.jobs; DROP FUNCTION refuse; {NO_JOBS}")

    report = passed(site, folder)

    assert (report["new"], site.one(SEEN)) == (2, 2)
    assert handed(site) == [f"{folder}/a.csv", f"{folder}/b.csv"]


def test_df10_a_file_is_handed_on_only_if_it_is_marked(site: Site, folder: Path) -> None:
    put(folder, "a.csv", "1")
    site.sql("ALTER TABLE intake.seen_contents ADD CONSTRAINT never CHECK (sha256 = '')")
    try:
        ask(site, folder)
        site.run(worker=DRAIN)
        assert (site.one(SEEN), handed(site)) == (0, [])
    finally:
        site.sql(f"ALTER TABLE intake.seen_contents DROP CONSTRAINT never; {NO_JOBS}")

    assert passed(site, folder)["new"] == 1


def test_two_folders_with_the_same_content_make_one_job(site: Site, folder: Path) -> None:
    other = folder.parent / "other"
    other.mkdir()
    put(folder, "a.csv", "1")
    put(other, "b.csv", "1")
    ask(site, folder)
    ask(site, other)

    site.run(worker=DRAIN)

    assert len(handed(site)) == 1
    assert site.one(SEEN) == 1


def test_a_dry_run_makes_nothing(site: Site, folder: Path) -> None:
    put(folder, "a.csv", "1")

    report = passed(site, folder, dry_run=True)

    assert (report["new"], report["files"]) == (1, ["a.csv"])
    assert (site.one(SEEN), handed(site)) == (0, [])


def test_a_folder_that_is_not_allowed_is_refused_when_it_is_asked_for(
    site: Site, folder: Path
) -> None:
    with pytest.raises(UsageError, match=r"folder: .* is not below a folder of INTAKE_FOLDERS"):
        ask(site, Path("/etc"))
    with pytest.raises(UsageError, match="INTAKE_FOLDERS is not set"):
        ask(site.with_settings(INTAKE_FOLDERS=""), folder)


def test_a_folder_that_is_not_there_fails_and_says_so(site: Site, folder: Path) -> None:
    ask(site, folder / "absent")

    site.run(worker=DRAIN)

    [(status, detail)] = site.sql("SELECT status, error_detail FROM ops.jobs")
    assert (status, "no such file or folder" in detail) == ("failed", True)


def test_a_schedule_watches_a_folder(site: Site, folder: Path) -> None:
    put(folder, "a.csv", "1")
    payload = f'{{"folder": "{folder}", "kind": "test"}}'

    made = typed(
        site, "schedules", "add", "watch", "--kind", "watch_folder", "--cron", "*/5 * * * *",
        "--payload", payload,
    )  # fmt: skip
    begun = typed(site, "schedules", "run", "watch")
    done = typed(site, "queue")

    assert (made.returncode, begun.returncode, done.returncode) == (0, 0, 0), made.stderr
    assert handed(site) == [f"{folder}/a.csv"]


def test_a_thousand_files_are_one_pass_and_the_rest_another(site: Site, folder: Path) -> None:
    for number in range(1_010):
        put(folder, f"{number}.csv", str(number))

    first, second = passed(site, folder), passed(site, folder)

    assert (first["new"], first["more"]) == (1_000, True)
    assert (second["new"], second["known"], second["more"]) == (10, 1_000, False)
    assert len(handed(site)) == 1_010
