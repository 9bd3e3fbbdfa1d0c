"""Where a command's bytes go: stdout, or a file that is whole or not there."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from core.errors import PermanentError, UsageError

Write = Callable[[bytes], object]
STDOUT = "-"


@contextmanager
def output(path: str | None) -> Iterator[Write]:
    """Raises UsageError where no file can be made, PermanentError where nothing more fits.

    To stdout BrokenPipeError passes: its reader has gone. A file gets its name, or takes the place
    of an older one, when the block has ended well; only its owner may read a new one.
    """
    if path is None or path == STDOUT:
        yield _told("stdout", sys.stdout.buffer)
        sys.stdout.flush()
        return
    # A link to a file stays one: the file that it names is made anew.
    with _whole(Path(path).resolve()) as file:
        yield _told(path, file)


def _told(place: str, file: BinaryIO) -> Write:
    def write(some: bytes) -> None:
        try:
            file.write(some)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise PermanentError(f"{place} cannot be written: {error.strerror}") from error

    return write


@contextmanager
def _whole(path: Path) -> Iterator[BinaryIO]:
    draft = _draft_beside(path)
    try:
        with draft.open("wb") as file:
            yield file
            _keep(file)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _draft_beside(path: Path) -> Path:
    """In the same folder: nothing takes another's place across file systems.

    Its name begins with as much of the other's as surely fits.
    """
    try:
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} is there and is no file; name a file, or write to stdout")
        handle, draft = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.name[:50]}.", suffix=".part"
        )
        if path.exists():
            os.fchmod(handle, path.stat().st_mode & 0o777)
        os.close(handle)
    except OSError as error:
        raise UsageError(f"{path} cannot be made: {error.strerror}") from error
    return Path(draft)


def _keep(file: BinaryIO) -> None:
    """Before it takes the old one's place: after a power cut the new one must not be empty."""
    file.flush()
    os.fsync(file.fileno())
