"""The embedded database as its users meet it: on the command line, in a folder of one's own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from infra.ebay.streams.registry import STREAMS
from infra.simulator.server import Simulator
from tests.support import forked
from tests.support.postgres import Server, execute, scratch
from tests.support.site import KEPT, ROOT

pytestmark = pytest.mark.timeout(200)
# Imported as root: root's own Python may lie where nobody else may look.
AS_NOBODY = """
import os, sys
from handlers.cli.main import main, parser
parser()  # imports every command while the interpreter may still be read
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
sys.exit(main(["accounts", "list"]))
"""
SMALL = "tests.support.small_demo"
ADD = ("accounts", "add", "--environment", "simulator", "--refresh-token-file")


@pytest.fixture
def folder() -> Iterator[Path]:
    with scratch() as folder:
        yield folder


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in KEPT or "COV" in name}
    return kept | {"PYTHONPATH": str(ROOT), "LOG_FORMAT": "json", **more}


def command(*arguments: str, module: str = "core.run") -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def run(
    folder: Path,
    *arguments: str,
    settings: Mapping[str, str] | None = None,
    module: str = "core.run",
) -> subprocess.CompletedProcess[str]:
    given = environment(**(settings or {}))
    return forked.run(["-m", module, *arguments], env=given, folder=folder, timeout=120)


@contextmanager
def held_open(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A user in the middle of something: psql that waits for what is typed."""
    process = subprocess.Popen(
        command("psql", "-qAt"),
        cwd=folder,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("SELECT 'ready';\n")
    process.stdin.flush()
    assert process.stdout.readline() == "ready\n"
    try:
        yield process
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(60)


def servers(folder: Path) -> list[int]:
    """The server that says it has this folder, if it is alive."""
    found = []
    for file in folder.rglob("postmaster.pid"):
        number = int(file.read_text().splitlines()[0])
        if Path(f"/proc/{number}").exists():
            found.append(number)
    return found


def test_a_newcomer_needs_nothing_and_nothing_stays_behind(folder: Path) -> None:
    listed = run(folder, "accounts", "list")
    ran = run(folder, "ebay", "--json")

    assert listed.returncode == 0, listed.stderr
    assert "embedded PostgreSQL in .cronshot" in listed.stderr
    assert ran.returncode == 0
    assert '"no_accounts"' in ran.stdout
    assert servers(folder) == []
    assert (folder / ".cronshot" / "keys").stat().st_mode & 0o777 == 0o600


def test_two_users_at_once_share_one_server_and_the_last_one_stops_it(folder: Path) -> None:
    with held_open(folder):
        second = run(folder, "accounts", "list")
        during = servers(folder)

    assert second.returncode == 0, second.stderr
    assert len(during) == 1
    assert servers(folder) == []


def test_a_killed_user_is_in_nobodys_way(folder: Path) -> None:
    """Its server runs on; the next user finds it, uses it and stops it."""
    with held_open(folder) as user:
        os.killpg(user.pid, signal.SIGKILL)
        user.wait(60)
    left_over = servers(folder)

    after = run(folder, "accounts", "list")

    assert len(left_over) == 1
    assert after.returncode == 0, after.stderr
    assert servers(folder) == []


def test_ctrl_c_in_psql_is_for_psql(folder: Path) -> None:
    """The second one would have ended the process, and the server have run on."""
    with held_open(folder) as user:
        for _ in range(3):
            user.send_signal(signal.SIGINT)
        assert user.stdin is not None
        assert user.stdout is not None
        user.stdin.write("SELECT 'still here';\n")
        user.stdin.flush()
        answer = user.stdout.readline()

    assert (answer, user.returncode) == ("still here\n", 0)
    assert servers(folder) == []


def test_psql_is_ended_with_the_command_that_opened_it(folder: Path) -> None:
    with held_open(folder) as user:
        user.terminate()
        user.wait(60)

    assert user.returncode == 128 + signal.SIGTERM
    assert servers(folder) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_another_os_user_is_told_whose_folder_it_is(folder: Path) -> None:
    assert run(folder, "accounts", "list").returncode == 0
    folder.chmod(0o755)

    other = subprocess.run(
        [sys.executable, "-c", AS_NOBODY],
        cwd=folder,
        # Nobody can write where coverage keeps its count.
        env={name: value for name, value in environment().items() if "COV" not in name},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert other.returncode == 78, other.stderr
    assert "root" in other.stderr
    assert "DATABASE_URL" in other.stderr
    assert "Traceback" not in other.stderr


def test_eight_first_users_at_once_share_one_database_and_one_key(folder: Path) -> None:
    with Simulator(accounts=8, orders=1, days=5) as simulator:
        processes = []
        for account in simulator.world.accounts:
            (folder / account.name).write_text(account.refresh_token)
            processes.append(
                forked.popen(
                    ["-m", "core.run", *ADD, account.name, "--name", account.name],
                    env=environment(EBAY_SIMULATOR_API_URL=simulator.api_url),
                    folder=folder,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                )
            )
        ended = [process.communicate(timeout=120) for process in processes]
        read = run(folder, "ebay", settings={"EBAY_SIMULATOR_API_URL": simulator.api_url})

    assert [process.returncode for process in processes] == [0] * 8, ended
    assert read.returncode == 0, read.stderr
    assert servers(folder) == []


def test_the_demonstration_leaves_a_database_of_ones_own_untouched(
    folder: Path, postgres_server: Server, empty_database_url: str, empty_database_name: str
) -> None:
    """Whatever the environment and .env say: nothing is made there, and nobody even connects."""
    url = postgres_server.admin.with_database(empty_database_name)
    execute(url, "CREATE TABLE public.mine (id integer)")
    sessions = f"SELECT sessions FROM pg_stat_database WHERE datname = '{empty_database_name}'"
    everything = (
        "SELECT count(*) FROM pg_tables"
        " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
    )
    before = execute(postgres_server.admin, sessions)
    (folder / ".env").write_text(f"DATABASE_URL_DIRECT={empty_database_url}\nno setting at all\n")
    settings = {
        "CRONSHOT_ENV_FILE": ".env",
        "DATABASE_URL": empty_database_url,
        "SUPABASE_DB_URL": empty_database_url,
        "COMPAT_ENV": "1",
        "ENCRYPTION_KEYS": "not even a key",
        "RUN_DDL_ON_STARTUP": "true",
        "CRON_SECRET": "short",
        "WORKERS_MAX_PARALLEL": "many",
    }

    first = run(folder, "demo", settings=settings, module=SMALL)
    again = run(folder, "demo", settings=settings, module=SMALL)

    assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr
    assert "seller-2" in first.stdout
    assert " 0 rows written" in again.stderr
    assert execute(postgres_server.admin, sessions) == before
    assert [row[0] for row in execute(url, everything)] == [1]
    assert servers(folder) == []


def test_a_killed_demonstration_goes_on_at_once(folder: Path) -> None:
    """Its lease is held for minutes yet, but no other demonstration lives."""
    with subprocess.Popen(
        command("demo", module=SMALL),
        cwd=folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as demo:
        assert demo.stderr is not None
        while '"run.started"' not in demo.stderr.readline():
            assert demo.poll() is None
        os.killpg(demo.pid, signal.SIGKILL)

    after = run(folder, "demo", "--json", module=SMALL)

    assert demo.returncode == -signal.SIGKILL
    assert after.returncode == 0, after.stderr
    assert '"run.abandoned"' in after.stderr
    assert json.loads(after.stdout)["run"]["outcome"] == "done"
    assert servers(folder) == []


@pytest.mark.slow
def test_with_live_the_sellers_go_on_and_what_they_did_stays(folder: Path) -> None:
    first = demo(folder)
    live = demo(folder, "--live")
    again = demo(folder)
    everything = demo(folder, "--live")

    assert written(first) > 6000
    assert 0 < written(live) < 1000
    assert changed(folder, live) >= {stream.name for stream in STREAMS} - {"payouts"}
    assert written(again) == 0
    assert stored(again) == stored(live)
    assert stored(live) > stored(first)
    assert written(everything) < written(live)


def demo(folder: Path, *arguments: str) -> dict[str, Any]:
    ended = run(folder, "demo", "--json", *arguments)
    assert ended.returncode == 0, ended.stderr
    told: dict[str, Any] = json.loads(ended.stdout)
    return told


def changed(folder: Path, told: dict[str, Any]) -> set[str]:
    """The streams of which these runs have written rows."""
    ids = ", ".join(f"'{run['run_id']}'" for run in told["runs"])
    written = f"SELECT stream FROM ops.run_units WHERE inserted + updated > 0 AND run_id IN ({ids})"
    ended = run(folder, "psql", "-Atc", written, settings={"CRONSHOT_HOME": ".cronshot/demo"})
    return set(ended.stdout.split())


def written(told: dict[str, Any]) -> int:
    return sum(run["counts"]["written"] for run in told["runs"])


def stored(told: dict[str, Any]) -> int:
    return sum(row["rows"] for row in told["stored"])


def test_what_the_demonstration_suggests_reaches_its_own_database_only(folder: Path) -> None:
    his = {"DATABASE_URL": "postgresql://a@127.0.0.1:1/his", "COMPAT_ENV": "1", "LEASE_S": "x"}
    told = run(folder, "demo", settings=his, module=SMALL)
    del his["LEASE_S"]
    hints = [line.strip() for line in told.stdout.splitlines() if "-m core.run" in line]

    ended = [
        subprocess.run(
            ["bash", "-c", hint],
            cwd=folder, env=environment(**his), capture_output=True, text=True, timeout=60,
            check=False,
        )
        for hint in hints
    ]  # fmt: skip

    assert len(ended) == 2
    assert [each.returncode for each in ended] == [0, 0], ended
    assert "(5 rows)" in ended[0].stdout
    assert "ebay-cycle" in ended[1].stdout


@pytest.mark.slow
def test_a_killed_demonstration_takes_its_ebay_along(folder: Path) -> None:
    with subprocess.Popen(
        command("demo", module=SMALL),
        cwd=folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        while '"run.started"' not in process.stderr.readline():
            assert process.poll() is None
        [ebay] = simulators(process.pid)
        process.kill()
    while Path(f"/proc/{ebay}").exists():
        time.sleep(0.05)

    after = run(folder, "accounts", "list", settings={"CRONSHOT_HOME": ".cronshot/demo"})
    assert after.returncode == 0, after.stderr
    assert servers(folder) == []


def simulators(parent: int) -> list[int]:
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [
        int(child)
        for child in children
        if "infra.simulator.main" in Path(f"/proc/{child}/cmdline").read_text()
    ]
