"""What the units of a run add up to."""

from dataclasses import replace
from datetime import timedelta

import pytest

from core.outcome import COUNTED, Accounts, add_up
from core.report import Outcome, Reason, UnitReport
from tests.support.sync_fakes import ACCOUNT, NOW

DONE = (Outcome.DONE, None)
TIME_UP = (Outcome.PARTIAL, Reason.DEADLINE)
NO_CALLS = (Outcome.SKIPPED, Reason.BUDGET)
AWAY = (Outcome.FAILED, Reason.UPSTREAM)
ODD = (Outcome.FAILED, Reason.BAD_DATA)
CONSENT = (Outcome.SKIPPED, Reason.NEEDS_RECONNECT)
SEALED = (Outcome.SKIPPED, Reason.DECRYPT_FAILED)
HELD = (Outcome.SKIPPED, Reason.ALREADY_RUNNING)
OFF = (Outcome.SKIPPED, Reason.DISABLED)
ALL_OFF = (Outcome.SKIPPED, Reason.GLOBALLY_OFF)

MISSING = (Outcome.SKIPPED, Reason.UNSUPPORTED)

Ending = tuple[Outcome, Reason | None]


def unit(ending: Ending, *, more: bool = False) -> UnitReport:
    return UnitReport(
        account_id=ACCOUNT.id,
        account="shop",
        stream="orders",
        outcome=ending[0],
        reason=ending[1],
        fetched=10,
        inserted=1,
        updated=2,
        unchanged=4,
        quarantined=3,
        pages=2,
        calls=5,
        more=more,
    )


def accounts(
    *, active: bool = True, paused: bool = False, needs_reconnect: bool = False
) -> Accounts:
    return Accounts(
        active=active,
        paused=paused,
        needs_reconnect=needs_reconnect,
        next_due_at=NOW + timedelta(minutes=5),
    )


@pytest.mark.parametrize(
    ("endings", "expected"),
    [
        ([], (Outcome.DONE, Reason.NOTHING_DUE)),
        ([DONE], DONE),
        ([DONE, OFF], DONE),
        ([DONE, MISSING], DONE),
        ([MISSING, MISSING], MISSING),
        ([DONE, HELD], DONE),
        ([DONE, AWAY], (Outcome.DEGRADED, None)),
        ([TIME_UP, AWAY], (Outcome.DEGRADED, None)),
        ([DONE, CONSENT], (Outcome.DEGRADED, None)),
        ([AWAY], (Outcome.FAILED, Reason.UPSTREAM)),
        ([AWAY, AWAY], (Outcome.FAILED, Reason.UPSTREAM)),
        ([AWAY, OFF], (Outcome.FAILED, Reason.UPSTREAM)),
        ([AWAY, ODD], (Outcome.FAILED, Reason.UNITS_FAILED)),
        ([ODD, HELD], (Outcome.FAILED, Reason.UNITS_FAILED)),
        ([CONSENT], (Outcome.FAILED, Reason.UNITS_FAILED)),
        ([SEALED, CONSENT], (Outcome.FAILED, Reason.UNITS_FAILED)),
        ([DONE, TIME_UP], (Outcome.PARTIAL, Reason.DEADLINE)),
        ([TIME_UP, NO_CALLS], (Outcome.PARTIAL, Reason.DEADLINE)),
        ([DONE, NO_CALLS], (Outcome.PARTIAL, Reason.BUDGET)),
        ([HELD], (Outcome.SKIPPED, Reason.ALREADY_RUNNING)),
        ([HELD, OFF], (Outcome.SKIPPED, Reason.ALREADY_RUNNING)),
        ([OFF], (Outcome.SKIPPED, Reason.PAUSED)),
        ([OFF, ALL_OFF], (Outcome.SKIPPED, Reason.PAUSED)),
    ],
)
def test_units_add_up(endings: list[Ending], expected: Ending) -> None:
    work = add_up(
        [unit(ending) for ending in endings], accounts(), lease_lost=False, out_of_time=False
    )

    assert (work.outcome, work.reason) == expected


@pytest.mark.parametrize(
    ("endings", "expected"),
    [([], TIME_UP), ([DONE], TIME_UP), ([DONE, AWAY], (Outcome.DEGRADED, None))],
)
def test_time_that_ran_out_before_all_was_tried(endings: list[Ending], expected: Ending) -> None:
    work = add_up(
        [unit(ending) for ending in endings], accounts(), lease_lost=False, out_of_time=True
    )

    assert (work.outcome, work.reason, work.more) == (*expected, True)


@pytest.mark.parametrize("endings", [[], [DONE], [AWAY], [TIME_UP]])
def test_a_run_that_lost_its_lease_says_that_before_all(endings: list[Ending]) -> None:
    reports = [unit(ending, more=True) for ending in endings]

    work = add_up(reports, accounts(), lease_lost=True, out_of_time=True)

    assert (work.outcome, work.reason, work.more) == (Outcome.PARTIAL, Reason.LEASE_LOST, False)


@pytest.mark.parametrize(
    ("found", "endings", "expected"),
    [
        (accounts(active=False), [], (Outcome.SKIPPED, Reason.NO_ACCOUNTS)),
        (accounts(active=False, paused=True), [], (Outcome.SKIPPED, Reason.PAUSED)),
        (accounts(active=False), [OFF], (Outcome.SKIPPED, Reason.PAUSED)),
        (
            accounts(active=False, paused=True, needs_reconnect=True),
            [DONE, CONSENT],
            (Outcome.DEGRADED, Reason.ALL_NEED_RECONNECT),
        ),
    ],
)
def test_nobody_to_read(found: Accounts, endings: list[Ending], expected: Ending) -> None:
    reports = [unit(ending) for ending in endings]

    work = add_up(reports, found, lease_lost=False, out_of_time=False)

    assert (work.outcome, work.reason) == expected


def test_counts_add_up_and_are_always_there() -> None:
    nothing = add_up([], accounts(), lease_lost=False, out_of_time=False)
    two = add_up([unit(DONE), unit(AWAY)], accounts(), lease_lost=False, out_of_time=False)

    assert dict(nothing.counts) == dict.fromkeys(COUNTED, 0)
    assert dict(two.counts) == {
        "units": 2, "done": 1, "partial": 0, "skipped": 0, "failed": 1, "fetched": 20,
        "inserted": 2, "updated": 4, "written": 6, "unchanged": 8, "quarantined": 6,
        "pages": 4, "calls": 10,
    }  # fmt: skip


def test_a_unit_with_more_to_do_makes_the_run_say_so() -> None:
    work = add_up(
        [unit(DONE), unit(TIME_UP, more=True)], accounts(), lease_lost=False, out_of_time=False
    )

    assert work.more
    assert work.next_due_at == NOW + timedelta(minutes=5)
    assert len(work.units) == 2


def test_a_unit_that_asked_ebay_nothing_does_not_hide_that_ebay_is_away() -> None:
    away = unit((Outcome.FAILED, Reason.UPSTREAM))
    idle = replace(unit((Outcome.DONE, None)), calls=0)

    work = add_up([away, idle], accounts(), lease_lost=False, out_of_time=False)

    assert (work.outcome, work.reason) == (Outcome.FAILED, Reason.UPSTREAM)
