"""Stdout and stderr that are closed, full, or read by nobody: the run is run all the same."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.site import COMMAND, ROOT, Site

NOWHERE = "http://127.0.0.1:1"


def shell(site: Site, command: str, **environment: str | None) -> subprocess.CompletedProcess[str]:
    """`$RUN` is the command line."""
    run = " ".join([sys.executable, *COMMAND])
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; RUN='{run}'; {command}"],
        cwd=ROOT,
        env=site.environment(**environment),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@contextmanager
def read_by_nobody() -> Iterator[int]:
    read, write = os.pipe()
    os.close(read)
    try:
        yield write
    finally:
        os.close(write)


def outcomes(site: Site) -> list[str]:
    return [row[0] for row in site.sql("SELECT outcome FROM ops.runs")]


@pytest.mark.parametrize("stderr", ["2>&-", "2>/dev/full", "<&- 2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(
    "settings",
    [{}, pytest.param({"LOG_FORMAT": "text", "LOG_LEVEL": "debug"}, marks=pytest.mark.slow)],
    ids=str,
)
def test_a_run_needs_no_stderr(site: Site, stderr: str, settings: dict[str, str]) -> None:
    """A log of another form and of many more lines: in `make slow`."""
    site.connect()

    done = shell(site, f"$RUN ebay --json {stderr}", **settings)

    assert done.returncode == 0, done.stderr
    assert outcomes(site) == ["done"]
    if ">&- 2" not in stderr:
        assert json.loads(done.stdout)["counts"]["written"] > 0


@pytest.mark.parametrize("stderr", ["2>&-", "2>/dev/full"])
def test_a_failure_keeps_its_exit_code_where_nobody_can_be_told(site: Site, stderr: str) -> None:
    site.connect()

    upstream = shell(site, f"$RUN ebay --deadline 6s {stderr}", EBAY_SIMULATOR_API_URL=NOWHERE)
    unknown = shell(site, f"$RUN ebay --account nobody {stderr}")
    mistyped = shell(site, f"$RUN ebay --acount nobody {stderr}")
    database = shell(
        site, f"$RUN ebay {stderr}", DATABASE_URL="postgresql://a@127.0.0.1:1/b?sslmode=disable"
    )

    assert upstream.returncode == 69
    assert unknown.returncode == 65
    assert mistyped.returncode == 2
    assert database.returncode == 69
    assert outcomes(site) == ["failed"]


def test_a_reader_of_both_who_goes_away_stops_no_run(site: Site) -> None:
    site.connect()

    with read_by_nobody() as pipe:
        done = subprocess.run(
            [sys.executable, *COMMAND, "ebay"],
            cwd=ROOT, env=site.environment(), stdout=pipe, stderr=pipe, timeout=100, check=False,
        )  # fmt: skip

    assert done.returncode == 0
    assert outcomes(site) == ["done"]


@pytest.mark.parametrize("arguments", ["ebay --json", "runs", "accounts list --json", "--help"])
def test_a_reader_of_stdout_who_goes_away_is_no_error(site: Site, arguments: str) -> None:
    site.connect()

    with read_by_nobody() as pipe:
        done = subprocess.run(
            [sys.executable, *COMMAND, *arguments.split()],
            cwd=ROOT, env=site.environment(), stdout=pipe, stderr=subprocess.PIPE, text=True,
            timeout=100, check=False,
        )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert "Error" not in done.stderr


def test_a_run_that_failed_says_so_also_to_a_reader_who_went_away(site: Site) -> None:
    site.connect()

    with read_by_nobody() as pipe:
        done = subprocess.run(
            [sys.executable, *COMMAND, "ebay", "--json", "--deadline", "6s"],
            cwd=ROOT, env=site.environment(EBAY_SIMULATOR_API_URL=NOWHERE), stdout=pipe,
            stderr=subprocess.DEVNULL, timeout=100, check=False,
        )  # fmt: skip

    assert done.returncode == 69


def test_an_answer_that_finds_no_room_is_an_error(site: Site) -> None:
    listed = shell(site, "$RUN accounts list --json >/dev/full")
    ran = shell(site, "$RUN ebay --json --deadline 6s >/dev/full", EBAY_SIMULATOR_API_URL=NOWHERE)

    assert listed.returncode == 1
    assert "error: stdout cannot be written: No space left on device" in listed.stderr
    assert "Traceback" not in listed.stderr + ran.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        "ebay --account",
        *(
            pytest.param(command, marks=pytest.mark.slow)
            for command in ("accounts test", "accounts pause", "workers pause", "runs")
        ),
    ],
)
def test_a_name_that_is_no_utf_8_is_refused(site: Site, arguments: str) -> None:
    """One check in `main` serves all commands; the other ones are in `make slow`."""
    done = shell(site, f"$RUN {arguments} $'\\xff'")

    assert done.returncode == 65, done.stderr
    assert "'\\udcff' is not UTF-8" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_name_that_no_terminal_can_show_is_refused(site: Site) -> None:
    done = shell(site, "$RUN ebay --account $'a\\tb'")

    assert done.returncode == 65
    assert "account: must be a name" in done.stderr
