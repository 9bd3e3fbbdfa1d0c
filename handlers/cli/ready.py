"""The database that a command works with."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from handlers import wiring
from handlers.wiring import Opened


def announce(line: str) -> None:
    print(line, file=sys.stderr)


@contextmanager
def opened() -> Iterator[Opened]:
    """The one that the settings name, with this release's schema; its place is told first."""
    settings = wiring.load_settings()
    with wiring.opened(settings, wiring.log_for(settings), announce=announce) as ready:
        yield ready
