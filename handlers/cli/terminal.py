"""Standard streams that may be closed, full, or read by nobody: none of that changes a run."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

STANDARD = (0, 1, 2)


class Lossy(io.TextIOWrapper):
    """Loses what cannot be written, and remembers why in `lost`."""

    lost: OSError | None = None

    def write(self, text: str, /) -> int:
        try:
            return super().write(text)
        except OSError as error:
            self._lose(error)
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self._lose(error)

    def _lose(self, error: OSError) -> None:
        self.lost = self.lost or error
        # What is still in the buffer would be tried again at exit, and change its code.
        with suppress(OSError):
            _to_nowhere(self.fileno())


@contextmanager
def lossy_streams() -> Iterator[Lossy]:
    """Stdout, yielded, and stderr lose what cannot be written for as long as this is open."""
    _open_the_closed()
    before = sys.stdout, sys.stderr
    out, errors = _lossy(sys.stdout, 1), _lossy(sys.stderr, 2)
    sys.stdout, sys.stderr = out, errors
    try:
        yield out
    finally:
        sys.stdout, sys.stderr = before
        for stream in (out, errors):
            stream.flush()
            stream.detach()


def _lossy(stream: TextIO | None, number: int) -> Lossy:
    """Python makes no stream where it finds the number closed."""
    if stream is None:
        return Lossy(io.FileIO(number, "w", closefd=False), write_through=True)
    # Names come from eBay and from the command line: a terminal may have no sign for one.
    return Lossy(
        stream.buffer,
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=getattr(stream, "line_buffering", False),
        write_through=getattr(stream, "write_through", False),
    )


def _open_the_closed() -> None:
    """Else the next socket gets a closed one's number, and what libraries print goes into it."""
    for number in STANDARD:
        try:
            os.fstat(number)
        except OSError:
            _to_nowhere(number)


def _to_nowhere(number: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere == number:
        os.set_inheritable(number, True)  # noqa: FBT003  (its only argument)
        return
    os.dup2(nowhere, number)
    os.close(nowhere)
