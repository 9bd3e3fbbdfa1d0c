"""One unit from its lease to its end, against a store in memory and an eBay without a network."""

import json
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from core.errors import (
    BadAnswerError,
    OutOfTimeError,
    RateLimitedError,
    ReauthorizationRequiredError,
    SignatureRequiredError,
    UpstreamFacts,
    UpstreamUnavailableError,
)
from core.report import Outcome, Reason, UnitReport
from core.sync.calls import Quota
from core.sync.details import unfolded
from core.sync.model import (
    LAG,
    OVERLAP,
    Account,
    Environment,
    Page,
    PageQuery,
    Pass,
    Stream,
    Unit,
    Walk,
    Window,
)
from core.sync.ports import OpenRange, OpenRow
from core.sync.preview import PreviewAccounts
from core.sync.tally import Tally
from core.sync.unit import SyncPorts, UnitRun
from core.sync.walk import query_for
from core.sync.worker import Selection
from tests.support.memory_calls import Day, MemoryCalls
from tests.support.memory_sync import MemorySync, State
from tests.support.sync_fakes import (
    LISTINGS,
    NOW,
    OFFERS,
    ORDERS,
    OTHER_RUN,
    RETURNS,
    RUN,
    TRANSACTIONS,
    Answer,
    FakeQuotas,
    FakeSource,
    FakeTokens,
    Run,
    page_of,
)

TICK = timedelta(microseconds=1)
AWAY = UpstreamUnavailableError("eBay answered 500")


class AtOnce(Executor):
    """Runs what it is given before `submit` returns."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(work(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@dataclass
class Scene:
    """`orders`: how long eBay's list is; `before` sees each query and may answer it instead."""

    stream: Stream = ORDERS
    pass_: Pass = Pass.NEW
    limit_s: float | None = None
    orders: int = 10
    before: Callable[["Scene", PageQuery], Answer | None] = lambda *_: None
    since: datetime | None = None
    tokens: FakeTokens = field(default_factory=FakeTokens)
    calls: MemoryCalls = field(default_factory=MemoryCalls)
    quotas: FakeQuotas = field(default_factory=FakeQuotas)

    def __post_init__(self) -> None:
        self.run = Run(limit_s=self.limit_s)
        self.clock = self.run.clock
        self.store = MemorySync(
            now=self.clock.now,
            streams={"orders": ORDERS, "transactions": TRANSACTIONS, self.stream.name: self.stream},
        )
        self.account = self.store.add_account("shop", [self.stream.name], open_pass=True)
        self.source = FakeSource(self.answer, self.clock)
        self.rows = [
            {"orderId": str(n), "transactionId": str(n), "transactionType": "SALE",
             "returnId": str(n),
             "lastModifiedDate": (NOW - timedelta(hours=n + 1)).isoformat()}
            for n in range(self.orders)
        ]  # fmt: skip

    @property
    def state(self) -> State:
        return self.store.states[self.account.id, self.stream.name, self.pass_]

    def answer(self, _: Account, __: Stream, query: PageQuery, ___: object) -> Answer:
        instead = self.before(self, query)
        return instead or self.page(query)

    def page(self, query: PageQuery) -> Page:
        instants = [datetime.fromisoformat(row["lastModifiedDate"]) for row in self.rows]
        inside = [
            (row, instant)
            for row, instant in zip(self.rows, instants, strict=True)
            if query.from_ <= instant <= query.to or self.stream.walk is Walk.SNAPSHOT
        ]
        shown = inside[query.offset : query.offset + query.limit]
        return page_of(
            [row for row, _ in shown],
            total=len(inside),
            keys=[row["orderId"] for row, _ in shown],
            instants=[instant for _, instant in shown],
        )

    def take(self) -> Unit:
        candidates = self.store.candidates([], [self.stream.name])
        [candidate] = [each for each in candidates if each.unit.pass_ is self.pass_]
        unit = self.store.take(RUN, self.clock.now(), candidate)
        assert unit is not None
        return unit

    def of(self, unit: Unit) -> UnitRun:
        context = self.run.context()
        ports = SyncPorts(
            store=self.store,
            source=self.source,
            tokens=self.tokens,
            quotas=self.quotas,
            calls=self.calls,
            sleep=self.clock.advance,
        )
        return UnitRun(
            unit=unit,
            context=context,
            ports=ports,
            lookahead=AtOnce(),
            since=self.since,
            tally=Tally(started_at=self.clock.now(), cursor_at=unit.cursor_at),
            pages=ports.pages_of(unit, context),
        )

    def read(self) -> UnitReport:
        return self.of(self.take()).run()

    def stored(self) -> int:
        return len(self.store.rows)


def after(calls: int, answer: Answer) -> Callable[[Scene, PageQuery], Answer | None]:
    return lambda scene, _: answer if len(scene.source.calls) > calls else None


def test_r6_a_first_run_reads_everything_and_moves_the_cursor() -> None:
    scene = Scene()

    report = scene.read()

    assert (report.outcome, report.reason, report.more) == (Outcome.DONE, None, False)
    assert (report.fetched, report.inserted, report.pages, report.calls) == (10, 10, 3, 4)
    assert report.cursor_after == scene.state.cursor_at == NOW - LAG
    assert scene.state.window is None
    assert scene.state.due_at == NOW + timedelta(seconds=270)
    assert (scene.state.failures, scene.state.last_success_at) == (0, NOW)
    assert scene.store.reports == [report]


def test_a_second_run_finds_every_row_unchanged() -> None:
    scene = Scene(orders=0)
    scene.read()
    scene.rows = [{"orderId": "1", "lastModifiedDate": NOW.isoformat()}]
    scene.clock.advance(300)
    scene.read()
    scene.clock.advance(300)

    report = scene.read()

    assert (report.fetched, report.inserted, report.updated, report.unchanged) == (1, 0, 0, 1)
    assert scene.source.calls[-1][2].from_ == NOW + timedelta(seconds=300) - LAG - OVERLAP


def test_each_page_stored_is_told() -> None:
    scene = Scene()

    scene.read()

    told = [(each.fetched, each.total) for each in scene.run.observed]
    assert told == [(2, 10), (6, 10), (10, 10)]


def test_r2_r6_a_failure_keeps_the_pages_before_it_and_the_next_run_goes_on() -> None:
    scene = Scene(before=after(2, AWAY))

    failed = scene.read()
    place = scene.state.window
    scene.before = lambda *_: None
    done = scene.read()

    assert (failed.outcome, failed.reason) == (Outcome.FAILED, Reason.UPSTREAM)
    assert (failed.fetched, failed.cursor_after) == (2, None)
    assert place is not None
    assert (place.offset, place.total) == (4, 10)
    assert (done.outcome, done.fetched) == (Outcome.DONE, 8)
    assert scene.stored() == 10


def test_failures_are_counted_and_the_retry_comes_sooner_than_the_interval() -> None:
    scene = Scene(before=after(0, AWAY))

    scene.read()
    first = scene.state.due_at
    at = scene.clock.now()
    scene.read()

    assert first is not None
    assert first - at <= timedelta(seconds=60)
    assert scene.state.failures == 2
    assert (scene.state.last_reason, scene.state.last_error) == ("upstream", "eBay answered 500")


def test_bad_data_is_tried_again_at_the_usual_interval() -> None:
    scene = Scene(before=after(0, BadAnswerError("odd")))

    report = scene.read()

    assert report.reason is Reason.BAD_DATA
    assert scene.state.due_at == NOW + timedelta(seconds=270)


def test_a_mistake_of_ours_is_an_internal_failure_and_logged() -> None:
    scene = Scene(before=after(0, ZeroDivisionError("canary")))

    report = scene.read()

    assert (report.reason, report.detail) == (Reason.INTERNAL, "ZeroDivisionError")
    assert scene.run.log.events() == ["unit.failed"]


def demanding(scene: Scene, _: PageQuery) -> Answer | None:
    """eBay wants signatures of this seller."""
    return None if scene.source.signed[-1] else SignatureRequiredError("error 215001")


def test_an_account_of_which_ebay_demands_signatures_is_read_signed_from_then_on() -> None:
    scene = Scene(before=demanding)
    scene.store.failing["sign_from_now_on"] = 1

    first = scene.read()
    again = scene.read()

    assert (first.outcome, again.outcome) == (Outcome.DONE, Outcome.DONE)
    assert scene.source.signed.count(False) == 1
    assert scene.take().account.signs


@pytest.mark.parametrize(("wait_s", "due_s"), [(60, 60), (3600, 270)])
def test_without_a_key_the_unit_is_due_when_one_is_asked_for_or_as_usual(
    wait_s: int, due_s: int
) -> None:
    """As usual costs nothing: eBay is not asked, and somebody may have had a key made."""
    scene = Scene(before=demanding)
    later = NOW + timedelta(seconds=wait_s)
    scene.source.unprepared = [SignatureRequiredError("no signing key", retry_at=later)]

    report = scene.read()

    assert (report.outcome, report.reason) == (Outcome.FAILED, Reason.SIGNATURE_REQUIRED)
    assert scene.state.due_at == NOW + timedelta(seconds=due_s)


def test_time_that_runs_out_saves_the_place_gives_the_attempt_back_and_is_due_now() -> None:
    def slow(scene: Scene, _: PageQuery) -> None:
        scene.clock.advance(3)

    scene = Scene(limit_s=8, before=slow)

    report = scene.read()

    assert (report.outcome, report.reason, report.more) == (
        Outcome.PARTIAL,
        Reason.DEADLINE,
        True,
    )
    assert scene.state.window is not None
    assert scene.state.failures == 0
    assert scene.state.due_at == scene.clock.now()


def test_a_deadline_that_cuts_a_request_short_leaves_more_to_do() -> None:
    def hanging(scene: Scene, _: PageQuery) -> Answer:
        scene.clock.advance(60)
        return AWAY

    scene = Scene(limit_s=4, before=hanging)

    report = scene.read()

    assert (report.reason, report.more) == (Reason.DEADLINE, True)


def test_r7_a_stop_that_is_asked_for_ends_the_unit_after_its_page() -> None:
    def stopping(scene: Scene, _: PageQuery) -> None:
        scene.run.stop = len(scene.source.calls) > 1

    scene = Scene(before=stopping)

    report = scene.read()

    assert (report.reason, report.pages) == (Reason.DEADLINE, 1)
    assert scene.stored() == 2


def test_a_unit_that_another_run_took_writes_nothing_more() -> None:
    def stolen(scene: Scene, _: PageQuery) -> None:
        if len(scene.source.calls) == 2:
            scene.state.fence += 1
            scene.state.leased_by = OTHER_RUN

    scene = Scene(before=stolen)

    report = scene.read()

    assert (report.outcome, report.reason) == (Outcome.FAILED, Reason.LEASE_LOST)
    assert scene.stored() == 0
    assert scene.state.leased_by == OTHER_RUN
    assert scene.store.reports == []


def test_a_unit_that_is_lost_before_its_end_says_so() -> None:
    scene = Scene(orders=0)
    run = scene.of(scene.take())
    scene.state.fence += 1
    scene.state.cursor_at = scene.clock.now()

    report = run.run()

    assert report.reason is Reason.LEASE_LOST


def test_a_database_that_comes_back_gets_the_page_again() -> None:
    scene = Scene()
    scene.store.failing["save_page"] = 2

    report = scene.read()

    assert (report.outcome, report.inserted) == (Outcome.DONE, 10)


@pytest.mark.parametrize(("method", "fetched"), [("save_page", 0), ("finish", 10)])
def test_a_database_that_stays_away_is_a_report_that_counts(method: str, fetched: int) -> None:
    scene = Scene()
    scene.store.failing[method] = 3

    report = scene.read()

    assert (report.outcome, report.reason) == (Outcome.FAILED, Reason.DATABASE)
    assert report.fetched == fetched
    assert scene.store.reports == []


def test_an_end_is_written_despite_a_cut_connection() -> None:
    scene = Scene()
    scene.store.failing["finish"] = 2

    report = scene.read()

    assert (report.outcome, scene.store.reports) == (Outcome.DONE, [report])


def test_an_end_committed_unseen_is_no_lost_lease() -> None:
    scene = Scene()
    scene.store.unseen["finish"] = 1

    report = scene.read()

    assert (report.outcome, scene.store.reports) == (Outcome.DONE, [report])


def test_a_page_committed_unseen_says_that_its_counts_are_unknown() -> None:
    scene = Scene(orders=3)
    scene.store.unseen["save_page"] = 1

    report = scene.read()

    assert (report.fetched, report.inserted, report.unchanged) == (3, 0, 3)
    [unsure] = [each for each in scene.store.events if each.event == "page.counts_unknown"]
    assert (unsure.level, unsure.facts["offset"]) == ("warning", 0)


def test_nothing_is_saved_again_when_the_time_to_save_is_over() -> None:
    def late(scene: Scene, _: PageQuery) -> None:
        scene.clock.advance(6.7)

    scene = Scene(orders=3, limit_s=5, before=late)
    scene.store.failing["save_page"] = 1

    report = scene.read()

    assert (report.outcome, report.reason) == (Outcome.FAILED, Reason.DATABASE)
    assert scene.store.progress == []


def test_r34_every_page_stored_is_an_event_of_the_run() -> None:
    scene = Scene()

    scene.read()

    pages = [each for each in scene.store.events if each.event == "page.stored"]
    assert [(page.facts["offset"], page.facts["rows"]) for page in pages] == [
        (8, 2),
        (4, 4),
        (0, 4),
    ]
    assert sum(int(str(page.facts["inserted"])) for page in pages) == 10
    assert pages[-1].facts["cursor"] is not None


def test_a_quota_that_resets_in_the_past_is_no_loop() -> None:
    spent = RateLimitedError("429", retry_at=None, quota=True, facts=UpstreamFacts(status=429))
    reset = NOW - timedelta(hours=1)
    scene = Scene(before=lambda *_: spent, quotas=FakeQuotas(Quota(remaining=0, reset_at=reset)))

    report = scene.read()

    assert report.reason is Reason.QUOTA
    assert scene.state.due_at == NOW + timedelta(seconds=60)


def test_a_quota_that_cannot_be_noted_is_the_databases_failure() -> None:
    spent = RateLimitedError("429", retry_at=None, quota=True, facts=UpstreamFacts(status=429))
    scene = Scene(before=lambda *_: spent, quotas=FakeQuotas(Quota(remaining=0, reset_at=None)))
    scene.store.failing["block"] = 1

    report = scene.read()

    assert report.reason is Reason.DATABASE


def test_an_extra_window_cut_by_the_deadline_says_from_where_to_go_on() -> None:
    def slow(scene: Scene, _: PageQuery) -> None:
        scene.clock.advance(2)

    since = NOW - timedelta(days=20)
    scene = Scene(limit_s=4, before=slow, since=since)

    report = scene.read()

    assert (report.reason, report.more) == (Reason.DEADLINE, False)
    assert report.go_on_since == since + timedelta(days=7)
    assert report.detail == "read again up to 2026-02-16T12:00:00.000Z"


def test_an_extra_window_cut_before_its_first_page_goes_on_from_its_start() -> None:
    since = NOW - timedelta(days=20)
    scene = Scene(limit_s=0, since=since)

    report = scene.read()

    assert report.go_on_since == since


def test_an_end_that_cannot_be_written_is_a_report_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene()

    def refuse(*_: object) -> None:
        raise ValueError("canary")

    monkeypatch.setattr(MemorySync, "finish", refuse)

    report = scene.read()

    assert (report.reason, report.detail, report.fetched) == (Reason.INTERNAL, "ValueError", 10)
    assert scene.run.log.events() == ["unit.unfinished"]


@pytest.mark.parametrize(
    ("switch", "reason"),
    [
        (lambda scene: setattr(scene.store, "workers_enabled", False), Reason.GLOBALLY_OFF),
        (lambda scene: setattr(scene.state, "enabled", False), Reason.DISABLED),
        (
            lambda scene: scene.store.statuses.update({scene.account.id: "paused"}),
            Reason.ACCOUNT_INACTIVE,
        ),
        (
            lambda scene: scene.store.statuses.update({scene.account.id: "needs_reconnect"}),
            Reason.NEEDS_RECONNECT,
        ),
    ],
)
def test_r26_a_pause_holds_within_one_page(switch: Callable[[Scene], None], reason: Reason) -> None:
    def pausing(scene: Scene, _: PageQuery) -> None:
        if len(scene.source.calls) == 2:
            switch(scene)

    scene = Scene(before=pausing)

    report = scene.read()

    assert (report.outcome, report.reason, report.pages) == (Outcome.SKIPPED, reason, 1)
    assert scene.state.failures == 0
    assert scene.state.window is not None


@pytest.mark.parametrize(
    ("quota", "reason", "blocked"),
    [
        (Quota(remaining=0, reset_at=NOW + timedelta(hours=9)), Reason.QUOTA, True),
        (Quota(remaining=7, reset_at=NOW + timedelta(hours=9)), Reason.RATE_LIMITED, False),
        (Quota(remaining=None, reset_at=None), Reason.RATE_LIMITED, False),
    ],
)
def test_a_429_asks_what_is_left_of_the_day(quota: Quota, reason: Reason, blocked: bool) -> None:
    limited = RateLimitedError(
        "429", retry_at=NOW + timedelta(minutes=3), quota=False, facts=UpstreamFacts()
    )
    scene = Scene(before=after(0, limited), quotas=FakeQuotas(quota))

    report = scene.read()

    at = NOW + (timedelta(hours=9) if blocked else timedelta(minutes=3))
    assert (report.reason, scene.state.due_at) == (reason, at)
    assert scene.store.blocks == ({("simulator", "sell.fulfillment"): at} if blocked else {})


def test_the_question_for_the_quota_does_not_pass_the_deadline() -> None:
    def late(scene: Scene, _: PageQuery) -> Answer:
        scene.clock.advance(3)
        return RateLimitedError("429", retry_at=None, quota=False, facts=UpstreamFacts())

    scene = Scene(limit_s=4, before=late)

    scene.read()

    assert scene.quotas.asked == [("simulator", "sell.fulfillment", 1.0)]


def test_a_unit_that_is_put_off_makes_no_call() -> None:
    scene = Scene()
    until = NOW + timedelta(hours=3)

    report = scene.of(scene.take()).put_off(until)

    assert (report.outcome, report.reason, report.calls) == (Outcome.SKIPPED, Reason.BUDGET, 0)
    assert (scene.state.due_at, scene.state.failures) == (until, 0)


def test_a_unit_that_is_put_off_and_lost_meanwhile_says_so() -> None:
    scene = Scene()
    run = scene.of(scene.take())
    scene.state.fence += 1

    report = run.put_off(NOW)

    assert report.reason is Reason.LEASE_LOST


def test_an_account_without_consent_is_skipped() -> None:
    tokens = FakeTokens(errors=[ReauthorizationRequiredError("consent")])
    scene = Scene(tokens=tokens)

    report = scene.read()

    assert (report.outcome, report.reason) == (Outcome.SKIPPED, Reason.NEEDS_RECONNECT)
    assert report.calls == 0


def test_an_extra_window_moves_neither_cursor_nor_window_and_leaves_the_unit_due() -> None:
    scene = Scene()
    scene.read()
    cursor = scene.state.cursor_at
    scene.clock.advance(100)
    scene.since = NOW - timedelta(hours=5, minutes=30)

    report = scene.read()

    assert (report.outcome, report.fetched, report.unchanged) == (Outcome.DONE, 5, 5)
    assert (scene.state.cursor_at, scene.state.window) == (cursor, None)
    assert scene.state.due_at == scene.clock.now()
    assert scene.state.last_success_at == NOW
    assert scene.state.failures == 0
    assert scene.source.calls[-1][2].to == cursor


def test_a_long_extra_window_is_read_in_stretches() -> None:
    scene = Scene()
    scene.read()
    first = len(scene.source.calls)
    scene.since = NOW - timedelta(days=200)

    report = scene.read()

    stretches = {(call[2].from_, call[2].to) for call in scene.source.calls[first:]}
    assert len(stretches) == 29
    assert max(to - from_ for from_, to in stretches) == timedelta(days=7)
    assert report.fetched == 10


def test_an_extra_window_of_a_new_account_ends_before_now() -> None:
    scene = Scene(since=NOW - timedelta(hours=3))

    scene.read()

    assert scene.source.calls[0][2].to == NOW - LAG
    assert scene.state.cursor_at is None


def test_an_extra_window_after_the_cursor_is_nothing_to_read() -> None:
    scene = Scene()
    scene.read()
    scene.since = NOW

    report = scene.read()

    assert (report.outcome, report.calls) == (Outcome.DONE, 0)


def test_a_run_longer_than_the_interval_does_not_find_its_short_units_due_at_once() -> None:
    """They would be read without a pause until the longest unit is through."""
    scene = Scene(orders=0)
    run = scene.of(scene.take())
    scene.clock.advance(600)
    late = replace(run, tally=Tally(started_at=scene.clock.now(), cursor_at=None))

    late.run()

    assert scene.state.due_at == scene.clock.now() + timedelta(seconds=270)


def open_range(oldest_days: float, newest_days: float, given_up: int = 0) -> OpenRange:
    return OpenRange(
        oldest=NOW - timedelta(days=oldest_days),
        newest=NOW - timedelta(days=newest_days),
        given_up=given_up,
    )


def test_open_rows_are_read_again_from_the_oldest_to_the_newest_hourly() -> None:
    scene = Scene(stream=TRANSACTIONS, pass_=Pass.OPEN)
    scene.store.open = open_range(6.5, 0.1)

    report = scene.read()

    query = scene.source.calls[0][2]
    assert (query.from_, query.to) == (NOW - timedelta(days=6.5), NOW - timedelta(days=0.1))
    assert (report.outcome, report.fetched, report.cursor_after) == (Outcome.DONE, 8, None)
    assert scene.state.cursor_at is None
    assert scene.state.due_at == NOW + timedelta(minutes=54)


def test_old_open_rows_are_read_again_daily() -> None:
    scene = Scene(stream=TRANSACTIONS, pass_=Pass.OPEN)
    scene.store.open = open_range(8, 1)

    scene.read()

    assert scene.state.due_at == NOW + timedelta(days=0.9)


def test_without_open_rows_nothing_is_asked() -> None:
    scene = Scene(stream=TRANSACTIONS, pass_=Pass.OPEN)

    report = scene.read()

    assert (report.outcome, report.calls) == (Outcome.DONE, 0)


def test_rows_given_up_are_told() -> None:
    scene = Scene(stream=TRANSACTIONS, pass_=Pass.OPEN)
    scene.store.open = replace(open_range(1, 1), given_up=3)

    scene.read()

    [told] = [each for each in scene.store.events if each.event == "open_rows.given_up"]
    assert (told.level, told.facts) == ("warning", {"rows": 3, "older_than_days": 180})


@pytest.mark.parametrize(("minutes", "believed"), [(1, True), (28, True), (29, False), (60, False)])
def test_a_cursor_ahead_is_believed_where_the_next_window_still_begins_before_now(
    minutes: int, believed: bool
) -> None:
    """A database's clock stepped back: no gap may lie between now and where reading goes on."""
    scene = Scene()
    scene.state.cursor_at = NOW + timedelta(minutes=minutes)

    report = scene.read()

    assert (report.window_from is None) is believed
    assert not believed or scene.state.cursor_at - OVERLAP <= NOW - LAG


def test_r5_a_cursor_in_the_future_is_told_and_everything_is_read_again() -> None:
    scene = Scene()
    scene.state.cursor_at = NOW + timedelta(days=3)

    report = scene.read()

    assert report.window_from == NOW - timedelta(days=90)
    assert scene.state.cursor_at == NOW - timedelta(minutes=2)
    assert [each.event for each in scene.store.events if each.level == "warning"] == [
        "cursor.impossible"
    ]


def test_open_rows_dated_ahead_do_not_ask_ebay_for_its_future() -> None:
    scene = Scene(stream=TRANSACTIONS, pass_=Pass.OPEN)
    scene.store.open = open_range(1, -5)

    scene.read()

    assert scene.source.calls[0][2].to == NOW - LAG


def test_open_rows_that_all_lie_ahead_are_left_alone() -> None:
    scene = Scene(stream=TRANSACTIONS, pass_=Pass.OPEN)
    scene.store.open = open_range(-1, -5)

    report = scene.read()

    assert report.calls == 0


def test_a_killed_open_pass_goes_on_at_its_page() -> None:
    scene = Scene(stream=TRANSACTIONS, pass_=Pass.OPEN)
    window = Window(from_=NOW - timedelta(days=1), to=NOW, goal=NOW, limit=5, offset=5, total=10)
    scene.state.window = window

    report = scene.read()

    assert [call[2].offset for call in scene.source.calls] == [5]
    assert report.fetched == 5
    assert scene.store.states[scene.account.id, "transactions", Pass.OPEN].window is None


def test_a_fixed_list_that_repeats_itself_is_bad_data_and_moves_no_cursor() -> None:
    def ignoring(scene: Scene, query: PageQuery) -> Answer:
        return replace(scene.page(replace(query, offset=0)), total=None)

    scene = Scene(stream=TRANSACTIONS, before=ignoring)

    report = scene.read()

    assert report.reason is Reason.BAD_DATA
    assert scene.state.cursor_at is None


def test_a_fixed_list_that_ends_early_is_read_again_before_it_is_complete() -> None:
    def vanishing(scene: Scene, query: PageQuery) -> Answer | None:
        return page_of([], total=0) if len(scene.source.calls) == 2 else None

    scene = Scene(stream=TRANSACTIONS, before=vanishing)

    report = scene.read()

    assert [call[2].offset for call in scene.source.calls] == [0, 5, 0, 5]
    assert (report.outcome, scene.stored()) == (Outcome.DONE, 10)
    assert report.unchanged == 5


def test_r7_too_many_rows_that_cannot_be_stored_leave_the_cursor_and_store_nothing() -> None:
    scene = Scene(stream=replace(ORDERS, page_size=40), orders=30)
    scene.rows = [
        {"lastModifiedDate": row["lastModifiedDate"], "orderId": ""} for row in scene.rows
    ]

    report = scene.read()

    assert (report.reason, report.fetched) == (Reason.QUARANTINE_LIMIT, 0)
    assert (scene.state.cursor_at, scene.stored()) == (None, 0)


def test_details_are_asked_for_where_they_are_lacking() -> None:
    scene = Scene(stream=replace(RETURNS, details_per_call=2, page_size=20), orders=5)
    scene.store.detailed = {"1", "3"}

    report = scene.read()

    assert scene.source.detailed == [("0", "2"), ("4",)]
    assert (report.outcome, report.fetched, report.calls) == (Outcome.DONE, 5, 3)
    stored = {key[2][0]: kept.row["detail"] for key, kept in scene.store.rows.items()}
    assert stored == {
        "0": {"of": "0"}, "1": None, "2": {"of": "2"}, "3": None, "4": {"of": "4"},
    }  # fmt: skip


def test_a_page_whose_details_take_longer_than_a_run_is_done_by_several() -> None:
    """What was asked for is kept, so the next run does not begin anew."""
    scene = Scene(stream=replace(RETURNS, page_size=20), orders=6, limit_s=10)
    scene.source.takes_s = 3

    cut = scene.read()
    first = dict(scene.store.rows)
    scene.store.detailed = {key[2][0] for key in first}
    scene.run.limit_s = None
    done = scene.read()

    assert (cut.outcome, cut.reason, cut.more) == (Outcome.PARTIAL, Reason.DEADLINE, True)
    assert cut.cursor_after is None
    assert 0 < len(first) < 6
    assert done.outcome is Outcome.DONE
    assert len(scene.store.rows) == 6


def test_r7_details_that_cannot_be_had_leave_the_page_unread() -> None:
    scene = Scene(stream=RETURNS, orders=2)
    scene.source.detail_errors = [UpstreamUnavailableError("away")] * 99

    report = scene.read()

    assert (report.outcome, report.reason) == (Outcome.FAILED, Reason.UPSTREAM)
    assert (report.fetched, scene.state.cursor_at) == (0, None)


def test_an_open_pass_in_halves_reads_all_of_its_range_and_keeps_no_cursor() -> None:
    scene = Scene(stream=replace(RETURNS, details_per_call=0), pass_=Pass.OPEN, orders=10)
    scene.store.open = open_range(0.5, 0)

    report = scene.read()

    assert len(scene.store.rows) == 10
    assert (report.outcome, scene.state.cursor_at) == (Outcome.DONE, None)


def test_a_snapshot_tells_when_it_began_with_each_page() -> None:
    scene = Scene(stream=LISTINGS, orders=6)

    report = scene.read()

    assert report.outcome is Outcome.DONE
    assert scene.state.cursor_at == NOW
    assert [each.snapshot for each in scene.store.progress if each] == [NOW, NOW]


def test_a_snapshot_that_ebay_does_not_show_whole_is_too_many() -> None:
    scene = Scene(stream=LISTINGS, orders=25)

    report = scene.read()

    assert (report.outcome, report.reason) == (Outcome.FAILED, Reason.TOO_MANY)
    assert (report.fetched, scene.state.cursor_at, scene.state.window) == (20, None, None)


def test_details_cut_off_in_the_middle_of_a_call_are_asked_for_again() -> None:
    scene = Scene(stream=RETURNS, orders=2)
    scene.source.detail_errors = [OutOfTimeError("the run's time was used up")]

    report = scene.read()

    assert (report.reason, report.fetched, report.more) == (Reason.DEADLINE, 0, True)


def offers(*ids: str) -> Page:
    return page_of([{"offerId": each} for each in ids], keys=ids)


def test_entries_of_a_folded_list_become_the_rows_that_they_name() -> None:
    """One has two, one has none, and the list's own length decides where it ends."""
    scene = Scene(stream=OFFERS, orders=3)
    scene.source.folds = {"0": offers("a", "b"), "2": offers("c")}

    report = scene.read()

    assert scene.source.unfolded == ["0", "1", "2"]
    assert (report.outcome, report.fetched, report.inserted) == (Outcome.DONE, 3, 3)
    assert (report.pages, report.calls) == (2, 5)
    assert {key[2][0] for key in scene.store.rows} == {"a", "b", "c"}
    # Three entries are not the number of rows to come.
    assert [seen.total for seen in scene.run.observed] == [None, None]
    assert scene.state.cursor_at == NOW


def test_a_folded_page_is_stored_as_one_text_of_all_its_rows() -> None:
    scene = Scene(stream=OFFERS, orders=2)
    scene.source.folds = {"0": offers("a"), "1": offers("b")}
    unit = scene.take()
    fetched = scene.of(unit).pages.fetch(query_for(Window(from_=NOW, to=NOW, goal=NOW, limit=2)))

    page = unfolded(fetched, OFFERS, scene.of(unit).pages).page

    assert json.loads(page.text) == {"offers": [{"offerId": "a"}, {"offerId": "b"}]}
    assert (page.keys, page.total) == (("a", "b"), 2)


def test_a_folded_page_cut_by_the_deadline_keeps_what_was_found_and_is_read_again() -> None:
    scene = Scene(stream=replace(OFFERS, page_size=6), orders=6, limit_s=10)
    scene.source.folds = {str(n): offers(f"of-{n}") for n in range(6)}
    scene.source.takes_s = 3

    cut = scene.read()
    first = len(scene.store.rows)
    scene.run.limit_s = None
    done = scene.read()

    assert (cut.outcome, cut.reason, cut.more) == (Outcome.PARTIAL, Reason.DEADLINE, True)
    assert (cut.cursor_after, scene.store.progress[0]) == (None, None)
    assert 0 < first < 6
    assert done.outcome is Outcome.DONE
    assert len(scene.store.rows) == 6


def test_a_call_cut_off_while_a_page_is_unfolded_is_made_again() -> None:
    scene = Scene(stream=OFFERS, orders=1)
    scene.source.folds = {"0": offers("a")}
    scene.source.detail_errors = [OutOfTimeError("the run's time was used up")]

    cut, done = scene.read(), scene.read()

    assert (cut.reason, cut.fetched, cut.more) == (Reason.DEADLINE, 0, True)
    assert (done.outcome, done.fetched) == (Outcome.DONE, 1)


def test_each_entry_of_a_folded_list_has_its_own_25_seconds() -> None:
    scene = Scene(stream=OFFERS, orders=2)
    scene.source.folds = {"0": offers("a"), "1": offers("b")}
    scene.source.takes_s = 18
    scene.source.detail_errors = [AWAY]

    report = scene.read()

    assert (report.outcome, report.fetched, report.calls) == (Outcome.DONE, 2, 4)


def test_r7_entries_that_cannot_be_unfolded_leave_the_page_unread() -> None:
    scene = Scene(stream=OFFERS, orders=2)
    scene.source.detail_errors = [AWAY] * 99

    report = scene.read()

    assert (report.outcome, report.reason) == (Outcome.FAILED, Reason.UPSTREAM)
    assert (report.fetched, scene.state.cursor_at) == (0, None)


def test_what_was_unfolded_before_ebay_failed_is_kept() -> None:
    scene = Scene(stream=OFFERS, orders=2)
    scene.source.folds = {"0": offers("a"), "1": offers("b")}
    scene.source.failure, scene.source.fails_after = AWAY, 1

    report = scene.read()

    assert (report.outcome, report.reason) == (Outcome.FAILED, Reason.UPSTREAM)
    assert (report.fetched, scene.state.cursor_at) == (1, None)


def test_an_entry_that_names_nothing_is_quarantined_and_costs_no_call() -> None:
    scene = Scene(stream=OFFERS, orders=2)
    scene.rows[0]["orderId"] = ""
    scene.source.folds = {"1": offers("a")}

    report = scene.read()

    assert scene.source.unfolded == ["1"]
    assert (report.fetched, report.inserted, report.quarantined) == (2, 1, 1)


def test_a_dry_run_unfolds_one_page() -> None:
    scene = Scene(stream=OFFERS, orders=4)
    scene.source.folds = {"0": offers("a"), "1": offers("b", "c"), "2": offers("d")}
    context = scene.run.context()
    preview = PreviewAccounts(ports=scene.of(scene.take()).ports)

    work = preview.run_once(context, Selection())

    assert (work.counts["fetched"], work.counts["calls"]) == (3, 3)
    assert scene.store.rows == {}


def test_open_rows_further_apart_than_a_window_reaches_are_read_in_stretches() -> None:
    stream = replace(TRANSACTIONS, max_window=timedelta(days=90))
    scene = Scene(stream=stream, pass_=Pass.OPEN, orders=0)
    scene.store.open = open_range(150, 1)

    report = scene.read()

    windows = [(NOW - query.from_, NOW - query.to) for _, _, query, *_ in scene.source.calls]
    days = timedelta(days=1)
    assert windows == [(150 * days, 60 * days), (60 * days - TICK, 1 * days)]
    assert (report.outcome, scene.state.cursor_at, scene.state.window) == (Outcome.DONE, None, None)
    assert report.window_from == NOW - 150 * days


def test_a_killed_open_pass_goes_on_with_its_further_stretches() -> None:
    stream = replace(TRANSACTIONS, max_window=timedelta(days=90))
    scene = Scene(stream=stream, pass_=Pass.OPEN, orders=0)
    scene.store.open = open_range(150, 1)
    first = Window(
        from_=NOW - timedelta(days=150),
        to=NOW - timedelta(days=60),
        goal=NOW - timedelta(days=60),
        limit=stream.page_size,
    )
    scene.state.window = first

    scene.read()

    assert [query.from_ for _, _, query, *_ in scene.source.calls] == [
        first.from_, first.goal + TICK,
    ]  # fmt: skip


def test_a_dry_run_asks_for_no_details() -> None:
    scene = Scene(stream=RETURNS, orders=2)
    context = scene.run.context()
    preview = PreviewAccounts(ports=scene.of(scene.take()).ports)

    work = preview.run_once(context, Selection())

    assert work.counts["fetched"] == 2
    assert scene.source.detailed == []


def by_key(*days: float, limit: int = 4, limit_s: float | None = None) -> Scene:
    """Open rows "0", "1", … this many days old, read again by their keys."""
    stream = replace(RETURNS, open_by_key=True, page_size=limit)
    scene = Scene(stream=stream, pass_=Pass.OPEN, limit_s=limit_s)
    scene.store.open = open_range(max(days), min(days))
    scene.store.open_keys = [
        OpenRow(key=str(number), at=NOW - timedelta(days=day)) for number, day in enumerate(days)
    ]
    return scene


def test_open_rows_with_a_call_of_their_own_are_read_again_by_their_keys() -> None:
    scene = by_key(6, 5, 4, 3, 2)

    report = scene.read()

    assert scene.source.calls == []
    assert scene.source.detailed == [("0",), ("1",), ("2",), ("3",), ("4",)]
    assert (report.outcome, report.fetched, report.calls) == (Outcome.DONE, 5, 5)
    assert scene.store.rows[scene.account.id, "returns", ("3",)].row["detail"] == {"of": "3"}
    assert (scene.state.window, scene.state.cursor_at) == (None, None)
    assert scene.state.due_at == NOW + timedelta(minutes=54)


def test_a_full_page_of_open_rows_that_is_the_last_ends_the_pass() -> None:
    scene = by_key(6, 5, 4, 3)

    report = scene.read()

    assert (report.outcome, report.fetched, report.pages) == (Outcome.DONE, 4, 1)


def test_open_rows_of_one_instant_are_never_torn_apart() -> None:
    scene = by_key(6, 5, 5, 5, 4, limit=2)

    report = scene.read()

    assert [len(keys) for keys in scene.source.detailed] == [1] * 5
    assert (report.fetched, report.pages) == (5, 2)


def test_open_rows_that_take_longer_than_a_run_are_read_by_several() -> None:
    scene = by_key(6, 5, 4, 3, 2, limit_s=10)
    scene.source.takes_s = 3

    cut = scene.read()
    scene.run.limit_s = None
    done = scene.read()

    assert (cut.outcome, cut.reason, cut.more) == (Outcome.PARTIAL, Reason.DEADLINE, True)
    assert 0 < cut.fetched < 5
    assert (done.outcome, cut.fetched + done.fetched) == (Outcome.DONE, 5)
    assert [key for (key,) in scene.source.detailed] == ["0", "1", "2", "3", "4"]


def test_a_killed_pass_by_key_goes_on_where_it_was() -> None:
    scene = by_key(6, 5, 4, 3, 2)
    scene.state.window = Window(from_=NOW - timedelta(days=4), to=NOW, goal=NOW, limit=4)

    scene.read()

    assert scene.source.detailed == [("2",), ("3",), ("4",)]


def test_open_rows_that_ebay_has_no_details_of_are_left_out() -> None:
    scene = by_key(6, 5)
    scene.source.unknown = {"0"}

    report = scene.read()

    assert (report.outcome, report.fetched) == (Outcome.DONE, 1)


def test_new_rows_of_a_stream_read_again_by_key_come_from_its_list() -> None:
    scene = by_key(1)
    scene.pass_ = Pass.NEW

    report = scene.read()

    assert scene.source.calls
    assert report.outcome is Outcome.DONE


def test_a_list_that_the_sandbox_lacks_is_no_failure_and_costs_no_call() -> None:
    scene = Scene(stream=replace(RETURNS, in_sandbox=False))
    sandbox = replace(scene.account, environment=Environment.SANDBOX)
    scene.state.account = sandbox

    report = scene.read()

    assert (report.outcome, report.reason) == (Outcome.SKIPPED, Reason.UNSUPPORTED)
    assert (report.calls, scene.tokens.asked, scene.state.failures) == (0, [], 0)
    assert scene.state.due_at == NOW + timedelta(minutes=13.5)


def test_pages_made_of_several_requests_count_them_all() -> None:
    scene = Scene(stream=replace(RETURNS, details_per_call=0, calls_per_page=2), orders=2)

    report = scene.read()

    assert (len(scene.source.calls), report.calls) == (1, 2)


def test_a_dry_run_says_that_the_sandbox_lacks_a_list() -> None:
    scene = Scene(stream=replace(RETURNS, in_sandbox=False))
    for state in scene.store.states.values():
        state.account = replace(scene.account, environment=Environment.SANDBOX)
    context = scene.run.context()
    preview = PreviewAccounts(ports=scene.of(scene.take()).ports)

    work = preview.run_once(context, Selection())

    assert [unit.reason for unit in work.units] == [Reason.UNSUPPORTED]


def test_details_that_fail_in_the_middle_of_a_page_leave_what_was_had() -> None:
    """Or a page with more rows than eBay takes calls for at once would never be done."""
    scene = Scene(stream=replace(RETURNS, page_size=20), orders=6)
    scene.source.fails_after = 4
    scene.source.failure = RateLimitedError(
        "slow down", retry_at=None, quota=False, facts=UpstreamFacts()
    )

    limited = scene.read()
    first = {key[2][0] for key in scene.store.rows}
    scene.store.detailed = first
    scene.source.failure = None
    done = scene.read()

    assert (limited.reason, limited.fetched, len(first)) == (Reason.RATE_LIMITED, 4, 4)
    assert limited.cursor_after is None
    assert (done.outcome, len(scene.store.rows)) == (Outcome.DONE, 6)
    assert [key for (key,) in scene.source.detailed] == ["0", "1", "2", "3", "4", "4", "5"]


def test_rows_read_by_key_that_fail_in_the_middle_leave_what_was_had() -> None:
    scene = by_key(6, 5, 4, 3)
    scene.source.fails_after = 2
    scene.source.failure = BadAnswerError("no list")

    failed = scene.read()
    scene.source.failure = None
    done = scene.read()

    assert (failed.reason, failed.fetched) == (Reason.BAD_DATA, 2)
    assert (done.outcome, done.fetched) == (Outcome.DONE, 2)
    assert [key for (key,) in scene.source.detailed] == ["0", "1", "2", "2", "3"]


def test_a_unit_out_of_calls_keeps_what_it_read_and_waits_for_the_reset() -> None:
    scene = Scene()
    day = ("simulator", "sell.fulfillment")
    scene.calls.days[day] = Day(limit=2, reset_at=NOW + timedelta(hours=3))

    report = scene.read()

    assert (report.outcome, report.reason, report.calls) == (Outcome.PARTIAL, Reason.BUDGET, 2)
    assert (report.pages, scene.stored()) == (1, 2)
    assert scene.state.due_at == NOW + timedelta(hours=3)


def test_a_unit_without_any_call_left_is_put_off() -> None:
    scene = Scene()
    scene.calls.days["simulator", "sell.fulfillment"] = Day(
        limit=0, blocked_until=NOW + timedelta(hours=3), reset_at=NOW + timedelta(hours=5)
    )

    report = scene.read()

    assert (report.outcome, report.reason) == (Outcome.SKIPPED, Reason.BUDGET)
    assert (report.calls, scene.state.due_at) == (0, NOW + timedelta(hours=3))


def test_a_day_that_runs_short_of_calls_stretches_the_interval_and_says_so() -> None:
    scene = Scene()
    scene.calls.days["simulator", "sell.fulfillment"] = Day(
        limit=1000, used=600, reset_at=NOW + timedelta(hours=12)
    )

    scene.read()

    assert scene.state.due_at is not None
    assert scene.state.due_at > NOW + timedelta(seconds=270 * 1.5)
    [told] = [each for each in scene.store.events if each.event == "interval.stretched"]
    assert told.facts == {"factor": 1.52}
