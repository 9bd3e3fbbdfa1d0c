"""What every SyncStore promises: the same tests on memory and on PostgreSQL."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Protocol
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from core.errors import LeaseLostError, QuarantineLimitError, UsageError
from core.ids import AccountId, RunId
from core.report import Outcome, Reason, UnitReport
from core.sync.calls import Quota
from core.sync.model import Page, Pass, Unit, UnitKey, Window
from core.sync.ports import Candidate, Event, Progress, SyncStore, UnitEnd
from infra.ebay.streams.registry import STREAMS
from infra.postgres.sync import PostgresSync
from infra.postgres.transaction import Database
from tests.support.memory_sync import MemorySync, State
from tests.support.sync_fakes import FakeClock

LEASE = timedelta(seconds=60)
KNOWN = {stream.name: stream for stream in STREAMS}
WORKER = "ebay-cycle"


class Ground(Protocol):
    """A store, and what happens behind its back."""

    store: SyncStore

    def now(self) -> datetime: ...
    def add_account(self, name: str, *streams: str) -> AccountId: ...
    def start_run(self) -> RunId: ...
    def abandon(self, run_id: RunId) -> None:
        """Another run found it dead."""

    def expire(self, run_id: RunId) -> None:
        """Its leases are over."""

    def due(self, unit: Unit, at: datetime | None) -> None: ...
    def switch(self, what: str, unit: Unit) -> None:
        """`worker`, `account`, `unit` are paused; `consent` is gone; `interval` is 0."""

    def state(self, unit: Unit) -> dict[str, Any]: ...
    def rows(self) -> dict[str, dict[str, Any]]:
        """Orders by id, of all accounts."""

    def quarantined(self) -> list[int]:
        """How often each bad row was seen."""

    def reports(self) -> int: ...
    def events(self) -> list[str]: ...


class MemoryGround:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.memory = MemorySync(now=self.clock.now, streams=KNOWN, lease=LEASE)
        self.store: SyncStore = self.memory

    def now(self) -> datetime:
        self.clock.advance(0.001)
        return self.clock.now()

    def add_account(self, name: str, *streams: str) -> AccountId:
        return self.memory.add_account(name, streams).id

    def start_run(self) -> RunId:
        return RunId(uuid4())

    def abandon(self, run_id: RunId) -> None:
        self.memory.abandoned.add(run_id)

    def expire(self, run_id: RunId) -> None:
        for state in self.memory.states.values():
            if state.leased_by == run_id:
                state.leased_until = state.due_at = self.now() - timedelta(seconds=1)

    def due(self, unit: Unit, at: datetime | None) -> None:
        self._state(unit).due_at = at

    def switch(self, what: str, unit: Unit) -> None:
        match what:
            case "worker":
                self.memory.workers_enabled = False
            case "account":
                self.memory.statuses[unit.account.id] = "paused"
            case "consent":
                self.memory.statuses[unit.account.id] = "needs_reconnect"
            case "unit":
                self._state(unit).enabled = False
            case _:
                self._state(unit).interval = timedelta(0)

    def state(self, unit: Unit) -> dict[str, Any]:
        state = self._state(unit)
        return {name: getattr(state, name) for name in STATE}

    def rows(self) -> dict[str, dict[str, Any]]:
        return {key[2][0]: dict(kept.row) for key, kept in self.memory.rows.items()}

    def quarantined(self) -> list[int]:
        return sorted(self.memory.quarantined.values())

    def reports(self) -> int:
        return len(self.memory.reports)

    def events(self) -> list[str]:
        return [event.event for event in self.memory.events]

    def _state(self, unit: Unit) -> State:
        return self.memory.states[unit.account.id, unit.stream.name, unit.pass_]


STATE = (
    "fence",
    "leased_by",
    "cursor_at",
    "due_at",
    "failures",
    "last_success_at",
    "last_reason",
    "last_error",
)
SWITCHES = {
    "worker": "UPDATE ops.workers SET enabled = false WHERE worker = '*'",
    "account": "UPDATE ebay.accounts SET status = 'paused' WHERE id = :id",
    "consent": "UPDATE ebay.accounts SET status = 'needs_reconnect' WHERE id = :id",
    "unit": "UPDATE ebay.sync_states SET enabled = false WHERE account_id = :id",
    "interval": "UPDATE ebay.sync_states SET interval_s = 0 WHERE account_id = :id",
}


class PostgresGround:
    def __init__(self, database: Database) -> None:
        self.database = database
        self.store: SyncStore = PostgresSync(database=database, streams=KNOWN, lease=LEASE)

    def now(self) -> datetime:
        at: datetime = self._sql("SELECT clock_timestamp()")[0][0]
        return at

    def add_account(self, name: str, *streams: str) -> AccountId:
        [(number,)] = self._sql(
            "INSERT INTO ebay.accounts (name, environment) VALUES (:name, 'simulator')"
            " RETURNING id",
            name=name,
        )
        for stream in streams or KNOWN:
            self._sql(
                "INSERT INTO ebay.sync_states (account_id, stream, interval_s, due_at)"
                " VALUES (:id, :stream, :interval_s, clock_timestamp()) RETURNING 1",
                id=number,
                stream=stream,
                interval_s=int(KNOWN[stream].interval.total_seconds()),
            )
        return AccountId(number)

    def start_run(self) -> RunId:
        run_id = RunId(uuid4())
        self._sql(
            "INSERT INTO ops.runs (id, worker, status, via, request_hash, started_at, expires_at)"
            " VALUES (:id, 'ebay-cycle', 'running', 'cli', '', clock_timestamp(),"
            " clock_timestamp()) RETURNING 1",
            id=run_id,
        )
        return run_id

    def abandon(self, run_id: RunId) -> None:
        self._sql(
            "UPDATE ops.runs SET status = 'abandoned', finished_at = clock_timestamp()"
            " WHERE id = :id RETURNING 1",
            id=run_id,
        )

    def expire(self, run_id: RunId) -> None:
        self._sql(
            "UPDATE ebay.sync_states SET leased_until = clock_timestamp() - interval '1 second',"
            " due_at = clock_timestamp() - interval '1 second' WHERE leased_by = :id RETURNING 1",
            id=run_id,
        )

    def due(self, unit: Unit, at: datetime | None) -> None:
        self._sql(
            "UPDATE ebay.sync_states SET due_at = :at WHERE account_id = :id AND stream = :stream"
            " RETURNING 1",
            at=at,
            id=unit.account.id,
            stream=unit.stream.name,
        )

    def switch(self, what: str, unit: Unit) -> None:
        values = {} if what == "worker" else {"id": unit.account.id}
        self._sql(SWITCHES[what] + " RETURNING 1", **values)

    def state(self, unit: Unit) -> dict[str, Any]:
        [row] = self._sql(
            f"SELECT {', '.join(STATE)} FROM ebay.sync_states"
            " WHERE (account_id, stream, pass) = (:id, :stream, :pass)",
            id=unit.account.id,
            stream=unit.stream.name,
            **{"pass": unit.pass_.value},
        )
        return dict(row._mapping)

    def rows(self) -> dict[str, dict[str, Any]]:
        return {row[0]: row[1] for row in self._sql("SELECT order_id, raw FROM ebay.orders")}

    def quarantined(self) -> list[int]:
        return [row[0] for row in self._sql("SELECT times FROM ebay.quarantine ORDER BY times")]

    def reports(self) -> int:
        return int(self._sql("SELECT count(*) FROM ops.run_units")[0][0])

    def events(self) -> list[str]:
        return [row[0] for row in self._sql("SELECT event FROM ops.run_events ORDER BY id")]

    def _sql(self, statement: str, **values: Any) -> Sequence[Any]:
        with self.database.transaction() as connection:
            return connection.execute(sa.text(statement), values).all()


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.postgres)])
def ground(request: pytest.FixtureRequest) -> Iterator[Ground]:
    if request.param == "memory":
        yield MemoryGround()
    else:
        yield PostgresGround(request.getfixturevalue("database"))


def order(number: int, minute: int = 0, **more: Any) -> dict[str, Any]:
    modified = datetime(2026, 2, 1, 10, minute, tzinfo=UTC)
    return {
        "orderId": f"order-{number}",
        "creationDate": "2026-02-01T10:00:00.000Z",
        "lastModifiedDate": modified.isoformat(),
        "lineItems": [],
        **more,
    }


def page(*rows: Any) -> Page:
    texts = tuple(json.dumps(row).encode() for row in rows)
    text = json.dumps({"orders": list(rows)})
    return Page(text=text, rows=texts, total=len(rows), next_offset=None)


def one(ground: Ground, stream: str = "orders") -> tuple[RunId, Unit]:
    """A run, and a unit that it took."""
    ground.add_account("shop", stream)
    run_id = ground.start_run()
    [unit] = ground.store.take_due(run_id, ground.now(), 9)
    return run_id, unit


def save(
    ground: Ground,
    run_id: RunId,
    unit: Unit,
    rows: Page,
    progress: Progress | None = None,
    read_at: datetime | None = None,
) -> Any:
    return ground.store.save_page(
        run_id, WORKER, unit, rows, read_at=read_at or ground.now(), progress=progress
    )


def report_of(unit: Unit, at: datetime, **more: Any) -> UnitReport:
    given = {"outcome": Outcome.DONE, "started_at": at, "finished_at": at, **more}
    return UnitReport(
        account_id=unit.account.id,
        account=unit.account.name,
        stream=unit.stream.name,
        pass_=unit.pass_,
        **given,
    )


def finish(
    ground: Ground,
    run_id: RunId,
    unit: Unit,
    *,
    succeeded: bool = False,
    gave_up: bool = False,
    due_in_s: float = 270,
    **more: Any,
) -> UnitEnd:
    at = ground.now()
    end = UnitEnd(
        report=report_of(unit, at, **more),
        due_at=at + timedelta(seconds=due_in_s),
        succeeded=succeeded,
        gave_up=gave_up,
    )
    event = Event(at=at, level="info", event="ebay.called", account_id=unit.account.id, facts={})
    ground.store.finish(run_id, unit, end, [event])
    return end


def test_r20_due_units_are_taken_oldest_first_and_no_more_than_asked_for(ground: Ground) -> None:
    for name in ("a", "b", "c"):
        ground.add_account(name, "orders")
    now = ground.now()
    candidates = ground.store.candidates([], [])
    for minutes, candidate in zip((5, 15, 10), candidates, strict=True):
        ground.due(candidate.unit, now - timedelta(minutes=minutes))
    run_id = ground.start_run()

    first = ground.store.take_due(run_id, now, 2)
    second = ground.store.take_due(run_id, now, 2)
    third = ground.store.take_due(run_id, now, 2)

    assert {unit.account.name for unit in first} == {"b", "c"}
    assert [unit.account.name for unit in second] == ["a"]
    assert list(third) == []


def test_what_is_not_due_is_not_taken(ground: Ground) -> None:
    ground.add_account("shop", "orders")
    [candidate] = ground.store.candidates([], [])
    now = ground.now()
    run_id = ground.start_run()

    ground.due(candidate.unit, now + timedelta(seconds=1))
    later = ground.store.take_due(run_id, now, 1)
    ground.due(candidate.unit, None)
    never = ground.store.take_due(run_id, now, 1)
    ground.due(candidate.unit, now)
    exactly = ground.store.take_due(run_id, now, 1)

    assert (len(later), len(never), len(exactly)) == (0, 0, 1)


def test_a_taken_unit_counts_the_attempt_and_is_due_when_its_lease_ends(ground: Ground) -> None:
    before = ground.now()
    run_id, unit = one(ground)

    state = ground.state(unit)

    assert (unit.fence, unit.failures, unit.cursor_at, unit.window) == (1, 1, None, None)
    assert (unit.pass_, unit.stream, unit.interval) == (
        Pass.NEW,
        KNOWN["orders"],
        timedelta(minutes=5),
    )
    assert state["leased_by"] == run_id
    assert before + LEASE <= state["due_at"] <= ground.now() + LEASE


@pytest.mark.parametrize("what", ["account", "consent", "unit", "interval"])
def test_a_unit_that_is_switched_off_is_not_taken_though_it_is_due(
    ground: Ground, what: str
) -> None:
    ground.add_account("shop", "orders")
    [candidate] = ground.store.candidates([], [])
    run_id = ground.start_run()

    ground.switch(what, candidate.unit)

    assert list(ground.store.take_due(run_id, ground.now(), 1)) == []


def test_a_live_lease_is_passed_neither_when_due_nor_by_name(ground: Ground) -> None:
    _, unit = one(ground)
    ground.due(unit, ground.now())
    other = ground.start_run()
    [candidate] = ground.store.candidates([], [])

    due = ground.store.take_due(other, ground.now(), 1)
    named = ground.store.take(other, ground.now(), candidate)

    assert (list(due), named) == ([], None)


def test_an_expired_lease_is_taken_over_under_a_higher_fence(ground: Ground) -> None:
    run_id, unit = one(ground)
    ground.expire(run_id)
    other = ground.start_run()

    [again] = ground.store.take_due(other, ground.now(), 1)

    assert (again.fence, again.failures) == (2, 2)
    assert ground.state(unit)["leased_by"] == other


def test_an_abandoned_run_that_wakes_up_takes_nothing(ground: Ground) -> None:
    ground.add_account("shop", "orders")
    [candidate] = ground.store.candidates([], [])
    run_id = ground.start_run()

    ground.abandon(run_id)

    assert list(ground.store.take_due(run_id, ground.now(), 1)) == []
    assert ground.store.take(run_id, ground.now(), candidate) is None


def test_a_named_unit_is_taken_though_it_is_not_due(ground: Ground) -> None:
    ground.add_account("shop", "orders")
    [candidate] = ground.store.candidates(["shop"], ["orders"])
    ground.due(candidate.unit, ground.now() + timedelta(hours=1))

    unit = ground.store.take(ground.start_run(), ground.now(), candidate)

    assert unit is not None
    assert unit.fence == candidate.unit.fence + 1


@pytest.mark.parametrize("what", ["account", "unit"])
def test_a_named_unit_that_was_paused_meanwhile_is_not_taken(ground: Ground, what: str) -> None:
    ground.add_account("shop", "orders")
    [candidate] = ground.store.candidates([], [])
    ground.switch(what, candidate.unit)

    assert ground.store.take(ground.start_run(), ground.now(), candidate) is None


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("account", Reason.ACCOUNT_INACTIVE),
        ("consent", Reason.NEEDS_RECONNECT),
        ("unit", Reason.DISABLED),
        ("interval", Reason.DISABLED),
        ("worker", None),
    ],
)
def test_r27_a_candidate_says_why_it_may_not_be_taken(
    ground: Ground, what: str, reason: Reason | None
) -> None:
    ground.add_account("shop", "orders")
    [before] = ground.store.candidates([], [])

    ground.switch(what, before.unit)
    [after] = ground.store.candidates([], [])

    assert (before.refused, after.refused) == (None, reason)


def test_candidates_are_chosen_by_account_and_stream(ground: Ground) -> None:
    ground.add_account("a")
    ground.add_account("b")

    def names(found: Sequence[Candidate]) -> list[tuple[str, str]]:
        return [(each.unit.account.name, each.unit.stream.name) for each in found]

    assert len(ground.store.candidates([], [])) == 2 * len(KNOWN)
    assert names(ground.store.candidates(["b"], ["payouts", "orders"])) == [
        ("b", "orders"),
        ("b", "payouts"),
    ]


@pytest.mark.parametrize(("accounts", "streams"), [(["nobody"], []), ([], ["nothing"])])
def test_names_that_do_not_exist_are_refused(
    ground: Ground, accounts: list[str], streams: list[str]
) -> None:
    ground.add_account("shop")

    with pytest.raises(UsageError, match="there is no"):
        ground.store.candidates(accounts, streams)


@pytest.mark.parametrize("accounts", [[], ["a"], ["a", "b"]])
def test_a_stream_that_an_account_does_not_have_yet_is_told_not_left_out(
    ground: Ground, accounts: list[str]
) -> None:
    ground.add_account("a", "orders")
    ground.add_account("b", "orders", "payouts")

    with pytest.raises(UsageError, match="yet"):
        ground.store.candidates(accounts, ["orders", "payouts"])

    assert len(ground.store.candidates(["b"], ["orders", "payouts"])) == 2
    assert len(ground.store.candidates(["a"], [])) == 1


def test_a_page_is_stored_with_its_progress(ground: Ground) -> None:
    run_id, unit = one(ground)
    now = ground.now()
    window = Window(
        from_=now - timedelta(days=1),
        to=now - timedelta(hours=1),
        goal=now,
        limit=200,
        offset=400,
        total=612,
        pass_number=2,
    )

    saved = save(ground, run_id, unit, page(order(1), order(2)), Progress(window=window))

    assert (saved.inserted, saved.updated, saved.quarantined, saved.switched_off) == (2, 0, 0, None)
    [candidate] = ground.store.candidates([], [])
    assert candidate.unit.window == window
    assert candidate.unit.cursor_at is None
    assert ground.rows().keys() == {"order-1", "order-2"}


def test_the_page_that_completes_a_window_moves_the_cursor(ground: Ground) -> None:
    run_id, unit = one(ground)
    at = ground.now() - timedelta(minutes=2)

    save(ground, run_id, unit, page(order(1)), Progress(window=None, cursor_at=at))

    [candidate] = ground.store.candidates([], [])
    assert (candidate.unit.cursor_at, candidate.unit.window) == (at, None)


@pytest.mark.parametrize(
    "at",
    [
        datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        datetime(2026, 1, 2, 3, 4, 5, 1, tzinfo=timezone(timedelta(hours=5, minutes=45))),
        datetime(2026, 3, 29, 1, 30, tzinfo=ZoneInfo("Europe/Berlin")),
        datetime(2025, 10, 26, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
    ],
    ids=["whole", "microseconds", "zone", "spring", "autumn"],
)
def test_r4_a_cursor_is_read_as_it_was_written(ground: Ground, at: datetime) -> None:
    run_id, unit = one(ground)

    save(ground, run_id, unit, page(order(1)), Progress(window=None, cursor_at=at))

    [candidate] = ground.store.candidates([], [])
    assert candidate.unit.cursor_at is not None
    assert candidate.unit.cursor_at.astimezone(UTC) == at.astimezone(UTC)


def test_a_cursor_never_goes_back(ground: Ground) -> None:
    run_id, unit = one(ground)
    at = ground.now()
    save(ground, run_id, unit, page(), Progress(window=None, cursor_at=at))

    save(ground, run_id, unit, page(), Progress(window=None, cursor_at=at - timedelta(days=1)))
    save(ground, run_id, unit, page(), Progress(window=None))

    assert ground.state(unit)["cursor_at"] == at


def test_a_page_of_an_extra_window_leaves_window_and_cursor_alone(ground: Ground) -> None:
    run_id, unit = one(ground)
    at = ground.now()
    window = Window(from_=at, to=at, goal=at, limit=200)
    save(ground, run_id, unit, page(), Progress(window=window, cursor_at=at))

    saved = save(ground, run_id, unit, page(order(1)))

    [candidate] = ground.store.candidates([], [])
    assert saved.inserted == 1
    assert (candidate.unit.window, candidate.unit.cursor_at) == (window, at)


def test_r33_counts_tell_inserted_updated_unchanged_and_quarantined_apart(ground: Ground) -> None:
    run_id, unit = one(ground)
    save(ground, run_id, unit, page(order(1), order(2), order(3)))

    saved = save(
        ground,
        run_id,
        unit,
        page(order(1), order(2, minute=1, salesRecordReference="x"), order(4), {"orderId": None}),
    )

    assert (saved.inserted, saved.updated, saved.quarantined) == (1, 1, 1)


def test_a_page_stored_twice_is_stored_once(ground: Ground) -> None:
    run_id, unit = one(ground)
    at = ground.now()
    progress = Progress(window=None, cursor_at=at)
    rows = page(order(1), order(2), {})
    save(ground, run_id, unit, rows, progress, read_at=at)

    again = save(ground, run_id, unit, rows, progress, read_at=at)

    assert (again.inserted, again.updated, again.quarantined) == (0, 0, 1)
    assert ground.quarantined() == [1]
    assert ground.state(unit)["cursor_at"] == at


def test_a_bad_row_read_again_was_seen_once_more(ground: Ground) -> None:
    run_id, unit = one(ground)
    at = ground.now()
    save(ground, run_id, unit, page({}), read_at=at)

    save(ground, run_id, unit, page({}), read_at=at + timedelta(seconds=1))

    assert ground.quarantined() == [2]


def test_an_end_may_be_written_again_and_is_kept_once(ground: Ground) -> None:
    """Its COMMIT may have been applied although the connection broke."""
    run_id, unit = one(ground)
    end = finish(ground, run_id, unit, succeeded=True, due_in_s=-1)
    [taken] = ground.store.take_due(ground.start_run(), ground.now(), 1)

    ground.store.finish(run_id, unit, end, [])

    assert ground.reports() == 1
    assert ground.state(unit)["fence"] == taken.fence


def test_units_to_leave_are_not_taken(ground: Ground) -> None:
    for name in ("a", "b"):
        ground.add_account(name, "orders")
    run_id = ground.start_run()
    first = ground.store.candidates(["a"], [])[0].unit
    key = UnitKey(first.account.id, "orders", first.pass_)

    taken = ground.store.take_due(run_id, ground.now(), 4, {key})

    assert [unit.account.name for unit in taken] == ["b"]


def test_a_candidate_names_who_holds_it(ground: Ground) -> None:
    run_id, _ = one(ground)

    [held] = ground.store.candidates([], [])
    ground.expire(run_id)
    [expired] = ground.store.candidates([], [])

    assert held.holder is not None
    assert held.holder.run_id == run_id
    assert held.holder.until is not None
    assert held.holder.until > ground.now()
    assert expired.holder is None


def test_of_repeated_ids_on_a_page_the_newest_is_kept(ground: Ground) -> None:
    run_id, unit = one(ground)
    newest = order(1, minute=9, legacyOrderId="newest")

    saved = save(ground, run_id, unit, page(order(1, minute=3), newest, order(1, minute=5)))

    assert saved.inserted == 1
    assert ground.rows() == {"order-1": newest}


def test_an_older_version_never_replaces_a_newer_one(ground: Ground) -> None:
    run_id, unit = one(ground)
    newer = order(1, minute=9)
    save(ground, run_id, unit, page(newer))

    saved = save(ground, run_id, unit, page(order(1, minute=3, legacyOrderId="older")))

    assert (saved.inserted, saved.updated) == (0, 0)
    assert ground.rows() == {"order-1": newer}


def test_of_one_version_the_answer_asked_for_later_is_true(ground: Ground) -> None:
    run_id, unit = one(ground)
    at = ground.now()
    first, earlier, later = (order(1, legacyOrderId=name) for name in ("first", "earlier", "later"))
    save(ground, run_id, unit, page(first), read_at=at)

    refused = save(ground, run_id, unit, page(earlier), read_at=at - timedelta(seconds=1))
    taken = save(ground, run_id, unit, page(later), read_at=at + timedelta(seconds=1))

    assert (refused.updated, taken.updated) == (0, 1)
    assert ground.rows() == {"order-1": later}


def test_equal_bad_rows_on_one_page_are_one_seen_twice(ground: Ground) -> None:
    run_id, unit = one(ground)

    saved = save(ground, run_id, unit, page({}, order(1), {}))

    assert (saved.inserted, saved.quarantined) == (1, 2)
    assert ground.quarantined() == [2]


def test_ten_bad_rows_are_quarantined_though_they_are_all(ground: Ground) -> None:
    run_id, unit = one(ground)

    saved = save(ground, run_id, unit, page(*({"bad": n} for n in range(10))))

    assert saved.quarantined == 10


def test_too_many_bad_rows_store_nothing_and_leave_the_place(ground: Ground) -> None:
    run_id, unit = one(ground)
    rows = page(order(1), *({"bad": n} for n in range(11)))

    with pytest.raises(QuarantineLimitError, match="11 of 12"):
        save(ground, run_id, unit, rows, Progress(window=None, cursor_at=ground.now()))

    assert (ground.rows(), ground.quarantined()) == ({}, [])
    assert ground.state(unit)["cursor_at"] is None


def test_eleven_bad_rows_of_many_are_quarantined(ground: Ground) -> None:
    run_id, unit = one(ground)
    good = [order(n) for n in range(209)]

    saved = save(ground, run_id, unit, page(*good, *({"bad": n} for n in range(11))))

    assert (saved.inserted, saved.quarantined) == (209, 11)


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("worker", Reason.GLOBALLY_OFF),
        ("account", Reason.ACCOUNT_INACTIVE),
        ("consent", Reason.NEEDS_RECONNECT),
        ("unit", Reason.DISABLED),
    ],
)
def test_a_pause_is_seen_with_each_page_which_is_stored_all_the_same(
    ground: Ground, what: str, reason: Reason
) -> None:
    run_id, unit = one(ground)
    ground.switch(what, unit)

    with_place = save(ground, run_id, unit, page(order(1)), Progress(window=None))
    extra = save(ground, run_id, unit, page(order(2)))

    assert with_place.switched_off is extra.switched_off is reason
    assert len(ground.rows()) == 2


STALE: list[Callable[[Ground, RunId, Unit], Any]] = [
    lambda ground, run_id, unit: save(
        ground, run_id, unit, page(order(9)), Progress(window=None, cursor_at=ground.now())
    ),
    lambda ground, run_id, unit: save(ground, run_id, unit, page(order(9))),
    lambda ground, run_id, unit: finish(ground, run_id, unit, succeeded=True),
]


@pytest.mark.parametrize("write", STALE, ids=["page", "extra page", "end"])
def test_r14_a_stale_fence_commits_nothing(
    ground: Ground, write: Callable[[Ground, RunId, Unit], Any]
) -> None:
    run_id, unit = one(ground)
    ground.expire(run_id)
    [_] = ground.store.take_due(ground.start_run(), ground.now(), 1)
    before = ground.state(unit)

    with pytest.raises(LeaseLostError):
        write(ground, run_id, unit)

    assert ground.state(unit) == before
    assert (ground.rows(), ground.reports(), ground.events()) == ({}, 0, [])


@pytest.mark.parametrize("write", STALE, ids=["page", "extra page", "end"])
def test_the_fence_of_another_run_opens_nothing(
    ground: Ground, write: Callable[[Ground, RunId, Unit], Any]
) -> None:
    _, unit = one(ground)

    with pytest.raises(LeaseLostError):
        write(ground, ground.start_run(), unit)

    assert (ground.rows(), ground.reports()) == ({}, 0)


@pytest.mark.parametrize("write", STALE, ids=["page", "extra page", "end"])
def test_a_unit_that_was_released_is_not_written_to(
    ground: Ground, write: Callable[[Ground, RunId, Unit], Any]
) -> None:
    run_id, unit = one(ground)
    finish(ground, run_id, unit, succeeded=True)

    with pytest.raises(LeaseLostError):
        write(ground, run_id, unit)

    assert (ground.rows(), ground.reports()) == ({}, 1)


def test_r14_a_page_keeps_the_lease_alive(ground: Ground) -> None:
    run_id, unit = one(ground)
    ground.expire(run_id)

    save(ground, run_id, unit, page())

    assert ground.state(unit)["due_at"] > ground.now()
    assert list(ground.store.take_due(ground.start_run(), ground.now(), 1)) == []


def test_a_renewal_prolongs_every_unit_of_the_run_and_no_other(ground: Ground) -> None:
    ground.add_account("shop", "orders", "payouts")
    mine, others = ground.start_run(), ground.start_run()
    [first] = ground.store.take_due(mine, ground.now(), 1)
    [second] = ground.store.take_due(others, ground.now(), 1)
    ground.expire(mine)
    ground.expire(others)

    ground.store.renew(mine)

    assert ground.state(first)["due_at"] > ground.now()
    assert ground.state(second)["due_at"] < ground.now()


def test_a_renewal_makes_no_paused_unit_due(ground: Ground) -> None:
    run_id, unit = one(ground)
    ground.due(unit, None)

    ground.store.renew(run_id)
    save(ground, run_id, unit, page())

    assert ground.state(unit)["due_at"] is None


def test_success_forgets_failures_and_says_when(ground: Ground) -> None:
    run_id, unit = one(ground)

    end = finish(ground, run_id, unit, succeeded=True)

    state = ground.state(unit)
    assert (state["failures"], state["leased_by"], state["last_reason"]) == (0, None, None)
    assert state["last_success_at"] == end.report.finished_at
    assert state["due_at"] == end.due_at
    assert (ground.reports(), ground.events()) == (1, ["ebay.called"])


def test_a_failed_attempt_stays_counted_with_its_reason(ground: Ground) -> None:
    run_id, unit = one(ground)

    finish(
        ground,
        run_id,
        unit,
        gave_up=True,
        outcome=Outcome.FAILED,
        reason=Reason.UPSTREAM,
        detail="eBay answered 500",
    )

    state = ground.state(unit)
    assert (state["failures"], state["last_success_at"]) == (1, None)
    assert (state["last_reason"], state["last_error"]) == ("upstream", "eBay answered 500")


def test_an_attempt_that_neither_succeeded_nor_gave_up_is_given_back(ground: Ground) -> None:
    run_id, unit = one(ground)
    finish(ground, run_id, unit, gave_up=True, due_in_s=-1)
    [again] = ground.store.take_due(run_id, ground.now(), 1)

    finish(ground, run_id, again, outcome=Outcome.PARTIAL, reason=Reason.DEADLINE)

    assert ground.state(unit)["failures"] == 1


@pytest.mark.parametrize("what", ["account", "consent", "unit", "interval"])
def test_a_unit_switched_off_meanwhile_ends_without_being_due(ground: Ground, what: str) -> None:
    run_id, unit = one(ground)
    ground.switch(what, unit)

    finish(ground, run_id, unit, succeeded=True)

    assert ground.state(unit)["due_at"] is None


def test_reports_of_units_never_taken_are_kept(ground: Ground) -> None:
    ground.add_account("shop", "orders")
    [candidate] = ground.store.candidates([], [])
    skipped = report_of(
        candidate.unit, ground.now(), outcome=Outcome.SKIPPED, reason=Reason.ALREADY_RUNNING
    )

    ground.store.record(ground.start_run(), [skipped, skipped])

    assert ground.reports() == 2


def test_nothing_to_report_is_no_report(ground: Ground) -> None:
    ground.store.record(ground.start_run(), [])

    assert ground.reports() == 0


def test_a_preview_tells_what_would_change_and_changes_nothing(ground: Ground) -> None:
    run_id, unit = one(ground)
    save(ground, run_id, unit, page(order(1), order(2)))
    before, state = ground.rows(), ground.state(unit)

    seen = ground.store.preview_page(
        unit,
        page(order(1), order(2, minute=5, legacyOrderId="x"), order(3), {}),
        read_at=ground.now(),
    )

    assert (seen.inserted, seen.updated, seen.quarantined) == (1, 1, 1)
    assert (ground.rows(), ground.state(unit), ground.quarantined()) == (before, state, [])


def test_an_api_is_blocked_until_an_instant(ground: Ground) -> None:
    until = ground.now() + timedelta(hours=3)
    quota = Quota(remaining=0, reset_at=until)

    ground.store.block("simulator", "sell.fulfillment", until, quota, ground.now())
    later = until + timedelta(hours=1)
    ground.store.block("simulator", "sell.finances", later, quota, ground.now())
    ground.store.block("simulator", "sell.finances", until, quota, ground.now())

    assert ground.store.blocked_until("simulator", "sell.fulfillment") == until
    assert ground.store.blocked_until("simulator", "sell.finances") == until
    assert ground.store.blocked_until("production", "sell.fulfillment") is None


def test_without_open_rows_there_is_no_range(ground: Ground) -> None:
    _, unit = one(ground, "transactions")

    found = ground.store.open_range(unit, ground.now() - timedelta(days=180))

    assert (found.oldest, found.newest, found.given_up) == (None, None, 0)


def test_without_open_rows_none_are_read_by_key(ground: Ground) -> None:
    _, unit = one(ground, "returns")
    now = ground.now()
    window = Window(from_=now - timedelta(days=9), to=now, goal=now, limit=50)

    assert list(ground.store.open_rows(unit, window)) == []


def test_r17_two_accounts_may_have_an_order_of_one_id(ground: Ground) -> None:
    ground.add_account("a", "orders")
    ground.add_account("b", "orders")
    run_id = ground.start_run()
    units = ground.store.take_due(run_id, ground.now(), 2)

    saved = [save(ground, run_id, unit, page(order(1))) for unit in units]

    assert [each.inserted for each in saved] == [1, 1]


def test_the_summary_tells_which_kinds_of_accounts_there_are(ground: Ground) -> None:
    empty = ground.store.summary()
    ground.add_account("a", "orders")
    ground.add_account("b", "orders")
    first, second = (each.unit for each in ground.store.candidates([], []))
    at = ground.now() - timedelta(minutes=7)
    ground.due(first, at)
    active = ground.store.summary()
    ground.switch("account", first)
    ground.switch("consent", second)
    nobody = ground.store.summary()

    assert (empty.active, empty.paused, empty.needs_reconnect, empty.next_due_at) == (
        False,
        False,
        False,
        None,
    )
    assert (active.active, active.paused, active.next_due_at) == (True, False, at)
    assert (nobody.active, nobody.paused, nobody.needs_reconnect) == (False, True, True)


def test_a_fence_of_the_past_opens_nothing_even_for_the_same_run(ground: Ground) -> None:
    run_id, unit = one(ground)
    finish(ground, run_id, unit, due_in_s=-1)
    [again] = ground.store.take_due(run_id, ground.now(), 1)

    with pytest.raises(LeaseLostError):
        save(ground, run_id, unit, page(order(1)))

    assert save(ground, run_id, again, page(order(1))).inserted == 1
    assert replace(again, fence=unit.fence, failures=unit.failures) == unit


def test_an_account_that_signs_from_now_on_does_so_however_it_is_taken(ground: Ground) -> None:
    shop = ground.add_account("shop", "orders", "transactions")
    ground.add_account("other", "orders")
    run = ground.start_run()
    store = ground.store
    assert not any(each.unit.account.signs for each in store.candidates([], []))

    store.sign_from_now_on(shop)
    store.sign_from_now_on(shop)

    candidates = {each.unit.account.name: each for each in store.candidates([], ["orders"])}
    assert {name: each.unit.account.signs for name, each in candidates.items()} == {
        "shop": True,
        "other": False,
    }
    named = store.take(run, ground.now(), candidates["shop"])
    assert named is not None
    assert named.account.signs
    due = store.take_due(run, ground.now(), 9)
    assert {unit.account.name: unit.account.signs for unit in due} == {"shop": True, "other": False}
