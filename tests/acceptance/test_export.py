"""`export`: a table as a file, as a person or a cron line calls it."""

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile

import pytest

from core.exports.catalog import TABLES
from tests.support import forked
from tests.support.site import COMMAND, ROOT, Site

pytestmark = pytest.mark.timeout(150)


FILL = """
INSERT INTO ebay.orders (account_id, order_id, creation_date, last_modified_date, buyer_username,
                         total_value, total_currency, total_due_seller_value, raw, content_hash,
                         first_seen_at, updated_at)
SELECT id, 'o' || lpad(CAST(n AS text), 8, '0'),
       timestamptz '2026-09-01T12:00:00Z' + n * interval '1 day', now(),
       CASE n % 3 WHEN 0 THEN '=cmd|''/C calc''!A0'
                  WHEN 1 THEN E'"x", y\\r\\nz' ELSE 'Jürgen' END,
       n + 0.10, 'EUR', -n - 0.50, jsonb_build_object('x', repeat('y', {size})), n, now(), now()
  FROM ebay.accounts, generate_series(1, {count}) AS n
    ON CONFLICT DO NOTHING
"""


@pytest.fixture
def filled(site: Site) -> Site:
    """Orders of two sellers, some of whose texts are not harmless."""
    accounts = "('A', 'simulator'), ('B', 'simulator')"
    site.sql(f"INSERT INTO ebay.accounts (name, environment) VALUES {accounts}")
    add_orders(site, 30)
    return site


def add_orders(site: Site, count: int, size: int = 1) -> None:
    site.sql(FILL.format(count=count, size=size))


def export(site: Site, *arguments: str, **options: str) -> subprocess.CompletedProcess[bytes]:
    """As `site.cli`, with the very bytes."""
    with TemporaryFile() as out, TemporaryFile() as errors:
        command = (*COMMAND, "export", *arguments)
        environment = site.environment(**options)
        with forked.popen(command, env=environment, stdout=out, stderr=errors) as process:
            process.wait(100)
        for file in (out, errors):
            file.seek(0)
        return subprocess.CompletedProcess(command, process.returncode, out.read(), errors.read())


def rows_of(written: bytes) -> Sequence[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(written.decode(), newline="")))


def test_orders_of_an_account_since_a_day_as_csv(filled: Site) -> None:
    done = export(filled, "orders", "--since", "2026-09-15", "--format", "csv", "--account", "A")

    assert done.returncode == 0, done.stderr
    rows = rows_of(done.stdout)
    assert [row["order_id"] for row in rows] == [f"o{n:08}" for n in range(14, 31)]
    assert {row["account"] for row in rows} == {"A"}
    [first, second, third, *_] = rows
    assert (first["buyer_username"], second["buyer_username"], third["buyer_username"]) == (
        "Jürgen",
        "'=cmd|'/C calc'!A0",
        '"x", y\r\nz',
    )
    assert (first["total_value"], first["total_due_seller_value"]) == ("14.10", "-14.50")
    assert first["creation_date"] == "2026-09-15T12:00:00.000Z"
    assert "raw" not in first
    assert done.stdout.count(b"\n") == done.stdout.count(b"\r\n")
    told = done.stderr.decode()
    assert "ebay.orders since 2026-09-15T00:00:00.000Z by creation_date of A" in told
    assert "text that begins with = + - @ gets a ' in front" in told
    assert "export: 17 rows" in told


def test_orders_as_json_lines_with_what_ebay_answered(filled: Site) -> None:
    done = export(filled, "ebay.orders", "--format", "jsonl", "--raw")

    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == 60
    assert rows[2]["buyer_username"] == "=cmd|'/C calc'!A0"
    assert rows[0]["total_value"] == "1.10"
    assert rows[0]["legacy_order_id"] is None
    assert rows[0]["raw"] == {"x": "y"}
    assert b"text that begins" not in done.stderr


def test_since_with_changed_names_its_column(filled: Site) -> None:
    done = export(filled, "orders", "--since", "1h", "--changed")

    assert len(rows_of(done.stdout)) == 60
    assert re.search(rb"since \S+Z by updated_at", done.stderr)


def test_an_export_without_rows_has_its_head_and_says_so(filled: Site) -> None:
    done = export(filled, "payouts")

    assert done.returncode == 0
    assert done.stdout.startswith(b"account,payout_id,")
    assert rows_of(done.stdout) == []
    assert b"export: 0 rows: nothing of that is stored" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("oders",), 65, "did you mean orders? There are: orders, order_lines"),
        (("tokens",), 65, "ebay.tokens is not exported: tokens never leave the database"),
        (("orders", "--account", "C"), 65, "no account 'C'; see `accounts list`"),
        (("orders", "--since", "2199-01-01"), 65, "lies in the future"),
        (("orders", "--since", "soon"), 2, "neither an instant"),
        (("orders", "--format", "xls"), 2, "csv"),
        (("orders", "--output", "/nowhere/orders.csv"), 65, "/nowhere/orders.csv cannot be made"),
        (("orders", "--output", "/dev/null"), 65, "is no file; name a file, or write to stdout"),
    ],
)
def test_what_cannot_be_exported_is_told(
    filled: Site, arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = export(filled, *arguments)

    assert done.returncode == code, done.stderr
    assert said in done.stderr.decode()
    assert done.stdout == b""


def test_help_lists_the_tables(site: Site) -> None:
    done = export(site, "--help", COLUMNS="400")

    assert all(name in done.stdout.decode() for name in TABLES)


def test_a_file_is_there_when_it_is_whole(filled: Site, tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"

    done = export(filled, "orders", "--output", str(file))

    assert done.returncode == 0, done.stderr
    assert done.stdout == b""
    assert f"export: 60 rows in {file}" in done.stderr.decode()
    assert len(rows_of(file.read_bytes())) == 60
    assert list(tmp_path.iterdir()) == [file]
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_file_takes_the_place_of_an_older_one_and_keeps_who_may_read_it(
    filled: Site, tmp_path: Path
) -> None:
    file = tmp_path / "orders.csv"
    file.write_text("old")
    file.chmod(0o644)

    failed = export(filled, "orders", "--output", str(file), "--account", "C")
    after_failure = file.read_text()
    done = export(filled, "orders", "--output", str(file))

    assert (failed.returncode, after_failure) == (65, "old")
    assert done.returncode == 0
    assert len(rows_of(file.read_bytes())) == 60
    assert file.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [file]


def test_a_link_goes_on_naming_its_file(filled: Site, tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    link = tmp_path / "orders.csv"
    link.symlink_to(folder / "today.csv")

    done = export(filled, "orders", "--output", str(link))

    assert done.returncode == 0, done.stderr
    assert link.is_symlink()
    assert len(rows_of((folder / "today.csv").read_bytes())) == 60


def test_a_reader_that_has_enough_is_no_error(filled: Site) -> None:
    add_orders(filled, 3000, size=200)
    run = f"{sys.executable} {' '.join(COMMAND)} export orders --raw"

    done = subprocess.run(
        ["bash", "-c", f"{run} | head -n 2; echo ${{PIPESTATUS[0]}}"],
        cwd=ROOT,
        env=filled.environment(),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert done.stdout.splitlines()[-1] == "0"
    assert "Error" not in done.stderr
    assert "error" not in done.stderr


def test_a_full_disk_is_told(filled: Site) -> None:
    add_orders(filled, 3000)

    with Path("/dev/full").open("wb") as full:
        command = (*COMMAND, "export", "orders")
        with forked.popen(
            command, env=filled.environment(), stdout=full, stderr=subprocess.PIPE
        ) as process:
            _, errors = process.communicate(timeout=100)

    assert process.returncode == 1
    assert "stdout cannot be written: No space left on device" in errors
    assert "Traceback" not in errors


def test_an_export_that_is_stopped_says_that_it_is_not_whole(filled: Site) -> None:
    add_orders(filled, 3000, size=500)
    read, write = os.pipe()
    process = forked.popen(
        (*COMMAND, "export", "orders", "--raw"),
        env=filled.environment(),
        stdout=write,
        stderr=subprocess.PIPE,
    )
    os.close(write)

    # What follows fills the pipe, and waits.
    written = os.read(read, 10)
    process.send_signal(signal.SIGTERM)
    assert process.stderr is not None
    told = [next(process.stderr)]
    while "stopping" not in told[-1]:
        told.append(next(process.stderr))
    with open(read, "rb") as pipe:  # noqa: PTH123  (a number)
        written += pipe.read()
    _, rest = process.communicate(timeout=60)

    assert process.returncode == 1
    assert "the export is not whole; run it again" in rest
    assert 0 < written.count(b"\r\n") < 6000


def test_a_file_that_is_stopped_never_gets_its_name(filled: Site, tmp_path: Path) -> None:
    """SIGKILL leaves its draft, and a name that nobody takes for the file."""
    add_orders(filled, 20_000, size=2000)
    file = tmp_path / "orders.csv"
    process = filled.start("export", "orders", "--raw", "--output", str(file))

    while not list(tmp_path.glob(".orders.csv.*.part")):
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=60)

    assert process.returncode == 1, told
    assert list(tmp_path.iterdir()) == []
