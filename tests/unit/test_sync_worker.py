"""A cycle of units, and a dry run, against a store in memory and an eBay without a network."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest

from core.errors import (
    ApplicationRefusedError,
    BadAnswerError,
    RateLimitedError,
    ReauthorizationRequiredError,
    StoreUnavailableError,
    UpstreamFacts,
    UpstreamUnavailableError,
    UsageError,
)
from core.report import Outcome, Reason, WorkReport, instant
from core.secret import Secret
from core.sync.budget import FIRST_CHUNK
from core.sync.calls import Quota
from core.sync.model import LAG, Account, PageQuery, Pass, Stream
from core.sync.preview import DRY_RUN, NOTHING_READ, PreviewAccounts
from core.sync.unit import SyncPorts
from core.sync.worker import Selection, SyncAccounts
from tests.support.memory_calls import MemoryCalls
from tests.support.memory_sync import MemorySync
from tests.support.sync_fakes import (
    NOW,
    ORDERS,
    OTHER_RUN,
    TRANSACTIONS,
    Answer,
    FakeQuotas,
    FakeSource,
    FakeTokens,
    Run,
    page_of,
)

STREAMS = {"orders": ORDERS, "transactions": TRANSACTIONS}
LIMITED = RateLimitedError("429", retry_at=None, quota=True, facts=UpstreamFacts())
EVERYTHING = Selection()


@dataclass
class Scene:
    """Every list has `rows` rows; `before` sees each call and may answer it instead."""

    accounts: tuple[str, ...] = ("a", "b")
    rows: int = 2
    limit_s: float | None = None
    parallel: int = 2
    before: Callable[[Account, Stream], Answer | None] = lambda *_: None
    quotas: FakeQuotas = field(default_factory=FakeQuotas)
    tokens: FakeTokens = field(default_factory=FakeTokens)
    calls: MemoryCalls = field(default_factory=MemoryCalls)

    def __post_init__(self) -> None:
        self.run = Run(limit_s=self.limit_s)
        self.clock = self.run.clock
        self.store = MemorySync(now=self.clock.now, streams=STREAMS, advance=self.clock.advance)
        for name in self.accounts:
            self.store.add_account(name)
        self.source = FakeSource(self.answer, self.clock)

    def answer(self, account: Account, stream: Stream, query: PageQuery, _: Secret) -> Answer:
        return self.before(account, stream) or self.page(query)

    def page(self, query: PageQuery) -> Answer:
        rows = [
            {"orderId": str(n), "transactionId": str(n), "transactionType": "SALE",
             "lastModifiedDate": NOW.isoformat()}
            for n in range(self.rows)
        ]  # fmt: skip
        return page_of(
            rows[query.offset :], total=self.rows, keys=[str(n) for n in range(self.rows)]
        )

    def ports(self) -> SyncPorts:
        return SyncPorts(
            store=self.store,
            source=self.source,
            tokens=self.tokens,
            quotas=self.quotas,
            calls=self.calls,
            sleep=self.clock.advance,
        )

    def work(self, selection: Selection = EVERYTHING) -> WorkReport:
        worker = SyncAccounts(ports=self.ports(), parallel=self.parallel)
        return worker.run_once(self.run.context(), selection)

    def preview(self, selection: Selection = EVERYTHING) -> WorkReport:
        return PreviewAccounts(ports=self.ports()).run_once(self.run.context(), selection)


def ended(work: WorkReport) -> tuple[Outcome, Reason | None]:
    return work.outcome, work.reason


def units(work: WorkReport) -> dict[tuple[str, str], tuple[Outcome, Reason | None]]:
    return {(unit.account, unit.stream): (unit.outcome, unit.reason) for unit in work.units}


def failing(account: str, error: Exception) -> Callable[[Account, Stream], Answer | None]:
    return lambda asked, _: error if asked.name == account else None


def test_all_that_is_due_is_read() -> None:
    scene = Scene()

    work = scene.work()

    assert ended(work) == (Outcome.DONE, None)
    assert len(units(work)) == 4
    assert work.counts["written"] == 8
    assert work.next_due_at == NOW + timedelta(seconds=270)


def test_nothing_due_is_said() -> None:
    scene = Scene()
    scene.work()

    work = scene.work()

    assert ended(work) == (Outcome.DONE, Reason.NOTHING_DUE)


def test_r21_units_are_read_side_by_side() -> None:
    both = Barrier(2, timeout=20)

    def together(_: Account, __: Stream) -> None:
        both.wait()

    scene = Scene(before=together)

    work = scene.work()

    assert ended(work) == (Outcome.DONE, None)


def test_r20_one_failing_account_does_not_stop_the_other() -> None:
    scene = Scene(before=failing("a", BadAnswerError("odd")))

    work = scene.work()

    assert ended(work) == (Outcome.DEGRADED, None)
    assert units(work)["a", "orders"] == (Outcome.FAILED, Reason.BAD_DATA)
    assert units(work)["b", "orders"] == (Outcome.DONE, None)


def test_keys_of_ours_that_ebay_refuses_stop_everything() -> None:
    scene = Scene(parallel=1, before=failing("a", ApplicationRefusedError("eBay refuses our keys")))

    work = scene.work()

    assert ended(work) == (Outcome.FAILED, Reason.UNITS_FAILED)
    assert len(work.units) == 1
    assert len(scene.source.calls) == 1


def test_a_spent_quota_puts_the_other_units_of_that_api_off_without_a_call() -> None:
    reset = NOW + timedelta(hours=4)

    def limited(_: Account, stream: Stream) -> Answer | None:
        return LIMITED if stream.name == "orders" else None

    scene = Scene(parallel=1, before=limited, quotas=FakeQuotas(Quota(remaining=0, reset_at=reset)))

    work = scene.work()

    assert sorted(str(reason) for _, reason in units(work).values() if reason) == [
        "budget",
        "quota",
    ]
    assert [call[1] for call in scene.source.calls].count("orders") == 1
    orders = [state for state in scene.store.states.values() if state.stream.name == "orders"]
    assert {state.due_at for state in orders} == {reset}


def test_a_block_that_is_over_holds_nobody_up() -> None:
    scene = Scene()
    scene.store.blocks["simulator", "sell.fulfillment"] = NOW - timedelta(seconds=1)

    work = scene.work()

    assert ended(work) == (Outcome.DONE, None)


def test_an_api_without_calls_left_is_a_budget() -> None:
    scene = Scene()
    for api in ("sell.fulfillment", "sell.finances"):
        scene.store.blocks["simulator", api] = NOW + timedelta(hours=1)

    work = scene.work()

    assert (*ended(work), work.more) == (Outcome.PARTIAL, Reason.BUDGET, True)
    assert scene.source.calls == []


def test_a_deadline_that_comes_before_all_is_tried_leaves_more() -> None:
    def slow(_: Account, __: Stream) -> None:
        scene.clock.advance(4)

    scene = Scene(parallel=1, limit_s=5, before=slow)

    work = scene.work()

    assert (*ended(work), work.more) == (Outcome.PARTIAL, Reason.DEADLINE, True)
    assert 0 < len(work.units) < 4


def test_a_deadline_with_nothing_left_is_no_deadline() -> None:
    def slow(_: Account, __: Stream) -> None:
        scene.clock.advance(4)

    scene = Scene(accounts=("a",), parallel=2, limit_s=9, before=slow)

    work = scene.work()

    assert ended(work) == (Outcome.DONE, None)


def test_named_units_that_time_did_not_reach_are_more() -> None:
    scene = Scene(limit_s=0.5)

    work = scene.work(Selection(accounts=["a"]))

    assert (*ended(work), work.more) == (Outcome.PARTIAL, Reason.DEADLINE, True)


def test_a_run_asked_to_stop_takes_nothing() -> None:
    scene = Scene()
    scene.run.stop = True

    work = scene.work()

    assert ended(work) == (Outcome.PARTIAL, Reason.DEADLINE)
    assert scene.source.calls == []


def test_named_units_run_whether_due_or_not() -> None:
    scene = Scene()
    scene.work()
    scene.clock.advance(10)

    work = scene.work(Selection(accounts=["b"], streams=["orders"]))

    assert units(work) == {("b", "orders"): (Outcome.DONE, None)}


def test_named_units_never_pass_a_live_lease() -> None:
    scene = Scene()
    scene.store.take_due(OTHER_RUN, NOW, 4)

    work = scene.work(Selection(accounts=["a"]))

    assert ended(work) == (Outcome.SKIPPED, Reason.ALREADY_RUNNING)
    assert scene.source.calls == []
    assert len(scene.store.reports) == 2


def test_named_units_that_are_switched_off_say_so() -> None:
    scene = Scene()
    [paused] = scene.store.candidates(["a"], ["orders"])
    scene.store.statuses[paused.unit.account.id] = "paused"

    work = scene.work(Selection(accounts=["a"]))

    assert ended(work) == (Outcome.SKIPPED, Reason.PAUSED)


def test_names_that_do_not_exist_are_refused() -> None:
    with pytest.raises(UsageError, match="nobody"):
        Scene().work(Selection(accounts=["nobody"]))


def test_an_extra_window_is_read_by_the_units_with_a_cursor() -> None:
    scene = Scene(accounts=())
    scene.store.add_account("a", open_pass=True)

    work = scene.work(Selection(since=NOW - timedelta(days=1)))

    assert len(work.units) == 2
    assert {unit.pass_ for unit in work.units} == {Pass.NEW}


def test_the_leases_are_renewed_while_units_are_waited_for() -> None:
    scene = Scene(accounts=("a",), parallel=1)
    scene.run.renew_every_s = 0.0

    scene.work()

    assert scene.run.renewals > 0


def test_a_run_that_lost_its_lease_starts_nothing_more() -> None:
    def lose(_: Account, __: Stream) -> None:
        scene.run.owned = False
        scene.clock.advance(30)

    scene = Scene(parallel=1, before=lose)

    work = scene.work()

    assert ended(work) == (Outcome.PARTIAL, Reason.LEASE_LOST)
    assert len(work.units) == 1


def test_a_unit_that_lost_its_lease_makes_the_run_look_at_its_own() -> None:
    def steal(account: Account, stream: Stream) -> None:
        if account.name == "a":
            scene.store.states[account.id, stream.name, Pass.NEW].fence += 1

    scene = Scene(parallel=1, before=steal)

    work = scene.work()

    assert scene.run.renewals == 2
    assert units(work)["a", "orders"] == (Outcome.FAILED, Reason.LEASE_LOST)
    assert units(work)["b", "orders"] == (Outcome.DONE, None)


def test_a_renewal_that_misses_the_database_is_tried_again() -> None:
    scene = Scene(parallel=1)
    scene.run.renew_every_s = 0.0
    scene.store.failing["renew"] = 1

    work = scene.work()

    assert ended(work) == (Outcome.DONE, None)
    assert "lease.renewal_failed" in scene.run.log.events()


@pytest.mark.parametrize("method", ["take_due", "save_page", "blocked_until", "finish", "summary"])
def test_a_database_that_stays_away_ends_the_run(method: str) -> None:
    scene = Scene()
    scene.store.failing[method] = 50

    work = scene.work()

    assert ended(work) == (Outcome.FAILED, Reason.DATABASE)
    assert method in str(work.detail)


def test_units_that_run_are_waited_for_when_the_database_refuses_another() -> None:
    def once(_: Account, __: Stream) -> None:
        scene.store.failing["take_due"] = 1

    scene = Scene(parallel=1, before=once)

    work = scene.work()

    assert (*ended(work), work.counts["written"]) == (Outcome.FAILED, Reason.DATABASE, 2)
    assert len(scene.store.reports) == 1
    assert len(scene.store.rows) == 2


def test_a_cut_connection_at_a_units_end_costs_no_other_unit() -> None:
    scene = Scene()
    scene.store.failing["finish"] = 1

    work = scene.work()

    assert ended(work) == (Outcome.DONE, None)
    assert len(scene.store.reports) == 4


def test_units_put_off_do_not_keep_a_run_from_renewing_its_lease() -> None:
    scene = Scene(accounts=tuple("abcdefgh"))
    for api in ("sell.fulfillment", "sell.finances"):
        scene.store.blocks["simulator", api] = NOW + timedelta(hours=1)
    scene.run.renew_every_s = 2.0
    scene.store.slow["finish"] = 1.0

    scene.work()

    assert scene.run.renewals >= 7


def test_named_units_held_by_others_do_not_keep_a_run_from_renewing_its_row() -> None:
    scene = Scene(accounts=tuple("abcdefgh"))
    scene.store.take_due(OTHER_RUN, NOW, 16)
    scene.run.renew_every_s = 2.0
    scene.store.slow["take"] = 1.0

    scene.work(Selection(streams=["orders", "transactions"]))

    assert scene.run.renewals >= 7


def test_named_units_held_by_others_say_by_whom_and_until_when() -> None:
    scene = Scene()
    scene.store.take_due(OTHER_RUN, NOW, 4)

    work = scene.work(Selection(accounts=["a"]))

    assert work.holder is not None
    assert (work.holder.run_id, work.holder.until) == (OTHER_RUN, NOW + timedelta(seconds=60))
    assert work.units[0].detail == f"held by run {OTHER_RUN} until 2026-03-01T12:01:00.000Z"


def test_no_unit_is_read_twice_in_a_run_after_ebay_asked_to_slow_down() -> None:
    def limited(account: Account, stream: Stream) -> Answer | None:
        scene.clock.advance(200)
        return LIMITED if (account.name, stream.name) == ("a", "orders") else None

    scene = Scene(parallel=1, limit_s=2000, before=limited)

    work = scene.work()

    calls = [call[:2] for call in scene.source.calls]
    assert units(work)["a", "orders"] == (Outcome.FAILED, Reason.RATE_LIMITED)
    assert calls.count(("a", "orders")) == 1


def test_an_extra_window_cut_by_the_deadline_has_no_progress_to_go_on_with() -> None:
    def slow(_: Account, __: Stream) -> None:
        scene.clock.advance(2)

    since = NOW - timedelta(days=20)
    scene = Scene(parallel=1, limit_s=5, before=slow)

    work = scene.work(Selection(since=since))

    assert (*ended(work), work.more) == (Outcome.PARTIAL, Reason.DEADLINE, False)
    assert str(work.detail).endswith("--since 2026-02-09T12:00:00.000Z")


def test_an_extra_window_goes_on_from_the_unit_that_got_least_far() -> None:
    def slow(_: Account, __: Stream) -> None:
        scene.clock.advance(2)

    scene = Scene(accounts=("a",), parallel=2, limit_s=5, before=slow)

    work = scene.work(Selection(since=NOW - timedelta(days=20)))

    assert not work.more
    cut = min(unit.go_on_since for unit in work.units if unit.go_on_since is not None)
    assert str(work.detail).endswith(f"--since {instant(cut)}")


AWAY = UpstreamUnavailableError("eBay answered 500")


def away(_: Account, __: Stream) -> Answer:
    return AWAY


def test_five_failures_in_a_row_open_the_breaker_of_the_application() -> None:
    scene = Scene(accounts=tuple("abcdef"), parallel=1, before=away)

    work = scene.work()

    reasons = [unit.reason for unit in work.units]
    assert ended(work) == (Outcome.FAILED, Reason.UPSTREAM)
    assert reasons.count(Reason.UPSTREAM) == 5
    assert set(reasons[5:]) == {Reason.CIRCUIT_OPEN}


def opened_by(scene: Scene) -> None:
    """A run before this one found eBay away; its units' own pauses are over."""
    scene.work()
    for state in scene.store.states.values():
        state.due_at = scene.clock.now()


def finances_away(_: Account, stream: Stream) -> Answer | None:
    return AWAY if stream.name == "transactions" else None


def test_an_api_that_is_away_keeps_no_other_waiting() -> None:
    scene = Scene(accounts=tuple("abcdefgh"), parallel=1, before=finances_away)

    for _ in range(3):
        opened_by(scene)
        scene.clock.advance(61)
    work = scene.work()

    orders = {unit.reason for unit in work.units if unit.stream == "orders"}
    transactions = [unit.reason for unit in work.units if unit.stream == "transactions"]
    assert orders == {None}
    # One of eight asks whether it is back.
    assert transactions.count(Reason.UPSTREAM) <= 1
    assert Reason.CIRCUIT_OPEN in transactions


def test_an_api_that_has_not_failed_is_asked_though_the_applications_breaker_is_open() -> None:
    scene = Scene(accounts=tuple("abcdef"), parallel=1, before=finances_away)
    for (_, stream, _), state in scene.store.states.items():
        state.due_at = None if stream == "orders" else state.due_at
    opened_by(scene)
    was_open = any(not scope.api for scope in scene.calls.open_)

    work = scene.work()

    reasons = {(unit.stream, unit.reason) for unit in work.units}
    assert was_open
    assert reasons == {("orders", None), ("transactions", Reason.CIRCUIT_OPEN)}
    assert all(scope.api for scope in scene.calls.open_)


def test_before_its_instant_nobody_probes_an_open_breaker() -> None:
    scene = Scene(accounts=tuple("abcdef"), parallel=1, before=away)
    opened_by(scene)
    calls = len(scene.source.calls)

    work = scene.work()

    assert ended(work) == (Outcome.FAILED, Reason.UPSTREAM)
    assert {unit.reason for unit in work.units} == {Reason.CIRCUIT_OPEN}
    assert len(scene.source.calls) == calls


def test_one_unit_probes_and_the_others_wait_for_it() -> None:
    scene = Scene(accounts=tuple("abcdef"), parallel=1, before=away)
    opened_by(scene)
    scene.clock.advance(61)

    work = scene.work()

    reasons = [unit.reason for unit in work.units]
    assert (reasons.count(Reason.UPSTREAM), reasons.count(Reason.CIRCUIT_OPEN)) == (1, 11)


def test_a_good_probe_closes_the_breaker_for_everybody() -> None:
    scene = Scene(accounts=tuple("abcdef"), parallel=1, before=away)
    opened_by(scene)
    scene.clock.advance(61)
    scene.before = lambda *_: None

    work = scene.work()

    assert ended(work) == (Outcome.DONE, None)
    assert (len(work.units), scene.calls.open_) == (12, {})


def test_a_probe_that_had_nothing_to_ask_leaves_the_try_to_the_next_unit() -> None:
    scene = Scene(accounts=tuple("abcdef"), parallel=1, before=away)
    opened_by(scene)
    scene.clock.advance(61)
    scene.before = lambda *_: None
    first = min(scene.store.states)
    scene.store.states[first].cursor_at = scene.clock.now()

    work = scene.work()

    assert [unit.calls for unit in work.units].count(0) == 1
    assert ended(work) == (Outcome.DONE, None)
    assert not [each for each in scene.calls.open_.values() if each.probe_at is not None]


def test_a_probe_that_another_run_took_is_waited_for() -> None:
    scene = Scene(accounts=("a",), parallel=1, before=away)
    for _ in range(5):
        opened_by(scene)
    scene.clock.advance(3600)
    for state in scene.store.states.values():
        state.due_at = scene.clock.now()
    seen = scene.calls.breakers

    def late() -> Any:
        found = list(seen())
        for breaker in found:
            scene.calls.probe(breaker, scene.clock.now() + timedelta(minutes=5))
        return found

    scene.calls.breakers = late  # type: ignore[method-assign]  # another run, in between

    work = scene.work()

    assert {unit.reason for unit in work.units} == {Reason.CIRCUIT_OPEN}


def test_one_account_that_fails_opens_its_own_breaker_only() -> None:
    def sick(account: Account, stream: Stream) -> Answer | None:
        return AWAY if (account.name, stream.name) == ("a", "orders") else None

    scene = Scene(parallel=1, before=sick)
    for _ in range(5):
        opened_by(scene)

    work = scene.work()

    assert units(work)["a", "orders"] == (Outcome.SKIPPED, Reason.CIRCUIT_OPEN)
    assert units(work)["a", "transactions"] == (Outcome.DONE, None)
    assert units(work)["b", "orders"] == (Outcome.DONE, None)


def test_limits_are_asked_for_once_an_ebay_has_answered() -> None:
    told = Quota(remaining=40, reset_at=NOW + timedelta(hours=3), limit=50)
    scene = Scene(quotas=FakeQuotas(told))

    scene.work()

    assert sorted(api for _, api, _ in scene.quotas.asked) == ["sell.finances", "sell.fulfillment"]
    assert scene.calls.days["simulator", "sell.fulfillment"].limit == 50


def test_no_limit_is_asked_for_while_ebay_does_not_answer() -> None:
    scene = Scene(before=away)

    scene.work()

    assert scene.quotas.asked == []


def test_units_give_back_the_calls_that_they_did_not_make() -> None:
    scene = Scene()

    work = scene.work()

    assert sum(day.used for day in scene.calls.days.values()) == work.counts["calls"]


def test_a_dry_run_counts_its_calls_too() -> None:
    scene = Scene()

    work = scene.preview()

    assert sum(day.used for day in scene.calls.days.values()) == work.counts["calls"] == 4


def test_calls_that_cannot_be_given_back_are_lost_and_nothing_else() -> None:
    scene = Scene(accounts=("a",))
    scene.calls.failing["give_back"] = 50

    work = scene.work()

    assert ended(work) == (Outcome.DONE, None)
    assert sum(day.used for day in scene.calls.days.values()) == 2 * FIRST_CHUNK


@pytest.mark.parametrize("method", ["reserve", "breakers"])
def test_calls_that_cannot_be_counted_are_not_made(method: str) -> None:
    scene = Scene()
    scene.calls.failing[method] = 50

    work = scene.work()

    assert ended(work) == (Outcome.FAILED, Reason.DATABASE)


def test_a_dry_run_reads_one_page_of_each_stream_and_keeps_nothing() -> None:
    scene = Scene()
    before = {place: state.unit() for place, state in scene.store.states.items()}

    work = scene.preview()

    assert (*ended(work), work.detail) == (Outcome.DONE, None, DRY_RUN)
    assert work.counts["inserted"] == 8
    assert scene.store.rows == {}
    assert {place: state.unit() for place, state in scene.store.states.items()} == before
    assert len(scene.store.reports) == 4


def test_a_dry_run_that_could_read_nothing_does_not_say_that_it_did() -> None:
    scene = Scene()
    for state in scene.store.states.values():
        state.enabled = False

    work = scene.preview()

    assert work.detail == NOTHING_READ


def test_a_dry_run_leaves_the_second_pass_out() -> None:
    scene = Scene(accounts=())
    scene.store.add_account("a", open_pass=True)

    work = scene.preview()

    assert len(work.units) == 2


def test_a_dry_run_of_what_has_caught_up_makes_no_call() -> None:
    scene = Scene(accounts=("a",))
    for state in scene.store.states.values():
        state.cursor_at = NOW - LAG

    work = scene.preview()

    assert (ended(work), scene.source.calls) == ((Outcome.DONE, None), [])


def test_a_dry_run_of_an_extra_window_begins_where_it_was_told() -> None:
    scene = Scene(accounts=("a",))

    scene.preview(Selection(streams=["orders"], since=NOW - timedelta(days=3)))

    assert [call[2].from_ for call in scene.source.calls] == [NOW - timedelta(days=3)]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (UpstreamUnavailableError("500"), (Outcome.FAILED, Reason.UPSTREAM)),
        (ReauthorizationRequiredError("consent"), (Outcome.SKIPPED, Reason.NEEDS_RECONNECT)),
    ],
)
def test_a_dry_run_says_what_stands_in_the_way(error: Exception, expected: Any) -> None:
    scene = Scene(before=failing("a", error))

    work = scene.preview()

    assert ended(work) == (Outcome.DEGRADED, None)
    assert units(work)["a", "orders"] == expected


def test_a_dry_run_of_what_is_switched_off_says_so() -> None:
    scene = Scene(accounts=("a",))
    for state in scene.store.states.values():
        state.enabled = False

    work = scene.preview()

    assert ended(work) == (Outcome.SKIPPED, Reason.PAUSED)


def test_a_dry_run_out_of_time_says_so() -> None:
    def slow(_: Account, __: Stream) -> None:
        scene.clock.advance(4)

    scene = Scene(limit_s=5, before=slow)

    work = scene.preview()

    assert (*ended(work), work.more) == (Outcome.PARTIAL, Reason.DEADLINE, True)
    assert len(work.units) == 2


def test_a_dry_run_keeps_its_row_alive() -> None:
    def slow(_: Account, __: Stream) -> None:
        scene.clock.advance(15)

    scene = Scene(before=slow)

    work = scene.preview()

    assert ended(work) == (Outcome.DONE, None)
    assert scene.run.renewals == 1


def test_a_dry_run_that_was_called_abandoned_ends() -> None:
    def slow(_: Account, __: Stream) -> None:
        scene.clock.advance(30)

    scene = Scene(before=slow)
    scene.run.owned = False

    work = scene.preview()

    assert ended(work) == (Outcome.PARTIAL, Reason.LEASE_LOST)
    assert len(work.units) == 1


def test_a_dry_run_outlives_a_renewal_that_misses_the_database() -> None:
    def away() -> bool:
        raise StoreUnavailableError("away")

    scene = Scene()
    context = replace(scene.run.context(), renew=away, renew_every_s=0.0)

    work = PreviewAccounts(ports=scene.ports()).run_once(context, EVERYTHING)

    assert ended(work) == (Outcome.DONE, None)


def test_a_dry_run_without_a_database_raises() -> None:
    scene = Scene()
    scene.store.failing["preview_page"] = 1

    with pytest.raises(StoreUnavailableError):
        scene.preview()
