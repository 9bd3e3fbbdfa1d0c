"""The PostgreSQL that comes with the `local` extra, shared by all processes of one folder.

Two locks of the operating system, which a killed process cannot leave behind:

* `lock`: every user holds it shared, as long as it lives. Who can take it exclusively at its end
  was the last, and stops the server.
* `lock.change`: held for the moment of starting and stopping, so that nobody starts to use what
  another one is stopping.

After SIGKILL of the last user the server runs on; the next one finds it, uses it and stops it.
"""

import fcntl
import os
import pwd
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from core.errors import ConfigurationError
from infra.postgres.cluster import PORT, Cluster, binaries, prepare_for_root
from infra.postgres.url import DatabaseUrl

DEFAULT_VERSION = 18


class EmbeddedPostgres:
    """A running server for as long as the object is open; `folder` holds everything it needs.

    Its data keep the version that made them. Raises ConfigurationError where the wheel is missing
    or the folder is another OS user's, StoreUnavailableError where the server does not start.
    """

    def __init__(
        self, folder: Path, version: int = DEFAULT_VERSION, *, options: Sequence[str] = ()
    ) -> None:
        self._folder = _own_folder(folder, version)
        self._cluster = Cluster(self._folder / "postgres", version, tuple(options))
        self._process = os.getpid()
        self._lock: int | None = None
        with self._changing():
            if not self._cluster.exists():
                self._cluster.create()
            if not self._cluster.is_ready():
                self._cluster.start()
            self._lock = _open(self._folder / "lock")
            fcntl.flock(self._lock, fcntl.LOCK_SH)

    @property
    def url(self) -> DatabaseUrl:
        return DatabaseUrl(
            host="",
            port=PORT,
            user="postgres",
            password=None,
            database="postgres",
            socket_dir=self._cluster.socket_dir(),
        )

    def close(self) -> None:
        """Stop the server if nobody else uses it; a second call does nothing."""
        lock, self._lock = self._lock, None
        # A forked child has the parent's lock, not one of its own.
        if lock is None or os.getpid() != self._process:
            return
        try:
            with self._changing():
                if _is_last(lock):
                    self._cluster.stop()
        finally:
            os.close(lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        lock = _open(self._folder / "lock.change")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def _own_folder(folder: Path, version: int) -> Path:
    binaries(version)
    folder = folder.resolve()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = folder.stat().st_uid
        if owner == os.geteuid():
            prepare_for_root(folder, version)
            return folder
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be used ({error}); {_WAY_OUT}") from error
    raise ConfigurationError(
        f"{folder} belongs to {_os_user(owner)}, this is {_os_user(os.geteuid())}; {_WAY_OUT}"
    )


def _os_user(number: int) -> str:
    try:
        return f"the OS user {pwd.getpwuid(number).pw_name!r}"
    except KeyError:
        return f"the OS user {number}"


_WAY_OUT = "run as its owner, clone the project into a folder of your own, or set DATABASE_URL"


def _open(path: Path) -> int:
    # Closed on exec: a server that inherited it would hold the lock for ever.
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _is_last(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
