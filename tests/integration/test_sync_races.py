"""Units and their rows under many hands at once."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from core.errors import StoreUnavailableError
from core.ids import RunId
from core.report import Outcome, RunReport, Trigger, UnitReport
from core.runs.model import Begun, Conduct, RunRequest
from core.sync.model import Pass
from core.sync.ports import UnitEnd
from infra.postgres.runs import PostgresRuns
from infra.postgres.transaction import Database
from tests.support.shelf import READ_AT, Shelf, page_of_text

HOLD = "SELECT 1 FROM ebay.sync_states WHERE account_id = :id FOR UPDATE"


def test_a_renewal_passes_by_the_unit_whose_page_is_being_stored(database: Database) -> None:
    first, second = Shelf(database, "orders"), Shelf(database, "orders", account="other")
    second.sql(
        "UPDATE ebay.sync_states SET leased_by = :run, leased_until = now() - interval '1 s'"
        " RETURNING 1",
        run=first.run_id,
    )

    with database.transaction() as connection:
        connection.execute(sa.text(HOLD), {"id": first.unit.account.id})
        first.store.renew(first.run_id)

    alive = dict(
        map(tuple, first.sql("SELECT account_id, leased_until > now() FROM ebay.sync_states"))
    )
    assert alive == {first.unit.account.id: False, second.unit.account.id: True}


def test_units_that_somebody_is_taking_are_passed_by(database: Database) -> None:
    shelf = Shelf(database, "orders")
    shelf.sql(
        "UPDATE ebay.sync_states SET leased_by = NULL, leased_until = NULL, due_at = now()"
        " RETURNING 1"
    )

    with database.transaction() as connection:
        connection.execute(sa.text(HOLD), {"id": shelf.unit.account.id})
        taken = shelf.store.take_due(shelf.start_run(), datetime.now(UTC) + timedelta(hours=1), 9)

    assert list(taken) == []


def test_r12_many_takers_share_the_units_and_none_is_taken_twice(database: Database) -> None:
    shelf = Shelf(database, "orders")
    shelf.sql(
        "WITH more AS (INSERT INTO ebay.accounts (name, environment)"
        " SELECT 'more-' || n, 'simulator' FROM generate_series(1, 40) AS n RETURNING id)"
        " INSERT INTO ebay.sync_states (account_id, stream, interval_s, due_at)"
        " SELECT id, 'orders', 300, now() FROM more RETURNING 1"
    )
    now = datetime.now(UTC) + timedelta(seconds=5)
    start = Barrier(4)

    def take(_: int) -> list[Any]:
        run_id, taken = shelf.start_run(), []
        start.wait()
        while units := shelf.store.take_due(run_id, now, 3):
            taken += [unit.account.id for unit in units]
        return taken

    with ThreadPoolExecutor(4) as takers:
        taken = [account for found in takers.map(take, range(4)) for account in found]

    assert len(taken) == 40
    assert set(Counter(taken).values()) == {1}


def transaction(number: int, version: int) -> dict[str, Any]:
    fees = [
        {"feeType": f"FEE_{n}", "amount": {"value": str(version)}} for n in range(1 + version % 3)
    ]
    return {
        "transactionId": f"{number:04}",
        "transactionType": "SALE",
        "transactionDate": "2026-02-01T10:00:00Z",
        "transactionMemo": f"version {version}",
        "orderLineItems": [{"lineItemId": "1", "marketplaceFees": fees}],
    }


def test_both_passes_store_the_same_rows_at_once_without_a_deadlock(database: Database) -> None:
    """They are two units with leases of their own; the later answer wins."""
    shelf = Shelf(database, "transactions")
    shelf.sql(
        "INSERT INTO ebay.sync_states (account_id, stream, pass, interval_s, due_at)"
        " SELECT id, 'transactions', 'open', 3600, now() FROM ebay.accounts RETURNING 1"
    )
    later = datetime.now(UTC) + timedelta(seconds=5)
    [second] = shelf.store.take_due(shelf.run_id, later, 1)
    assert second.pass_ is Pass.OPEN
    start = Barrier(2)

    def store(unit: Any, parity: int) -> None:
        start.wait()
        for version in range(parity, 30, 2):
            rows = [transaction(number, version) for number in range(60)]
            read_at = READ_AT + timedelta(seconds=version)
            shelf.save(*(rows if parity else reversed(rows)), unit=unit, read_at=read_at)

    with ThreadPoolExecutor(2) as writers:
        ends = [writers.submit(store, shelf.unit, 0), writers.submit(store, second, 1)]
        for end in ends:
            end.result()

    memos = set(shelf.column("SELECT transaction_memo FROM ebay.transactions"))
    assert memos == {"version 29"}
    wrong = shelf.column(
        "SELECT transaction_id FROM ebay.transactions t WHERE (SELECT count(*) FROM"
        " ebay.transaction_fees f WHERE f.transaction_id = t.transaction_id) <>"
        " jsonb_array_length(raw #> '{orderLineItems,0,marketplaceFees}')"
    )
    assert wrong == []


SLOW = """
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN PERFORM pg_sleep(5); RETURN NEW; END $$;
CREATE TRIGGER slow BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION slow();
"""


@pytest.mark.parametrize("table", ["ebay.payouts", "ops.run_units"])
def test_a_statement_takes_no_longer_than_the_run_has_left(database: Database, table: str) -> None:
    """Or the run would outlive its deadline, and be killed."""
    shelf = Shelf(database, "payouts")
    with database.transaction() as connection:
        connection.exec_driver_sql(SLOW.format(table=table))
    hurried = replace(shelf.store, time_left=lambda: 0.5)
    payout = {"payoutId": "1", "payoutDate": "2026-02-01T10:00:00Z"}
    end = UnitEnd(
        report=UnitReport(
            account_id=shelf.unit.account.id,
            account="shop",
            stream="payouts",
            outcome=Outcome.DONE,
            started_at=READ_AT,
            finished_at=READ_AT,
        ),
        due_at=READ_AT,
        succeeded=True,
        gave_up=False,
    )

    page = page_of_text("payouts", [json.dumps(payout)])

    def save() -> None:
        hurried.save_page(
            shelf.run_id, "ebay-cycle", shelf.unit, page, read_at=READ_AT, progress=None
        )

    def finish() -> None:
        hurried.finish(shelf.run_id, shelf.unit, end, [])

    with pytest.raises(StoreUnavailableError):
        (save if table == "ebay.payouts" else finish)()

    assert shelf.column("SELECT leased_by FROM ebay.sync_states") == [shelf.run_id]


def test_a_report_takes_no_longer_than_its_caller_waits(database: Database) -> None:
    runs = PostgresRuns(database, timedelta(seconds=60))
    run_id = RunId(uuid4())
    request = RunRequest(worker="ebay-cycle", trigger=Trigger(via="cli"))
    begun = runs.begin(run_id, request)
    assert isinstance(begun, Begun)
    report = RunReport(
        run_id=run_id,
        worker="ebay-cycle",
        trigger=request.trigger,
        outcome=Outcome.DONE,
        started_at=READ_AT,
        finished_at=READ_AT,
        duration_ms=0,
    )

    with database.transaction() as connection:
        connection.execute(sa.text("SELECT 1 FROM ops.runs FOR UPDATE"))
        with pytest.raises(StoreUnavailableError):
            runs.finish(report, begun.fence, conduct=Conduct.SILENT, timeout=0.3)
