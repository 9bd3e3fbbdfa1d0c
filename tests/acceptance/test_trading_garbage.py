"""A Trading API that fails, lies and breaks off: a reason, nothing ended, and well again after."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from _pytest.mark.structures import ParameterSet

from core import tries
from core.report import SENTENCES, Outcome, Reason
from infra.simulator.faults import Kind
from infra.simulator.server import Simulator
from tests.support.my_ebay import BOUGHT, BUYING, FIRST, LISTED, SELLING, read, stored, there
from tests.support.site import Site, site_of

OPERATIONS = {LISTED: SELLING, BOUGHT: BUYING}
AWAY, ODD = Reason.UPSTREAM, Reason.BAD_DATA
WORTH_TRYING_S = 23.5
"""Of the 25 s for all tries for one page: so there are a few."""


def once(cases: Sequence[ParameterSet]) -> list[ParameterSet]:
    """Each with one stream, in turn; with the other it is part of `make slow`."""
    return [
        pytest.param(
            *(*case.values, stream),
            id=f"{case.id}-{stream}",
            marks=[] if number % 2 == turn else [pytest.mark.slow],
        )
        for number, case in enumerate(cases)
        for turn, stream in enumerate((LISTED, BOUGHT))
    ]


@pytest.fixture
def site(
    database_url: str, direct_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    """Two sellers, with two pages of listings each; both streams have been read once."""
    monkeypatch.setattr(tries, "WORTH_TRYING_S", WORTH_TRYING_S)
    with Simulator(seed=5, accounts=2, orders=3, listings=220) as simulator:
        site = site_of(database_url, direct_database_url, simulator)
        site.connect(2, streams=(LISTED, BOUGHT))
        site.run()
        yield site


@pytest.mark.parametrize(
    ("kind", "how", "reason", "stream"),
    once(
        [
            pytest.param(Kind.XML_BOMB, {}, AWAY, id="an XML bomb"),
            pytest.param(Kind.HTML, {}, AWAY, id="a page for people"),
            pytest.param(Kind.TRUNCATED_JSON, {}, AWAY, id="truncated"),
            pytest.param(Kind.EMPTY_BODY, {}, AWAY, id="empty"),
            pytest.param(Kind.NO_CONTENT, {}, AWAY, id="204"),
            pytest.param(Kind.SERVER_ERROR, {}, AWAY, id="10007"),
            pytest.param(Kind.UNAVAILABLE, {}, AWAY, id="503"),
            pytest.param(Kind.RESET_MID_BODY, {}, AWAY, id="broken off"),
            pytest.param(Kind.WRONG_SHAPE, {}, ODD, id="another call's answer"),
            pytest.param(Kind.BIG_BODY, {}, ODD, id="over 10 MB"),
            pytest.param(Kind.GZIP_BOMB, {}, ODD, id="a gzip bomb"),
            pytest.param(Kind.FAILURE, {"value": 10009}, ODD, id="Failure"),
            pytest.param(
                Kind.FAILURE,
                {"value": 10009, "variant": "PartialFailure"},
                ODD,
                id="PartialFailure",
            ),
            pytest.param(Kind.RATE_LIMITED, {}, Reason.RATE_LIMITED, id="518"),
            pytest.param(Kind.UNAUTHORIZED, {}, Reason.TOKEN_REFUSED, id="21916984"),
            pytest.param(Kind.FAILURE, {"value": 931}, Reason.TOKEN_REFUSED, id="931"),
            pytest.param(Kind.FAILURE, {"value": 17470}, Reason.TOKEN_REFUSED, id="17470"),
            pytest.param(Kind.MISSING_SCOPE, {}, Reason.MISSING_SCOPE, id="403/1100"),
            pytest.param(Kind.BAD_ROW, {"rows": 12}, Reason.QUARANTINE_LIMIT, id="twelve bad rows"),
        ]
    ),
)
def test_r7_r28_r29_garbage_is_a_failure_with_its_reason(
    site: Site, stream: str, kind: Kind, how: dict[str, Any], reason: Reason
) -> None:
    before = cursor(site, stream)
    fault = site.simulator.faults.add(kind, operation=OPERATIONS[stream], account=FIRST, **how)

    failed = [read(site, stream) for _ in range(2)]

    assert fault.hits > 1
    assert {(unit.outcome, unit.reason) for unit in failed} == {(Outcome.FAILED, reason)}
    assert SENTENCES[reason]
    assert cursor(site, stream) == before
    assert stored(site, stream) == there(site, stream)
    assert read(site, stream, "seller-2").outcome is Outcome.DONE
    site.simulator.faults.clear()
    site.sql("UPDATE ebay.api_budgets SET blocked_until = NULL")
    assert read(site, stream).outcome is Outcome.DONE


def cursor(site: Site, stream: str) -> object:
    return site.one(
        f"SELECT cursor_at FROM ebay.sync_states WHERE stream = '{stream}' AND account_id ="
        f" (SELECT id FROM ebay.accounts WHERE name = '{FIRST}')"
    )


@pytest.mark.parametrize(
    ("kind", "how", "stream"),
    once(
        [
            pytest.param(Kind.BAD_ROW, {"variant": "money"}, id="money"),
            pytest.param(Kind.BAD_ROW, {"variant": "date"}, id="date"),
            pytest.param(Kind.BAD_ROW, {"variant": "missing_id"}, id="no id"),
            pytest.param(Kind.HUGE_NUMBER, {}, id="1e400"),
        ]
    ),
)
def test_a_bad_row_is_kept_aside_and_no_row_ends_for_it(
    site: Site, stream: str, kind: Kind, how: dict[str, Any]
) -> None:
    site.simulator.faults.add(kind, operation=OPERATIONS[stream], account=FIRST, offset=0, **how)

    reports = [read(site, stream), read(site, stream)]

    assert {report.outcome for report in reports} == {Outcome.DONE}
    assert all(report.quarantined >= 1 for report in reports)
    assert site.one(f"SELECT count(*) FROM ebay.quarantine WHERE stream = '{stream}'") >= 1
    kept = stored(site, stream)
    assert kept.items() <= there(site, stream).items()


@pytest.mark.parametrize("kind", [Kind.NUL_ESCAPE, Kind.LONE_SURROGATE, Kind.INVALID_UTF8])
def test_a_title_keeps_all_but_the_character_that_is_none(site: Site, kind: Kind) -> None:
    site.simulator.faults.add(kind, operation=SELLING, account=FIRST, offset=0)

    report = read(site)

    assert (report.outcome, report.updated, report.quarantined) == (Outcome.DONE, 1, 0)
    [[title]] = site.sql("SELECT title FROM ebay.listings WHERE title LIKE '%\ufffd%'")
    assert title.strip("\ufffd \n") != ""


def test_rows_that_ebay_counts_and_does_not_show_are_no_end_of_the_list(site: Site) -> None:
    site.simulator.faults.add("short_page", operation=SELLING, rows=60, offset=0, times=1)

    short = read(site)
    whole = read(site)

    assert (short.outcome, short.pages) == (Outcome.DONE, 2)
    assert whole.fetched > short.fetched
    assert stored(site, LISTED) == there(site, LISTED)


def test_a_list_that_does_not_say_how_long_it_is_is_not_taken_for_whole(site: Site) -> None:
    site.simulator.faults.add("hide_total", operation=SELLING)

    report = read(site)

    assert (report.outcome, report.reason) == (Outcome.FAILED, Reason.BAD_DATA)
    assert stored(site, LISTED) == there(site, LISTED)


def test_the_same_page_again_and_again_is_a_bad_answer(site: Site) -> None:
    site.simulator.faults.add("same_page", operation=SELLING)
    site.simulator.faults.add("wrong_total", operation=SELLING, value=400)
    site.simulator.world.behaviour.my_ebay_page_size = 50

    report = read(site)

    assert (report.outcome, report.reason) == (Outcome.FAILED, Reason.BAD_DATA)
    assert stored(site, LISTED) == there(site, LISTED)
