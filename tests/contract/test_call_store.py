"""Every store of calls and breakers keeps the same promises: in memory, and in PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from core.sync.calls import CallStore, Claim, Quota, Scope
from infra.postgres.calls import PostgresCalls
from tests.support.memory_calls import MemoryCalls

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
RESET = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
SCOPES = (Scope("simulator", "", 0), Scope("simulator", "orders", 1))


@pytest.fixture(params=["memory", "postgres"])
def store(request: pytest.FixtureRequest) -> CallStore:
    if request.param == "memory":
        return MemoryCalls()
    request.node.add_marker("postgres")
    return PostgresCalls(database=request.getfixturevalue("database"))


def claim(
    calls: int = 20, *, limit: int = 50, share: float = 1.0, open_share: float | None = None
) -> Claim:
    return Claim(
        environment="simulator",
        api="orders",
        calls=calls,
        share=share,
        open_share=open_share,
        usual_limit=limit,
        next_reset=RESET,
    )


def taken(store: CallStore, claim: Claim, now: datetime = NOW) -> int:
    """All that can be had."""
    calls = 0
    while granted := store.reserve(claim, now).calls:
        assert granted <= claim.calls
        calls += granted
    return calls


def test_what_is_granted_is_never_more_than_the_day_has_left(store: CallStore) -> None:
    first = store.reserve(claim(limit=500), NOW)

    rest = taken(store, claim(limit=500))

    assert (first.calls, first.used, first.limit, first.reset_at) == (20, 20, 500, RESET)
    assert rest == 480


def test_the_last_calls_are_not_kept_from_others(store: CallStore) -> None:
    assert [store.reserve(claim(limit=20), NOW).calls for _ in range(4)] == [4, 3, 2, 2]


def test_many_at_once_are_granted_exactly_the_days_calls(store: CallStore) -> None:
    with ThreadPoolExecutor(4) as threads:
        calls = list(threads.map(lambda _: taken(store, claim(7)), range(4)))

    assert sum(calls) == 50


def test_what_is_given_back_is_there_for_others(store: CallStore) -> None:
    taken(store, claim())

    store.give_back(claim(), 30, RESET)

    assert taken(store, claim()) == 30


def test_nothing_is_given_back_to_another_day(store: CallStore) -> None:
    taken(store, claim())

    store.give_back(claim(), 20, RESET - timedelta(days=1))

    assert taken(store, claim()) == 0


def test_a_day_that_is_over_counts_no_more(store: CallStore) -> None:
    taken(store, claim(limit=500))

    grant = store.reserve(claim(limit=500), RESET)

    assert (grant.calls, grant.used) == (20, 20)


def test_a_share_of_the_day_and_of_the_open_passes_is_kept(store: CallStore) -> None:
    open_pass = claim(open_share=0.1)

    assert taken(store, open_pass) == 5
    assert taken(store, claim(share=0.5)) == 20
    store.give_back(open_pass, 2, RESET)
    assert taken(store, open_pass) == 2


def test_what_ebay_says_counts_more_than_what_is_published(store: CallStore) -> None:
    store.reserve(claim(), NOW)
    reset = NOW + timedelta(hours=2)

    store.learn("simulator", {"orders": Quota(remaining=70, reset_at=reset, limit=100)}, NOW)

    grant = store.reserve(claim(), NOW)
    assert (grant.limit, grant.reset_at, grant.learned_at) == (100, reset, NOW)
    assert grant.calls + taken(store, claim()) == 70


def test_what_we_counted_stands_where_ebay_has_not_seen_it_yet(store: CallStore) -> None:
    taken(store, claim(limit=40))

    store.learn("simulator", {"orders": Quota(remaining=99, reset_at=RESET, limit=100)}, NOW)

    assert taken(store, claim()) == 60


def test_an_unknown_quota_teaches_nothing(store: CallStore) -> None:
    store.learn("simulator", {"orders": Quota(remaining=None, reset_at=None)}, NOW)

    assert store.reserve(claim(), NOW).learned_at is None
    assert store.may_ask("simulator", NOW)


def test_ebay_is_asked_by_one_run_in_five_minutes_and_once_a_day_when_it_answers(
    store: CallStore,
) -> None:
    asked = [store.may_ask("simulator", NOW + timedelta(minutes=at)) for at in (0, 0, 4, 6)]
    store.learn("simulator", {"orders": Quota(remaining=9, reset_at=RESET, limit=9)}, NOW)
    later = [store.may_ask("simulator", NOW + timedelta(hours=at)) for at in (1, 23, 25)]

    assert asked == [True, False, False, True]
    assert later == [False, False, True]
    assert store.may_ask("sandbox", NOW)


def test_failures_in_a_row_open_a_breaker(store: CallStore) -> None:
    counted = [store.count_failure(SCOPES, 3, NOW) for _ in range(3)]

    assert [[each.failures for each in both] for both in counted] == [[1, 1], [2, 2], [3, 3]]
    assert {each.probe_at for each in counted[1]} == {None}
    assert {each.probe_at for each in counted[2]} == {NOW + timedelta(minutes=1)}
    assert sorted(each.scope for each in store.breakers()) == sorted(SCOPES)


def test_one_of_all_that_see_an_open_breaker_probes(store: CallStore) -> None:
    store.count_failure(SCOPES, 1, NOW)
    until = NOW + timedelta(minutes=3)
    seen = next(each for each in store.breakers() if each.scope == SCOPES[0])

    with ThreadPoolExecutor(4) as threads:
        probing = list(threads.map(lambda _: store.probe(seen, until), range(8)))

    assert sorted(probing) == [False] * 7 + [True]
    [now] = [each for each in store.breakers() if each.scope == SCOPES[0]]
    assert now.probe_at == until


def test_a_failed_probe_leaves_the_next_ones_instant(store: CallStore) -> None:
    store.count_failure(SCOPES, 1, NOW)
    until = NOW + timedelta(minutes=9)
    for breaker in store.breakers():
        store.probe(breaker, until)

    failed = store.count_failure(SCOPES, 1, NOW)

    assert {(each.failures, each.probe_at) for each in failed} == {(2, until)}


def test_a_good_answer_closes(store: CallStore) -> None:
    store.count_failure(SCOPES, 1, NOW)

    store.close(SCOPES)

    assert list(store.breakers()) == []
    assert not store.probe(store.count_failure(SCOPES, 5, NOW)[0], NOW)
