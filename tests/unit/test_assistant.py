"""What the assistant tells, and what it understands."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from core.accounts.model import Status
from core.chat.assistant_ports import (
    MoneySeen,
    MoneySum,
    OrderSeen,
    OrdersSeen,
    OrderSum,
    Suspects,
)
from core.chat.assistant_words import LIMIT
from core.chat.model import Reply
from tests.support.memory_assistant import Talk, a_queue, a_worker, an_account
from tests.support.memory_streams import NOW, MemoryStreams, a_pass, a_stream

NOBODY = Decimal(0)


def an_order(number: int = 1, **changes: object) -> OrderSeen:
    usual = OrderSeen(
        account="shop",
        order_id=f"12-0000{number}-3",
        at=NOW - timedelta(hours=number),
        total=Decimal("12.5"),
        currency="EUR",
        payment="PAID",
        fulfillment="NOT_STARTED",
        cancel_state="NONE_REQUESTED",
        title="A lamp",
        lines=1,
    )
    return replace(usual, **changes)  # type: ignore[arg-type]  # the test knows its fields


def a_sum(**changes: object) -> OrderSum:
    usual = OrderSum(
        account="shop",
        currency="EUR",
        orders=2,
        total=Decimal("1234.50"),
        cancelled=0,
        cancelled_total=None,
    )
    return replace(usual, **changes)  # type: ignore[arg-type]  # the same


def money_sum(**changes: object) -> MoneySum:
    usual = MoneySum(
        account="shop",
        currency="EUR",
        transactions=3,
        gross=Decimal(100),
        fees=Decimal("11.50"),
        refunds=Decimal(20),
        shipping_labels=NOBODY,
        disputes=NOBODY,
        other=NOBODY,
        net=Decimal("68.50"),
        payouts=1,
        paid_out=Decimal(60),
        coming=NOBODY,
    )
    return replace(usual, **changes)  # type: ignore[arg-type]  # the same


@pytest.mark.parametrize("text", ["/help", "/HELP@CronshotBot", " /pomoc ", "/start"])
def test_help_names_every_command(text: str) -> None:
    told = Talk().told(text)

    for command in ("status", "accounts", "orders", "money", "run", "pause", "resume", "rewind"):
        assert f"/{command}" in told
    assert "/retry" in told


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("/ordrs today", "/orders"),
        ("orders", "/orders"),
        ("Statuss", "/status"),
        ("/pasue shop", "/pause"),
        ("/cofni", "/rewind"),
    ],
)
def test_a_mistyped_command_is_answered_with_the_nearest_one(text: str, meant: str) -> None:
    assert f"Did you mean {meant}" in Talk().told(text)


@pytest.mark.parametrize("text", ["how much did we sell", "/zadanie sell more", "…", "/"])
def test_free_text_is_not_guessed_at(text: str) -> None:
    told = Talk().told(text)

    assert told.startswith("I understand commands only, and guess nothing.\n")
    assert "/orders [today|yesterday|DATE] [ACCOUNT]" in told


def test_an_answer_for_which_no_plan_waits_is_told_so() -> None:
    assert Talk().told("Yes!") == "No plan is waiting for your answer."


def test_the_replaced_systems_undo_is_a_hint() -> None:
    assert "/rewind ACCOUNT STREAM undo" in Talk().told("/cofnij")


@pytest.mark.parametrize("text", ["/status now", "/accounts shop"])
def test_a_word_too_many_is_answered_with_the_usage(text: str) -> None:
    assert "Usage: /" in Talk().told(text)


def test_a_command_of_very_many_words_is_answered_with_the_usage() -> None:
    assert Talk().told("/orders " + "word " * 1_000) == (
        "Usage: /orders [today|yesterday|DATE] [ACCOUNT]"
    )


def test_status_of_an_installation_that_is_well_is_short() -> None:
    assert Talk().told("/status").splitlines() == [
        "Status at 2026-11-22 12:00 UTC",
        "Accounts: 1 active",
        "Streams: 3 of 3 are well",
        "Jobs: 0 due, 0 later, 0 processing, 0 waiting, 0 dead",
        "ebay-cycle: running, last run done at 2026-11-22 12:00 UTC",
        "queue-drain: running, last run done at 2026-11-22 12:00 UTC",
        "token-refresh: running, last run done at 2026-11-22 12:00 UTC",
    ]


def test_status_warns_of_a_consent_that_ends_within_a_week() -> None:
    talk = Talk()
    talk.shop.seen = [
        an_account("soon", 1, consent_ends_at=NOW + timedelta(days=7)),
        an_account("later", 2, consent_ends_at=NOW + timedelta(days=8)),
        an_account("over", 3, consent_ends_at=NOW),
        an_account("asleep", 4, status=Status.PAUSED, consent_ends_at=NOW),
    ]

    lines = talk.told("/status").splitlines()

    assert lines[2:5] == [
        "asleep: paused; /resume starts it",
        "soon: consent ends 2026-11-29 12:00 UTC; `accounts connect` renews it",
        "over: consent ended 2026-11-22 12:00 UTC; `accounts connect` renews it",
    ]


def test_status_of_an_empty_installation_names_the_first_step() -> None:
    talk = Talk()
    talk.shop.seen.clear()
    talk.shop.suspected = Suspects(units=(), suspects=0, read=0)

    told = talk.told("/status")

    assert "Accounts: none yet; `accounts add`" in told
    assert "Streams" not in told


def test_status_tells_what_is_late_failing_and_waits_for_a_person() -> None:
    units = [("shop", "orders"), ("shop", "returns"), ("shop", "buyer"), ("other", "orders")]
    talk = Talk(
        store=MemoryStreams(
            states=[
                a_stream(new=a_pass(failures=3, last_reason="upstream")),
                a_stream("returns", new=a_pass(last_reason="needs_reconnect")),
                # It was suspected by a first look, and is well by a second.
                a_stream("buyer"),
                a_stream(account="other", new=a_pass(running=True)),
                # Nobody suspected it; it is looked at with the others of its account.
                a_stream("buyer", account="other", new=a_pass(failures=1)),
            ]
        )
    )
    talk.shop.suspected = Suspects(units=units, suspects=6, read=40)
    talk.shop.seen.append(an_account("old", 2, status=Status.NEEDS_RECONNECT))
    talk.desk.lanes = [
        a_queue(dead=1000, due=2),
        a_queue("mail", enabled=False),
        a_queue("slow", tripped_at=NOW, due=3),
    ]
    talk.shop.runs = [
        a_worker(enabled=False, outcome="failed", reason="upstream"),
        a_worker("x", outcome=None),
    ]

    lines = talk.told("/status").splitlines()

    assert lines[1:] == [
        "Accounts: 1 active, 1 needs reconnect",
        "old: needs reconnect; eBay wants its owner's consent again: `accounts connect`",
        "Streams: 36 of 40 are well",
        (
            "Action required: shop/returns. eBay no longer accepts the account's refresh token;"
            " `accounts connect` asks its owner again, `accounts reconnect` imports a new token."
        ),
        (
            "Failing \N{MULTIPLICATION SIGN}3: shop/orders. eBay did not give a usable answer; it"
            " is tried again by itself."
        ),
        "… and 2 more streams to look at; see `streams list`",
        "Jobs: 5 due, 0 later, 0 processing, 0 waiting, 1,000+ dead",
        "Queue mail: paused; /resume queue mail",
        (
            "Queue slow: stopped itself at 2026-11-22 12:00 UTC after ten failures in a row;"
            " /resume queue slow"
        ),
        "Dead jobs need a person: /retry lists them",
        "ebay-cycle: paused, last run failed (upstream) at 2026-11-22 12:00 UTC",
        "x: running, no run yet",
    ]


def test_accounts_tells_of_each_how_it_is_and_what_helps() -> None:
    talk = Talk()
    talk.shop.seen = [
        an_account("gone", 2, status=Status.NEEDS_RECONNECT, status_reason="invalid\ngrant"),
        an_account(
            last_success_at=NOW, failing=2, consent_ends_at=NOW + timedelta(days=400)
        ),
        an_account("ended", 3, consent_ends_at=NOW),
    ]  # fmt: skip

    assert talk.told("/accounts").splitlines() == [
        "3 accounts: 2 active, 1 needs reconnect",
        (
            "gone: needs reconnect (simulator), invalid grant, last read never, eBay wants its"
            " owner's consent again: `accounts connect`"
        ),
        (
            "shop: active (simulator), last read 2026-11-22 12:00 UTC, 2 streams failing, consent"
            " ends 2027-12-27 12:00 UTC"
        ),
        "ended: active (simulator), last read never, consent ended 2026-11-22 12:00 UTC",
    ]


def test_no_account_is_answered_with_the_first_step() -> None:
    talk = Talk()
    talk.shop.seen.clear()

    assert "`accounts add`" in talk.told("/accounts")


def test_a_thousand_accounts_are_one_message() -> None:
    talk = Talk()
    talk.shop.seen = [an_account("n" * 100 + str(number), number) for number in range(1_000)]

    told = talk.told("/accounts")

    assert len(told) <= LIMIT
    assert told.endswith("… and 970 more; see `accounts list`")


def test_orders_are_summed_by_account_and_currency_and_the_latest_are_listed() -> None:
    talk = Talk()
    talk.shop.sold = OrdersSeen(
        sums=[
            a_sum(),
            a_sum(
                currency="USD", orders=1, cancelled=1, cancelled_total=Decimal(5), total=Decimal(5)
            ),
            a_sum(account="b", orders=1, total=None, currency=None),
        ],
        latest=[
            an_order(),
            an_order(2, cancel_state="CANCELED", title=None),
            an_order(3, total=None, lines=3, fulfillment=None),
        ],
    )

    assert talk.told("/orders").splitlines() == [
        "Orders made today (2026-11-22):",
        "shop: 2 orders, 1,234.50 EUR",
        "shop: 1 order, 5.00 USD; 1 of them cancelled (5.00 USD)",
        "b: 1 order, no total",
        "Latest first:",
        "2026-11-22 11:00 UTC 12-00001-3, shop, 12.50 EUR, paid and not started: A lamp",
        "2026-11-22 10:00 UTC 12-00002-3, shop, 12.50 EUR, cancelled",
        "2026-11-22 09:00 UTC 12-00003-3, shop, no total, paid: A lamp and 2 other items",
        "… and 1 more; see `export orders`",
        "Days are those of UTC.",
    ]


@pytest.mark.parametrize(
    ("said", "since", "until", "name"),
    [
        ("", 22, 23, "today (2026-11-22)"),
        ("dziś", 22, 23, "today (2026-11-22)"),
        ("Yesterday", 21, 22, "yesterday (2026-11-21)"),
        ("2026-11-20 shop", 20, 21, "2026-11-20"),
        ("shop 20.11.2026", 20, 21, "2026-11-20"),
        ("2d", 21, 23, "2 days (2026-11-21 to 2026-11-22)"),
        ("WEEK", 16, 23, "week (2026-11-16 to 2026-11-22)"),
        ("2026-11-01..2026-11-15", 1, 16, "2026-11-01 to 2026-11-15"),
    ],
)
def test_orders_of_a_day_are_of_its_hours_in_utc(
    said: str, since: int, until: int, name: str
) -> None:
    talk = Talk()

    told = talk.told(f"/orders {said}")

    [(period, account_id)] = talk.shop.asked
    assert period.since == datetime(2026, 11, since, tzinfo=UTC)
    assert period.until == datetime(2026, 11, until, tzinfo=UTC)
    assert account_id == (1 if "shop" in said else None)
    assert told.startswith(f"Orders made {name}{', shop' if 'shop' in said else ''}: none.")


def test_money_is_told_by_account_and_currency_of_the_month_so_far() -> None:
    talk = Talk()
    talk.shop.earned = MoneySeen(
        sums=[
            money_sum(),
            money_sum(
                currency="JPY",
                shipping_labels=Decimal("4.995"),
                other=Decimal(-1),
                coming=Decimal(7),
            ),
        ]
    )

    assert talk.told("/money").splitlines() == [
        "Money month (2026-11-01 to 2026-11-22):",
        "shop: sales 100.00 EUR, fees 11.50 EUR, refunds 20.00 EUR, net 68.50 EUR",
        "  1 payout arrived, 60.00 EUR",
        "shop: sales 100.00 JPY, fees 11.50 JPY, refunds 20.00 JPY, net 68.50 JPY",
        "  shipping labels 4.995 JPY, other -1.00 JPY",
        "  1 payout arrived, 60.00 JPY; on their way 7.00 JPY",
        "Days are those of UTC.",
    ]


@pytest.mark.parametrize(
    ("said", "since", "until"),
    [
        ("2025-12", datetime(2025, 12, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)),
        ("month", datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC)),
        ("today ALL", datetime(2026, 11, 22, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC)),
    ],
)
def test_money_of_a_period_is_asked_for_by_its_midnights(
    said: str, since: datetime, until: datetime
) -> None:
    talk = Talk()

    assert "none. Days are those of UTC." in talk.told(f"/money {said}")

    [(period, account_id)] = talk.shop.asked
    assert (period.since, period.until, account_id) == (since, until, None)


def test_more_than_is_ever_added_up_is_told_without_a_sum() -> None:
    talk = Talk()
    talk.shop.sold = OrdersSeen(sums=(), latest=(), too_many=True)
    talk.shop.earned = MoneySeen(sums=(), too_many=True)

    assert "too many to add up here" in talk.told("/orders")
    assert "too much to add up here" in talk.told("/money")


def test_very_many_sums_are_one_message_and_the_rest_is_counted() -> None:
    talk = Talk()
    talk.shop.sold = OrdersSeen(sums=[a_sum()] * 100, latest=[an_order()])
    talk.shop.earned = MoneySeen(sums=[money_sum()] * 31)

    orders, money = talk.told("/orders"), talk.told("/money")

    assert "… and 70 more sums; see `export orders`" in orders
    assert "… and 1 more; see `export order_money`" in money
    assert max(len(orders), len(money)) <= LIMIT


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("/orders 2026-02-30", "'2026-02-30' is no date; write 2026-11-20"),
        ("/orders 31.02.2026", "'31.02.2026' is no date"),
        ("/orders 0001-01-01", "eBay has no orders of that year"),
        ("/money 2026-13", "'2026-13-01' is no date"),
        ("/money 2026-11-02..2026-11-01", "2026-11-02..2026-11-01 ends before it begins"),
        ("/money today week", "one period at a time"),
        ("/orders nobody", "there is no account 'nobody'; /accounts lists them"),
        ('/orders "today"', "there is no account 'today'"),
        ("/orders s", "several accounts begin with 's': shop, Second shop"),
    ],
)
def test_a_wrong_word_is_named_with_the_way_out(said: str, told: str) -> None:
    talk = Talk()
    talk.shop.seen.append(an_account("Second shop", 2))

    assert told in talk.told(said)


@pytest.mark.parametrize("said", ["Second shop", '"second SHOP"', "„Second shop“", "sec"])
def test_an_account_is_found_by_its_name_whatever_the_case_or_by_how_it_begins(said: str) -> None:
    talk = Talk()
    talk.shop.seen.append(an_account("Second shop", 2))

    talk.told(f"/orders {said} today")

    assert talk.shop.asked[0][1] == 2


def test_of_two_names_that_differ_in_case_the_one_that_was_typed_is_meant() -> None:
    talk = Talk()
    talk.shop.seen = [an_account("Shop", 1), an_account("shop", 2)]

    talk.told("/orders shop")
    told = talk.told("/orders SHOP")

    assert talk.shop.asked[0][1] == 2
    assert told == "several accounts begin with 'SHOP': Shop, shop"


def test_what_ebay_says_is_shown_as_one_harmless_line() -> None:
    hostile = "<b>/pause all</b>\n\u202eevil\u2066 @you http://x.example \x00" + "A" * 2**20
    talk = Talk()
    talk.shop.sold = OrdersSeen(
        sums=[a_sum(account=hostile)], latest=[an_order(title=hostile, order_id=hostile)] * 40
    )

    told = talk.told("/orders")

    assert len(told) <= LIMIT
    for bad in ("/pause", "\u202e", "\u2066", "@you", "://x", "\x00"):
        assert bad not in told
    assert "<b>/ pause all</ b> evil @ you http: // x.example AAAA" in told


def test_reading_answers_with_a_reply_and_changes_nothing() -> None:
    answer = Talk().say("/status")

    assert isinstance(answer, Reply)
    assert answer.effect is None
    assert not answer.then
