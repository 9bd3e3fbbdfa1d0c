"""What every StreamStore promises, in memory and in PostgreSQL; and what only a database can."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import pytest

from core.errors import UsageError
from core.ids import AccountId
from core.streams.model import Rewound, StreamState
from core.streams.ports import Step, StreamStore, Undoing
from infra.ebay.streams.registry import STREAMS
from infra.postgres.stream_control import PostgresStreams
from infra.postgres.transaction import Database
from tests.support.memory_streams import MemoryStreams, a_pass, a_stream

DAY = timedelta(days=1)
CURSOR = datetime(2026, 11, 1, 8, 30, 0, 123000, tzinfo=UTC)
BACK = CURSOR - 10 * DAY
SETUP = """
INSERT INTO ebay.accounts (name, environment) VALUES ('shop', 'simulator'), ('other', 'simulator');
INSERT INTO ebay.sync_states (account_id, stream, pass, interval_s, due_at, cursor_at)
SELECT id, stream, pass, 300, now() + interval '1 hour',
       CASE pass WHEN 'new' THEN TIMESTAMPTZ '2026-11-01 08:30:00.123Z' END
  FROM ebay.accounts,
       (VALUES ('orders', 'new'), ('returns', 'new'), ('returns', 'open')) AS state (stream, pass);
"""


class World(Protocol):
    @property
    def store(self) -> StreamStore: ...

    def now(self) -> datetime: ...


@dataclass
class InMemory:
    store: MemoryStreams = field(
        default_factory=lambda: MemoryStreams(
            states=[
                a_stream(
                    stream,
                    account_id=AccountId(number),
                    account=account,
                    new=a_pass(cursor_at=CURSOR),
                    open=a_pass(cursor_at=None) if stream == "returns" else None,
                )
                for number, account in ((1, "shop"), (2, "other"))
                for stream in ("orders", "returns")
            ]
        )
    )

    def now(self) -> datetime:
        return self.store.now


@dataclass
class InPostgres:
    database: Database
    store: PostgresStreams

    def now(self) -> datetime:
        return self.one("SELECT clock_timestamp()")  # type: ignore[no-any-return]  # a timestamptz

    def sql(self, text: str) -> list[Any]:
        with self.database.transaction() as connection:
            done = connection.exec_driver_sql(text)
            return list(done.all()) if done.returns_rows else []

    def one(self, text: str) -> Any:
        return self.sql(text)[0][0]


@pytest.fixture
def postgres(database: Database) -> InPostgres:
    store = PostgresStreams(
        database=database,
        streams={stream.name: stream for stream in STREAMS},
        worker="ebay-cycle",
        open_interval=timedelta(hours=1),
    )
    made = InPostgres(database, store)
    for statement in SETUP.split(";")[:-1]:
        made.sql(statement)
    return made


@pytest.fixture(params=["memory", "postgres"])
def world(request: pytest.FixtureRequest) -> World:
    if request.param == "memory":
        return InMemory()
    real: InPostgres = request.getfixturevalue("postgres")
    return real


def look(world: World, account: str = "shop", stream: str = "orders") -> StreamState:
    [found] = world.store.look([account], [stream]).states
    return found


def rewind(world: World, to: datetime = BACK, reason: str | None = None) -> Rewound:
    def decide(_: StreamState, __: datetime) -> Step:
        return Step(to=to, via="cli", reason=reason, calls=3)

    return world.store.rewind(look(world).account_id, "orders", decide)


def undo(world: World) -> Rewound:
    def decide(state: StreamState, _: datetime) -> Undoing:
        oldest = state.rewinds[-1].id
        return Undoing(restored=oldest, undone=[each.id for each in state.rewinds], via="api")

    return world.store.undo(look(world).account_id, "orders", decide)


def test_streams_are_found_by_account_and_stream_or_all(world: World) -> None:
    def found(accounts: list[str], streams: list[str]) -> list[tuple[str, str]]:
        seen = world.store.look(accounts, streams)
        return [(state.account, state.stream) for state in seen.states]

    assert found(["other"], []) == [("other", "orders"), ("other", "returns")]
    assert found([], ["returns"]) == [("shop", "returns"), ("other", "returns")]
    assert len(found([], [])) == 4
    assert found(["nobody"], []) == []
    assert look(world, stream="returns").open is not None
    assert look(world).open is None


def test_a_pause_is_never_due_and_a_resume_is_due_now(world: World) -> None:
    paused = world.store.switch(["shop"], ["returns"], enabled=False, via="api")
    again = world.store.switch(["shop"], ["returns"], enabled=False, via="cli")

    state = look(world, stream="returns")
    assert (paused.changed, again.changed) == (1, 0)
    assert (state.new.enabled, state.new.due_at, state.new.switched_via) == (False, None, "api")
    assert state.open is not None
    assert (state.open.enabled, state.open.due_at) == (False, None)
    assert look(world, "other", "returns").new.enabled

    resumed = world.store.switch(["shop"], [], enabled=True, via="cli")

    state = look(world, stream="returns")
    assert resumed.changed == 1
    assert state.new.enabled
    assert state.new.due_at is not None
    assert state.new.due_at <= world.now()


def test_an_interval_of_nothing_is_never_due_and_another_one_is_due_now(world: World) -> None:
    off = world.store.space(["shop"], ["orders"], timedelta(), via="cli")
    still = look(world)
    on = world.store.space(["shop"], ["orders"], timedelta(minutes=10), via="cli")
    same = world.store.space(["shop"], ["orders"], timedelta(minutes=10), via="cli")

    assert (off.changed, on.changed, same.changed) == (1, 1, 0)
    assert (still.new.interval, still.new.due_at) == (timedelta(), None)
    assert look(world).new.interval == timedelta(minutes=10)
    assert (look(world).new.due_at or world.now() + DAY) <= world.now()


def test_a_rewind_keeps_the_old_cursor_and_is_due_now(world: World) -> None:
    rewound = rewind(world, reason="lost")

    state = look(world)
    assert (rewound.changed, rewound.held, rewound.state) == (True, False, state)
    assert state.new.cursor_at == BACK
    assert (state.new.due_at or world.now() + DAY) <= world.now()
    [kept] = state.rewinds
    assert (kept.old_cursor_at, kept.new_cursor_at, kept.undone_at) == (CURSOR, BACK, None)
    assert (kept.via, kept.reason) == ("cli", "lost")
    assert look(world, "other").new.cursor_at == CURSOR


def test_who_decides_sees_the_state_and_may_leave_it(world: World) -> None:
    seen: list[StreamState] = []

    def decide(state: StreamState, _: datetime) -> None:
        seen.append(state)

    left = world.store.rewind(look(world).account_id, "orders", decide)
    also = world.store.undo(look(world).account_id, "orders", decide)

    assert not left.changed
    assert not also.changed
    assert seen == [look(world), look(world)]


def test_an_undo_brings_the_old_cursor_back_and_marks_what_it_undid(world: World) -> None:
    rewind(world)
    rewind(world, BACK - DAY)

    undone = undo(world)

    state = look(world)
    assert undone.changed
    assert state.new.cursor_at == CURSOR
    assert [each.new_cursor_at for each in state.rewinds] == [BACK - DAY, BACK]
    assert all(each.undone_at is not None for each in state.rewinds)


def test_a_decision_that_raises_changes_nothing(postgres: InPostgres) -> None:
    def refuse(_: StreamState, __: datetime) -> Step:
        raise UsageError("no")

    with pytest.raises(UsageError, match="no"):
        postgres.store.rewind(look(postgres).account_id, "orders", refuse)

    assert look(postgres).new.cursor_at == CURSOR


WINDOW = """
window_from = '2026-10-31T00:00Z', window_to = '2026-11-02T00:00Z',
window_goal = '2026-11-03T00:00Z', window_limit = 200, window_offset = 400, window_total = 900,
window_pass = 2"""
PLACE = """
SELECT window_from, window_to, window_goal, window_limit, window_offset, window_total, window_pass
  FROM ebay.sync_states
 WHERE stream = 'orders' AND account_id = (SELECT min(id) FROM ebay.accounts)"""


def hold(postgres: InPostgres, until: str = "now() + interval '1 minute'") -> None:
    postgres.sql(
        f"UPDATE ebay.sync_states SET {WINDOW}, leased_by = gen_random_uuid(),"
        f" leased_until = {until}, fence = 7, failures = 1 WHERE stream = 'orders'"
    )


def test_a_rewind_takes_the_unit_from_whoever_reads_it(postgres: InPostgres) -> None:
    """And its attempt is not counted: nothing was wrong with it."""
    hold(postgres)

    rewound = rewind(postgres)

    assert rewound.held
    [row] = postgres.sql(
        "SELECT fence, leased_by, leased_until, failures FROM ebay.sync_states"
        " WHERE stream = 'orders' ORDER BY account_id LIMIT 1"
    )
    assert tuple(row) == (8, None, None, 0)
    assert set(postgres.sql(PLACE)[0]) == {None}


def test_an_undo_brings_the_window_back_too(postgres: InPostgres) -> None:
    hold(postgres)
    before = postgres.sql(PLACE)
    rewind(postgres)

    undo(postgres)

    assert postgres.sql(PLACE) == before
    assert postgres.one("SELECT max(fence) FROM ebay.sync_states WHERE stream = 'orders'") == 9


def test_a_stream_that_is_read_is_due_when_its_lease_ends(postgres: InPostgres) -> None:
    hold(postgres)
    postgres.store.switch(["shop"], ["orders"], enabled=False, via="cli")

    postgres.store.switch(["shop"], ["orders"], enabled=True, via="cli")

    assert postgres.one(
        "SELECT due_at = leased_until FROM ebay.sync_states WHERE stream = 'orders'"
        " ORDER BY account_id LIMIT 1"
    )
    assert look(postgres).new.running


def test_a_lease_that_has_run_out_is_told(postgres: InPostgres) -> None:
    hold(postgres, "now() - interval '1 second'")

    state = look(postgres).new

    assert (state.running, state.dead, state.failures) == (False, True, 1)


def test_how_far_an_open_window_was_read_is_told(postgres: InPostgres) -> None:
    hold(postgres)

    state = look(postgres).new

    assert state.share_read == pytest.approx(1 - 400 / 900)
    assert state.read_to is not None
    assert state.read_to > datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize("status", ["paused", "needs_reconnect", "disconnected"])
def test_what_belongs_to_an_account_that_is_not_read_is_never_due(
    postgres: InPostgres, status: str
) -> None:
    postgres.sql(f"UPDATE ebay.accounts SET status = '{status}'")

    postgres.store.switch([], [], enabled=True, via="cli")
    postgres.store.space(["shop"], ["returns"], timedelta(minutes=7), via="cli")
    rewind(postgres)

    assert look(postgres).new.due_at is None
    assert look(postgres, stream="returns").new.due_at is None
    undo(postgres)
    assert look(postgres).new.due_at is None


def test_a_second_pass_is_switched_off_and_on_with_its_stream(postgres: InPostgres) -> None:
    def intervals() -> list[int]:
        rows = postgres.sql(
            "SELECT interval_s FROM ebay.sync_states WHERE stream = 'returns'"
            " AND account_id = (SELECT min(id) FROM ebay.accounts) ORDER BY pass"
        )
        return [row[0] for row in rows]

    postgres.store.space(["shop"], ["returns"], timedelta(), via="cli")
    off = intervals()
    postgres.store.space(["shop"], ["returns"], timedelta(minutes=20), via="cli")

    assert (off, intervals()) == ([0, 0], [1200, 3600])


READ = """
WITH run AS (
  INSERT INTO ops.runs (id, worker, status, via, request_hash, started_at, expires_at)
  VALUES (gen_random_uuid(), 'ebay-cycle', 'running', 'cli', '', now(), now()) RETURNING id)
INSERT INTO ops.run_units (run_id, account_id, stream, pass, outcome, fetched, inserted, updated,
                           unchanged, quarantined, pages, calls, window_from, window_to,
                           started_at, finished_at)
SELECT run.id, {account_id}, 'orders', 'new', '{outcome}', {fetched}, {fetched}, 0, 0, 0, 1, 1,
       '{from_}', '{to}', now(), now()
  FROM run"""


def read(
    postgres: InPostgres, window: tuple[str, str], fetched: int, outcome: str = "done"
) -> None:
    account_id = look(postgres).account_id
    values = {"account_id": account_id, "outcome": outcome, "fetched": fetched}
    postgres.sql(READ.format(**values, from_=window[0], to=window[1]))


def test_an_estimate_is_made_of_stored_rows_and_of_what_was_read(postgres: InPostgres) -> None:
    """A window that two runs read, one after the other, is one; what ended before is left out."""
    read(postgres, ("2026-10-01Z", "2026-10-11Z"), 70, "partial")
    read(postgres, ("2026-10-01Z", "2026-10-11Z"), 30)
    read(postgres, ("2026-10-11Z", "2026-10-21Z"), 0, "failed")
    read(postgres, ("2026-01-01Z", "2026-02-01Z"), 9999)
    postgres.sql(
        "INSERT INTO ebay.api_budgets (environment, api, used, call_limit, reset_at)"
        " VALUES ('simulator', 'sell.fulfillment', 12, 900, now() + interval '1 hour')"
    )

    facts = postgres.store.facts(
        look(postgres), "sell.fulfillment", since=datetime(2026, 10, 5, tzinfo=UTC)
    )

    assert (facts.stored, facts.read, facts.span) == (0, 100, 10 * DAY)
    assert (facts.used, facts.limit) == (12, 900)


def test_where_nothing_was_read_yet_an_estimate_knows_nothing(postgres: InPostgres) -> None:
    facts = postgres.store.facts(look(postgres), "sell.fulfillment", since=BACK)

    assert (facts.stored, facts.read, facts.span, facts.used) == (0, 0, timedelta(), 0)
    assert (facts.limit, facts.reset_at, facts.blocked_until) == (None, None, None)


@pytest.mark.parametrize("stream", [stream.name for stream in STREAMS])
def test_rows_are_counted_of_every_stream(postgres: InPostgres, stream: str) -> None:
    state = replace(look(postgres), stream=stream)

    assert postgres.store.facts(state, "api", since=BACK).stored == 0


def test_what_cannot_be_counted_in_time_is_left_out_of_an_estimate(postgres: InPostgres) -> None:
    state = look(postgres)
    with postgres.database.transaction() as connection:
        connection.exec_driver_sql("LOCK TABLE ebay.orders IN ACCESS EXCLUSIVE MODE")

        facts = postgres.store.facts(state, "sell.fulfillment", since=BACK)

    assert facts.stored is None
    assert facts.read == 0
