"""Runs the ordinary command line in processes that can be made to die or freeze at a crash point.

    python -m tests.support.launcher --count FILE -- ebay --json
    python -m tests.support.launcher --crash-at 'unit before COMMIT #3' -- ebay
    python -m tests.support.launcher --stop-at 'main after runs.acquire #1' -- ebay

`--serve` reads one JSON request per line from stdin and forks for each: a process costs 20 ms then
instead of a second of imports. It answers `{"pid": …}`, then `{"stopped": true}` for each freeze,
then `{"status": …}` (an exit code, or the negative number of a signal).
"""

import argparse
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from handlers.cli.main import main
from tests.support.crash_points import KILL, STOP, CrashPoints


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """`output`: stdout goes to this path with `.out`, stderr with `.err`."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    output: str
    record: str | None = None
    at: str | None = None
    how: str = KILL
    folder: str = field(default_factory=os.getcwd)

    def as_line(self) -> str:
        return json.dumps(asdict(self)) + "\n"


def serve() -> None:
    for line in sys.stdin:
        request = Request(**json.loads(line))
        pid = os.fork()
        if pid == 0:
            os._exit(_child(request))
        _tell(pid=pid)
        _follow(pid)


def _follow(pid: int) -> None:
    while True:
        _, status = os.waitpid(pid, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            _tell(status=os.waitstatus_to_exitcode(status))
            return
        _tell(stopped=True)


def _tell(**fact: object) -> None:
    print(json.dumps(fact), flush=True)


def _child(request: Request) -> int:
    """The exit code; whatever is raised is shown, for nobody is above."""
    for number, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, f"{request.output}.out", os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        (2, f"{request.output}.err", os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    ):
        os.dup2(os.open(path, flags, 0o600), number)
    os.environ.clear()
    os.environ.update(request.environment)
    os.chdir(request.folder)
    try:
        return launch(request.arguments, _points(request.record, request.at, request.how))
    except SystemExit as ended:
        return int(ended.code or 0)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 70
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _points(record: str | None, at: str | None, how: str) -> CrashPoints:
    return CrashPoints(record=None if record is None else Path(record), at=at, how=how)


def launch(arguments: Sequence[str], points: CrashPoints) -> int:
    points.install()
    return main(arguments)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.support.launcher")
    parser.add_argument("--serve", action="store_true")
    parser.add_argument("--count", metavar="FILE")
    parser.add_argument("--crash-at", metavar="POINT")
    parser.add_argument("--stop-at", metavar="POINT")
    parser.add_argument("arguments", nargs="*", metavar="-- COMMAND …")
    return parser.parse_args()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    given = options()
    if given.serve:
        serve()
        sys.exit(0)
    how = KILL if given.crash_at else STOP
    sys.exit(launch(given.arguments, _points(given.count, given.crash_at or given.stop_at, how)))
