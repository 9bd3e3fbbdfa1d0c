"""Files below the folders that INTAKE_FOLDERS names.

A path is walked from one of those, each folder opened below the one before and no symbolic link
followed: what was looked at is what is read, whatever is renamed meanwhile.
"""

import errno
import io
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from core.errors import AppError, UpstreamUnavailableError, UsageError
from core.intake.places import FILE
from core.intake.ports import Opened

FOLDER = os.O_RDONLY | os.O_DIRECTORY
# Without O_NONBLOCK a FIFO would be waited for until somebody writes to it.
CONTENT = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
LOCAL = ("", "localhost")
KINDS = {
    stat.S_IFLNK: "a symbolic link, and none is followed",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@dataclass(frozen=True, slots=True)
class Spot:
    """`parts`: the names from an allowed folder on; none is that folder itself."""

    root: Path
    parts: tuple[str, ...]

    @property
    def path(self) -> Path:
        return self.root.joinpath(*self.parts)


@dataclass(frozen=True, slots=True)
class FolderFiles:
    """`allowed`: the folders below which files are read."""

    allowed: Sequence[Path]

    def check(self, place: str) -> None:
        self.spot(place)

    @contextmanager
    def open(self, place: str) -> Iterator[Opened]:
        spot = self.spot(place)
        if not spot.parts:
            raise UsageError(f"{place} is a folder, not a file")
        *folders, name = spot.parts
        with opened_folder(Spot(spot.root, tuple(folders))) as folder:
            content = open_regular(folder, name, str(spot.path))
        with content:
            size = os.fstat(content.fileno()).st_size
            yield Opened(name=name, content=io.BufferedReader(content), size=size)

    def spot(self, place: str) -> Spot:
        """Where a place is, looked at by its name alone. Raises UsageError."""
        parts = _parts(place)
        if not self.allowed:
            raise UsageError(
                f"{place}: INTAKE_FOLDERS is not set, so no file of this machine is read;"
                " name in it the folders below which they may be, as /srv/intake"
            )
        for root in self.allowed:
            above = root.parts[1:]
            if parts[: len(above)] == above:
                return Spot(root, parts[len(above) :])
        listed = ", ".join(map(str, self.allowed))
        raise UsageError(f"{place} is not below a folder of INTAKE_FOLDERS ({listed})")


def _parts(place: str) -> tuple[str, ...]:
    path = _path(place) if place.startswith(FILE) else place
    parts = tuple(part for part in path.split("/") if part not in {"", "."})
    if ".." in parts or not path.isprintable() or not path.startswith("/"):
        raise UsageError(f"{place}: name the whole path from / on, without `..`")
    return parts


def _path(uri: str) -> str:
    host, slash, rest = uri.removeprefix(FILE).partition("/")
    if host not in LOCAL:
        raise UsageError(f"{uri} is on another machine; write file:///srv/intake/judgments.csv")
    # What is no UTF-8 becomes the name of a file that is not there.
    return slash + unquote(rest)


@contextmanager
def opened_folder(spot: Spot) -> Iterator[int]:
    """The descriptor of the folder. Raises UsageError, UpstreamUnavailableError."""
    with ExitStack() as stack:
        folder = _open_root(spot.root)
        stack.callback(os.close, folder)
        for part in spot.parts:
            with told(str(spot.path)):
                folder = os.open(part, FOLDER | os.O_NOFOLLOW, dir_fd=folder)
            stack.callback(os.close, folder)
        yield folder


def _open_root(root: Path) -> int:
    # It may be a symbolic link: who set INTAKE_FOLDERS has named it.
    with told(f"{root} (of INTAKE_FOLDERS)"):
        return os.open(root, FOLDER)


def open_regular(folder: int, name: str, path: str) -> "Content":
    """Raises UsageError for what is no regular file, found out without opening a device."""
    with told(path):
        require_regular(os.stat(name, dir_fd=folder, follow_symlinks=False), path)
        content = Content(os.open(name, CONTENT, dir_fd=folder), path)
    try:
        require_regular(os.fstat(content.fileno()), path)
    except BaseException:
        content.close()
        raise
    return content


def require_regular(found: os.stat_result, path: str) -> None:
    kind = KINDS.get(stat.S_IFMT(found.st_mode))
    if kind is not None:
        raise UsageError(f"{path} is {kind}")


class Content(io.RawIOBase):
    """A disk that fails while it is read is one that is out of reach."""

    def __init__(self, descriptor: int, path: str) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._path = path

    def fileno(self) -> int:
        return self._descriptor

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        with told(self._path):
            return os.readv(self._descriptor, [buffer])

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()


@contextmanager
def told(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _meaning(error, path) from error


def _meaning(error: OSError, path: str) -> AppError:
    if error.errno in {errno.ENOENT, errno.ENAMETOOLONG}:
        return UsageError(f"{path}: there is no such file or folder")
    if error.errno in {errno.ENOTDIR, errno.ELOOP}:
        return UsageError(f"{path}: a part is no folder, or a symbolic link, and none is followed")
    if error.errno in {errno.EACCES, errno.EPERM}:
        user = f"the OS user that runs Cronshot (uid {os.getuid()})"
        return UsageError(f"{path} may not be read by {user}; give that user the right to")
    return UpstreamUnavailableError(f"{path} is out of reach: {error.strerror}")
