"""The database that a command works with."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from handlers import opening
from handlers.opening import Opened


def announce(line: str) -> None:
    print(line, file=sys.stderr)


@contextmanager
def opened() -> Iterator[Opened]:
    """The one that the settings name, with this release's schema; its place is told first."""
    settings = opening.load_settings()
    with opening.opened(settings, opening.log_for(settings), announce=announce) as ready:
        yield ready
