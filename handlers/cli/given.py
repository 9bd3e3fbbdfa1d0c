"""What an option names a file for, or `-` for stdin: secrets, which no command line may show."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from getpass import getpass
from pathlib import Path
from types import FrameType

from core.errors import UsageError
from handlers.opening import STOP

LONGEST = 64 * 1024
LONGEST_LINE = 8 * 1024
ENDS_A_QUESTION = (signal.SIGINT, signal.SIGTERM)


def read_file(option: str, file: str, *, instead_of: str = "") -> str:
    """Raises UsageError, which names the file unless the secret may stand `instead_of` its name."""
    shown = "the file" if instead_of else file
    hint = f"; it takes {instead_of}" if instead_of else ""
    try:
        with Path(file).open("rb") as text:
            return _decoded(option, shown, text.read(LONGEST))
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else "no such file"
        raise UsageError(f"{option}: {shown}: {said}{hint}") from None


def read_stdin(option: str, *, hidden: str | None = None) -> str:
    """All of it; at a terminal one line, for which `hidden` asks, and which is not shown then."""
    if sys.stdin is None:
        raise UsageError(f"{option}: - reads stdin, which is closed")
    with _left_at_once():
        if not sys.stdin.isatty():
            return _decoded(option, "stdin", sys.stdin.buffer.read(LONGEST))
        return read_line() if hidden is None else getpass(f"{hidden} (it is not shown): ")


def read_line() -> str:
    """What a person types or pastes; nothing where nobody can. Ctrl-C ends the command."""
    if sys.stdin is None:
        return ""
    with _left_at_once():
        return sys.stdin.buffer.readline(LONGEST_LINE).decode("utf-8", "replace")


@contextmanager
def _left_at_once() -> Iterator[None]:
    """Elsewhere a signal lets the page be finished; who is asked has none, and would wait on."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _leave) for number in ENDS_A_QUESTION}
    try:
        if STOP.is_set():
            _leave(signal.SIGINT, None)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(number: int, _: FrameType | None) -> None:
    print(file=sys.stderr)
    raise SystemExit(128 + number)


def _decoded(option: str, shown: str, text: bytes) -> str:
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{option}: {shown} is no text") from None
