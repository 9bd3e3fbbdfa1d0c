"""A longer backfill costs no more memory."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.site import KEPT, KEYS, ROOT

STATUS = Path("/proc/self/status")
# Not the usage that the system tells of an ended child: a fork begins with its parent's.
MEASURED = f"""
import sys
from handlers.cli.main import main
code = main(["ebay", "--account", sys.argv[1], "--stream", sys.argv[2], "--json"])
with open("{STATUS}") as status:
    [peak] = [line.split()[1] for line in status if line.startswith("VmHWM")]
print(peak)
sys.exit(code)
"""


@contextmanager
def simulator_process(*sizes: str) -> Iterator[dict[str, Any]]:
    """One of its own, so that its memory is not counted."""
    process = subprocess.Popen(
        [sys.executable, "-m", "infra.simulator.main", "--port", "0", "--accounts", "1",
         "--seed", sizes[-1], *sizes],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


def peak_kb(url: str, stream: str, size: int, *sizes: str) -> int:
    """Of the process that reads a new account, in which there is so much of this stream."""
    name = f"{stream}-{size}"
    with simulator_process(*sizes) as ebay:
        environment = {
            **{kept: value for kept, value in os.environ.items() if kept in KEPT},
            "DATABASE_URL": url,
            "ENCRYPTION_KEYS": KEYS,
            "EBAY_SIMULATOR_API_URL": ebay["api_url"],
        }
        token = ebay["accounts"][0]["refresh_token"]
        add = ("accounts", "add", "--environment", "simulator", "--refresh-token-file", "-")
        _run(environment, "-m", "core.run", *add, "--name", name, typed=token)
        report, peak = _run(environment, "-c", MEASURED, name, stream).splitlines()
    assert json.loads(report)["counts"]["inserted"] >= size
    return int(peak)


def _run(environment: dict[str, str], *arguments: str, typed: str = "") -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        input=typed,
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not STATUS.exists(), reason="the peak of memory is read in /proc")
@pytest.mark.timeout(300)
@pytest.mark.slow
def test_50000_orders_need_no_more_memory_than_5000(database_url: str) -> None:
    short, long = (
        peak_kb(database_url, "orders", size, "--orders", str(size)) for size in (5_000, 50_000)
    )

    assert long <= 1.2 * short, (short, long)


@pytest.mark.skipif(not STATUS.exists(), reason="the peak of memory is read in /proc")
@pytest.mark.timeout(300)
@pytest.mark.slow
def test_r56_25000_listings_need_no_more_memory_than_2500(database_url: str) -> None:
    """As many as eBay shows."""
    short, long = (
        peak_kb(database_url, "active_inventory", size, "--orders", "3", "--listings", str(size))
        for size in (2_500, 25_000)
    )

    assert long <= 1.2 * short, (short, long)
