"""The import contracts hold, and each guard turns red when what it guards is broken."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.architecture import tree

BIN = Path(sys.executable).parent


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The tree, to be sabotaged."""
    for folder in (*tree.PRODUCT, "tests"):
        shutil.copytree(
            tree.ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("pyproject.toml", "serverless.yml"):
        shutil.copy(tree.ROOT / name, tmp_path)
    return tmp_path


def sabotage(root: Path, path: str, code: str) -> None:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("a", encoding="utf-8") as file:
        file.write(f"\n{code}\n")


def run(root: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BIN / command[0], *command[1:]],
        cwd=root,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    return run(root, "lint-imports", "--no-logo", "--no-cache")


def test_the_import_contracts_hold() -> None:
    done = lint_imports(tree.ROOT)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("path", "code", "contract"),
    [
        ("core/retry.py", "import infra", "handlers over infra over core"),
        ("infra/crypto.py", "import handlers", "handlers over infra over core"),
        ("core/retry.py", "import httpx", "core is pure"),
        ("core/tokens/model.py", "import core.sync.model", "features of core do not meet"),
        ("core/ids.py", "import core.report", "features of core do not meet"),
        ("core/leftovers.py", "", "features of core do not meet"),
        ("handlers/cron.py", "import infra.postgres", "only the composition root meets infra"),
        ("handlers/cli/main.py", "import sqlalchemy", "the drivers stay in infra.postgres"),
        ("infra/ebay/hosts.py", "import pg8000", "the drivers stay in infra.postgres"),
        ("handlers/cli/main.py", "import httpx", "httpx stays in infra"),
        ("infra/postgres/engine.py", "import infra.simulator", "the simulator is a development"),
        ("infra/crypto.py", "import core.run", "nothing imports the door"),
    ],
)
def test_a_broken_import_rule_turns_its_contract_red(
    copy: Path, path: str, code: str, contract: str
) -> None:
    sabotage(copy, path, code)

    done = lint_imports(copy)

    broken = [line for line in done.stdout.splitlines() if " BROKEN" in line]
    assert done.returncode != 0
    assert any(line.startswith(contract) for line in broken), done.stdout


def test_a_cycle_among_siblings_turns_its_contract_red(copy: Path) -> None:
    sabotage(copy, "infra/first/__init__.py", "import infra.second")
    sabotage(copy, "infra/second/__init__.py", "import infra.first")

    done = lint_imports(copy)

    assert "no cycles among siblings BROKEN" in done.stdout, done.stdout


@pytest.mark.parametrize(
    ("path", "code", "rule"),
    [
        ("core/retry.py", "from datetime import datetime\nLATE = datetime.now()", "TID251"),
        ("core/retry.py", "import time\nLATE = time.time()", "TID251"),
        ("core/retry.py", "import random\nCHANCE = random.random()", "TID251"),
        ("infra/crypto.py", "import os\nKEY = os.environ", "TID251"),
        ("infra/crypto.py", "import sqlalchemy\nE = sqlalchemy.create_engine('')", "TID251"),
        ("core/retry.py", "from . import clock", "TID252"),
        ("core/retry.py", "try:\n    pass\nexcept Exception:\n    pass", "BLE001"),
    ],
)
def test_a_banned_call_turns_the_linter_red(copy: Path, path: str, code: str, rule: str) -> None:
    sabotage(copy, path, code)

    done = run(copy, "ruff", "check", "--no-cache", "--output-format=concise", path)

    assert done.returncode != 0
    assert f" {rule} " in done.stdout, done.stdout


Rule = Callable[[Path], list[str]]


@pytest.mark.parametrize(
    ("rule", "path", "code"),
    [
        (tree.inits_with_code, "core/sync/__init__.py", "from core.sync import model"),
        (tree.folders_without_init, "core/fresh/model.py", ""),
        (tree.impure_imports_of_core, "core/retry.py", "import httpx"),
        (tree.impure_imports_of_core, "core/retry.py", "import socket"),
        (tree.impure_imports_of_core, "core/sync/model.py", "import handlers.cli"),
        (tree.hidden_imports, "core/retry.py", "from typing import TYPE_CHECKING"),
        (tree.empty_names, "infra/utils/__init__.py", ""),
        (tree.sql_in_python, "infra/postgres/rows.py", "Q = 'SELECT 1'"),
        (
            tree.workers_not_deployed,
            "handlers/fresh.py",
            "def run_once() -> None: ...\ndef handler() -> None: ...",
        ),
        (tree.sql_in_python, "infra/postgres/rows.py", "Q = f'UPDATE {1} SET x = 1'"),
    ],
)
def test_a_broken_rule_is_found(copy: Path, rule: Rule, path: str, code: str) -> None:
    before = rule(copy)
    sabotage(copy, path, code)

    after = rule(copy)

    assert before == []
    assert any(path.removesuffix("/model.py").removesuffix(".py") in place for place in after)


@pytest.mark.parametrize(
    "comment", ["# noqa", "# noqa: S105", "# type: ignore", "# type: ignore[arg-type]"]
)
def test_a_suppression_without_a_reason_is_found(copy: Path, comment: str) -> None:
    sabotage(copy, "core/retry.py", f"X = 1  {comment}")

    found = tree.unexplained_suppressions(copy, "core")

    assert len(found) == 1


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("import os\nX = os.environ.get('X')", "read X from the environment at import"),
        ("import threading\nthreading.Timer(9, print).start()", "started"),
        ("import socket\nsocket.create_connection(('127.0.0.1', 9))", "socket.connect"),
        ("import warnings\nwarnings.warn('old', DeprecationWarning)", "DeprecationWarning"),
    ],
)
def test_work_at_import_is_found(copy: Path, code: str, complaint: str) -> None:
    sabotage(copy, "infra/eager.py", code)

    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            copy / "tests/architecture/imports_alone.py",
            "infra.eager",
        ],
        cwd=copy,
        env={"PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert complaint in done.stderr
