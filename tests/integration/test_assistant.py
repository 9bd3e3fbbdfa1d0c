"""What the assistant of chats says of stored data is what the data says, at a bounded cost."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from core.chat.assistant_ports import Period
from core.chat.model import Chat, Plan, Process, Reply, RolledBack, Turn
from core.ids import AccountId
from handlers import opening
from handlers.assistant import assistant
from handlers.job_kinds import job_kinds
from infra.postgres.assistant import PostgresFacts
from infra.postgres.queries import load
from infra.postgres.transaction import Database
from infra.simulator.server import Simulator
from tests.integration.test_statement_budget import counting
from tests.support.plans import rows_scanned
from tests.support.site import Site, site_of

LAG = timedelta(minutes=2)
EVER = Period(
    since=datetime(2000, 1, 1, tzinfo=UTC), until=datetime(2100, 1, 1, tzinfo=UTC), name="ever"
)
PARTS = ("gross", "fees", "refunds", "net", "shipping_labels", "disputes", "other")
CHAT = Chat(source="telegram", chat_id="7")
AT_MOST = 10
A_DAY = 20


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(accounts=2, orders=60, days=20) as running:
        yield running


@pytest.fixture
def site(database_url: str, direct_database_url: str, simulator: Simulator) -> Site:
    """Two sellers, read to the end."""
    site = site_of(database_url, direct_database_url, simulator)
    site.connect(2)
    site.run()
    return site


@pytest.fixture
def process(site: Site) -> Iterator[Process]:
    settings = site.settings()
    with opening.opened(settings, opening.log_for(settings)) as ready:
        yield assistant(ready, job_kinds(ready))


def say(process: Process, text: str, **more: Any) -> Any:
    return process(Turn(chat=CHAT, text=text, now=datetime.now(UTC), **more))


def facts(database: Database, **limits: int) -> PostgresFacts:
    return PostgresFacts(database=database, lag=LAG, **limits)


def sums_of_the_view(site: Site, account: str) -> Mapping[str, tuple[Decimal, ...]]:
    parts = ", ".join(f"sum({part})" for part in PARTS)
    rows = site.sql(
        f"SELECT currency, {parts} FROM ebay.order_money money"
        " JOIN ebay.accounts account ON account.id = money.account_id"
        f" WHERE account.name = '{account}' GROUP BY currency"
    )
    return {row[0]: tuple(row[1:]) for row in rows}


def test_money_of_all_time_is_the_sum_of_what_each_order_brought(site: Site) -> None:
    with site.opened() as database:
        seen = facts(database).money(EVER, None, 100)

    for account in {each.account for each in seen.sums}:
        told = {
            each.currency: tuple(getattr(each, part) for part in PARTS)
            for each in seen.sums
            if each.account == account and each.transactions
        }
        assert told == sums_of_the_view(site, account)
    assert sum(each.transactions for each in seen.sums) == site.one(
        "SELECT count(*) FROM ebay.transactions WHERE amount_value IS NOT NULL"
    )
    assert sum(each.paid_out for each in seen.sums) == site.one(
        "SELECT COALESCE(sum(amount_value), 0) FROM ebay.payouts WHERE payout_status = 'SUCCEEDED'"
    )
    assert sum(each.gross for each in seen.sums) > 0


def test_the_days_of_a_month_add_up_to_the_month(site: Site) -> None:
    first = site.one("SELECT date_trunc('day', min(transaction_date)) FROM ebay.transactions")
    account_id = AccountId(site.one("SELECT min(id) FROM ebay.accounts"))

    with site.opened() as database:
        whole = facts(database).money(
            Period(since=first, until=first + timedelta(days=20), name=""), account_id, 100
        )
        days = [
            facts(database).money(
                Period(
                    since=first + timedelta(days=day),
                    until=first + timedelta(days=day + 1),
                    name="",
                ),
                account_id,
                100,
            )
            for day in range(20)
        ]

    for part in (*PARTS, "paid_out", "coming", "transactions", "payouts"):
        added = sum(getattr(each, part) for day in days for each in day.sums)
        assert added == sum(getattr(each, part) for each in whole.sums)
    assert {each.account for each in whole.sums} == {
        site.one("SELECT name FROM ebay.accounts ORDER BY id LIMIT 1")
    }


def test_orders_of_a_day_are_counted_summed_and_listed(site: Site, process: Process) -> None:
    [[day, account]] = site.sql(
        "SELECT (creation_date AT TIME ZONE 'UTC')::date, account.name FROM ebay.orders"
        " JOIN ebay.accounts account ON account.id = account_id"
        " GROUP BY 1, 2 ORDER BY count(*) DESC, 1, 2 LIMIT 1"
    )
    number, total, currency = site.sql(
        "SELECT count(*), sum(total_value), total_currency FROM ebay.orders"
        " JOIN ebay.accounts account ON account.id = account_id"
        f" WHERE (creation_date AT TIME ZONE 'UTC')::date = '{day}' AND account.name = '{account}'"
        " GROUP BY total_currency ORDER BY total_currency"
    )[0]
    [[title]] = site.sql(
        "SELECT line.title FROM ebay.orders"
        " JOIN ebay.order_lines line USING (account_id, order_id)"
        " JOIN ebay.accounts account ON account.id = orders.account_id"
        f" WHERE (creation_date AT TIME ZONE 'UTC')::date = '{day}' AND account.name = '{account}'"
        " ORDER BY creation_date DESC, line_item_id LIMIT 1"
    )

    told = say(process, f"/orders {day} {account}").text

    assert told.startswith(f"Orders made {day}, {account}:\n{account}: {number} order")
    assert f", {total:,.2f} {currency}" in told.splitlines()[1]
    assert f": {title}"[:50] in told


def test_buyers_are_not_told_of(site: Site, process: Process) -> None:
    buyers = {row[0] for row in site.sql("SELECT DISTINCT buyer_username FROM ebay.orders")}
    last = site.one("SELECT (max(creation_date) AT TIME ZONE 'UTC')::date FROM ebay.orders")

    told = say(process, f"/orders {last}").text

    assert buyers
    assert not any(buyer in told for buyer in buyers if buyer)


READING = ("/status", "/accounts", "/orders month", "/money month", "/retry", "/help", "hello")


def cost(process: Process, text: str) -> int:
    with counting() as statements:
        answer = say(process, text)
    assert len(answer.text) <= 4096
    return len(statements)


def test_each_reading_command_costs_few_statements_however_much_there_is(
    site: Site, process: Process
) -> None:
    few = {text: cost(process, text) for text in READING}
    site.sql(
        "INSERT INTO ebay.accounts (name, environment, status)"
        " SELECT 'more-' || number, 'simulator',"
        " CASE mod(number, 3) WHEN 0 THEN 'needs_reconnect' ELSE 'active' END"
        " FROM generate_series(1, 1000) AS number;"
        "INSERT INTO ebay.sync_states (account_id, stream, pass, interval_s, failures, last_reason)"
        " SELECT id, stream, 'new', 300, 2, 'upstream' FROM ebay.accounts,"
        " unnest(ARRAY['orders', 'payouts', 'messages']) AS stream WHERE name LIKE 'more-%'"
    )

    many = {text: cost(process, text) for text in READING}

    assert max(many.values()) <= AT_MOST, many
    # The streams that a first look found are looked at.
    assert {text for text in READING if many[text] != few[text]} == {"/status"}


def test_status_tells_what_people_see_in_streams_list(site: Site, process: Process) -> None:
    site.sql(
        "UPDATE ebay.sync_states SET failures = 3, last_reason = 'upstream', leased_by = NULL"
        " WHERE stream = 'payouts' AND pass = 'new';"
        "UPDATE ebay.sync_states SET last_success_at = now() - interval '190 minutes',"
        " cursor_at = now() - interval '190 minutes' WHERE stream = 'transactions' AND pass = 'new'"
    )
    names = [row[0] for row in site.sql("SELECT name FROM ebay.accounts ORDER BY id")]

    told = say(process, "/status").text

    payouts = ", ".join(f"{name}/payouts" for name in names)
    assert "Streams: 2 of 6 are well" in told
    assert f"3: {payouts}. eBay did not give a usable answer" in told
    assert f"Late by 3 h: {names[0]}/transactions, {names[1]}/transactions" in told
    assert "ebay-cycle: running, last run done" in told


def test_status_warns_of_consents_that_end_whoever_else_there_is(
    site: Site, process: Process
) -> None:
    site.sql(
        "INSERT INTO ebay.accounts (id, name, environment) OVERRIDING SYSTEM VALUE"
        " SELECT -number, 'more-' || number, 'simulator' FROM generate_series(1, 100) AS number;"
        "UPDATE ebay.tokens SET refresh_expires_at = now() + interval '2 days'"
        " WHERE account_id = (SELECT max(account_id) FROM ebay.tokens)"
    )
    [[name]] = site.sql("SELECT name FROM ebay.accounts ORDER BY id DESC LIMIT 1")

    assert f"{name}: consent ends " in say(process, "/status").text


def test_status_when_all_is_well_lists_nothing(process: Process) -> None:
    told = say(process, "/status").text

    assert "Streams: 6 of 6 are well\nJobs: " in told


def test_accounts_are_found_by_name_and_case(site: Site, process: Process) -> None:
    site.sql("INSERT INTO ebay.accounts (name, environment) VALUES ('Łódź shop', 'simulator')")

    assert "Łódź shop: active (simulator)" in say(process, "/accounts").text
    assert "Łódź shop: none." in say(process, "/orders today Łódź shop").text
    assert ", Łódź shop: none." in say(process, "/money today Łódź").text


def rewound(site: Site) -> Any:
    return site.sql(
        "SELECT account.name, stream, cursor_at FROM ebay.sync_states"
        " JOIN ebay.accounts account ON account.id = account_id"
        " WHERE pass = 'new' ORDER BY 1, 2"
    )


def test_a_rewind_is_planned_done_once_and_undone(site: Site, process: Process) -> None:
    name = site.one("SELECT min(name) FROM ebay.accounts")
    before = rewound(site)
    plan = say(process, f"/rewind {name} orders,payouts 5d")
    assert isinstance(plan, Plan)
    assert rewound(site) == before

    done = say(process, "yes", plan=plan.steps)
    after = rewound(site)
    again = say(process, "yes", plan=plan.steps, again=True)

    assert isinstance(done, Reply)
    assert "about " in plan.text
    assert "calls of " in plan.text
    assert sum(old != new for old, new in zip(before, after, strict=True)) == 2
    assert rewound(site) == after
    assert "was set back" in again.text
    undo = say(process, f"/rewind {name} orders,payouts undo")
    say(process, "yes", plan=undo.steps)
    assert rewound(site) == before


def test_an_undo_takes_back_no_rewind_that_was_made_after_it_was_planned(
    site: Site, process: Process
) -> None:
    name = site.one("SELECT min(name) FROM ebay.accounts")
    say(process, "yes", plan=say(process, f"/rewind {name} orders 5d").steps)
    undo = say(process, f"/rewind {name} orders undo")
    say(process, "yes", plan=say(process, f"/rewind {name} orders 9d").steps)
    later = rewound(site)

    told = say(process, "yes", plan=undo.steps)

    assert isinstance(told, RolledBack)
    assert "rewound again since" in told.text
    assert rewound(site) == later


def test_pauses_reach_streams_accounts_and_the_settling_transaction(
    site: Site, process: Process
) -> None:
    name = site.one("SELECT min(name) FROM ebay.accounts")

    for text in (f"/pause {name} orders", f"/pause {name}"):
        say(process, "yes", plan=say(process, text).steps)

    assert site.one("SELECT count(*) FROM ebay.sync_states WHERE NOT enabled") == 1
    assert site.one("SELECT switched_via FROM ebay.sync_states WHERE NOT enabled") == "chat"
    assert site.one(f"SELECT status FROM ebay.accounts WHERE name = '{name}'") == "paused"
    assert f"{name}: paused; /resume starts it" in say(process, "/status").text
    worker = say(process, "yes", plan=say(process, "/pause all").steps)
    assert site.one("SELECT count(*) FROM ops.workers WHERE NOT enabled") == 0
    assert worker.effect is not None


def test_a_hostile_title_is_one_short_line(site: Site, process: Process) -> None:
    last = site.one("SELECT (max(creation_date) AT TIME ZONE 'UTC')::date FROM ebay.orders")
    site.sql(
        "UPDATE ebay.order_lines"
        " SET title = E'\\u202e<b>\\n/pause all @you ' || repeat('x', 1000000)"
        " WHERE order_id IN (SELECT order_id FROM ebay.orders ORDER BY creation_date DESC LIMIT 2)"
    )

    told = say(process, f"/orders {last}").text

    assert "<b> / pause all @ you xxx" in told
    assert len(told) <= 4096


FILL = """
INSERT INTO ebay.accounts (id, name, environment) OVERRIDING SYSTEM VALUE
VALUES (1, 'a', 'simulator'), (2, 'b', 'simulator');
INSERT INTO ebay.orders (account_id, order_id, creation_date, last_modified_date, total_value, total_currency, raw,
                         content_hash, first_seen_at, updated_at)
SELECT 1 + mod(n, 2), CAST(n AS text), CAST('2026-01-01Z' AS timestamptz) + make_interval(mins => n * 72), now(), 1, 'EUR', '{}', 1, now(), now()
  FROM generate_series(0, 5999) AS n;
INSERT INTO ebay.transactions (account_id, transaction_id, transaction_type, transaction_date, amount_value, amount_currency, raw,
                               content_hash, first_seen_at, updated_at)
SELECT account_id, order_id, 'SALE', creation_date, 1, 'EUR', '{}', 1, now(), now() FROM ebay.orders;
INSERT INTO ebay.payouts (account_id, payout_id, payout_date, payout_status, amount_value, amount_currency, raw, content_hash,
                          first_seen_at, updated_at)
SELECT account_id, order_id, creation_date, 'SUCCEEDED', 1, 'EUR', '{}', 1, now(), now() FROM ebay.orders
"""  # noqa: E501  (a row is read across)
DAY = {
    "since": datetime(2026, 5, 1, tzinfo=UTC),
    "until": datetime(2026, 5, 2, tzinfo=UTC),
}
LOOKS: dict[str, tuple[dict[str, Any], int]] = {
    "order_sums": ({"read": 50_000}, A_DAY + 40),
    "latest_orders": ({"most": 15}, 60),
    "money": ({"read": 200_000, "most": 31}, 2 * A_DAY + 40),
}


@pytest.mark.parametrize("account_id", [None, 1], ids=["all accounts", "one account"])
@pytest.mark.parametrize("analysed", [False, True], ids=["no statistics", "statistics"])
def test_a_look_at_a_day_reads_that_day(
    database: Database, analysed: bool, account_id: int | None
) -> None:
    with database.transaction() as connection:
        for statement in FILL.split(";\n"):
            connection.execute(sa.text(statement))
        if analysed:
            connection.execute(sa.text("ANALYZE ebay.orders, ebay.transactions, ebay.payouts"))
    read = {}
    for name, (values, _) in LOOKS.items():
        with database.transaction(by_index=True) as connection:
            explained = sa.text("EXPLAIN (ANALYZE, FORMAT JSON) " + load("assistant")[name].text)
            asked = {**DAY, **values, "account_id": account_id}
            plan = connection.execute(explained, asked).scalar_one()[0]["Plan"]
        read[name] = rows_scanned(plan)

    assert {name for name, (_, most) in LOOKS.items() if read[name] > most} == set(), read


# Every type with every booking, with and without an amount, a fee, and a currency of its own.
ODD = """
INSERT INTO ebay.accounts (id, name, environment) OVERRIDING SYSTEM VALUE
VALUES (1, 'a', 'simulator'), (2, 'b', 'simulator');
INSERT INTO ebay.transactions (account_id, transaction_id, transaction_type, transaction_date, booking_entry, amount_value,
                               amount_currency, total_fee_amount_value, total_fee_amount_currency, order_id, raw, content_hash,
                               first_seen_at, updated_at)
SELECT 1 + mod(n, 2), CASE WHEN mod(n, 7) = 0 THEN 'DISPUTE_' ELSE '' END || n, type, now() - make_interval(mins => n), booking,
       CASE WHEN mod(n, 11) > 0 THEN n * 0.01 * CASE booking WHEN 'DEBIT' THEN -1 ELSE 1 END END,
       CASE WHEN mod(n, 13) > 0 THEN currency END,
       CASE WHEN mod(n, 3) > 0 THEN n * 0.001 END, CASE WHEN mod(n, 5) > 0 THEN 'USD' END,
       CASE WHEN mod(n, 4) > 0 THEN 'o' || mod(n, 10) END, '{}', 1, now(), now()
  FROM (SELECT CAST(row_number() OVER () AS integer) AS n, *
          FROM unnest(ARRAY['SALE', 'REFUND', 'CREDIT', 'DISPUTE', 'NON_SALE_CHARGE', 'SHIPPING_LABEL', 'TRANSFER', 'NEW']) AS type
         CROSS JOIN unnest(ARRAY['CREDIT', 'DEBIT', NULL]) AS booking
         CROSS JOIN unnest(ARRAY['EUR', 'USD', 'JPY']) AS currency
         CROSS JOIN generate_series(1, 5)) AS every
"""  # noqa: E501  (a row is read across)


def test_odd_transactions_count_as_they_count_for_their_orders(database: Database) -> None:
    parts = ", ".join(f"sum({part}) AS {part}" for part in PARTS)
    view = sa.text(
        f"SELECT account.name, currency, {parts} FROM ebay.order_money money"
        " JOIN ebay.accounts account ON account.id = account_id GROUP BY 1, 2"
    )
    with database.transaction() as connection:
        for statement in ODD.split(";\n"):
            connection.execute(sa.text(statement))
        expected = {tuple(row[:2]): tuple(row[2:]) for row in connection.execute(view)}

    seen = facts(database).money(EVER, None, 100)

    told = {
        (each.account, each.currency): tuple(getattr(each, part) for part in PARTS)
        for each in seen.sums
    }
    assert told == expected
    assert len(told) == 8


def test_more_than_is_added_up_says_so_and_adds_nothing_up(database: Database) -> None:
    with database.transaction() as connection:
        for statement in FILL.split(";\n"):
            connection.execute(sa.text(statement))
    whole, half = facts(database), facts(database, most_orders=5_999, most_transactions=5_999)

    orders, money = half.orders(EVER, None, 5), half.money(EVER, None, 5)

    assert (orders.too_many, money.too_many) == (True, True)
    assert (list(orders.sums), list(money.sums)) == ([], [])
    assert sum(each.orders for each in whole.orders(EVER, None, 5).sums) == 6_000
    assert sum(each.gross for each in whole.money(EVER, None, 5).sums) == 6_000
