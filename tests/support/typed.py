"""A command line typed in this process: a second of imports less than in one of its own."""

import io
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from handlers.cli.main import main
from tests.support.site import Site


def typed(site: Site, *arguments: str, **settings: str | None) -> subprocess.CompletedProcess[str]:
    """As `site.cli`; what it prints is held back, and its signal handlers are taken away again."""
    with site.in_this_process(**settings), _signals_kept(), _streams() as (out, errors):
        code = _code(arguments)
        # Before the streams are gone: they take along what they write into.
        told = [stream.getvalue().decode() for stream in (out, errors)]
    return subprocess.CompletedProcess(arguments, code, *told)


def refused(ended: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """One sentence, no traceback, nothing on stdout."""
    assert ended.returncode == code, ended.stderr
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    [line] = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
    for word in words:
        assert word in line


def _code(arguments: Sequence[str]) -> int:
    try:
        return main(arguments)
    except SystemExit as ended:
        return int(ended.code or 0)


@contextmanager
def _streams() -> Iterator[tuple[io.BytesIO, io.BytesIO]]:
    before = sys.stdout, sys.stderr
    bodies = io.BytesIO(), io.BytesIO()
    sys.stdout, sys.stderr = (
        io.TextIOWrapper(body, encoding="utf-8", write_through=True) for body in bodies
    )
    try:
        yield bodies
    finally:
        sys.stdout, sys.stderr = before


@contextmanager
def _signals_kept() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
