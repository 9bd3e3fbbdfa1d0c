"""Runs the ordinary command line in processes that can be made to die or freeze at a crash point.

python -m tests.support.launcher --count FILE -- ebay --json
python -m tests.support.launcher --crash-at 'unit before COMMIT #3' -- ebay
python -m tests.support.launcher --stop-at 'main after runs.acquire #1' -- ebay
"""

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from handlers.cli.main import main
from tests.support.crash_points import KILL, STOP, CrashPoints

Command = Callable[[Sequence[str]], int]


def _points(record: str | None, at: str | None, how: str) -> CrashPoints:
    return CrashPoints(record=None if record is None else Path(record), at=at, how=how)


def launch(command: Command) -> int:
    """As this process was told to; its exit code."""
    given = _options()
    how = KILL if given.crash_at else STOP
    _points(given.count, given.crash_at or given.stop_at, how).install()
    return command(given.arguments)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.support.launcher")
    parser.add_argument("--count", metavar="FILE")
    parser.add_argument("--crash-at", metavar="POINT")
    parser.add_argument("--stop-at", metavar="POINT")
    parser.add_argument("arguments", nargs="*", metavar="-- COMMAND …")
    return parser.parse_args()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(launch(main))
