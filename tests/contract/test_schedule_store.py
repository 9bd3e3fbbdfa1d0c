"""What every ScheduleStore and FiringStore promises, in memory and in PostgreSQL."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

import pytest

from core.errors import UsageError
from core.jobs.kinds import BadPayloadError, Effect, JobKind
from core.jobs.model import Completed, Verdict
from core.schedules.control import RefusedError
from core.schedules.model import (
    Batch,
    Definition,
    Due,
    Ended,
    Misfire,
    Reason,
    Saved,
    Schedule,
    Wanted,
)
from core.schedules.ports import FiringStore, ScheduleStore
from infra.postgres.schedule_firing import PostgresFiring
from infra.postgres.schedules import PostgresSchedules
from infra.postgres.transaction import Database
from tests.support.memory_schedules import QUEUES, MemorySchedules, a_definition

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def takes_text(payload: Any) -> None:
    if not isinstance(payload.get("text", ""), str):
        raise BadPayloadError("text: should be a text")


def performed(*_: object) -> Verdict:
    return Completed()


KINDS = {
    name: JobKind(name=name, queue=queue, effect=Effect.NONE, check=takes_text, perform=performed)
    for name, queue in QUEUES.items()
}


class World(Protocol):
    @property
    def store(self) -> ScheduleStore: ...

    @property
    def firing(self) -> FiringStore: ...

    def jobs(self) -> list[str]:
        """Their idempotency keys, in the order in which they were made."""
        ...

    def end(self, job: UUID) -> None: ...

    def disable(self, queue: str) -> None: ...

    def spoil(self, name: str, **changes: Any) -> None:
        """As if another release had written it."""
        ...


@dataclass
class InMemory:
    store: MemorySchedules = field(default_factory=MemorySchedules)

    @property
    def firing(self) -> FiringStore:
        return self.store

    def jobs(self) -> list[str]:
        return list(self.store.jobs)

    def end(self, job: UUID) -> None:
        self.store.ended.add(job)

    def disable(self, queue: str) -> None:
        self.store.disabled.add(queue)

    def spoil(self, name: str, **changes: Any) -> None:
        row = self.store.rows[name]
        self.store.rows[name] = replace(row, definition=replace(row.definition, **changes))


@dataclass
class InPostgres:
    database: Database

    @property
    def store(self) -> ScheduleStore:
        return PostgresSchedules(database=self.database, kinds=KINDS)

    @property
    def firing(self) -> FiringStore:
        return PostgresFiring(database=self.database, kinds=KINDS)

    def jobs(self) -> list[str]:
        return [row[0] for row in self.sql("SELECT idempotency_key FROM ops.jobs ORDER BY seq")]

    def end(self, job: UUID) -> None:
        self.sql(
            "UPDATE ops.jobs SET status = 'completed', finished_at = clock_timestamp(),"
            f" outcome = 'done' WHERE id = '{job}'"
        )

    def disable(self, queue: str) -> None:
        self.sql(
            f"INSERT INTO ops.queues (queue, enabled) VALUES ('{queue}', false)"
            " ON CONFLICT (queue) DO UPDATE SET enabled = false"
        )

    def spoil(self, name: str, **changes: Any) -> None:
        to = ", ".join(f"{column} = '{value}'" for column, value in changes.items())
        self.sql(f"UPDATE ops.schedules SET {to} WHERE name = '{name}'")

    def sql(self, text: str) -> list[Any]:
        with self.database.transaction() as connection:
            done = connection.exec_driver_sql(text)
            return list(done.all()) if done.returns_rows else []


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.postgres)])
def world(request: pytest.FixtureRequest) -> World:
    if request.param == "memory":
        return InMemory()
    return InPostgres(request.getfixturevalue("database"))


def added(world: World, name: str = "nightly", **changes: Any) -> Schedule:
    return saved(world, a_definition(name, **changes)).schedule


def saved(world: World, definition: Definition) -> Saved:
    return world.store.save(definition.name, lambda _: definition)


def found(world: World, name: str = "nightly") -> Schedule:
    schedule = world.store.find(name)
    assert schedule is not None
    return schedule


def fire(world: World, at: datetime | None, limit: int = 100) -> Batch:
    assert at is not None
    return world.firing.fire(at, limit)


def due_at(world: World, name: str = "nightly") -> datetime:
    at = found(world, name).next_fire_at
    assert at is not None
    return at


WHOLE = a_definition(
    "whole",
    kind="report",
    cron="*/5 8-17 * * MON-FRI",
    zone="Europe/Berlin",
    queue="others",
    payload={"text": "ü \N{SNOWMAN}", "nested": [1, 2.5, None, {"deep": True}]},
    ordering_key="chat:7",
    priority=20,
    enabled=False,
    misfire=Misfire.CATCH_UP,
    catch_up=7,
    grace=timedelta(seconds=90),
)


def test_what_is_saved_is_found_as_it_was(world: World) -> None:
    made = saved(world, WHOLE)

    again = found(world, "whole")
    assert made.changed
    assert made.schedule == again
    assert (again.definition, again.next_fire_at) == (WHOLE, None)
    assert (again.last_fire_at, again.last_outcome, again.last_job_id) == (None, None, None)


def test_what_is_saved_again_is_not_changed(world: World) -> None:
    first = saved(world, WHOLE)

    again = saved(world, WHOLE)

    assert not again.changed
    assert again.schedule == first.schedule


def test_a_change_keeps_the_id_and_reckons_the_next_instant(world: World) -> None:
    before = added(world, cron="@yearly")

    after = saved(world, a_definition(cron="* * * * *")).schedule

    assert after.id == before.id
    assert after.created_at == before.created_at
    assert after.next_fire_at is not None
    assert timedelta() < after.next_fire_at - world.store.now() <= MINUTE


def test_a_refused_change_changes_nothing(world: World) -> None:
    before = added(world)

    def refuse(current: Schedule | None) -> Definition:
        assert current == before
        raise RefusedError("no")

    with pytest.raises(RefusedError):
        world.store.save("nightly", refuse)
    with pytest.raises(UsageError):
        world.store.save("other", lambda _: a_definition("other", cron="0 0 30 2 *"))

    assert found(world) == before
    assert world.store.find("other") is None


def test_schedules_are_listed_by_name_a_page_at_a_time(world: World) -> None:
    for name in ("b", "Z", "a", "c d"):
        added(world, name, enabled=name != "b", kind="report" if name == "a" else "test")

    first = world.store.list(Wanted(limit=3))
    second = world.store.list(Wanted(limit=3, after=first.after))
    paused = world.store.list(Wanted(enabled=False))
    reports = world.store.list(Wanted(kind="report"))

    assert [each.definition.name for each in first.schedules] == ["Z", "a", "b"]
    assert (first.after, first.total) == ("b", 4)
    assert [each.definition.name for each in second.schedules] == ["c d"]
    assert (second.after, second.total) == (None, 4)
    assert [each.definition.name for each in paused.schedules] == ["b"]
    assert ([each.definition.name for each in reports.schedules], reports.total) == (["a"], 1)


def test_what_is_removed_is_gone(world: World) -> None:
    added(world)

    assert world.store.remove("nightly")
    assert not world.store.remove("nightly")
    assert world.store.find("nightly") is None


def test_a_due_schedule_makes_one_job_and_comes_again(world: World) -> None:
    schedule = added(world)
    at = due_at(world)

    early = fire(world, at - MINUTE)
    fired, again = fire(world, at), fire(world, at)

    after = found(world)
    assert (early.schedules, again.schedules) == (0, 0)
    assert (fired.schedules, fired.jobs, fired.skipped, fired.more) == (1, 1, [], False)
    assert world.jobs() == [f"sched:{schedule.id}:{at:%Y-%m-%dT%H:%M:%SZ}"]
    assert (after.last_fire_at, after.last_outcome, after.last_reason) == (at, Ended.FIRED, None)
    assert after.last_job_id is not None
    assert after.next_fire_at == at + DAY


def test_the_oldest_are_fired_first_and_so_many_at_a_time(world: World) -> None:
    for hour in (5, 3, 4):
        added(world, f"at-{hour}", cron=f"0 {hour} * * *", zone="UTC")
    latest = max(due_at(world, f"at-{hour}") for hour in (3, 4, 5))
    order = sorted((3, 4, 5), key=lambda hour: due_at(world, f"at-{hour}"))

    first, second = fire(world, latest, 2), fire(world, latest, 2)

    ids = [str(found(world, f"at-{hour}").id) for hour in order]
    assert [key.split(":")[1] for key in world.jobs()] == ids
    assert (first.schedules, first.more) == (2, True)
    assert (second.schedules, second.more) == (1, False)


def test_coalesce_makes_one_job_for_all_and_catch_up_one_for_each(world: World) -> None:
    added(world, "one", cron="* * * * *")
    added(world, "each", cron="* * * * *", misfire=Misfire.CATCH_UP, catch_up=3)
    at = due_at(world, "each") + 2 * HOUR

    fired = fire(world, at)

    each, one = str(found(world, "each").id), str(found(world, "one").id)
    minutes = [key.split(":", 2)[2] for key in world.jobs() if key.startswith(f"sched:{each}")]
    expected = [f"{at - back * MINUTE:%Y-%m-%dT%H:%M:%SZ}" for back in (2, 1, 0)]
    assert minutes == expected
    assert sum(one in key for key in world.jobs()) == 1
    assert (fired.schedules, fired.jobs) == (2, 4)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"kind": "gone"}, Reason.UNKNOWN_KIND), ({"zone": "Mars/X"}, Reason.BAD_DEFINITION)],
)
def test_e16_what_cannot_be_enqueued_is_advanced_and_recorded(
    world: World, changes: dict[str, str], reason: Reason
) -> None:
    added(world, "bad")
    added(world, "good")
    world.spoil("bad", **changes)
    at = due_at(world, "bad")

    fired = fire(world, at)

    bad = found(world, "bad")
    assert (fired.jobs, fired.skipped) == (1, [("bad", reason)])
    assert (bad.last_outcome, bad.last_reason, bad.last_fire_at) == (Ended.SKIPPED, reason, at)
    assert bad.next_fire_at is not None
    assert bad.next_fire_at > at
    assert found(world, "good").last_outcome is Ended.FIRED


def test_e16_a_schedule_whose_queue_is_disabled_is_advanced_and_recorded(world: World) -> None:
    added(world, "by-kind")
    added(world, "by-name", kind="report", queue="default")
    added(world, "elsewhere", kind="report")
    world.disable("default")

    fired = fire(world, due_at(world, "by-kind"))

    assert sorted(fired.skipped) == [
        ("by-kind", Reason.QUEUE_DISABLED),
        ("by-name", Reason.QUEUE_DISABLED),
    ]
    assert fired.jobs == 1


def test_one_that_may_not_overlap_waits_for_the_end_of_its_job(world: World) -> None:
    added(world, cron="* * * * *", overlap=False)
    at = due_at(world)
    fire(world, at)
    job = found(world).last_job_id
    assert job is not None

    busy = fire(world, at + MINUTE)
    skipped = found(world)
    world.end(job)
    free = fire(world, at + 2 * MINUTE)

    assert busy.skipped == [("nightly", Reason.OVERLAP)]
    assert (skipped.last_reason, skipped.last_job_id) == (Reason.OVERLAP, job)
    assert free.jobs == 1
    assert found(world).last_reason is None


def test_a_paused_schedule_is_never_due(world: World) -> None:
    added(world, enabled=False)

    assert fire(world, world.store.now() + 400 * DAY).schedules == 0


def test_a_run_by_hand_leaves_the_next_instant(world: World) -> None:
    before = added(world)
    seen: list[Due] = []

    job = world.store.run_now("nightly", seen.append, None)

    after = found(world)
    assert [each.schedule for each in seen] == [before]
    assert after.last_job_id == job
    assert (after.last_outcome, after.next_fire_at) == (Ended.FIRED, before.next_fire_at)
    assert len(world.jobs()) == 1


def test_a_run_by_hand_with_one_key_is_one_job(world: World) -> None:
    added(world)

    first, second, other = (
        world.store.run_now("nightly", lambda _: None, key) for key in ("a", "a", "b")
    )

    assert first == second != other
    assert len(world.jobs()) == 2


def test_a_run_by_hand_that_is_refused_makes_no_job(world: World) -> None:
    added(world, overlap=False)
    world.store.run_now("nightly", lambda _: None, None)

    def refuse(due: Due) -> None:
        assert due.busy
        raise RefusedError("no")

    with pytest.raises(RefusedError):
        world.store.run_now("nightly", refuse, None)

    assert len(world.jobs()) == 1
    assert world.store.run_now("nobody", refuse, None) is None
