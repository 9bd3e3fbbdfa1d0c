"""Whatever eBay answers for one stream: a reason, and a cursor at the last stored point.

In each round every stream of the sick account meets another fault, so that each round also shows
that none of them touches its neighbours; after as many rounds as there are faults every stream has
met every one. The other account is read to the end. Once eBay is well again, so is the sick one.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest

from core import tries
from core.report import SENTENCES, Outcome, Reason, RunReport, UnitReport
from infra.ebay.post_order import PostOrderList
from infra.ebay.stream_api import StreamApi
from infra.ebay.streams.registry import STREAM_APIS, STREAMS
from infra.simulator import damage
from infra.simulator.answers import Answer
from infra.simulator.faults import Kind, Rule
from infra.simulator.trading import NAMESPACE
from tests.support.postgres import Server
from tests.support.site import Site, new_site
from tests.support.stored import is_snapshot, stored, table_of, there

SICK, WELL = "seller-1", "seller-2"
NAMES = [stream.name for stream in STREAMS]
WORTH_TRYING_S = 23.5
"""Of the 25 s for all tries for one page: so there are a few, and slow machines do no harm."""
DEADLINE_S = 120.0
SIDE_BY_SIDE = str(len(NAMES) * 4)
"""No unit waits for one that is tried again and again."""
AWAY, ODD = Reason.UPSTREAM, Reason.BAD_DATA
JSON, XML = "json", "xml"
ROWS_COME_WITH = {"inventory_offers": "getOffers"}
"""Where the list itself holds no rows, the call that brings them."""
ENTRIES = {
    "GetMyMessages": ("Message", "Message"),
    "GetBestOffers": ("BestOffer", "BestOffer"),
    "GetMyeBaySelling": ("Item", "Item"),
    "GetMyeBayBuying": ("OrderTransaction", "Transaction"),
}
"""Of each call: the element of a list, and the one that is a row."""

How = tuple[str, Mapping[str, Any]]


def xml(inner: str, *, call: str = "{call}") -> How:
    body = f'<?xml version="1.0"?><{call}Response xmlns="{NAMESPACE}">{inner}</{call}Response>'
    return Kind.STATUS, {"status": 200, "body": body, "headers": {"content-type": "text/xml"}}


def json_(body: str, status: int = 200) -> How:
    return Kind.STATUS, {"status": status, "body": body}


def trouble(ack: str, inner: str = "") -> How:
    return xml(
        f"<Ack>{ack}</Ack><Errors><LongMessage>Not this.</LongMessage><ErrorCode>340</ErrorCode>"
        f"<SeverityCode>Error</SeverityCode></Errors>{inner}"
    )


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE bomb [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in pairwise("abcdefghi"))
    + "]><GetMyMessagesResponse><Ack>&i;</Ack></GetMyMessagesResponse>"
)
SOME_ROWS = (
    "<Messages><Message><MessageID>1</MessageID></Message></Messages>"
    "<ActiveList><ItemArray><Item><ItemID>1</ItemID></Item></ItemArray></ActiveList>"
    "<BestOfferArray><BestOffer><BestOfferID>1</BestOfferID></BestOffer></BestOfferArray>"
    "<WonList><OrderTransactionArray><OrderTransaction><Transaction><Item><ItemID>1</ItemID></Item>"
    "<TransactionID>1</TransactionID></Transaction></OrderTransaction></OrderTransactionArray>"
    "</WonList>"
)
NO_ROWS = '{"errors":[{"errorId":1,"message":"partly"}]}'


@dataclass(frozen=True, kw_only=True)
class Fault:
    """How it is caused in each form of answers, and what must come of it (None: nothing at all).

    `may_miss`: a stream that is read by one request never meets it. `alters`: rows arrive other
    than they are.
    """

    name: str
    ways: Mapping[str, How]
    ends: Mapping[str, Reason | None]
    may_miss: bool = False
    alters: bool = False
    quarantined: int = 0


def everywhere(name: str, how: How, ends: Reason | None, **more: Any) -> Fault:
    return Fault(name=name, ways={JSON: how, XML: how}, ends={JSON: ends, XML: ends}, **more)


FAULTS: Sequence[Fault] = (
    # Fields and values that no contract knows come by themselves.
    everywhere("nothing", (Kind.DELAY, {"seconds": 0.0}), None),
    everywhere("an answer cut off", (Kind.TRUNCATED_JSON, {}), AWAY),
    everywhere("a body that breaks off", (Kind.TRUNCATED_BODY, {}), AWAY),
    everywhere("HTML with 200", (Kind.HTML, {}), AWAY),
    everywhere("an empty body", (Kind.EMPTY_BODY, {}), AWAY),
    everywhere("a NUL in a text", (Kind.NUL_ESCAPE, {"times": 1}), None, alters=True),
    everywhere("half a character", (Kind.LONE_SURROGATE, {"times": 1}), None, alters=True),
    everywhere("a row without an id", (Kind.BAD_ROW, {"times": 1}), None, quarantined=1),
    everywhere("401 in mid-run", (Kind.UNAUTHORIZED, {"times": 1}), None),
    everywhere("401 for ever", (Kind.UNAUTHORIZED, {}), Reason.TOKEN_REFUSED),
    everywhere("403/1100", (Kind.MISSING_SCOPE, {}), Reason.MISSING_SCOPE),
    everywhere("429", (Kind.RATE_LIMITED, {}), Reason.RATE_LIMITED),
    everywhere("500 after the first page", (Kind.SERVER_ERROR, {"after": 1}), AWAY, may_miss=True),
    Fault(
        name="a bomb",
        ways={JSON: (Kind.GZIP_BOMB, {}), XML: json_(BOMB)},
        ends={JSON: ODD, XML: AWAY},
    ),
    Fault(
        name="another root",
        ways={JSON: json_("[1, 2, 3]"), XML: xml("<Ack>Success</Ack>", call="GetUser")},
        ends={JSON: ODD, XML: ODD},
    ),
    Fault(
        name="a failure",
        ways={JSON: json_(NO_ROWS, 400), XML: trouble("Failure")},
        ends={JSON: ODD, XML: ODD},
    ),
    Fault(
        name="a part and a failure",
        ways={JSON: json_(NO_ROWS), XML: trouble("PartialFailure", SOME_ROWS)},
        ends={JSON: ODD, XML: ODD},
    ),
)
ROUNDS = range(len(FAULTS))
OFTEN = 9
"""Every so many rounds one is part of `make test`, the others of `make slow`."""


@dataclass(kw_only=True)
class Met:
    stream: str
    fault: Fault
    rule: Rule

    @property
    def ends(self) -> Reason | None:
        missed = self.fault.may_miss and not self.rule.hits
        return None if missed else self.fault.ends[form_of(self.stream)]

    def __str__(self) -> str:
        return f"{self.stream}: {self.fault.name}"


def form_of(stream: str) -> str:
    """The Trading API's calls, and only they, begin with a capital."""
    return XML if STREAM_APIS[stream].operation[0].isupper() else JSON


@pytest.fixture(scope="module")
def _module_site(_session_server: Server, _template: str) -> Iterator[Site]:
    with new_site(_session_server, _template, seed=8, accounts=2, orders=60, days=30) as site:
        site.simulator.world.render_all()
        yield site.with_settings(WORKERS_MAX_PARALLEL=SIDE_BY_SIDE)


@pytest.fixture
def site(_module_site: Site, postgres_server: Server, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(tries, "WORTH_TRYING_S", WORTH_TRYING_S)
    monkeypatch.setattr(damage, "misses", unless_spoiled(damage.misses))
    monkeypatch.setattr(damage, "damaged", spoiled(damage.damaged))
    _module_site.reset()
    _module_site.connect(2, streams=NAMES)
    # What is open is read again by units of their own, which would mend rows meanwhile.
    _module_site.sql(
        "UPDATE ebay.sync_states SET due_at = now() + interval '1 day' WHERE pass = 'open'"
    )
    return _module_site


def unless_spoiled(misses: Callable[[Rule, Answer], bool]) -> Callable[[Rule, Answer], bool]:
    def told(rule: Rule, answer: Answer) -> bool:
        if rule.kind not in ODDITIES:
            return misses(rule, answer)
        return answer.status != 200 or _first_row(answer.body or b"") is None

    return told


def spoiled(damaged: Callable[[Rule, Answer], Answer]) -> Callable[[Rule, Answer], Answer]:
    """The simulator's own damage knows some lists; this one spoils the first row of any."""

    def told(rule: Rule, answer: Answer) -> Answer:
        if rule.kind not in ODDITIES:
            return damaged(rule, answer)
        body = answer.body or b""
        place = _first_row(body, whole=rule.kind is Kind.BAD_ROW)
        assert place is not None
        entry, _ = entry_of(body)
        spoilt = ODDITIES[rule.kind][XML if entry else JSON].replace(b"ENTRY", entry)
        at = place.start() if rule.kind is Kind.BAD_ROW else place.end()
        spoilt_body = body[:at] + spoilt + body[at:]
        return Answer(answer.status, spoilt_body, answer.content_type, answer.headers)

    return told


# Put before the first row where it is one, else at the front of the first.
ODDITIES = {
    Kind.NUL_ESCAPE: {
        JSON: b'"oddText":"before\\u0000after",',
        XML: b"<OddText>before&#0;after</OddText>",
    },
    Kind.LONE_SURROGATE: {
        JSON: b'"oddText":"before\\ud83dafter",',
        XML: b"<OddText>before&#xD83D;after</OddText>",
    },
    Kind.BAD_ROW: {JSON: b'{"oddText":"?"},', XML: b"<ENTRY><OddText>?</OddText></ENTRY>"},
}


def entry_of(body: bytes) -> tuple[bytes, bytes]:
    """Empty where the answer is no XML."""
    call = re.search(rb"<(\w+)Response", body)
    entry, row = ENTRIES[call[1].decode()] if call else ("", "")
    return entry.encode(), row.encode()


def _first_row(body: bytes, *, whole: bool = False) -> re.Match[bytes] | None:
    """Up to where its fields begin, or of the `whole` entry that it is in."""
    entry, row = entry_of(body)
    if not row:
        return re.search(rb'(?<=":\[)\s*\{', body)
    return re.search(rb"<%b>" % (entry if whole else row), body)


def unit(report: RunReport, account: str, stream: str) -> UnitReport:
    wanted = (account, stream, "new")
    [found] = [each for each in report.units if (each.account, each.stream, each.pass_) == wanted]
    return found


def state(site: Site, account: str, stream: str) -> dict[str, Any]:
    names = ("cursor_at", "failures", "last_reason", "last_error", "leased_by")
    [row] = site.sql(
        f"SELECT {', '.join(names)} FROM ebay.sync_states"
        " JOIN ebay.accounts ON accounts.id = account_id"
        f" WHERE name = '{account}' AND stream = '{stream}' AND pass = 'new'"
    )
    return dict(zip(names, row, strict=True))


def complete(site: Site, account: str, stream: str) -> None:
    assert stored(site, account, stream) == there(site.simulator, account, stream), (
        account,
        stream,
    )
    assert state(site, account, stream)["cursor_at"] is not None


def broken(site: Site, stream: str, fault: Fault) -> Met:
    kind, how = fault.ways[form_of(stream)]
    operation = STREAM_APIS[stream].operation
    if kind in ODDITIES:
        operation = ROWS_COME_WITH.get(stream, operation)
    how = {
        name: value.replace("{call}", operation) if name == "body" else value
        for name, value in how.items()
    }
    rule = site.simulator.faults.add(kind, operation=operation, account=SICK, **how)
    return Met(stream=stream, fault=fault, rule=rule)


@pytest.mark.parametrize(
    "turn",
    [pytest.param(turn, marks=[] if turn % OFTEN == 0 else [pytest.mark.slow]) for turn in ROUNDS],
)
def test_each_stream_of_one_account_meets_another_fault(site: Site, turn: int) -> None:
    fates = [
        broken(site, stream, FAULTS[(number + turn) % len(FAULTS)])
        for number, stream in enumerate(NAMES)
    ]

    report = site.run(deadline_s=DEADLINE_S)

    assert report.outcome is Outcome.DEGRADED
    for stream in NAMES:
        complete(site, WELL, stream)
    for met in fates:
        ended = unit(report, SICK, met.stream)
        assert met.rule.hits or met.fault.may_miss, f"{met} was never met: {ended}"
        _ended_as_it_must(site, met, ended)
    _all_are_well_again(site, fates)


def _ended_as_it_must(site: Site, met: Met, ended: UnitReport) -> None:
    assert ended.reason is met.ends, f"{met}: {ended}"
    found, true = stored(site, SICK, met.stream), there(site.simulator, SICK, met.stream)
    if met.ends is not None:
        assert SENTENCES[met.ends]
        _stands_at_the_last_stored_point(site, met, ended)
        assert found.items() <= true.items(), met
        assert ended.pages or not found, met
        return
    assert found.keys() == true.keys(), met
    assert ended.quarantined == met.fault.quarantined, met
    changed = [key for key in true if found[key] != true[key]]
    assert bool(changed) == met.fault.alters, f"{met}: {changed}"
    assert all("before\ufffdafter" in str(found[key]) for key in changed), met


def _stands_at_the_last_stored_point(site: Site, met: Met, ended: UnitReport) -> None:
    stands = state(site, SICK, met.stream)
    assert stands["leased_by"] is None
    assert (stands["last_reason"], stands["failures"]) == (met.ends, 1), met
    assert stands["last_error"], met
    cursor = stands["cursor_at"]
    assert ended.cursor_after == cursor, met
    if cursor is None:
        return
    found = stored(site, SICK, met.stream)
    truth = site.simulator.truth(SICK, met.stream)
    below = {key for key, (at, _) in truth.items() if datetime.fromisoformat(at) <= cursor}
    assert not is_snapshot(met.stream), met
    assert below <= found.keys(), met


def _all_are_well_again(site: Site, fates: Sequence[Met]) -> None:
    """Rows that were changed on their way may stay as they came."""
    site.simulator.faults.clear()
    site.all_due()
    # Their probe is not due yet.
    site.sql("DELETE FROM ebay.api_breakers")

    report = site.run(deadline_s=DEADLINE_S)

    assert report.outcome is Outcome.DONE, report
    for met in fates:
        if not met.fault.alters:
            complete(site, SICK, met.stream)


@dataclass(frozen=True, kw_only=True)
class Nothing:
    """A list without rows, as each form of answers may say it."""

    name: str
    json: str
    post_order: str
    xml: str
    no_content: bool = field(default=False)
    """Where 204 says it too."""


NOTHINGS = (
    Nothing(
        name="empty lists",
        json='{"total":0,"limit":200,"offset":0,"LIST":[],"inventoryItems":[]}',
        post_order='{"LIST":[],"paginationOutput":{"limit":0,"offset":0,"totalEntries":0}}',
        xml="<Ack>Success</Ack><Messages/><ItemBestOffersArray/><ActiveList/><WonList/>",
    ),
    Nothing(
        name="only counts",
        json='{"total":0,"LIST":[],"inventoryItems":[]}',
        post_order='{"paginationOutput":{"totalEntries":0,"totalPages":0}}',
        xml="<Ack>Warning</Ack><ActiveList><PaginationResult><TotalNumberOfPages>0"
        "</TotalNumberOfPages><TotalNumberOfEntries>0</TotalNumberOfEntries></PaginationResult>"
        "</ActiveList><PaginationResult><TotalNumberOfEntries>0</TotalNumberOfEntries>"
        "</PaginationResult>",
    ),
    Nothing(
        name="no word of it",
        json='{"total":0,"LIST":[],"inventoryItems":[]}',
        post_order='{"LIST":[]}',
        xml="<Ack>Success</Ack>",
        no_content=True,
    ),
)


@pytest.mark.parametrize(
    "nothing",
    [
        pytest.param(nothing, id=nothing.name, marks=[pytest.mark.slow] if number else [])
        for number, nothing in enumerate(NOTHINGS)
    ],
)
def test_an_empty_list_is_read_and_ends_nothing_until_it_comes_twice(
    site: Site, nothing: Nothing
) -> None:
    """Each way to say it but the first is part of `make slow`."""
    site.run(deadline_s=DEADLINE_S)
    before = {stream: stored(site, SICK, stream) for stream in NAMES}
    for stream in NAMES:
        _answer_with(site, stream, nothing)

    once = _read_all(site)
    after_one = {stream: stored(site, SICK, stream) for stream in NAMES}
    twice = _read_all(site)
    after_two = {stream: stored(site, SICK, stream) for stream in NAMES}
    site.simulator.faults.clear()
    well = _read_all(site)

    failed = [
        (each.stream, each.reason, each.detail)
        for run in (once, twice, well)
        for each in run.units
        if each.reason
    ]
    assert not failed
    assert {once.outcome, twice.outcome, well.outcome} == {Outcome.DONE}
    assert after_one == before
    assert after_two == {
        stream: {} if table_of(stream).ends else rows for stream, rows in before.items()
    }
    for account in (SICK, WELL):
        for stream in NAMES:
            complete(site, account, stream)


def _answer_with(site: Site, stream: str, nothing: Nothing) -> None:
    api = STREAM_APIS[stream]
    kind, how = _said(api, nothing)
    if nothing.no_content and getattr(api, "none_is_204", False):
        kind, how = Kind.NO_CONTENT, {}
    site.simulator.faults.add(kind, operation=api.operation, account=SICK, **how)


def _said(api: StreamApi, nothing: Nothing) -> How:
    if form_of(api.stream.name) == XML:
        return xml(nothing.xml, call=api.operation)
    told = nothing.post_order if isinstance(api, PostOrderList) else nothing.json
    return json_(told.replace("LIST", api.stream.list_field))


def _read_all(site: Site) -> RunReport:
    site.all_due()
    return site.run(deadline_s=DEADLINE_S)
