"""A longer backfill costs no more memory, nor does a longer export."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from infra.postgres.url import DatabaseUrl, parse
from tests.support.postgres import execute
from tests.support.site import KEPT, KEYS, ROOT

STATUS = Path("/proc/self/status")
# Not the usage that the system tells of an ended child: a fork begins with its parent's.
MEASURED = f"""
import sys
from handlers.cli.main import main
code = main(sys.argv[1:])
with open("{STATUS}") as status:
    [peak] = [line.split()[1] for line in status if line.startswith("VmHWM")]
print(peak, file=sys.stderr)
sys.exit(code)
"""


ORDERS = """
INSERT INTO ebay.accounts (name, environment) VALUES ('a', 'simulator') ON CONFLICT DO NOTHING;
INSERT INTO ebay.orders (account_id, order_id, creation_date, last_modified_date, raw,
                         content_hash, first_seen_at, updated_at)
SELECT id, CAST(number AS text), now(), now(),
       (SELECT jsonb_object_agg(part, md5(CAST(number * part AS text)))
          FROM generate_series(1, 100) AS part), number, now(), now()
  FROM ebay.accounts, generate_series(1, {size}) AS number
    ON CONFLICT DO NOTHING
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


def environment_of(url: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in KEPT}
    return kept | {"DATABASE_URL": url, "ENCRYPTION_KEYS": KEYS}


def peak_kb(url: str, stream: str, size: int, *sizes: str) -> int:
    """Of the process that reads a new account, in which there is so much of this stream."""
    name = f"{stream}-{size}"
    with simulator_process(*sizes) as ebay:
        environment = environment_of(url) | {"EBAY_SIMULATOR_API_URL": ebay["api_url"]}
        token = ebay["accounts"][0]["refresh_token"]
        add = ("accounts", "add", "--environment", "simulator", "--refresh-token-file", "-")
        _run(environment, "-m", "core.run", *add, "--name", name, typed=token)
        read = ("ebay", "--account", name, "--stream", stream, "--json")
        done = _run(environment, "-c", MEASURED, *read)
    assert json.loads(done.stdout)["counts"]["inserted"] >= size
    return int(done.stderr.split()[-1])


def _run(
    environment: dict[str, str], *arguments: str, typed: str = ""
) -> subprocess.CompletedProcess[str]:
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
    return done


@pytest.mark.skipif(not STATUS.exists(), reason="the peak of memory is read in /proc")
@pytest.mark.timeout(300)
@pytest.mark.slow
def test_r61_50000_orders_need_no_more_memory_than_5000(database_url: str) -> None:
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


@pytest.mark.skipif(not STATUS.exists(), reason="the peak of memory is read in /proc")
@pytest.mark.timeout(300)
@pytest.mark.slow
@pytest.mark.parametrize("form", [("csv",), ("jsonl", "--raw")], ids=" ".join)
def test_an_export_of_50000_orders_needs_no_more_memory_than_one_of_5000(
    form: tuple[str, ...], database_url: str, direct_database_url: str
) -> None:
    short, long = (
        exporting_peak_kb(database_url, parse(direct_database_url), size, form)
        for size in (5_000, 50_000)
    )

    assert long <= 1.1 * short, (short, long)


def exporting_peak_kb(url: str, admin: DatabaseUrl, size: int, form: tuple[str, ...]) -> int:
    """Of the process that exports so many orders, of 4 KB each."""
    execute(admin, ORDERS.format(size=size))
    asked = ("export", "orders", "--format", *form)
    done = _run(environment_of(url), "-c", MEASURED, *asked)
    assert len(done.stdout.splitlines()) >= size
    return int(done.stderr.split()[-1])
