"""The first sync of every stream of five accounts, in one command, is eBay's truth row by row."""

import json
from collections.abc import Mapping
from importlib import resources

import pytest

from infra.ebay.streams.registry import STREAMS
from infra.postgres.page_statements import page_table
from infra.postgres.queries import split
from infra.simulator.server import Simulator
from tests.support.site import Site, site_of

ACCOUNTS = 5
BESIDE: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "orders": ("ebay.orders", ("order_id",)),
    "transactions": ("ebay.transactions", ("transaction_id", "transaction_type")),
    "payouts": ("ebay.payouts", ("payout_id",)),
}
"""Tables with children have SQL of their own."""


def table_of(stream: str) -> tuple[str, tuple[str, ...]]:
    if stream in BESIDE:
        return BESIDE[stream]
    file = resources.files("infra.postgres") / "sql" / f"{stream}.sql"
    source = file.read_text()
    table = page_table(source, dict(split(source))["rows"])
    return table.table, table.key


def stored(site: Site, account: str, stream: str) -> set[tuple[str, ...]]:
    table, key = table_of(stream)
    rows = site.sql(
        f"SELECT {', '.join(key)} FROM {table} WHERE account_id ="
        f" (SELECT id FROM ebay.accounts WHERE name = '{account}')"
    )
    return {tuple(str(value) for value in row) for row in rows}


@pytest.mark.timeout(240)
def test_the_first_sync_of_every_stream_of_five_accounts_is_ebays_truth(
    database_url: str, direct_database_url: str
) -> None:
    names = [stream.name for stream in STREAMS]
    with Simulator(seed=8, accounts=ACCOUNTS, orders=120, days=60) as simulator:
        site = site_of(database_url, direct_database_url, simulator)
        site.connect(ACCOUNTS, streams=names)

        first = site.cli("ebay", "--json")
        again = site.cli("ebay", "--json")

        assert first.returncode == 0, first.stderr
        assert json.loads(first.stdout)["outcome"] == "done"
        assert json.loads(again.stdout)["reason"] == "nothing_due"
        for account in simulator.world.accounts:
            for stream in names:
                truth = {tuple(key) for key in simulator.truth(account.name, stream)}
                assert truth, f"the simulator has no {stream}"
                assert stored(site, account.name, stream) == truth, (account.name, stream)
