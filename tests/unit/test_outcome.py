"""What the units of a run add up to."""

from dataclasses import replace
from datetime import timedelta

import pytest

from core.outcome import COUNTED, NONE_ACTIVE, Accounts, add_up
from core.report import Outcome, Reason, UnitReport
from tests.support.sync_fakes import ACCOUNT, NOW

DONE = (Outcome.DONE, None)
TIME_UP = (Outcome.PARTIAL, Reason.DEADLINE)
NO_CALLS = (Outcome.SKIPPED, Reason.BUDGET)
AWAY = (Outcome.FAILED, Reason.UPSTREAM)
ODD = (Outcome.FAILED, Reason.BAD_DATA)
CONSENT = (Outcome.SKIPPED, Reason.NEEDS_RECONNECT)
TOKENLESS = (Outcome.SKIPPED, Reason.NO_TOKEN)
SEALED = (Outcome.SKIPPED, Reason.DECRYPT_FAILED)
HELD = (Outcome.SKIPPED, Reason.ALREADY_RUNNING)
OFF = (Outcome.SKIPPED, Reason.DISABLED)
UNSET = (Outcome.FAILED, Reason.CONFIG)
ALL_OFF = (Outcome.SKIPPED, Reason.GLOBALLY_OFF)

MISSING = (Outcome.SKIPPED, Reason.UNSUPPORTED)

Ending = tuple[Outcome, Reason | None]


def unit(ending: Ending, *, more: bool = False) -> UnitReport:
    asked = ending[0] is not Outcome.SKIPPED
    return UnitReport(
        account_id=ACCOUNT.id,
        account="shop",
        stream="orders",
        outcome=ending[0],
        reason=ending[1],
        fetched=10 if asked else 0,
        inserted=1 if asked else 0,
        updated=2 if asked else 0,
        unchanged=4 if asked else 0,
        quarantined=3 if asked else 0,
        pages=2 if asked else 0,
        calls=5 if asked else 0,
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
        ([CONSENT], (Outcome.DEGRADED, None)),
        ([CONSENT, HELD, TOKENLESS], (Outcome.DEGRADED, None)),
        ([CONSENT, ODD], (Outcome.FAILED, Reason.UNITS_FAILED)),
        ([SEALED], (Outcome.FAILED, Reason.UNITS_FAILED)),
        ([SEALED, CONSENT], (Outcome.FAILED, Reason.UNITS_FAILED)),
        ([DONE, TIME_UP], (Outcome.PARTIAL, Reason.DEADLINE)),
        ([TIME_UP, NO_CALLS], (Outcome.PARTIAL, Reason.DEADLINE)),
        ([DONE, NO_CALLS], (Outcome.PARTIAL, Reason.BUDGET)),
        ([UNSET, UNSET], (Outcome.FAILED, Reason.CONFIG)),
        ([UNSET, AWAY], (Outcome.FAILED, Reason.UNITS_FAILED)),
        ([UNSET, DONE], (Outcome.DEGRADED, None)),
        ([HELD], (Outcome.SKIPPED, Reason.ALREADY_RUNNING)),
        ([HELD, OFF], (Outcome.SKIPPED, Reason.ALREADY_RUNNING)),
        ([OFF], (Outcome.SKIPPED, Reason.PAUSED)),
        ([OFF, ALL_OFF], (Outcome.SKIPPED, Reason.PAUSED)),
    ],
)
def test_r30_units_add_up(endings: list[Ending], expected: Ending) -> None:
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


@pytest.mark.parametrize(
    ("endings", "expected"),
    [([DONE, AWAY], (Outcome.DEGRADED, None)), ([AWAY], AWAY), ([DONE, OFF], DONE)],
)
def test_accounts_paused_meanwhile_hide_no_work_and_no_failure(
    endings: list[Ending], expected: Ending
) -> None:
    reports = [unit(ending) for ending in endings]
    paused = accounts(active=False, paused=True)

    work = add_up(reports, paused, lease_lost=False, out_of_time=False)

    assert (work.outcome, work.reason) == expected


def test_a_unit_paused_after_some_pages_is_work_done() -> None:
    paused = replace(unit(DONE), outcome=Outcome.SKIPPED, reason=Reason.ACCOUNT_INACTIVE)

    work = add_up(
        [paused], accounts(active=False, paused=True), lease_lost=False, out_of_time=False
    )

    assert (work.outcome, work.reason, work.counts["written"]) == (Outcome.DONE, None, 3)


def test_a_failure_is_told_where_everybody_must_consent_again() -> None:
    found = accounts(active=False, needs_reconnect=True)

    work = add_up([unit(ODD), unit(CONSENT)], found, lease_lost=False, out_of_time=False)

    assert (work.outcome, work.reason) == (Outcome.FAILED, Reason.UNITS_FAILED)


def test_a_pass_with_nothing_to_read_beside_units_of_others_is_no_work() -> None:
    idle = replace(
        unit(DONE), fetched=0, inserted=0, updated=0, unchanged=0, quarantined=0, pages=0, calls=0
    )

    work = add_up([unit(HELD), idle], accounts(), lease_lost=False, out_of_time=False)

    assert (work.outcome, work.reason) == (Outcome.SKIPPED, Reason.ALREADY_RUNNING)


def test_a_missing_setting_is_named_by_the_run() -> None:
    unset = replace(unit(UNSET), detail="EBAY_SIMULATOR_API_URL is not set")

    work = add_up([unit(OFF), unset], accounts(), lease_lost=False, out_of_time=False)

    assert work.detail == "EBAY_SIMULATOR_API_URL is not set"


def test_a_database_that_went_away_hides_no_work() -> None:
    work = add_up(
        [unit(DONE)], accounts(), lease_lost=False, out_of_time=False, database_away="cut off"
    )

    assert (work.outcome, work.reason, work.detail) == (Outcome.FAILED, Reason.DATABASE, "cut off")
    assert work.counts["written"] == 3


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


@pytest.mark.parametrize(("endings", "said"), [([], True), ([OFF], False)])
def test_where_no_unit_says_it_the_run_says_what_is_paused(
    endings: list[Ending], said: bool
) -> None:
    reports = [unit(ending) for ending in endings]

    work = add_up(reports, accounts(active=False, paused=True), lease_lost=False, out_of_time=False)

    assert work.reason is Reason.PAUSED
    assert (work.detail == NONE_ACTIVE) is said
