"""Cases, inquiries, returns and cancellations from eBay to the tables, whatever happens."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.report import Outcome, Reason, RunReport, UnitReport
from infra.simulator.behaviour import Behaviour, Counts
from infra.simulator.claims import Claim, Kind
from infra.simulator.faults import Kind as Fault
from infra.simulator.journal import Entry
from infra.simulator.truth import digest
from tests.support.postgres import Server
from tests.support.site import Gate, Site, new_site

STREAMS = tuple(kind.value for kind in Kind)
DETAILED = ("inquiries", "returns")
SEARCHES = {
    "cases": "searchCases",
    "inquiries": "searchInquiries",
    "returns": "searchReturns",
    "cancellations": "searchCancellations",
}
READS = {"inquiries": "getInquiry", "returns": "getReturn"}
KEYS = {
    "cases": "case_id",
    "inquiries": "inquiry_id",
    "returns": "return_id",
    "cancellations": "cancel_id",
}
SICK, WELL = "seller-1", "seller-2"
EVERY = pytest.mark.parametrize("stream", STREAMS)
Rows = dict[tuple[str, ...], str]


@pytest.fixture
def site(postgres_server: Server, _session_server: Server, _template: str) -> Iterator[Site]:
    """A world of its own for each test: claims cannot be put back."""
    # What changes while it is read is in reach of the overlap of the next run.
    behind = timedelta(minutes=-10)
    with new_site(
        _session_server, _template, seed=5, accounts=2, orders=600, clock_offset=behind
    ) as site:
        site.connect(2, streams=STREAMS)
        yield site


def behaviour(site: Site) -> Behaviour:
    return site.simulator.world.behaviour


def truth(site: Site, account: str, kind: str) -> Rows:
    return {key: digest(row) for key, (_, row) in site.simulator.truth(account, kind).items()}


def stored(site: Site, account: str, stream: str, column: str = "raw") -> Rows:
    found = site.sql(
        f"SELECT {KEYS[stream]}, {column} FROM ebay.{stream}"
        f" JOIN ebay.accounts ON accounts.id = account_id WHERE name = '{account}'"
    )
    return {(row[0],): digest(row[1]) for row in found}


def complete(site: Site, account: str, stream: str) -> None:
    assert stored(site, account, stream) == truth(site, account, stream)
    if stream in DETAILED:
        details = truth(site, account, f"{stream}.details")
        assert stored(site, account, stream, "detail") == details


def unit(report: RunReport, stream: str, account: str = SICK, pass_: str = "new") -> UnitReport:
    wanted = (account, stream, pass_)
    [found] = [each for each in report.units if (each.account, each.stream, each.pass_) == wanted]
    return found


def called(site: Site, operation: str) -> list[Entry]:
    return site.simulator.requests.entries(operation=operation)


def claims(site: Site, stream: str, account: str = SICK) -> list[Claim]:
    return site.simulator.world.account(account).claims.by_kind[Kind(stream)]


def move(site: Site, claim: Claim) -> None:
    with site.simulator.world.lock:
        claim.move_on(site.simulator.clock.now_ms())


def opened(site: Site, stream: str, variety: int = 1) -> Claim:
    """Yesterday, by the buyer."""
    account = site.simulator.world.account(SICK)
    with site.simulator.world.lock:
        yesterday = site.simulator.clock.now_ms() - 24 * 3600 * 1000
        claim = account.claims.open(Kind(stream), account.ledger.orders[5], yesterday)
        claim.variety = variety
    return claim


def test_r51_every_row_of_all_pages_arrives_with_its_details(site: Site) -> None:
    report = site.run()

    for stream in STREAMS:
        for account in (SICK, WELL):
            complete(site, account, stream)
        assert unit(report, stream).outcome is Outcome.DONE
    assert len(claims(site, "returns")) > 10


@pytest.mark.parametrize("by_page", [False, True])
def test_r51_more_rows_than_a_page_holds_are_read_without_an_offset(
    site: Site, *, by_page: bool
) -> None:
    """Whatever `offset` means."""
    behaviour(site).post_order_offset_is_page = by_page
    account = site.simulator.world.account(SICK)
    now = site.simulator.clock.now_ms()
    with site.simulator.world.lock:
        for number in range(450):
            order = account.ledger.orders[number]
            account.claims.open(Kind.CANCELLATIONS, order, now - 10**9 - number * 10**6)

    report = site.run(streams=("cancellations",))

    complete(site, SICK, "cancellations")
    assert unit(report, "cancellations").outcome is Outcome.DONE
    asked = called(site, "searchCancellations")
    assert len(asked) > 4
    assert all("offset" not in call.query for call in asked)


@EVERY
def test_r51_both_ends_of_the_range_are_sent_and_iaf_is_the_scheme(site: Site, stream: str) -> None:
    site.run(accounts=(SICK,), streams=(stream,))

    calls = called(site, SEARCHES[stream])
    assert {call.status for call in calls} == {200}
    assert all("_from=" in call.query and "_to=" in call.query for call in calls)


def test_cancellations_that_buyers_asked_for_are_not_hidden(site: Site) -> None:
    site.run(accounts=(SICK,), streams=("cancellations",))

    asked = site.sql("SELECT DISTINCT requestor_type FROM ebay.cancellations ORDER BY 1")
    assert [row[0] for row in asked] == ["BUYER", "SELLER"]
    complete(site, SICK, "cancellations")


def test_r52_details_only_for_what_changed(site: Site) -> None:
    site.run(accounts=(SICK,))
    counts = {stream: len(called(site, READS[stream])) for stream in DETAILED}
    still_open = {stream: sum(not each.is_final for each in claims(site, stream))
                  for stream in DETAILED}  # fmt: skip
    for stream, reads in counts.items():
        # The pass over what is open goes beside the other: it may begin when rows are stored.
        assert 0 <= reads - len(truth(site, SICK, stream)) <= still_open[stream]
    # As if nothing but the overlap were new: everything once more.
    site.sql("UPDATE ebay.sync_states SET cursor_at = NULL, due_at = now() WHERE pass = 'new'")

    again = site.run(accounts=(SICK,), streams=("returns", "inquiries"))

    new = [each for each in again.units if each.pass_ == "new"]
    assert {each.written for each in new} == {0}
    reread = {stream: len(called(site, READS[stream])) - counts[stream] for stream in DETAILED}
    assert reread["returns"] == still_open["returns"]
    assert reread["inquiries"] <= still_open["inquiries"]


@EVERY
def test_the_open_pass_sees_a_state_that_changed_without_moving(site: Site, stream: str) -> None:
    claim = opened(site, stream)
    while claim.stage < len(claim.path) - 2:
        move(site, claim)
    site.run()
    key = f"{KEYS[stream]} = '{claim.claim_id}'"
    [before] = site.sql(f"SELECT is_open FROM ebay.{stream} WHERE {key} AND account_id = 1")
    site.sql(f"UPDATE ebay.{stream} SET note = 'call him', tags = '{{mine}}'")
    move(site, claim)

    report = site.run(accounts=(SICK,), streams=(stream,))

    [after] = site.sql(f"SELECT is_open FROM ebay.{stream} WHERE {key} AND account_id = 1")
    assert (before[0], after[0]) == (True, False)
    assert unit(report, stream, pass_="open").updated == 1
    kept = site.sql(f"SELECT DISTINCT note, tags FROM ebay.{stream}")
    assert [list(each) for each in kept] == [["call him", ["mine"]]]
    if stream in DETAILED:
        details = truth(site, SICK, f"{stream}.details")
        assert stored(site, SICK, stream, "detail") == details
    else:
        complete(site, SICK, stream)


def test_an_inquiry_that_was_escalated_is_followed_although_no_search_shows_it(site: Site) -> None:
    claim = opened(site, "inquiries", variety=3)
    site.run(accounts=(SICK,), streams=("inquiries",))
    move(site, claim)
    assert claim.is_escalated

    site.run(accounts=(SICK,), streams=("inquiries",))

    row = site.sql(
        "SELECT state, escalation_date IS NOT NULL, is_open, inquiry_status_enum"
        f" FROM ebay.inquiries WHERE inquiry_id = '{claim.claim_id}'"
    )
    assert [list(each) for each in row] == [["ESCALATED", True, True, "WAITING_SELLER_RESPONSE"]]
    move(site, claim)
    site.run(accounts=(SICK,), streams=("inquiries",))
    final = site.one(f"SELECT is_open FROM ebay.inquiries WHERE inquiry_id = '{claim.claim_id}'")
    assert final is False


@EVERY
def test_r17_two_accounts_may_have_a_row_of_one_id(site: Site, stream: str) -> None:
    site.run(streams=(stream,))

    shared = site.sql(
        f"SELECT count(*) FROM ebay.{stream} GROUP BY {KEYS[stream]} HAVING count(*) > 1"
    )
    hidden = any(each.claims.by_kind[Kind(stream)][0].hidden_from_the_start
                 for each in site.simulator.world.accounts)  # fmt: skip
    assert [row[0] for row in shared] == ([] if hidden else [2])
    for account in (SICK, WELL):
        complete(site, account, stream)


@pytest.mark.parametrize("counts", list(Counts))
def test_every_way_to_say_how_many_there_are_is_understood(site: Site, counts: Counts) -> None:
    behaviour(site).post_order_counts = counts

    report = site.run()

    assert report.outcome is Outcome.DONE
    for stream in STREAMS:
        complete(site, SICK, stream)


@pytest.mark.parametrize("counts", list(Counts))
def test_empty_results_of_every_form_are_empty(site: Site, counts: Counts) -> None:
    behaviour(site).post_order_counts = counts
    for account in site.simulator.world.accounts:
        for kind in Kind:
            account.claims.by_kind[kind].clear()

    report = site.run()

    assert report.outcome is Outcome.DONE
    assert {each.fetched for each in report.units} == {0}
    assert site.one("SELECT count(*) FROM ebay.sync_states WHERE cursor_at IS NULL") == 8


def test_ids_may_be_numbers_and_an_id_stays_one_row(site: Site) -> None:
    site.run(accounts=(SICK,))
    behaviour(site).post_order_integers = True
    site.sql("UPDATE ebay.sync_states SET cursor_at = NULL, due_at = now() WHERE pass = 'new'")

    site.run(accounts=(SICK,))

    for stream in STREAMS:
        assert stored(site, SICK, stream) == truth(site, SICK, stream)


@pytest.mark.parametrize("status", [404, 500])
def test_a_row_of_which_ebay_has_no_details_is_kept_without(site: Site, status: int) -> None:
    behaviour(site).post_order_unknown_id_status = status
    lost = claims(site, "returns")[-1]
    lost.forgotten = True

    report = site.run(accounts=(SICK,), streams=("returns",))

    assert unit(report, "returns").outcome is Outcome.DONE
    assert stored(site, SICK, "returns") == truth(site, SICK, "returns")
    bare = site.sql("SELECT return_id FROM ebay.returns WHERE detail IS NULL")
    assert [row[0] for row in bare] == [str(lost.claim_id)]


def test_a_changing_source_arrives_whole(site: Site) -> None:
    behaviour(site).mutations_per_request = 2
    site.run()
    behaviour(site).mutations_per_request = 0
    site.all_due()

    report = site.run()

    assert report.outcome is Outcome.DONE
    for account in (SICK, WELL):
        for stream in ("cases", "cancellations"):
            complete(site, account, stream)
        for stream in DETAILED:
            details = truth(site, account, f"{stream}.details")
            assert stored(site, account, stream, "detail") == details


SHORT_S = 6.0
GARBAGE = [
    (Fault.TRUNCATED_JSON, {}, Reason.UPSTREAM),
    (Fault.HTML, {}, Reason.UPSTREAM),
    (Fault.EMPTY_BODY, {}, Reason.UPSTREAM),
    (Fault.NO_CONTENT, {}, Reason.UPSTREAM),
    (Fault.SERVER_ERROR, {}, Reason.UPSTREAM),
    (Fault.RESET_MID_BODY, {}, Reason.UPSTREAM),
    (Fault.GZIP_BOMB, {}, Reason.BAD_DATA),
    (Fault.BIG_BODY, {}, Reason.BAD_DATA),
    (Fault.MISSING_SCOPE, {}, Reason.MISSING_SCOPE),
    (Fault.UNAUTHORIZED, {}, Reason.TOKEN_REFUSED),
    (Fault.RATE_LIMITED, {"retry_after": "90"}, Reason.RATE_LIMITED),
    (Fault.STATUS, {"status": 200, "body": "{}"}, Reason.BAD_DATA),
    (Fault.STATUS, {"status": 200, "body": '{"members": {"a": 1}, "cancellations": 7}'},
     Reason.BAD_DATA),
    (Fault.STATUS, {"status": 200, "body": '{"members": [1], "cancellations": [1]}'},
     Reason.BAD_DATA),
    (Fault.STATUS, {"status": 200, "body": '{"members": [], "cancellations": [], "total": 7}'},
     Reason.UPSTREAM),
    (Fault.STATUS, {"status": 200, "body": '{"errorMessage": {"error": [{"errorId": 1}]}}'},
     Reason.BAD_DATA),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "how", "reason"), GARBAGE)
@pytest.mark.parametrize(
    "stream", ["returns", pytest.param("cancellations", marks=pytest.mark.slow)]
)
def test_r7_r29_garbage_for_one_account_moves_no_cursor_and_stops_no_other(
    site: Site, stream: str, fault: str, how: dict[str, Any], reason: Reason
) -> None:
    site.simulator.faults.add(fault, operation=SEARCHES[stream], account=SICK, **how)

    report = site.run(streams=(stream,), deadline_s=SHORT_S)

    assert unit(report, stream).reason is reason
    assert unit(report, stream).cursor_after is None
    complete(site, WELL, stream)
    site.simulator.faults.clear()
    site.all_due()
    site.run(streams=(stream,))
    complete(site, SICK, stream)


@pytest.mark.parametrize(
    "body",
    [
        '{"detail": {"note": "\\u0000 \\ud83d"}}',
        '{"detail": {"closeInfo": {"returnCloseDate": {"value": "some day"}}}}',
        '{"detail": 1e400}',
        "{}",
    ],
)
def test_odd_details_do_not_stop_the_stream(site: Site, body: str) -> None:
    site.simulator.faults.add(
        Fault.STATUS, status=200, body=body, operation="getReturn", account=SICK, times=1
    )

    report = site.run(streams=("returns",))

    read = unit(report, "returns")
    assert read.outcome is Outcome.DONE
    assert read.fetched == len(truth(site, SICK, "returns"))
    assert read.quarantined == ("some day" in body)
    complete(site, WELL, "returns")


def test_details_of_another_row_are_never_taken_for_its_own(site: Site) -> None:
    other = json.dumps({"summary": {"returnId": "1"}, "detail": {}})
    site.simulator.faults.add(
        Fault.STATUS, status=200, body=other, operation="getReturn", account=SICK, times=1
    )

    site.run(streams=("returns",))

    complete(site, SICK, "returns")


def test_an_odd_row_goes_into_quarantine_and_the_others_arrive(site: Site) -> None:
    now = datetime.now(UTC) - timedelta(days=3)
    good = {"caseId": 7, "creationDate": {"value": now.isoformat()}, "caseStatusEnum": "OPEN"}
    rows = [good, {**good, "caseId": None}, {**good, "caseId": 8, "creationDate": {"value": "?"}}]
    site.simulator.faults.add(
        Fault.STATUS, status=200, body=json.dumps({"members": rows}), operation="searchCases"
    )

    report = site.run(accounts=(SICK,), streams=("cases",))

    assert unit(report, "cases").quarantined == 2
    assert [row[0] for row in site.sql("SELECT case_id FROM ebay.cases")] == ["7"]


def test_a_run_without_time_for_all_details_keeps_what_it_had(site: Site) -> None:
    site.simulator.faults.add(Fault.DELAY, operation="getReturn", seconds=0.3)

    first = site.run(accounts=(SICK,), streams=("returns",), deadline_s=3.0)
    had = site.one("SELECT count(*) FROM ebay.returns WHERE detail IS NOT NULL")
    site.simulator.faults.clear()
    site.run(accounts=(SICK,), streams=("returns",))

    assert unit(first, "returns").reason is Reason.DEADLINE
    assert 0 < had < len(truth(site, SICK, "returns"))
    complete(site, SICK, "returns")
    reads = [call.path for call in called(site, "getReturn") if call.status == 200]
    still_open = sum(not each.is_final for each in claims(site, "returns"))
    assert len(reads) <= len(set(reads)) + 1 + still_open


@pytest.mark.parametrize("operation", ["searchReturns", "getReturn", "searchCancellations"])
def test_killed_in_the_middle_nothing_is_lost(site: Site, operation: str) -> None:
    with Gate(site.simulator, operation) as gate:
        process = site.start("ebay")
        gate.wait()
        process.kill()
        process.communicate(timeout=60)

    done = site.cli("ebay", "--take-over")

    assert done.returncode == 0, done.stderr
    for stream in STREAMS:
        for account in (SICK, WELL):
            complete(site, account, stream)
    assert site.one("SELECT count(*) FROM ebay.sync_states WHERE leased_by IS NOT NULL") == 0


def test_r59_a_spent_quota_stops_that_api_and_no_other(site: Site) -> None:
    quotas = site.simulator.quotas
    quotas.set_count("post-order.return", quotas.limit("post-order.return"))

    report = site.run()

    reasons = {each.reason for each in report.units if each.stream == "returns"}
    assert Reason.QUOTA in reasons
    for stream in ("cases", "inquiries", "cancellations"):
        complete(site, SICK, stream)


def test_the_sandbox_has_no_such_lists_and_the_streams_say_so(site: Site) -> None:
    site.sql("UPDATE ebay.accounts SET environment = 'sandbox'")

    report = site.run()

    assert (report.outcome, report.reason) == (Outcome.SKIPPED, Reason.UNSUPPORTED)
    assert {each.reason for each in report.units} == {Reason.UNSUPPORTED}
    assert site.one("SELECT max(failures) FROM ebay.sync_states") == 0
    assert {entry.operation for entry in site.simulator.requests.entries()} <= {"token", "getUser"}
