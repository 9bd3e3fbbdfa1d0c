"""How many calls a unit may make, and what becomes of intervals when they run short."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from core.errors import OutOfCallsError
from core.sync.budget import (
    CHUNK,
    FIRST_CHUNK,
    MOST_STRETCH,
    Allowance,
    believed,
    claim_of,
    next_reset,
    stretch_of,
)
from core.sync.calls import Grant, Quota
from core.sync.model import Pass, Stream
from tests.support.memory_calls import Day, MemoryCalls
from tests.support.sync_fakes import ACCOUNT, NOW, ORDERS, TRANSACTIONS, Run

RESET = NOW + timedelta(hours=19)
ORDERS_DAY = ("simulator", "sell.fulfillment")
MONEY_DAY = ("simulator", "sell.finances")


def allowance(
    store: MemoryCalls, stream: Stream = ORDERS, pass_: Pass = Pass.NEW, run: Run | None = None
) -> Allowance:
    context = (run or Run()).context()
    return Allowance(store=store, account=ACCOUNT, stream=stream, pass_=pass_, context=context)


def spent(allowance: Allowance) -> int:
    calls = 0
    while True:
        try:
            allowance.spend(1)
        except OutOfCallsError:
            return calls
        calls += 1


@pytest.mark.parametrize(
    ("now", "reset"),
    [
        (NOW, NOW.replace(hour=7) + timedelta(days=1)),
        (NOW.replace(hour=7), NOW.replace(hour=7) + timedelta(days=1)),
        (NOW.replace(hour=6, minute=59), NOW.replace(hour=7)),
    ],
)
def test_a_day_ends_at_ebays_hour_until_ebay_says_another(now: datetime, reset: datetime) -> None:
    assert next_reset(now) == reset


def test_calls_are_counted_where_all_runs_see_them_before_they_are_made() -> None:
    store = MemoryCalls()

    allowance(store).spend(1)

    assert store.days[ORDERS_DAY].used == FIRST_CHUNK


def test_who_makes_more_calls_reserves_more_at_once() -> None:
    """And who makes few and is killed takes few of the day's along."""
    store, used = MemoryCalls(), []
    unit = allowance(store)

    for _ in range(50):
        unit.spend(1)
        used.append(store.days[ORDERS_DAY].used)

    assert sorted(set(used)) == [10, 30, 50]


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        (Quota(limit=9, remaining=3, reset_at=RESET), Quota(limit=9, remaining=3, reset_at=RESET)),
        (Quota(limit=0, remaining=0, reset_at=None), Quota(limit=None, remaining=0, reset_at=None)),
        (Quota(limit=-5, remaining=-5, reset_at=NOW), Quota(remaining=0, reset_at=None)),
        (
            Quota(limit=10**30, remaining=10**30, reset_at=NOW.replace(year=9999)),
            Quota(remaining=10**9, reset_at=None),
        ),
        (Quota(remaining=None, reset_at=None), Quota(remaining=None, reset_at=None)),
    ],
)
def test_of_ebays_word_is_kept_what_can_be_true(told: Quota, kept: Quota) -> None:
    assert believed(told, NOW) == kept


def test_what_was_not_spent_is_given_back_once() -> None:
    store = MemoryCalls()
    unit = allowance(store)
    unit.spend(3)

    unit.close()
    unit.close()

    assert store.days[ORDERS_DAY].used == 3


def test_nothing_is_given_back_when_the_time_to_save_is_over() -> None:
    run, store = Run(limit_s=10), MemoryCalls()
    unit = allowance(store, run=run)
    unit.spend(3)
    run.clock.advance(15)

    unit.close()

    assert store.days[ORDERS_DAY].used == FIRST_CHUNK


def test_a_unit_without_calls_gives_nothing_back() -> None:
    store = MemoryCalls()

    allowance(store).close()

    assert store.days == {}


def test_no_call_is_made_beyond_the_days_limit() -> None:
    store = MemoryCalls(days={ORDERS_DAY: Day(limit=50)})

    assert spent(allowance(store)) == 50


def test_a_request_of_several_calls_is_not_begun_with_fewer() -> None:
    store = MemoryCalls(days={ORDERS_DAY: Day(limit=5)})
    unit = allowance(store)
    unit.spend(3)

    with pytest.raises(OutOfCallsError) as told:
        unit.spend(3)

    assert told.value.retry_at == next_reset(NOW)


def test_short_of_calls_the_streams_that_matter_more_go_on() -> None:
    """Both draw on one day of one API."""
    payouts = replace(TRANSACTIONS, name="payouts")
    store = MemoryCalls(days={MONEY_DAY: Day(limit=1000)})

    least, most = spent(allowance(store, payouts)), spent(allowance(store, TRANSACTIONS))

    assert (least, most) == (900, 80)


def test_passes_over_open_rows_take_a_tenth_of_the_day() -> None:
    store = MemoryCalls(days={MONEY_DAY: Day(limit=1000)})

    assert spent(allowance(store, TRANSACTIONS, Pass.OPEN)) == 100
    assert spent(allowance(store, TRANSACTIONS)) == 880


def test_a_new_day_begins_at_zero_and_the_rest_of_the_old_one_is_worth_nothing() -> None:
    run, store = Run(), MemoryCalls()
    unit = allowance(store, run=run)
    unit.spend(1)
    run.clock.advance(timedelta(days=1).total_seconds())

    unit.spend(CHUNK)
    unit.close()

    assert store.days[ORDERS_DAY].used == CHUNK


def test_an_api_that_ebay_has_closed_grants_nothing() -> None:
    until = NOW + timedelta(hours=2)
    store = MemoryCalls(days={ORDERS_DAY: Day(blocked_until=until)})

    with pytest.raises(OutOfCallsError) as told:
        allowance(store).spend(1)

    assert told.value.retry_at == until


def test_limits_that_ebay_has_not_said_are_the_published_ones() -> None:
    trading = replace(ORDERS, name="messages", api="GetMyMessages")

    limits = [claim_of(ACCOUNT, each, Pass.NEW, NOW).usual_limit for each in (ORDERS, trading)]

    assert limits == [100_000, 5_000]


@pytest.mark.parametrize(
    ("used", "hours_left", "stretch"),
    [(0, 1, 1.0), (400, 12, 1.0), (600, 12, 1.5), (400, 23, 2.0), (1000, 23, MOST_STRETCH)],
)
def test_intervals_grow_when_the_days_calls_will_not_last(
    used: int, hours_left: int, stretch: float
) -> None:
    reset = NOW + timedelta(hours=hours_left)
    grant = Grant(calls=1, used=used, limit=1000, reset_at=reset)

    assert stretch_of(grant, NOW) == pytest.approx(stretch)


@pytest.mark.parametrize("store", [MemoryCalls(failing={"reserve": 1}), MemoryCalls()])
def test_what_was_made_already_is_no_error_where_the_day_has_none_left(store: MemoryCalls) -> None:
    store.days[ORDERS_DAY] = Day(limit=3, reset_at=RESET)

    allowance(store).count(5)

    assert store.days[ORDERS_DAY].used <= 3
