"""What reading costs, and how far a window has been read: reckoned as the walk reads."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.sync.cost import cost_of_reading, pages_of
from core.sync.model import LAG, OVERLAP, Stream, Walk, Window
from core.sync.progress import read_up_to, share_read

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def a_list(walk: Walk, **changes: object) -> Stream:
    usual = Stream(
        name="rows",
        api="api",
        list_field="rows",
        interval=timedelta(minutes=5),
        walk=walk,
        page_size=100,
    )
    return replace(usual, **changes)  # type: ignore[arg-type]  # the test knows its fields


@pytest.mark.parametrize(
    ("walk", "rows", "pages"),
    [
        (Walk.MOVING, 0, 1),
        (Walk.MOVING, 99, 1),
        (Walk.MOVING, 100, 3),
        (Walk.MOVING, 250, 4),
        (Walk.FIXED, 0, 1),
        (Walk.FIXED, 100, 1),
        (Walk.FIXED, 101, 2),
        (Walk.HALVED, 0, 1),
        (Walk.HALVED, 100, 1),
        (Walk.HALVED, 200, 3),
        (Walk.HALVED, 300, 9),
    ],
)
def test_a_window_takes_as_many_pages_as_its_walk_makes_of_it(
    walk: Walk, rows: int, pages: int
) -> None:
    assert pages_of(a_list(walk), rows) == pages


@given(rows=st.integers(0, 20_000), limit=st.integers(1, 500))
def test_a_halved_window_is_read_to_its_end(rows: int, limit: int) -> None:
    pages = pages_of(a_list(Walk.HALVED, page_size=limit), rows)

    assert pages >= rows / limit


def test_r10_a_long_stretch_costs_the_windows_that_a_run_reads() -> None:
    stream = a_list(Walk.FIXED, max_window=7 * DAY)

    cost = cost_of_reading(stream, NOW - 20 * DAY, NOW, rows=600, missing=0)

    # Each next window begins half an hour before the end of the one before.
    assert (cost.windows, cost.pages, cost.calls) == (3, 8, 8)


def test_details_of_what_is_missing_and_calls_for_each_page_are_counted() -> None:
    stream = a_list(Walk.FIXED, details_per_call=10, calls_per_page=2)

    cost = cost_of_reading(stream, NOW - DAY, NOW, rows=150, missing=25)

    assert (cost.pages, cost.calls) == (2, 7)


@pytest.mark.parametrize(("missing", "calls"), [(0, 0), (2, 2), (25, 3), (40, 4)])
def test_details_are_asked_for_window_by_window(missing: int, calls: int) -> None:
    stream = a_list(Walk.HALVED, details_per_call=10, max_window=7 * DAY)

    cost = cost_of_reading(stream, NOW - 20 * DAY, NOW, rows=missing, missing=missing)

    assert cost.calls == cost.pages + calls


def test_what_has_been_caught_up_with_costs_nothing() -> None:
    cost = cost_of_reading(a_list(Walk.MOVING), NOW, NOW, rows=0, missing=0)

    assert (cost.windows, cost.calls) == (0, 0)


def a_window(**changes: object) -> Window:
    usual = Window(from_=NOW - 10 * DAY, to=NOW, goal=NOW, limit=100)
    return replace(usual, **changes)  # type: ignore[arg-type]  # the same


@pytest.mark.parametrize(
    ("walk", "window", "days_left"),
    [
        (Walk.MOVING, a_window(), 10),
        (Walk.MOVING, a_window(offset=100, total=400), 2.5),
        (Walk.FIXED, a_window(offset=100, total=400), 7.5),
        (Walk.FIXED, a_window(to=NOW - 4 * DAY, offset=0, total=400), 6),
        (Walk.HALVED, a_window(to=NOW - 5 * DAY), 10),
        (Walk.FIXED, a_window(offset=100, total=None), 10),
    ],
)
def test_how_far_a_window_was_read_as_an_instant(
    walk: Walk, window: Window, days_left: float
) -> None:
    assert read_up_to(a_list(walk), window) == NOW - days_left * DAY


def test_a_list_of_now_alone_has_no_such_instant_but_a_share() -> None:
    window = a_window(offset=100, total=400)

    assert read_up_to(a_list(Walk.SNAPSHOT), window) is None
    assert share_read(a_list(Walk.SNAPSHOT), window) == 0.25
    assert share_read(a_list(Walk.SNAPSHOT), replace(window, offset=500)) == 1.0


def test_a_rewinds_overlap_belongs_to_its_cost() -> None:
    whole = a_list(Walk.FIXED, max_window=DAY)

    exact = cost_of_reading(whole, NOW - DAY + OVERLAP - LAG, NOW, rows=0, missing=0)
    longer = cost_of_reading(whole, NOW - DAY, NOW, rows=0, missing=0)

    assert (exact.windows, longer.windows) == (1, 2)
