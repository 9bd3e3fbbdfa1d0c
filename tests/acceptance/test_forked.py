"""The processes of these tests are forked from a warm interpreter: what they show is the same."""

import signal
import subprocess
import sys
from collections.abc import Sequence

import pytest

from tests.support import forked
from tests.support.forked import Forked
from tests.support.site import COMMAND, Site

LEAKY = ("-m", "tests.support.leaky")


def told(site: Site, command: Sequence[str], *, fresh: bool) -> tuple[int, str, str]:
    """Its code, what it printed, and the last word that it had on stderr."""
    site.reset()
    site.connect()
    environment = site.environment(LOG_FORMAT="text", LOG_LEVEL="error")
    done = forked.run(command, env=environment, timeout=100, fresh=fresh)
    return done.returncode, done.stdout, (done.stderr.splitlines() or [""])[-1]


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ((*COMMAND, "--help"), 0),
        ((*COMMAND, "workers", "list"), 0),
        ((*COMMAND, "psql", "-Atc", "SELECT 1"), 0),
        ((*COMMAND, "accounts", "pause", "nobody"), 65),
        ((*COMMAND, "mistyped"), 2),
        ((*LEAKY, "ebay"), 1),
        (("-m", "tests.support.launcher", "--crash-at", "main before BEGIN #1", "--", "runs"), -9),
    ],
    ids=lambda value: " ".join(value[1:]) if isinstance(value, tuple) else str(value),
)
def test_a_forked_command_ends_as_one_that_was_started(
    site: Site, command: Sequence[str], code: int
) -> None:
    started, copied = (told(site, command, fresh=fresh) for fresh in (True, False))

    assert started == copied
    assert started[0] == code


def test_a_forked_process_has_its_own_number_and_hears_signals(site: Site) -> None:
    # Also where coverage is measured, which starts each one anew.
    plain = {name: text for name, text in site.environment().items() if not name.startswith("COV")}
    pipe = subprocess.PIPE
    command = (*COMMAND, "serve", "--port", "0")
    first, second = (forked.popen(command, env=plain, stdout=pipe, stderr=pipe) for _ in range(2))
    with first, second:
        assert isinstance(first, Forked)
        assert first.pid != second.pid
        for process in (first, second):
            assert process.stderr is not None
            while '"api.started"' not in process.stderr.readline():
                assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            first.wait(0.01)

        first.terminate()
        second.kill()
        codes = first.wait(60), second.wait(60)

    assert codes == (0, -signal.SIGKILL)


def test_what_an_interpreter_reads_when_it_starts_starts_one(site: Site) -> None:
    command = ("-m", "platform")

    with forked.popen(command, env=site.environment(PYTHONUTF8="1")) as process:
        assert not isinstance(process, Forked)
        assert process.args == [sys.executable, *command]
    assert process.returncode == 0
