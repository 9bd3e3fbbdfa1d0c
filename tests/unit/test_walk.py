"""A walk misses nothing, comes to an end, and never says `complete` too early."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadAnswerError, TooManyRowsError, UpstreamUnavailableError
from core.sync.model import BACKFILL, LAG, OVERLAP, Page, PageQuery, Stream, Walk, Window
from core.sync.walk import (
    PASSES,
    Step,
    advance,
    complete,
    extra_window,
    next_window,
    query_for,
    resumed,
)
from tests.support.sync_fakes import LISTINGS, NOW, OFFERS, ORDERS, RETURNS, TRANSACTIONS, page_of

FROM, TO = NOW - timedelta(days=1), NOW - timedelta(minutes=2)
SEEDS = st.integers(min_value=0, max_value=2**32)
SIZES = st.integers(min_value=0, max_value=40)
LIMITS = st.integers(min_value=1, max_value=7)


@dataclass
class List:
    """eBay's list, which changes before each answer. Rows are (instant, number), in its order."""

    rows: list[tuple[datetime, int]]
    change: Callable[["List"], None] = lambda _: None
    total: bool = True
    next: bool = True
    short_by: int = 0
    asked: list[PageQuery] = field(default_factory=list)

    def answer(self, query: PageQuery) -> Page:
        self.asked.append(query)
        self.change(self)
        inside = [row for row in self.rows if query.from_ <= row[0] <= query.to]
        shown = inside[query.offset : query.offset + query.limit]
        if query.offset + len(shown) < len(inside):
            shown = shown[: max(len(shown) - self.short_by, 1)]
        follows = query.offset + len(shown) < len(inside)
        return Page(
            text="",
            rows=tuple(str(number).encode() for _, number in shown),
            total=len(inside) if self.total else None,
            next_offset=query.offset + query.limit if self.next and follows else None,
            keys=tuple(str(number) for _, number in shown),
            instants=tuple(instant for instant, _ in shown),
        )


@dataclass
class Reader:
    """Drives a walk as a unit does; `kill` says whether its process dies after a page."""

    stream: Stream
    kill: Callable[[], bool] = lambda: False
    sizes: Callable[[], int] | None = None
    most: int = 3000
    read: set[int] = field(default_factory=set)
    cursor: datetime | None = None

    def walk(self, start: Window, server: List) -> None:
        """Until the cursor would move. What is not stored is lost with the process."""
        window: Window | None = start
        stored, seen = start, set[str]()
        for _ in range(self.most):
            assert window is not None
            step, page = self._step(window, server, seen)
            if step.store:
                self.read |= {int(row) for row in page.rows}
                if step.window is None:
                    self.cursor = window.goal
                    return
                stored = step.window
            window, seen = self._following(window, step, page, seen)
            if self.kill():
                window, seen = self._restarted(stored), set()
        raise AssertionError("it does not end")

    def _step(self, window: Window, server: List, seen: set[str]) -> tuple[Step, Page]:
        query = query_for(window)
        page = complete(self.stream, query, server.answer(query))
        return advance(self.stream, window, page, seen), page

    @staticmethod
    def _following(
        window: Window, step: Step, page: Page, seen: set[str]
    ) -> tuple[Window | None, set[str]]:
        following = step.window
        same = following is not None and (window.from_, window.to, window.pass_number) == (
            following.from_,
            following.to,
            following.pass_number,
        )
        return following, seen | set(page.keys) if same else set()

    def _restarted(self, stored: Window) -> Window | None:
        if self.sizes is None:
            return stored
        self.stream = replace(self.stream, page_size=self.sizes())
        return resumed(stored, self.stream)


def window_of(limit: int, *, from_: datetime = FROM, to: datetime = TO) -> Window:
    return Window(from_=from_, to=to, goal=to, limit=limit)


def spread(rng: Random, count: int) -> list[tuple[datetime, int]]:
    """In no order of their instants: a moving list is sorted by something else."""
    width = int((TO - FROM).total_seconds())
    return [(FROM + timedelta(seconds=rng.randrange(width + 1)), n) for n in range(count)]


def newest_first(count: int, *, first: int = 0) -> list[tuple[datetime, int]]:
    return [(TO - timedelta(seconds=n), n) for n in range(first, first + count)]


def numbers(server: List) -> set[int]:
    return {number for instant, number in server.rows if FROM <= instant <= TO}


@given(SEEDS, SIZES, LIMITS)
def test_rows_that_leave_a_moving_window_hide_no_row_that_stays(
    seed: int, count: int, limit: int
) -> None:
    rng = Random(seed)

    def leave(server: List) -> None:
        for _ in range(rng.randrange(4)):
            if server.rows and rng.random() < 0.7:
                index = rng.randrange(len(server.rows))
                _, number = server.rows.pop(index)
                # Changed: it comes back beyond the window, at a place of its own.
                server.rows.insert(rng.randrange(len(server.rows) + 1), (NOW, number))

    server = List(spread(rng, count), change=leave)
    reader = Reader(replace(ORDERS, page_size=limit), kill=lambda: rng.random() < 0.2)

    reader.walk(window_of(limit), server)

    assert numbers(server) <= reader.read
    assert reader.cursor == TO


@given(SEEDS, SIZES, LIMITS)
def test_a_moving_list_that_grows_while_it_is_read_is_read_again(
    seed: int, count: int, limit: int
) -> None:
    rng = Random(seed)
    arrivals = iter(range(1000, 1000 + rng.randrange(30)))

    def arrive(server: List) -> None:
        if rng.random() < 0.5 and (number := next(arrivals, None)) is not None:
            at = spread(rng, 1)[0][0]
            server.rows.insert(rng.randrange(len(server.rows) + 1), (at, number))

    server = List(spread(rng, count), change=arrive)
    reader = Reader(replace(ORDERS, page_size=limit))

    reader.walk(window_of(limit), server)

    assert set(range(count)) <= reader.read
    assert reader.cursor == TO


@given(SEEDS, SIZES, LIMITS)
def test_another_page_size_after_a_restart_hides_no_row(seed: int, count: int, limit: int) -> None:
    rng = Random(seed)
    server = List(spread(rng, count))
    reader = Reader(
        replace(ORDERS, page_size=limit),
        kill=lambda: rng.random() < 0.1,
        sizes=lambda: rng.randrange(1, 8),
    )

    reader.walk(window_of(limit), server)

    assert reader.read == set(range(count))


@given(SEEDS, SIZES, LIMITS, st.booleans(), st.booleans(), st.integers(0, 6))
def test_rows_that_come_late_at_the_front_of_a_fixed_list_hide_no_other(
    seed: int, count: int, limit: int, total: bool, link: bool, short_by: int
) -> None:
    rng = Random(seed)
    # A short page is told from the last one by what follows.
    short_by = min(short_by, limit - 1) if total or link else 0
    arrivals = iter(range(-1, -200, -1))

    def arrive(server: List) -> None:
        for _ in range(rng.randrange(limit - short_by)):
            number = next(arrivals)
            server.rows.insert(0, (TO - timedelta(microseconds=200 + number), number))

    server = List(
        newest_first(count), change=arrive, total=total, next=link, short_by=short_by
    )  # fmt: skip
    stream = replace(TRANSACTIONS, page_size=limit, offset_ceiling=None)
    reader = Reader(stream, kill=lambda: rng.random() < 0.1)

    reader.walk(window_of(limit), server)

    assert set(range(count)) <= reader.read
    assert reader.cursor == TO


@given(SEEDS, st.integers(0, 120), LIMITS, st.booleans(), st.booleans())
def test_a_fixed_list_is_read_whole_with_every_offset_below_the_ceiling(
    seed: int, count: int, limit: int, total: bool, link: bool
) -> None:
    rng = Random(seed)
    ceiling = limit * rng.randrange(2, 5)
    # Less than a ceiling of rows at one instant, whatever the others do.
    at_once = rng.randrange(1, max(ceiling - 2 * limit, 0) + 2)
    rows = [(TO - timedelta(seconds=n // at_once), n) for n in range(count)]
    server = List(rows, total=total, next=link)
    stream = replace(TRANSACTIONS, page_size=limit, offset_ceiling=ceiling)
    reader = Reader(stream, kill=lambda: rng.random() < 0.1)

    reader.walk(window_of(limit), server)

    assert reader.read == set(range(count))
    assert max(query.offset for query in server.asked) < ceiling


@given(LIMITS, st.integers(1, 40), st.booleans(), st.integers(0, 100))
def test_a_server_that_ignores_the_offset_is_an_error_unless_one_page_holds_all(
    limit: int, count: int, total: bool, resumed_at: int
) -> None:
    rows = newest_first(count)

    class Ignoring(List):
        def answer(self, query: PageQuery) -> Page:
            return super().answer(replace(query, offset=0))

    server = Ignoring(rows, total=total, next=False)
    stream = replace(TRANSACTIONS, page_size=limit, offset_ceiling=None)
    reader = Reader(stream)
    start = replace(window_of(limit), offset=0)

    try:
        reader.walk(start, server)
    except (BadAnswerError, UpstreamUnavailableError):
        assert count >= limit
    else:
        assert reader.read == set(range(count))


def test_too_many_rows_at_one_instant_are_an_error_and_no_loop() -> None:
    newer = newest_first(3)
    same = [(TO - timedelta(hours=1), n) for n in range(10, 5200)]
    server = List([*newer, *same], total=False)
    stream = replace(TRANSACTIONS, page_size=1000, offset_ceiling=5000)

    with pytest.raises(BadAnswerError, match="too many rows share the instant 2026-03-01T10:58"):
        Reader(stream).walk(window_of(1000), server)

    assert len(server.asked) == 10


def test_lowering_wants_the_newest_rows_first() -> None:
    server = List(newest_first(30)[::-1])

    with pytest.raises(BadAnswerError, match="not sorted newest first"):
        Reader(TRANSACTIONS).walk(window_of(5), server)


def test_a_list_that_never_comes_to_rest_is_halved_to_the_end() -> None:
    """And what lies above a lowered bound is read next, not given to a window that goes back."""
    fresh = iter(range(1000, 10**6))

    def arrive(server: List) -> None:
        if server.asked[-1].offset == 0:
            server.rows.insert(0, (FROM + timedelta(minutes=1), next(fresh)))

    server = List([(FROM + timedelta(minutes=n), n) for n in range(12)], change=arrive)
    start = window_of(2, to=FROM + timedelta(hours=1))

    with pytest.raises(UpstreamUnavailableError, match=r"keeps growing in a window of [12] s"):
        Reader(replace(ORDERS, page_size=2)).walk(start, server)


def test_a_list_that_settles_after_three_passes_is_read_in_two_halves() -> None:
    """The upper half is not the next window's: that one starts half an hour before the cursor."""
    passes = 3
    fresh = iter(range(100, 200))

    def arrive(server: List) -> None:
        if server.asked[-1].offset == 0 and len(server.asked) <= 1 + 3 * passes:
            server.rows.append((FROM + timedelta(minutes=1), next(fresh)))

    server = List([(FROM + timedelta(minutes=n), n) for n in range(5)], change=arrive)
    to = FROM + timedelta(minutes=40)
    reader = Reader(replace(ORDERS, page_size=3))

    reader.walk(window_of(3, to=to), server)

    middle = FROM + timedelta(minutes=20)
    stretches = list(dict.fromkeys((query.from_, query.to) for query in server.asked))
    assert stretches == [(FROM, to), (FROM, middle), (middle, to)]
    assert reader.cursor == to
    assert numbers(server) <= reader.read


def test_a_full_page_past_the_end_of_a_moving_list_means_that_it_grew() -> None:
    window = replace(window_of(4), offset=4, total=7)
    full = Page(text="", rows=(b"1", b"2", b"3", b"4"), total=8, next_offset=None)

    step = advance(ORDERS, window, full, set())

    assert step == Step(store=False, window=replace(window, offset=8, total=8, pass_number=2))


def test_a_full_page_past_the_end_that_the_total_denies_is_bad_data() -> None:
    window = replace(window_of(4), offset=4, total=7)
    full = Page(text="", rows=(b"1", b"2", b"3", b"4"), total=7, next_offset=None)

    with pytest.raises(BadAnswerError, match="past the end"):
        advance(ORDERS, window, full, set())


def test_a_moving_list_must_say_how_long_it_is() -> None:
    with pytest.raises(BadAnswerError, match="`total` is missing"):
        advance(ORDERS, window_of(4), Page(text="", rows=(), total=None, next_offset=None), set())


@pytest.mark.parametrize("rows", [0, 3])
def test_a_moving_list_of_less_than_a_page_takes_one_call(rows: int) -> None:
    server = List(spread(Random(1), rows))

    Reader(ORDERS).walk(window_of(4), server)

    assert len(server.asked) == 1


@pytest.mark.parametrize("rows", [4, 5, 8])
def test_r49_a_moving_list_is_read_from_the_page_that_would_hold_index_total(rows: int) -> None:
    server = List(spread(Random(1), rows))

    Reader(ORDERS).walk(window_of(4), server)

    offsets = [query.offset for query in server.asked]
    assert offsets == [0, *range(rows // 4 * 4, -1, -4)]


@pytest.mark.parametrize(
    ("offset", "rows", "total"), [(0, 3, 4), (0, 0, 1), (4, 1, 6), (4, 3, 100)]
)
def test_a_moving_page_with_fewer_rows_than_its_total_promises_is_asked_again(
    offset: int, rows: int, total: int
) -> None:
    query = PageQuery(from_=FROM, to=TO, limit=4, offset=offset)
    answer = Page(text="", rows=(b"1",) * rows, total=total, next_offset=None)

    with pytest.raises(UpstreamUnavailableError, match=f"holds {rows} rows where"):
        complete(ORDERS, query, answer)


@pytest.mark.parametrize(
    ("offset", "rows", "total"), [(0, 4, 4), (0, 4, 9), (4, 0, 4), (8, 0, 4), (0, 4, 3), (0, 0, 0)]
)
def test_a_moving_page_that_is_whole_is_taken(offset: int, rows: int, total: int) -> None:
    query = PageQuery(from_=FROM, to=TO, limit=4, offset=offset)
    answer = Page(text="", rows=(b"1",) * rows, total=total, next_offset=None)

    assert complete(ORDERS, query, answer) is answer


@pytest.mark.parametrize(
    ("offset", "rows", "total"), [(0, 0, 3), (5, 0, 6), (5, 5, 6), (5, 1, 5), (5, 3, 0)]
)
def test_a_fixed_page_that_contradicts_its_total_is_asked_again(
    offset: int, rows: int, total: int
) -> None:
    query = PageQuery(from_=FROM, to=TO, limit=5, offset=offset)
    answer = Page(text="", rows=(b"1",) * rows, total=total, next_offset=None)

    with pytest.raises(UpstreamUnavailableError, match=f"holds {rows} rows where"):
        complete(TRANSACTIONS, query, answer)


@pytest.mark.parametrize(
    ("offset", "rows", "total"),
    [(0, 2, 9), (5, 1, 9), (5, 4, 9), (9, 0, 9), (0, 0, 0), (0, 0, None), (0, 5, 4)],
)
def test_a_fixed_page_may_be_short(offset: int, rows: int, total: int | None) -> None:
    query = PageQuery(from_=FROM, to=TO, limit=5, offset=offset)
    answer = Page(text="", rows=(b"1",) * rows, total=total, next_offset=None)

    assert complete(TRANSACTIONS, query, answer) is answer


def test_a_fixed_list_that_ends_early_is_read_from_its_front_again_and_then_given_up() -> None:
    """A 204 in the middle says `total` 0, so nothing in the answer itself contradicts it."""
    empty = Page(text="", rows=(), total=0, next_offset=None)
    window = replace(window_of(5), offset=5, total=9)

    again = advance(TRANSACTIONS, window, empty, {"1"})

    assert again == Step(store=False, window=replace(window, offset=0, total=None, pass_number=2))
    with pytest.raises(UpstreamUnavailableError, match="of 9 rows ends at offset 5"):
        advance(TRANSACTIONS, replace(window, pass_number=PASSES), empty, set())


def test_a_next_link_that_leaps_leaves_nothing_out() -> None:
    first = Page(
        text="",
        rows=(b"1", b"2"),
        total=None,
        next_offset=4000,
        keys=("1", "2"),
        instants=(TO, TO),
    )

    step = advance(TRANSACTIONS, window_of(5), first, set())

    assert step.window is not None
    assert step.window.offset == 2


def test_a_next_link_that_leads_nowhere_is_bad_data() -> None:
    stuck = Page(
        text="", rows=(b"1",), total=None, next_offset=5, keys=("1",), instants=(TO,)
    )  # fmt: skip

    with pytest.raises(BadAnswerError, match="repeats itself at offset 5"):
        advance(TRANSACTIONS, replace(window_of(5), offset=5), stuck, set())


def test_a_list_that_ends_in_rows_seen_before_has_grown_and_is_complete() -> None:
    last = Page(
        text="", rows=(b"5",), total=None, next_offset=None, keys=("5",), instants=(TO,)
    )  # fmt: skip

    step = advance(TRANSACTIONS, replace(window_of(5), offset=5), last, {"4", "5"})

    assert step == Step(store=True, window=None)


def test_r1_the_first_window_is_the_backfill() -> None:
    assert next_window(TRANSACTIONS, None, NOW) == Window(
        from_=NOW - BACKFILL, to=NOW - LAG, goal=NOW - LAG, limit=5
    )


def test_a_window_is_never_longer_than_the_api_allows() -> None:
    stream = replace(ORDERS, max_window=timedelta(days=30))

    window = next_window(stream, None, NOW)

    assert window is not None
    assert (window.to, window.goal) == (NOW - timedelta(days=60), NOW - timedelta(days=60))


def test_r9_a_window_starts_before_the_cursor_and_ends_before_now() -> None:
    cursor = NOW - timedelta(minutes=10)

    window = next_window(ORDERS, cursor, NOW)

    assert window is not None
    assert (window.from_, window.to) == (cursor - OVERLAP, NOW - LAG)


@pytest.mark.parametrize(
    ("behind", "overlap"),
    [
        (timedelta(minutes=10), OVERLAP),
        (timedelta(hours=7), timedelta(days=6)),
        (timedelta(days=1), timedelta(days=6)),
        (timedelta(days=1, minutes=3), OVERLAP),
        (timedelta(days=40), OVERLAP),
    ],
)
def test_rows_that_change_for_ever_are_read_again_once_in_six_hours(
    behind: timedelta, overlap: timedelta
) -> None:
    stream = replace(ORDERS, max_window=timedelta(days=7), rereads=timedelta(days=6))
    cursor = NOW - behind

    window = next_window(stream, cursor, NOW)

    assert window is not None
    assert cursor - window.from_ == overlap
    assert window.to == min(NOW - LAG, window.from_ + stream.max_window)


def test_each_six_hours_are_read_again_once_however_often_is_read() -> None:
    stream = replace(ORDERS, max_window=timedelta(days=7), rereads=timedelta(days=6))
    cursor, wide = NOW, 0

    for ten_minutes in range(1, 24 * 6 + 2):
        window = next_window(stream, cursor, NOW + timedelta(minutes=10 * ten_minutes))
        assert window is not None
        wide += cursor - window.from_ > OVERLAP
        cursor = window.goal

    assert wide == 4


@pytest.mark.parametrize("behind", [LAG, LAG - timedelta(seconds=1), -LAG])
def test_a_cursor_that_has_caught_up_leaves_nothing_to_read(behind: timedelta) -> None:
    assert next_window(ORDERS, NOW - behind, NOW) is None


def test_r2_the_windows_of_a_backfill_leave_no_gap() -> None:
    stream = replace(ORDERS, max_window=timedelta(days=7))
    window = next_window(stream, None, NOW)
    reached = NOW - BACKFILL
    count = 0

    while window is not None:
        assert window.from_ <= reached < window.to
        reached, count = window.to, count + 1
        window = next_window(stream, window.goal, NOW)

    assert reached == NOW - LAG
    assert count == 13


def test_an_extra_window_is_cut_to_what_the_api_takes() -> None:
    stream = replace(ORDERS, max_window=timedelta(days=1))

    window = extra_window(stream, FROM - timedelta(days=2), TO)

    assert window is not None
    assert (window.from_, window.to) == (FROM - timedelta(days=2), FROM - timedelta(days=1))


@pytest.mark.parametrize("since", [TO, NOW])
def test_there_is_no_extra_window_after_the_cursor(since: datetime) -> None:
    assert extra_window(ORDERS, since, TO) is None


def test_a_stored_window_is_resumed_as_it_was() -> None:
    window = replace(window_of(4), offset=8, total=11, pass_number=2)

    assert resumed(window, ORDERS) is window
    assert resumed(None, ORDERS) is None


def test_another_page_size_starts_the_pass_anew() -> None:
    window = replace(window_of(3), offset=9, total=11, pass_number=2)

    assert resumed(window, ORDERS) == replace(window_of(4), pass_number=2)


@given(SEEDS, SIZES, LIMITS, st.booleans())
def test_a_halved_list_is_read_whole_whatever_its_offset_counts(
    seed: int, size: int, limit: int, total: bool
) -> None:
    rng = Random(seed)
    instants = [FROM + timedelta(seconds=10 * rng.randrange(8000)) for _ in range(size)]
    server = List([(instant, n) for n, instant in enumerate(instants)], total=total)
    busiest = max((instants.count(instant) for instant in instants), default=0)
    reader = Reader(replace(RETURNS, page_size=limit + busiest), kill=lambda: rng.random() < 0.2)

    reader.walk(window_of(limit + busiest), server)

    assert reader.read == numbers(server)
    assert reader.cursor == TO
    assert {query.offset for query in server.asked} == {0}


def test_more_rows_of_one_instant_than_a_page_holds_are_an_outage() -> None:
    server = List([(FROM + timedelta(hours=1), n) for n in range(9)])

    with pytest.raises(UpstreamUnavailableError, match="more than one page in a window of"):
        Reader(replace(RETURNS, page_size=4)).walk(window_of(4), server)


def test_a_halved_page_that_lacks_rows_is_an_outage() -> None:
    short = Page(text="", rows=(b"1",), total=2, next_offset=None)

    with pytest.raises(UpstreamUnavailableError, match="holds 1 rows where 2 are due"):
        complete(RETURNS, query_for(window_of(4)), short)


@given(SEEDS, SIZES, LIMITS, st.booleans())
def test_a_snapshot_is_read_whole_though_pages_are_short(
    seed: int, size: int, limit: int, total: bool
) -> None:
    """A short page in the middle is one whose rows eBay counts and does not show."""
    rng = Random(seed)
    shown = [(NOW, n) for n in range(size)]
    stream = replace(LISTINGS, page_size=limit, offset_ceiling=None)
    reader = Reader(stream, kill=lambda: rng.random() < 0.2)
    start = next_window(reader.stream, None, NOW)
    assert start is not None

    reader.walk(start, List(shown, total=total))

    assert reader.read == set(range(size))
    assert reader.cursor == NOW


def test_a_snapshot_is_as_of_now_wherever_its_cursor_stands() -> None:
    for cursor_at in (None, NOW, NOW - timedelta(days=1)):
        assert next_window(LISTINGS, cursor_at, NOW) == Window(from_=NOW, to=NOW, goal=NOW, limit=4)


def test_a_short_page_of_a_snapshot_is_not_its_end() -> None:
    window = Window(from_=NOW, to=NOW, goal=NOW, limit=4)
    short = Page(text="", rows=(b"1", b"2"), total=9, next_offset=None, keys=("1", "2"))

    step = advance(LISTINGS, window, complete(LISTINGS, query_for(window), short), set())

    assert step == Step(store=True, window=replace(window, offset=4, total=9))


def test_an_empty_page_in_the_middle_of_a_snapshot_is_an_outage() -> None:
    window = Window(from_=NOW, to=NOW, goal=NOW, limit=4, offset=4)
    empty = Page(text="", rows=(), total=12, next_offset=None)

    with pytest.raises(UpstreamUnavailableError, match="holds 0 rows where 4 are due"):
        complete(LISTINGS, query_for(window), empty)


def test_a_snapshot_beyond_what_ebay_shows_is_stored_and_never_complete() -> None:
    window = Window(from_=NOW, to=NOW, goal=NOW, limit=4, offset=16)
    last = Page(text="", rows=(b"1",) * 4, total=21, next_offset=None, keys=("1",) * 4)

    step = advance(LISTINGS, window, last, set())

    assert (step.store, step.window) == (True, None)
    assert isinstance(step.failure, TooManyRowsError)
    assert "21 rows, and eBay shows 20" in str(step.failure)


def test_a_snapshot_that_is_gone_at_a_later_page_is_read_from_its_front_at_the_next_try() -> None:
    """Emptied, or an answer that says nothing: to take it for complete would end every row."""
    window = Window(from_=NOW, to=NOW, goal=NOW, limit=4, offset=8, total=12)
    nothing = Page(text="", rows=(), total=0, next_offset=None)

    step = advance(LISTINGS, window, complete(LISTINGS, query_for(window), nothing), set())

    assert step.window == replace(window, offset=0, total=None)
    assert isinstance(step.failure, UpstreamUnavailableError)
    assert "gone at offset 8" in str(step.failure)


def test_a_snapshot_that_repeats_itself_is_a_bad_answer() -> None:
    window = Window(from_=NOW, to=NOW, goal=NOW, limit=2, offset=4)
    again = Page(text="", rows=(b"1", b"2"), total=9, next_offset=None, keys=("1", "2"))

    with pytest.raises(BadAnswerError, match="repeats itself at offset 4"):
        advance(replace(LISTINGS, page_size=2), window, again, {"1", "2"})


def test_a_folded_snapshot_that_shifts_by_a_page_is_asked_for_again_soon() -> None:
    at = Window(from_=NOW, to=NOW, goal=NOW, limit=2, offset=2)
    rows = page_of([{}], total=9, keys=["seen"])

    with pytest.raises(UpstreamUnavailableError, match="repeats itself at offset 2"):
        advance(OFFERS, at, rows, {"seen"})


def test_every_walk_has_a_stream_here() -> None:
    assert {each.walk for each in (ORDERS, TRANSACTIONS, RETURNS, LISTINGS)} == set(Walk)
