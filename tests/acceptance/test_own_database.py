"""Tests and demonstration work apart from what somebody has in his environment and in `.env`."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from infra.settings import Settings
from tests.acceptance import test_embedded, test_readme
from tests.benchmarks import measure
from tests.conftest import forget_what_somebody_works_with
from tests.support.site import ROOT, Site

HIS = {
    "DATABASE_URL": "postgresql://somebody:s3cret@127.0.0.1:1/real",
    "HEARTBEAT_URL_EBAY_CYCLE": "http://127.0.0.1:1/ping",
    "CRON_SECRET": "short",
}
READ = (
    "import json; from infra.settings import Settings; found = Settings.load();"
    "print(json.dumps([str(found.database_url), str(found.heartbeat_url_ebay_cycle)]))"
)
LISTS_ITS_ENVIRONMENT = "#!/bin/sh\nenv >&2\n"
INSTALLED = {"demo": "local", "test": "dev", "slow": "dev", "chaos": "dev"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where somebody works, and where the tests are started."""
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in HIS.items()))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read_by_a_child(folder: Path, environment: Mapping[str, str]) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", READ],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout)
    return found


def test_the_tests_read_no_settings_but_their_own(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in HIS.items():
        monkeypatch.setenv(name, value)

    forget_what_somebody_works_with()

    assert Settings.load() == Settings.model_construct()


def test_no_child_of_the_tests_reads_them(folder: Path, site: Site) -> None:
    with site.in_this_process(DATABASE_URL=None):
        ours = dict(os.environ)
    children = {
        "site": site.environment(DATABASE_URL=None),
        "in this process": ours,
        "readme": test_readme.PLAIN,
        "embedded": test_embedded.environment(),
        "benchmark": measure.environment({}),
    }

    read = {name: read_by_a_child(folder, each) for name, each in children.items()}

    assert read == {name: ["None", "None"] for name in children}


@pytest.mark.parametrize("target", sorted(INSTALLED))
def test_make_gives_demonstration_and_tests_neither_his_database_nor_his_env_file(
    target: str, folder: Path
) -> None:
    python = folder / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(LISTS_ITS_ENVIRONMENT)
    python.chmod(0o755)
    (folder / "venv" / f".installed-{INSTALLED[target]}").touch()

    done = subprocess.run(
        ["make", "-s", "-f", ROOT / "Makefile", "-C", ROOT, f"VENV={folder / 'venv'}", target],
        env={**os.environ, **HIS, "COMPAT_ENV": "1", "CRONSHOT_ENV_FILE": str(folder / ".env")},
        capture_output=True,
        text=True,
        check=False,
    )

    told = done.stderr.splitlines()
    assert done.returncode == 0, done.stderr
    assert "CRONSHOT_ENV_FILE=" in told
    assert not [line for line in told if line.startswith(("DATABASE_URL", "COMPAT_ENV"))]
