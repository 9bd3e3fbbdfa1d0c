"""What an estimate says to a person."""

from dataclasses import replace

from core.streams.estimate import estimate
from core.streams.model import Cost, RewindPlan
from handlers.stream_views import plan_json
from tests.support.memory_streams import NOW

PLAN = RewindPlan(
    account="shop",
    stream="orders",
    from_=NOW,
    to=NOW,
    rows=12_345,
    stored=12_000,
    a_day=205.75,
    cost=Cost(windows=1, pages=63, calls=63),
    api="sell.fulfillment",
    calls_left=99_000,
    limit=100_000,
    reset_at=NOW,
)


def test_an_estimate_says_what_it_costs_how_it_was_made_and_what_is_left() -> None:
    assert estimate(PLAN) == [
        "about 12,345 rows, 63 pages and 63 calls in 1 window",
        "an estimate: 12,000 rows of that time are stored, the last readings brought 205.8 a day",
        "99,000 of the day's 100,000 calls of sell.fulfillment are left",
    ]
    assert plan_json(PLAN)["affordable"] is True


def test_an_estimate_of_little_says_so() -> None:
    little = replace(PLAN, stored=None, a_day=None, cost=Cost(windows=2, pages=1, calls=1))

    told = estimate(little)

    assert told[0] == "about 12,345 rows, 1 page and 1 call in 2 windows"
    assert told[1] == (
        "an estimate: the rows of that time are too many to count, and nothing tells how many"
        " there are at eBay"
    )


def test_what_today_does_not_suffice_for_says_when_it_goes_on() -> None:
    short = replace(PLAN, calls_left=10)

    assert estimate(short)[2] == (
        "only 10 of the day's 100,000 calls of sell.fulfillment are left: it goes on after"
        " 2026-11-22 12:00Z, and other streams of that API wait as well"
    )
    assert "the next day of eBay's" in estimate(replace(short, reset_at=None))[2]
    assert plan_json(short)["affordable"] is False
