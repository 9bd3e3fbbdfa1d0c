"""The oracle itself, by sabotage: what it would not see, no storm could show."""

from collections.abc import Callable, Iterator

import pytest

from tests.support.ground import CRON_SECRET, Ground, ground
from tests.support.oracle import Oracle
from tests.support.postgres import Server

pytestmark = pytest.mark.timeout(120)

AFTER_ALL = "clock_timestamp() + make_interval(hours => 1)"
LONG_AGO = "last_modified_date - make_interval(secs => 1)"
TAKEN = "leased_by = gen_random_uuid(), leased_until ="
ANOTHER_PAYOUT = """
  SELECT account_id, payout_id || 'x', payout_date, payout_status, payout_status_description,
         amount_value, amount_currency, transaction_count, payout_reference,
         last_attempted_payout_date, raw, content_hash, first_seen_at, updated_at FROM ebay.payouts
"""
LONELY_WRITE = "UPDATE ebay.orders SET buyer_username = 'x', updated_at = clock_timestamp()"


@pytest.fixture
def site(postgres_server: Server, database_name: str) -> Iterator[Ground]:
    """Everything read, and found in order."""
    with ground(
        postgres_server.client.with_database(database_name),
        postgres_server.admin.with_database(database_name),
        orders=20,
    ) as made:
        assert made.run("ebay").status == 0
        look_at_everything(made.oracle)
        yield made


def look_at_everything(oracle: Oracle) -> None:
    oracle.history_is_sound()
    oracle.cursors_tell_the_truth()
    oracle.rows_are_the_sources()
    oracle.nothing_is_stranded()
    oracle.leases_end_soon()
    oracle.runs_end_in_time()
    oracle.every_run_left_a_row(quiet=True)
    oracle.no_secret_is_told([])


SABOTAGE: list[tuple[str, str]] = [
    ("O1: seller-1/orders", "UPDATE ebay.orders SET raw = raw || '{\"x\": 1}'"),
    ("O1: seller-1/orders", "DELETE FROM ebay.order_lines"),
    ("O1: seller-1/transactions", "UPDATE ebay.transaction_fees SET raw = '{}'"),
    ("O1: seller-1/payouts", f"INSERT INTO ebay.payouts {ANOTHER_PAYOUT}"),
    ("O2: seller-1/transactions", "DELETE FROM ebay.transactions"),
    ("O7", "UPDATE ebay.sync_states SET due_at = NULL"),
    ("O7", f"UPDATE ebay.sync_states SET {TAKEN} {AFTER_ALL}"),
    ("O9", f"UPDATE ops.runs SET detail = 'see {CRON_SECRET} here'"),
    ("O11", "UPDATE ops.runs SET parameters = '{\"deadline_s\": 0.000001}'"),
    ("O12", "UPDATE ops.runs SET outcome = 'skipped', reason = NULL"),
]  # fmt: skip
SEEN_BY_TRIGGERS: list[tuple[str, str]] = [
    ("O2", "UPDATE ebay.sync_states SET cursor_at = cursor_at - make_interval(secs => 1)"),
    ("O3", f"UPDATE ebay.orders SET last_modified_date = {LONG_AGO}"),
    ("O3", "DELETE FROM ebay.payouts"),
    ("O4", LONELY_WRITE),
    ("O4", "UPDATE ebay.sync_states SET fence = fence - 1"),
    ("O4", f"UPDATE ebay.sync_states SET {TAKEN} clock_timestamp()"),
]  # fmt: skip


@pytest.mark.parametrize("unseen", [True, False], ids=["data", "history"])
def test_the_oracle_sees_each_kind_of_damage(site: Ground, unseen: bool) -> None:
    """One database for all of them: each is undone before the next."""
    for law, damage in SABOTAGE if unseen else SEEN_BY_TRIGGERS:
        undo = Undo(site)
        quiet = "SET session_replication_role = replica;" if unseen else ""
        site.sql(f"{quiet} {damage}")

        told = complaint_of(lambda: look_at_everything(site.oracle))

        assert told.startswith(law), f"{damage}: {told or 'nothing was seen'}"
        undo()


def complaint_of(look: Callable[[], None]) -> str:
    try:
        look()
    except AssertionError as error:
        return str(error)
    return ""


class Undo:
    """The tables as they were, and an oracle that has seen nothing of the damage."""

    TABLES = ("ebay.orders", "ebay.order_lines", "ebay.transactions", "ebay.transaction_fees",
              "ebay.payouts", "ebay.sync_states", "ops.runs")  # fmt: skip

    def __init__(self, site: Ground) -> None:
        self._site = site
        copies = [
            f"CREATE TABLE chaos.{self._copy(table)} AS TABLE {table}" for table in self.TABLES
        ]
        site.sql("; ".join(copies))

    def _copy(self, table: str) -> str:
        return table.replace(".", "_")

    def __call__(self) -> None:
        steps = ["SET session_replication_role = replica", "DELETE FROM chaos.log"]
        for table in self.TABLES:
            copy = f"chaos.{self._copy(table)}"
            steps += [
                f"DELETE FROM {table}",
                f"INSERT INTO {table} TABLE {copy}",
                f"DROP TABLE {copy}",
            ]
        self._site.sql("; ".join(steps))
        old = self._site.oracle
        self._site.oracle = Oracle(old.simulator, old.url, old.secrets, old.lease_s, old.directly)
        self._site.oracle.account_ids = old.account_ids
