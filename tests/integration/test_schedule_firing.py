"""Schedules under many hands: neither lost nor doubled, in whatever moment a drain is killed."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from threading import Barrier
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from core.jobs.kinds import BadPayloadError
from core.schedules.cron import Cron
from core.schedules.due import plan
from core.schedules.fire import FireSchedules
from core.schedules.model import Batch, Definition, Due, Ended, Misfire, Plan, Reason, Schedule
from infra.postgres import schedule_firing, schedule_rows
from infra.postgres.queries import load
from infra.postgres.schedule_firing import PostgresFiring
from infra.postgres.schedules import PostgresSchedules
from infra.postgres.transaction import Database
from tests.contract.test_schedule_store import KINDS
from tests.support.clocks import ALL, Fields, instants, written
from tests.support.memory_schedules import MemorySchedules, a_definition
from tests.support.plans import rows_scanned
from tests.support.running import a_context

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MANY = """
INSERT INTO ops.schedules (name, kind, payload, cron, enabled, next_fire_at, created_at, updated_at)
SELECT 's' || number, 'test', '{}', '0 3 * * *', true,
       CASE WHEN number <= 10000 THEN TIMESTAMPTZ '2026-11-22 Z' - make_interval(secs => number)
            ELSE TIMESTAMPTZ '2026-11-23 Z' END, now(), now()
  FROM generate_series(1, 60000) AS number;
"""
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Killed(BaseException):
    """As SIGKILL: nothing catches it."""


def store_of(database: Database) -> PostgresSchedules:
    return PostgresSchedules(database=database, kinds=KINDS)


def firing_of(database: Database, kinds: Any = KINDS) -> PostgresFiring:
    return PostgresFiring(database=database, kinds=kinds)


def saved(database: Database, name: str = "nightly", **changes: Any) -> Schedule:
    wanted = a_definition(name, **changes)
    return store_of(database).save(name, lambda _: wanted).schedule


def due_at(schedule: Schedule) -> datetime:
    assert schedule.next_fire_at is not None
    return schedule.next_fire_at


def sql(database: Database, text: str) -> list[Any]:
    with database.transaction() as connection:
        done = connection.exec_driver_sql(text)
        return list(done.all()) if done.returns_rows else []


def keys(database: Database) -> list[str]:
    return [row[0] for row in sql(database, "SELECT idempotency_key FROM ops.jobs ORDER BY seq")]


@contextmanager
def killed_at(statement: str) -> Iterator[None]:
    """Whoever is about to send one that has this in it."""

    def kill(_: Any, __: Any, sent: str, *___: Any) -> None:
        if statement in sent:
            raise Killed

    sa.event.listen(sa.Engine, "before_cursor_execute", kill)
    try:
        yield
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", kill)


def test_g7_six_runners_on_one_due_schedule_make_one_job(database: Database) -> None:
    at = due_at(saved(database))
    barrier = Barrier(6)

    def run(_: int) -> Batch:
        barrier.wait(30)
        return firing_of(database).fire(at, 100)

    with ThreadPoolExecutor(6) as runners:
        done = list(runners.map(run, range(6)))

    assert sum(each.jobs for each in done) == 1
    assert len(keys(database)) == 1


def test_a_schedule_that_somebody_is_firing_is_passed_by(database: Database) -> None:
    first, second = saved(database), saved(database, "other")

    with database.transaction() as connection:
        schedule_rows.locked(connection, "nightly")
        meanwhile = firing_of(database).fire(due_at(first), 100)

    assert meanwhile.jobs == 1
    assert keys(database)[0].startswith(f"sched:{second.id}")
    assert firing_of(database).fire(due_at(first), 100).jobs == 1


@pytest.mark.parametrize("statement", ["INSERT INTO ops.jobs", "UPDATE ops.schedules"])
def test_g7_killed_between_its_statements_neither_loses_nor_doubles(
    statement: str, database: Database
) -> None:
    at = due_at(saved(database))

    with killed_at(statement), pytest.raises(Killed):
        firing_of(database).fire(at, 100)
    between = keys(database)
    fired, again = (firing_of(database).fire(at, 100) for _ in range(2))

    assert between == []
    assert (fired.jobs, again.jobs, len(keys(database))) == (1, 0, 1)


def test_a_clock_that_jumps_back_fires_nothing_twice(database: Database) -> None:
    at = due_at(saved(database, cron="* * * * *"))
    firing_of(database).fire(at + HOUR, 100)

    before = firing_of(database).fire(at + HOUR - MINUTE, 100)
    # As if it had been resumed by a clock that goes an hour behind.
    again = f"UPDATE ops.schedules SET next_fire_at = '{(at + HOUR).isoformat()}'"
    sql(database, again)
    fired = firing_of(database).fire(at + HOUR, 100)

    assert (before.schedules, fired.schedules, fired.jobs) == (0, 1, 0)
    assert len(keys(database)) == 1
    [[outcome]] = sql(database, "SELECT last_outcome FROM ops.schedules")
    assert outcome == "fired"


def test_a_schedule_that_is_saved_while_it_fires_comes_from_then_on(database: Database) -> None:
    """Both wait for the row, and neither undoes the other."""
    before = saved(database, cron="* * * * *")
    sql(database, "UPDATE ops.schedules SET next_fire_at = clock_timestamp() - interval '1 hour'")
    barrier = Barrier(2)

    def fire() -> Batch:
        barrier.wait(30)
        return firing_of(database).fire(store_of(database).now(), 100)

    def change() -> Schedule:
        barrier.wait(30)
        return saved(database, cron="*/2 * * * *")

    with ThreadPoolExecutor(2) as hands:
        fired, changed = hands.submit(fire), hands.submit(change)
        batch, schedule = fired.result(), changed.result()

    after = store_of(database).find("nightly")
    assert after is not None
    assert (after.id, after.definition.cron) == (before.id, "*/2 * * * *")
    assert due_at(after) == due_at(schedule) > store_of(database).now() - MINUTE
    assert len(keys(database)) == batch.jobs <= 1


def test_two_who_make_one_of_the_same_name_make_one(database: Database) -> None:
    barrier = Barrier(4)

    def make(_: int) -> bool:
        barrier.wait(30)
        wanted = a_definition()
        return store_of(database).save("nightly", lambda _: wanted).changed

    with ThreadPoolExecutor(4) as hands:
        changed = list(hands.map(make, range(4)))

    assert Counter(changed) == {True: 1, False: 3}


def saved_with(database: Database, wanted: Definition) -> None:
    """As a workflow saves the schedule of its trigger, and then itself."""
    with database.transaction() as connection:
        schedule_rows.save(connection, wanted.name, lambda _: wanted)
        connection.exec_driver_sql("SELECT 1 AS the_rest")


def test_e17_what_has_a_schedule_is_stored_together_with_it(database: Database) -> None:
    wanted = a_definition()

    with killed_at("SELECT 1 AS the_rest"), pytest.raises(Killed):
        saved_with(database, wanted)
    lost = store_of(database).find("nightly")
    saved_with(database, wanted)
    kept = store_of(database).find("nightly")
    with database.transaction() as connection:
        gone = schedule_rows.remove(connection, "nightly")

    assert lost is None
    assert kept is not None
    assert (kept.definition, gone) == (wanted, True)


def test_one_that_is_refused_late_does_not_hold_up_the_others(database: Database) -> None:
    """What was taken a moment before, and is refused when it is enqueued."""
    asked = Counter[str]()

    def check(payload: Mapping[str, object]) -> None:
        text = str(payload.get("text", ""))
        asked[text] += 1
        if text == "bad" and asked[text] % 2 == 0:
            raise BadPayloadError("text: not any more")

    [at, *_] = [due_at(saved(database, name, payload={"text": name})) for name in ("a", "bad", "z")]
    kinds = KINDS | {"test": replace(KINDS["test"], check=check)}

    fired = firing_of(database, kinds).fire(at, 100)

    assert (fired.jobs, fired.skipped) == (2, [("bad", Reason.REFUSED)])
    found = store_of(database).find("bad")
    assert found is not None
    assert found.last_outcome is Ended.SKIPPED
    assert due_at(found) == at + DAY


def test_a_kind_that_breaks_does_not_stop_the_clock_of_the_others(database: Database) -> None:
    def breaks(_: Mapping[str, object]) -> None:
        raise KeyError("text")

    at = due_at(saved(database, "broken", kind="report"))
    saved(database, "sound")
    kinds = KINDS | {"report": replace(KINDS["report"], check=breaks)}

    fired = firing_of(database, kinds).fire(at, 100)

    assert (fired.jobs, fired.skipped) == (1, [("broken", Reason.BAD_PAYLOAD)])


def test_a_mistake_of_ours_with_one_schedule_stops_neither_the_others_nor_its_clock(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = due_at(saved(database, "broken"))
    saved(database, "sound")

    def breaks(due: Due, now: datetime) -> Plan:
        if due.schedule.definition.name == "broken":
            raise KeyError(due.schedule.id)
        return plan(due, now)

    monkeypatch.setattr(schedule_firing, "plan", breaks)
    fired = firing_of(database).fire(at, 100)

    assert (fired.jobs, fired.skipped) == (1, [("broken", Reason.INTERNAL)])
    found = store_of(database).find("broken")
    assert found is not None
    [(name, traceback)] = fired.broken
    assert name == "broken"
    assert "in breaks" in traceback
    assert str(found.id) not in traceback
    assert (found.last_outcome, found.last_reason) == (Ended.SKIPPED, "internal")
    assert due_at(found) == at + HOUR


def test_a_kind_that_breaks_late_does_not_stop_the_clock_of_the_others(database: Database) -> None:
    """When its job is enqueued, and not when it is looked at."""
    asked = Counter[str]()

    def check(payload: Mapping[str, object]) -> None:
        text = str(payload.get("text", ""))
        asked[text] += 1
        if text == "bad" and asked[text] % 2 == 0:
            raise KeyError("text")

    [at, *_] = [due_at(saved(database, name, payload={"text": name})) for name in ("a", "bad", "z")]
    kinds = KINDS | {"test": replace(KINDS["test"], check=check)}

    fired = firing_of(database, kinds).fire(at, 100)

    assert (fired.jobs, fired.skipped) == (2, [("bad", Reason.INTERNAL)])
    assert [name for name, _ in fired.broken] == ["bad"]


def test_a_job_that_shares_its_key_is_no_second_one(database: Database) -> None:
    """Tried again by hand, say: it is not the schedule's last job, and must not overlap either."""
    at = due_at(saved(database, overlap=False))
    firing_of(database).fire(at, 100)
    sql(database, "UPDATE ops.schedules SET last_job_id = NULL")

    fired = firing_of(database).fire(at + DAY, 100)

    assert (fired.jobs, fired.skipped) == (0, [("nightly", Reason.OVERLAP)])


def test_many_jobs_are_made_in_several_transactions(database: Database) -> None:
    every_minute = {"cron": "* * * * *", "misfire": Misfire.CATCH_UP, "catch_up": 100}
    made = [saved(database, f"s{number}", **every_minute) for number in range(7)]
    now = due_at(made[-1]) + 3 * HOUR

    first, second = (firing_of(database).fire(now, 100) for _ in range(2))

    assert (first.schedules, first.jobs, first.more) == (5, 500, True)
    assert (second.schedules, second.jobs, second.more) == (2, 200, False)


def test_ten_thousand_due_at_once_are_fired_by_and_by_and_few_rows_are_read(
    database: Database,
) -> None:
    sql(database, MANY)
    sql(database, "ANALYZE ops.schedules")
    explain = "EXPLAIN (ANALYZE, FORMAT JSON) " + load("schedule_firing")["due"].text
    with database.transaction() as connection:
        values = {"now": NOON, "limit": 100}
        plan = connection.execute(sa.text(explain), values).scalar_one()[0]["Plan"]
    fire = FireSchedules(store=firing_of(database), batch=100, most=300)

    with counted_statements() as sent:
        fired = fire.fire(a_context(NOON))

    assert rows_scanned(plan) <= 101
    assert (fired.jobs, fired.more) == (300, True)
    assert len(sent) <= 3 * 5
    oldest = sql(database, "SELECT name FROM ops.schedules WHERE last_fire_at IS NOT NULL")
    assert {row[0] for row in oldest} == {f"s{number}" for number in range(9701, 10_001)}


def test_nothing_due_costs_one_statement(database: Database) -> None:
    saved(database)

    with counted_statements() as sent:
        FireSchedules(store=firing_of(database)).fire(a_context(NOON - 365 * DAY))

    assert len(sent) == 1


@contextmanager
def counted_statements() -> Iterator[list[str]]:
    sent: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        sent.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)


HALF_PAST_TWO: Fields = ({30}, {2}, *ALL[2:])
SUNDAYS: Fields = ({0, 15, 30, 45}, {1, 2, 3}, *ALL[2:4], {0})
HOURLY: Fields = ({7}, *ALL[1:])
MIDNIGHT: Fields = ({0}, {0}, *ALL[2:])
KINDS_OF_TIMES = {
    "daily": HALF_PAST_TWO,
    "sundays": SUNDAYS,
    "hourly": HOURLY,
    "midnight": MIDNIGHT,
}
PLACES = ("America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "America/Santiago")
BEGINS = {
    "spring": datetime(2026, 3, 1, tzinfo=UTC),
    "autumn": datetime(2026, 10, 4, tzinfo=UTC),
}
MONTH = 36 * DAY


def all_of_them() -> dict[str, Definition]:
    return {
        f"{kind}:{zone.rpartition('/')[2]}": a_definition(
            f"{kind}:{zone.rpartition('/')[2]}",
            cron=written(fields),
            zone=zone,
            misfire=Misfire.CATCH_UP,
            catch_up=100,
        )
        for kind, fields in KINDS_OF_TIMES.items()
        for zone in PLACES
    }


def expected(name: str, definition: Definition, begin: datetime, end: datetime) -> list[str]:
    fields = KINDS_OF_TIMES[name.partition(":")[0]]
    told = instants(fields, ZoneInfo(definition.zone), begin, end)
    return [f"{each:%Y-%m-%dT%H:%M:%SZ}" for each in told]


def by_schedule(made: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key in made:
        _, schedule, instant = key.split(":", 2)
        found.setdefault(schedule, []).append(instant)
    return found


def drains(begin: datetime, days: timedelta, longest: timedelta, rng: Random) -> Iterator[datetime]:
    at = begin
    while at < begin + days:
        yield at
        at += rng.uniform(0.1, 1) * longest
    yield begin + days


DAYS = (
    ("autumn", 20 * DAY, 10 * DAY),
    pytest.param("spring", 0 * DAY, MONTH, marks=pytest.mark.slow),
    pytest.param("autumn", 0 * DAY, MONTH, marks=pytest.mark.slow),
)


@pytest.mark.parametrize(("season", "skipped", "days"), DAYS)
def test_a_month_of_drains_makes_each_job_once_while_clocks_are_put(
    season: str, skipped: timedelta, days: timedelta
) -> None:
    begin = BEGINS[season] + skipped
    store = MemorySchedules(at=begin)
    for name, definition in all_of_them().items():
        store.save(name, returning(definition))

    for at in drains(begin, days, 40 * MINUTE, Random(7)):
        store.fire(at, 100)

    made = by_schedule(list(store.jobs))
    for name, definition in all_of_them().items():
        told = made.get(str(store.rows[name].id), [])
        assert told == expected(name, definition, begin, begin + days), name


@pytest.mark.parametrize(("season", "skipped", "days"), DAYS)
def test_days_in_postgres_while_clocks_are_put_and_drains_are_killed(
    season: str, skipped: timedelta, days: timedelta, database: Database
) -> None:
    begin, rng = BEGINS[season] + skipped, Random(7)
    for definition in all_of_them().values():
        saved(database, **vars_of(definition))
    # They were made now, and come from the season on.
    for name, definition in all_of_them().items():
        first = Cron(definition.cron).after(begin, ZoneInfo(definition.zone)).isoformat()
        sql(database, f"UPDATE ops.schedules SET next_fire_at = '{first}' WHERE name = '{name}'")

    for at in drains(begin, days, 12 * HOUR, rng):
        if rng.random() < 0.2:
            with killed_at("UPDATE ops.schedules"), suppress(Killed):
                firing_of(database).fire(at, 100)
        firing_of(database).fire(at, 100)

    made = by_schedule(keys(database))
    for name, definition in all_of_them().items():
        schedule = store_of(database).find(name)
        assert schedule is not None
        told = expected(name, definition, begin, begin + days)
        assert made.get(str(schedule.id), []) == told, name


def returning(definition: Definition) -> Callable[[Schedule | None], Definition]:
    return lambda _: definition


def vars_of(definition: Definition) -> dict[str, Any]:
    return {name: getattr(definition, name) for name in Definition.__slots__}
