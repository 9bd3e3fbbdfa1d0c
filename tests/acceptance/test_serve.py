"""`serve` and `simulator`: told to listen when they do, and why they cannot."""

import json
import signal
import socket
import subprocess
from collections.abc import Iterator

import httpx
import pytest

from tests.support.simulated import NO_TLS
from tests.support.site import Site


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        yield somebody.getsockname()[1]


def told(process: subprocess.Popen[str], event: str) -> dict[str, str]:
    assert process.stderr is not None
    while line := process.stderr.readline():
        if f'"{event}"' in line:
            found: dict[str, str] = json.loads(line)
            return found
    raise AssertionError(f"{event} was not told")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_who_is_told_that_it_started_is_answered(site: Site, host: str) -> None:
    process = site.start("serve", "--port", "0", "--host", host)
    try:
        url = told(process, "api.started")["url"]
        answer = httpx.get(f"{url}/health", trust_env=False, verify=NO_TLS)
    finally:
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate(timeout=60)

    assert answer.status_code == 200
    assert process.returncode == 0, rest
    assert "cron.closed" not in rest


def test_a_server_that_nobody_may_call_says_so(site: Site) -> None:
    process = site.start("serve", "--port", "0", CRON_SECRET=None)
    try:
        warning = told(process, "cron.closed")
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)

    assert warning["level"] == "warning"
    assert "CRON_SECRET is not set" in warning["why"]


@pytest.mark.parametrize("command", ["serve", "simulator"])
def test_a_port_that_is_taken_is_named(site: Site, taken: int, command: str) -> None:
    ended = site.cli(command, "--port", str(taken))

    assert ended.returncode == 69
    assert str(taken) in ended.stderr
    assert "Address already in use" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "api.started" not in ended.stderr


def test_a_host_that_is_not_ours_is_named(site: Site) -> None:
    ended = site.cli("serve", "--host", "192.0.2.1", "--port", "0")

    assert ended.returncode == 69
    assert "192.0.2.1" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("serve", "--port", "99999"),
        ("serve", "--port", "-1"),
        ("simulator", "--port", "99999"),
        ("simulator", "--orders", "-5"),
        ("simulator", "--accounts", "0"),
        ("simulator", "--days", "0"),
    ],
)
def test_numbers_that_cannot_be_meant_are_refused(site: Site, arguments: tuple[str, ...]) -> None:
    ended = site.cli(*arguments)

    assert ended.returncode == 2
    assert arguments[2] in ended.stderr
