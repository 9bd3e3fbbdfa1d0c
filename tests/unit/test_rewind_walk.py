"""Whatever is rewound and undone on the way, in the end everything is stored."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import UsageError
from core.streams.control import ControlStreams
from core.streams.model import Rewound, StreamState
from core.streams.ports import Step, Undoing
from core.sync.model import BACKFILL, LAG, Stream, Walk, Window
from core.sync.walk import advance, complete, next_window, query_for
from tests.support.memory_streams import (
    RULES,
    TERMS,
    FlatCosts,
    MemoryStreams,
    a_pass,
    a_stream,
)
from tests.support.sync_fakes import NOW, ORDERS, RETURNS, TRANSACTIONS
from tests.unit.test_walk import List

DAY = timedelta(days=1)
LISTS = (ORDERS, TRANSACTIONS, RETURNS)
ON_THE_WAY = 80


@dataclass(slots=True, kw_only=True)
class WithWindows(MemoryStreams):
    """And the window, as the database keeps it."""

    window: Window | None = None
    old: dict[int, Window | None] = field(default_factory=dict)

    def keep(self, window: Window | None) -> None:
        self.window = window
        reading_from = None if window is None else window.from_
        new = replace(self.states[0].new, reading_from=reading_from)
        self.states[0] = replace(self.states[0], new=new)

    def rewind(
        self,
        account_id: object,
        stream: str,
        decide: Callable[[StreamState, datetime], Step | None],
    ) -> Rewound:
        moved = MemoryStreams.rewind(self, self.states[0].account_id, stream, decide)
        if moved.changed:
            self.old[moved.state.rewinds[0].id] = self.window
            self.keep(None)
        return moved

    def undo(
        self,
        account_id: object,
        stream: str,
        decide: Callable[[StreamState, datetime], Undoing | None],
    ) -> Rewound:
        restored: list[int] = []

        def told(state: StreamState, now: datetime) -> Undoing | None:
            undoing = decide(state, now)
            restored.extend([] if undoing is None else [undoing.restored])
            return undoing

        moved = MemoryStreams.undo(self, self.states[0].account_id, stream, told)
        for number in restored:
            self.keep(self.old[number])
        return moved


@dataclass(slots=True, kw_only=True)
class Installation:
    """A seller's list at eBay, what is stored of it, and a reader that may be killed."""

    rng: Random
    stream: Stream
    rows: dict[int, datetime]
    store: WithWindows = field(
        default_factory=lambda: WithWindows(states=[a_stream(new=a_pass(cursor_at=None))], now=NOW)
    )
    stored: dict[int, datetime] = field(default_factory=dict)
    walking: Window | None = None
    numbers: Iterator[int] = field(default_factory=lambda: count(1000))

    @property
    def control(self) -> ControlStreams:
        return ControlStreams(
            store=self.store, costs=FlatCosts(), rules=RULES, aliases={}, terms=TERMS
        )

    @property
    def cursor(self) -> datetime | None:
        return self.store.states[0].new.cursor_at

    def read_a_page(self) -> bool:
        """False: there is nothing to read."""
        window = self.walking or self.store.window or next_window(*self._place())
        if window is None:
            return False
        query = query_for(window)
        page = complete(self.stream, query, self._list().answer(query))
        step = advance(self.stream, window, page, set())
        self.walking = step.window
        if step.store:
            self._keep({int(row): self.rows[int(row)] for row in page.rows}, step.window, window)
        return True

    def _keep(self, read: dict[int, datetime], following: Window | None, window: Window) -> None:
        self.stored |= read
        self.store.keep(following)
        if following is None:
            state = self.store.states[0]
            moved = replace(state.new, cursor_at=max(self.cursor or window.goal, window.goal))
            self.store.states[0] = replace(state, new=moved)

    def _place(self) -> tuple[Stream, datetime | None, datetime]:
        return self.stream, self.cursor, self.store.now

    def _list(self) -> List:
        rows = [(at, number) for number, at in self.rows.items()]
        if self.stream.walk is not Walk.MOVING:
            rows.sort(reverse=True)
        return List(rows)

    def kill(self) -> None:
        self.walking = None

    def live(self) -> None:
        """Time goes by, something is sold, and what moves may move."""
        self.store.now += timedelta(minutes=self.rng.choice([1, 10, 600, 6000]))
        self.rows[next(self.numbers)] = self.store.now
        if self.stream.walk is Walk.MOVING:
            self.rows[self.rng.choice(list(self.rows))] = self.store.now

    def rewind(self) -> None:
        to = self.store.now - self.rng.random() * 200 * DAY
        self._person(lambda: self.control.rewind("shop", "orders", to, via="cli"))

    def undo(self) -> None:
        self._person(lambda: self.control.undo("shop", "orders", via="cli"))

    def _person(self, command: Callable[[], object]) -> None:
        try:
            command()
        except UsageError:
            return
        # Fenced: the reader's next page would be refused.
        self.walking = None

    def come_to_rest(self) -> None:
        while self.read_a_page():
            pass

    def known(self, since: datetime) -> dict[int, datetime]:
        until = self.store.now - LAG
        return {number: at for number, at in self.rows.items() if since <= at <= until}


def installed(rng: Random, stream: Stream) -> Installation:
    stream = replace(stream, page_size=rng.randrange(2, 8), max_window=15 * DAY)
    rows = {number: NOW - rng.random() * 120 * DAY for number in range(rng.randrange(60))}
    return Installation(rng=rng, stream=stream, rows=rows)


@pytest.mark.parametrize("stream", LISTS, ids=[stream.name for stream in LISTS])
@given(seed=st.integers(0, 2**32))
def test_no_row_is_missed_whatever_is_rewound_undone_and_killed(stream: Stream, seed: int) -> None:
    made = installed(Random(seed), stream)
    made.store.keep(next_window(made.stream, None, NOW))
    deeds = [made.read_a_page] * 6 + [made.kill, made.live, made.rewind, made.undo]

    for _ in range(ON_THE_WAY):
        made.rng.choice(deeds)()
    made.kill()
    made.come_to_rest()

    assert made.known(NOW - BACKFILL).items() <= made.stored.items()


@pytest.mark.parametrize("stream", LISTS, ids=[stream.name for stream in LISTS])
@given(seed=st.integers(0, 2**32))
def test_a_rewind_fills_what_was_lost_behind_the_cursor(stream: Stream, seed: int) -> None:
    made = installed(Random(seed), stream)
    made.come_to_rest()
    # Behind the cursor, which stands at LAG before now: in front of it there is nothing to rewind.
    to = made.store.now - LAG - timedelta(seconds=1) - made.rng.random() * 80 * DAY
    made.stored = {number: at for number, at in made.stored.items() if at < to}

    made.control.rewind("shop", "orders", to, via="cli")
    for _ in range(made.rng.randrange(30)):
        made.rng.choice([made.read_a_page, made.kill, made.live])()
    made.kill()
    made.come_to_rest()

    assert made.known(NOW - BACKFILL).items() <= made.stored.items()
