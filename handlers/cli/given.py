"""What an option names a file for, or `-` for stdin: secrets, which no command line may show."""

import sys
from getpass import getpass
from pathlib import Path

from core.errors import UsageError

LONGEST = 64 * 1024
LONGEST_LINE = 8 * 1024


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
    if not sys.stdin.isatty():
        return _decoded(option, "stdin", sys.stdin.buffer.read(LONGEST))
    return read_line() if hidden is None else getpass(f"{hidden} (it is not shown): ")


def read_line() -> str:
    """What a person types or pastes; nothing where nobody can."""
    if sys.stdin is None:
        return ""
    return sys.stdin.buffer.readline(LONGEST_LINE).decode("utf-8", "replace")


def _decoded(option: str, shown: str, text: bytes) -> str:
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{option}: {shown} is no text") from None
