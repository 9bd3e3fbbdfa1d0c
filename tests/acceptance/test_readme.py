"""What README.md and docs/ show works as it stands there."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from handlers import ebay_clients
from handlers.cli.main import parser
from infra.postgres.transaction import Database
from infra.settings import Settings
from tests.support.postgres import scratch

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"-m core\.run ([^\n#|&>]+)")
NO_TABLES = {"ebay.com"}
PLAIN = {
    "PATH": os.environ["PATH"],
    "HOME": os.environ.get("HOME", "/"),
    "CRONSHOT_ENV_FILE": "",
}


def blocks(language: str) -> Iterator[tuple[str, str]]:
    for document in DOCUMENTS:
        for kind, text in FENCED.findall(document.read_text()):
            if kind == language:
                yield document.name, text


def commands() -> list[str]:
    found = []
    for language in ("sh", "crontab"):
        for _, text in blocks(language):
            found += COMMAND.findall(text)
    return found


def test_every_command_shown_is_understood() -> None:
    shown = commands()

    assert len(shown) >= 5
    for command in shown:
        assert parser().parse_args(shlex.split(command)).run is not None


def test_the_settings_shown_are_there_for_whoever_runs_in_that_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [shown] = [text for _, text in blocks("sh") if ">>.env" in text]
    lines = [line for line in shown.splitlines() if "core.run" not in line]

    subprocess.run(["bash", "-c", "\n".join(lines)], cwd=tmp_path, env=PLAIN, check=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CRONSHOT_ENV_FILE")
    settings = Settings.load()

    assert settings.database_url is not None
    assert "verify-full" in settings.database_url.get_secret_value()
    assert ebay_clients.cipher(settings) is not None
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600


def test_cron_has_nothing_to_mail() -> None:
    lines = [line for _, text in blocks("crontab") for line in text.splitlines()]

    assert lines
    assert [line for line in lines if not line.endswith(" 2>&1")] == []


def test_every_make_target_shown_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    shown = {name for text in DOCUMENTS for name in re.findall(r"make (\w+)", text.read_text())}

    targets = {name for name in shown if f"\n{name}:" in makefile}

    assert {"demo", "test", "serve", "check", "help", "template"} <= targets


@pytest.mark.parametrize("text", [text for _, text in blocks("python")])
def test_the_python_shown_passes_under_pytest(text: str) -> None:
    with scratch() as folder:
        (folder / "test_shown.py").write_text(text)
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)],
            cwd=ROOT,
            env=PLAIN | {"CRONSHOT_HOME": str(folder / "home")},
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )

    assert "1 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("text", [text for _, text in blocks("sql")])
def test_the_sql_shown_runs(text: str, database: Database) -> None:
    with database.transaction() as connection:
        connection.exec_driver_sql(text)


def test_e19_every_table_and_column_that_is_named_is_there(database: Database) -> None:
    with database.transaction() as connection:
        rows = connection.exec_driver_sql(
            "SELECT table_schema || '.' || table_name, column_name FROM information_schema.columns"
            " WHERE table_schema IN ('ebay', 'ops', 'intake', 'enforcement')"
        ).all()
    tables = {table for table, _ in rows}
    named = {
        name
        for document in DOCUMENTS
        for name in re.findall(
            r"\b((?:ebay|ops|intake|enforcement)\.(?!md\b)[a-z]\w+)\b", document.read_text()
        )
    }
    keys = re.findall(
        r"^\| `((?:ebay|ops|intake|enforcement)\.\w+)` \| `([a-z_, ]+)`",
        (ROOT / "docs" / "tables.md").read_text(),
        re.MULTILINE,
    )

    wrong = {(t, c) for t, cs in keys for c in cs.split(", ")} - {(t, c) for t, c in rows}

    assert named - tables - NO_TABLES == set()
    assert wrong == set()
    assert len(keys) > 20


def test_every_table_is_described(database: Database) -> None:
    described = (ROOT / "docs" / "tables.md").read_text()
    with database.transaction() as connection:
        names = connection.exec_driver_sql(
            "SELECT table_schema || '.' || table_name FROM information_schema.tables"
            " WHERE table_schema IN ('ebay', 'ops', 'intake', 'enforcement')"
        ).scalars()
        missing = [name for name in names if f"`{name}`" not in described]

    assert missing == []
