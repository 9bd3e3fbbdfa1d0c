"""What a schedule may be, when it comes next, and what becomes of instants that were missed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.errors import UsageError
from core.schedules.check import checked
from core.schedules.control import ControlSchedules, NoSuchScheduleError, RefusedError
from core.schedules.due import next_of, plan
from core.schedules.fire import FireSchedules
from core.schedules.model import SENTENCES, Definition, Misfire, Reason, Schedule, Wanted
from core.schedules.zones import check_zone, zone_called
from tests.support.log import ListLog
from tests.support.memory_schedules import NOW, MemorySchedules, a_definition, a_due, a_schedule
from tests.support.running import a_context

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NOON = NOW.replace(second=0)
EVERY_MINUTE = a_definition(cron="* * * * *")


def catching_up(most: int, cron: str = "* * * * *") -> Definition:
    return a_definition(cron=cron, misfire=Misfire.CATCH_UP, catch_up=most)


def skipping(grace: timedelta) -> Definition:
    return a_definition(cron="* * * * *", misfire=Misfire.SKIP, grace=grace)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": ""}, "name: '' cannot be used"),
        ({"name": " x"}, "name:"),
        ({"name": "a/b"}, "name:"),
        ({"name": "../x"}, "name:"),
        ({"name": "Ärger"}, "name:"),
        ({"name": "a\0b"}, "name:"),
        ({"name": "x" * 101}, "name:"),
        ({"cron": "61 * * * *"}, "is no minute"),
        ({"zone": "Berlin"}, "did you mean Europe/Berlin"),
        ({"zone": "../../etc/passwd"}, "there is no zone"),
        ({"priority": 7}, "priority: 7 is none of"),
        ({"misfire": Misfire.CATCH_UP}, "catch_up: say how many"),
        ({"catch_up": 3}, "catch_up: say how many"),
        ({"misfire": Misfire.CATCH_UP, "catch_up": 0}, "catch_up: 0 is not from 1"),
        ({"misfire": Misfire.CATCH_UP, "catch_up": 101}, "catch_up: 101 is not from 1"),
        ({"misfire": Misfire.CATCH_UP, "catch_up": 3, "overlap": False}, "overlap: jobs"),
        ({"grace": timedelta(seconds=59)}, "grace: from 1m"),
        ({"grace": 8 * DAY}, "grace: from 1m"),
        ({"grace": timedelta(seconds=60.5)}, "whole seconds"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_field(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError) as refused:
        checked(a_definition(**changes))

    assert told in str(refused.value)


def test_a_definition_keeps_its_expression_in_one_form() -> None:
    wanted = a_definition("Daily report 2: eu@home_1.x-y", cron="@daily", zone="Europe/Berlin")

    assert checked(wanted).cron == "0 0 * * *"


@pytest.mark.parametrize("name", ["", "America", "Mars/Phobos", "/etc/passwd", "a\0b", "\ud800"])
def test_a_zone_that_is_not_there_is_told(name: str) -> None:
    with pytest.raises(UsageError, match="zone: "):
        zone_called(name)
    with pytest.raises(UsageError, match="zone: "):
        check_zone(name)


def test_a_zone_is_found_by_its_city() -> None:
    with pytest.raises(UsageError, match="did you mean America/New_York"):
        check_zone("new york")


def test_no_payload_is_in_what_a_definition_prints() -> None:
    assert "secret" not in repr(a_definition(payload={"secret": "secret"}))


def test_every_reason_has_its_sentence() -> None:
    assert set(SENTENCES) == set(Reason)


def test_a_new_schedule_comes_from_now_on_and_a_paused_one_never() -> None:
    assert next_of(None, EVERY_MINUTE, NOW) == NOON + MINUTE
    assert next_of(None, a_definition(enabled=False), NOW) is None


def test_a_change_of_something_else_leaves_a_due_instant_due() -> None:
    current = a_schedule(definition=EVERY_MINUTE, next_fire_at=NOON - HOUR)

    other_payload = next_of(current, a_definition(cron="* * * * *", payload={"a": 1}), NOW)

    assert other_payload == NOON - HOUR


@pytest.mark.parametrize("changes", [{"cron": "30 * * * *"}, {"zone": "Asia/Kathmandu"}])
def test_other_instants_are_reckoned_from_now(changes: dict[str, Any]) -> None:
    current = a_schedule(definition=a_definition(cron="0 * * * *"), next_fire_at=NOON - HOUR)

    following = next_of(current, a_definition(**({"cron": "0 * * * *"} | changes)), NOW)

    assert following is not None
    assert NOW < following < NOW + HOUR


def test_what_was_paused_for_a_month_comes_from_now_on() -> None:
    """A pause is no misfire, whatever the policy."""
    paused = a_schedule(
        definition=catching_up(100),
        next_fire_at=None,
        last_fire_at=NOON - 30 * DAY,
    )

    assert next_of(paused, catching_up(100), NOW) == NOON + MINUTE


def test_a_due_schedule_fires_once_and_comes_again() -> None:
    made = plan(a_due(), NOW)

    assert (made.instants, made.skipped) == ((NOON,), None)
    assert made.next_fire_at == NOON + DAY
    assert made.last_fire_at == NOON


def test_coalesce_makes_one_job_of_a_missed_month() -> None:
    made = plan(a_due(definition=EVERY_MINUTE, next_fire_at=NOON - 30 * DAY), NOW)

    assert made.instants == (NOON,)
    assert made.next_fire_at == NOON + MINUTE


def test_catch_up_makes_one_job_for_each_the_oldest_first() -> None:
    made = plan(a_due(definition=catching_up(5), next_fire_at=NOON - 2 * MINUTE), NOW)

    assert made.instants == (NOON - 2 * MINUTE, NOON - MINUTE, NOON)


def test_catch_up_keeps_the_latest_where_more_were_missed() -> None:
    made = plan(a_due(definition=catching_up(2), next_fire_at=NOON - 30 * DAY), NOW)

    assert made.instants == (NOON - MINUTE, NOON)
    assert made.next_fire_at == NOON + MINUTE


@pytest.mark.parametrize(
    ("late", "skipped"), [(timedelta(seconds=59), None), (timedelta(seconds=61), Reason.MISSED)]
)
def test_skip_makes_none_once_they_are_later_than_the_grace(
    late: timedelta, skipped: Reason | None
) -> None:
    daily = a_definition(cron="0 12 * * *", misfire=Misfire.SKIP, grace=MINUTE)

    made = plan(a_due(definition=daily, next_fire_at=NOON), NOON + late)

    assert made.skipped is skipped
    assert len(made.instants) == (0 if skipped else 1)
    assert (made.last_fire_at, made.next_fire_at) == (NOON, NOON + DAY)


def test_skip_passes_over_what_is_old_and_fires_what_is_not() -> None:
    made = plan(a_due(definition=skipping(5 * MINUTE), next_fire_at=NOON - DAY), NOW)

    assert made.instants == (NOON,)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"refused": Reason.UNKNOWN_KIND}, Reason.UNKNOWN_KIND),
        ({"refused": Reason.BAD_PAYLOAD}, Reason.BAD_PAYLOAD),
        ({"queue_enabled": False}, Reason.QUEUE_DISABLED),
    ],
)
def test_e16_what_cannot_be_enqueued_is_passed_over_and_comes_again(
    facts: dict[str, Any], reason: Reason
) -> None:
    made = plan(a_due(**facts), NOW)

    assert (made.instants, made.skipped) == ((), reason)
    assert (made.last_fire_at, made.next_fire_at) == (NOON, NOON + DAY)


def test_one_that_may_not_overlap_is_passed_over_while_its_job_has_not_ended() -> None:
    alone = a_definition(cron="0 12 * * *", overlap=False)

    assert plan(a_due(definition=alone, busy=True), NOW).skipped is Reason.OVERLAP
    assert plan(a_due(definition=alone), NOW).skipped is None
    assert plan(a_due(busy=True), NOW).skipped is None


@pytest.mark.parametrize("changes", [{"cron": "never"}, {"zone": "Mars/Phobos"}])
def test_what_is_not_understood_here_is_tried_again_in_an_hour(changes: dict[str, Any]) -> None:
    """Stored by a newer release, or beside a machine that knows more zones: no fault of others."""
    made = plan(a_due(definition=a_definition(**changes)), NOW)

    assert (made.instants, made.skipped) == ((), Reason.BAD_DEFINITION)
    assert made.next_fire_at == NOW + HOUR


def test_what_was_put_off_is_made_up_for_when_it_is_understood() -> None:
    """Its instant is none of the expression's."""
    put_off = NOON - timedelta(minutes=10)

    made = plan(a_due(next_fire_at=put_off, definition=a_definition()), NOW)

    assert made.instants == (put_off,)


def test_a_clock_that_jumped_back_fires_nothing_twice() -> None:
    """What has fired comes next after the later of both instants, so it is not due before."""
    made = plan(a_due(definition=EVERY_MINUTE, next_fire_at=NOON), NOW)
    jumped_back = NOW - HOUR

    assert made.next_fire_at > NOW > jumped_back


def stored(count: int, **changes: Any) -> MemorySchedules:
    rows = [
        a_schedule(definition=a_definition(f"s{number:04}", cron="0 12 * * *", **changes))
        for number in range(count)
    ]
    return MemorySchedules(rows={row.definition.name: row for row in rows})


def test_a_drain_fires_what_is_due_in_batches() -> None:
    store = stored(7)

    fired = FireSchedules(store=store, batch=3).fire(a_context(NOW))

    assert (fired.jobs, fired.skipped, fired.more) == (7, {}, False)
    assert len(store.jobs) == 7
    assert FireSchedules(store=store).fire(a_context(NOW)).jobs == 0


def test_a_drain_fires_so_many_and_leaves_the_others_to_the_next() -> None:
    store = stored(7)
    fire = FireSchedules(store=store, batch=2, most=5)

    first, second = fire.fire(a_context(NOW)), fire.fire(a_context(NOW))

    assert (first.jobs, first.more) == (5, True)
    assert (second.jobs, second.more) == (2, False)


def test_a_drain_without_time_fires_nothing() -> None:
    assert FireSchedules(store=stored(1)).fire(a_context(NOW, seconds=1)).jobs == 0


def test_schedules_that_are_passed_over_are_told_in_a_line_for_each_reason() -> None:
    log, store = ListLog(), stored(7, kind="gone")

    fired = FireSchedules(store=store).fire(a_context(NOW, log=log))

    assert (fired.jobs, fired.skipped) == (0, {"unknown_kind": 7})
    [(level, event, facts)] = log.told
    assert (level, event, facts["count"]) == ("warning", "schedules.skipped", 7)
    assert len(facts["schedules"]) == 5  # type: ignore[arg-type]  # a list of names


def control(store: MemorySchedules | None = None) -> ControlSchedules:
    store = store or MemorySchedules()
    return ControlSchedules(store=store, targets=store.targets)


def test_a_schedule_added_twice_is_added_once() -> None:
    schedules = control()

    first, second = (schedules.add(a_definition(cron="@daily")) for _ in range(2))

    assert (first.changed, second.changed) == (True, False)
    assert first.schedule == second.schedule == schedules.one("nightly")
    assert schedules.queue_of(first.schedule) == "default"
    assert schedules.list(Wanted()).total == 1


def test_another_one_of_the_same_name_is_refused_unless_it_replaces() -> None:
    schedules = control()
    schedules.add(a_definition(payload={"text": "canary-1"}))
    other = a_definition(cron="0 4 * * *", payload={"text": "canary-2"})

    with pytest.raises(RefusedError, match="it differs in cron, payload") as refused:
        schedules.add(other)
    replaced = schedules.add(other, replaces=True)

    assert "canary" not in str(refused.value)
    assert replaced.changed
    assert replaced.schedule.definition.cron == "0 4 * * *"


def test_a_paused_one_stays_paused_when_it_is_replaced_unless_told() -> None:
    schedules = control()
    schedules.add(a_definition(), enabled=False)

    paused = schedules.add(a_definition(cron="0 4 * * *"), replaces=True)
    resumed = schedules.add(a_definition(cron="0 4 * * *"), replaces=True, enabled=True)

    assert paused.schedule.next_fire_at is None
    assert resumed.schedule.next_fire_at is not None


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"kind": "gone"}, "no kind"), ({"payload": {"text": 7}}, "text"), ({"cron": "x"}, "cron")],
)
def test_e12_what_its_kind_does_not_take_is_not_stored(changes: dict[str, Any], told: str) -> None:
    schedules = control()
    schedules.add(a_definition("other"))

    with pytest.raises(UsageError, match=told):
        schedules.add(a_definition(**changes))
    with pytest.raises(UsageError, match=told):
        schedules.change("other", lambda _: a_definition("other", **changes))

    assert schedules.list(Wanted()).total == 1
    assert schedules.one("other").definition == a_definition("other")


def test_a_pause_and_a_resume_done_twice_are_done_once() -> None:
    schedules = control()
    schedules.add(a_definition())

    changed = [
        schedules.switch("nightly", enabled=enabled).changed
        for enabled in (False, False, True, True)
    ]

    assert changed == [True, False, True, False]


@pytest.mark.parametrize("name", ["nobody", "a/b", "\0", "\ud800", "x" * 500])
def test_what_is_not_there_is_told(name: str) -> None:
    schedules = control()

    with pytest.raises(NoSuchScheduleError):
        schedules.one(name)
    with pytest.raises(NoSuchScheduleError):
        schedules.change(name, lambda definition: definition)
    with pytest.raises(NoSuchScheduleError):
        schedules.switch(name, enabled=True)
    with pytest.raises(NoSuchScheduleError):
        schedules.remove(name)
    with pytest.raises(NoSuchScheduleError):
        schedules.run(name)
    with pytest.raises(NoSuchScheduleError):
        schedules.coming(name, 1)


@pytest.mark.parametrize("limit", [0, -1, 1001, 10**30])
def test_a_list_is_not_longer_than_a_person_reads(limit: int) -> None:
    with pytest.raises(UsageError, match="limit: "):
        control().list(Wanted(limit=limit))


def test_what_is_removed_is_gone() -> None:
    schedules = control()
    schedules.add(a_definition())

    schedules.remove("nightly")

    assert schedules.list(Wanted()).schedules == []


def test_a_run_by_hand_leaves_the_next_instant() -> None:
    store = MemorySchedules()
    schedules = control(store)
    before = schedules.add(a_definition(), enabled=False).schedule

    job = schedules.run("nightly")

    after = schedules.one("nightly")
    assert after.last_job_id == job
    assert (after.next_fire_at, after.definition) == (before.next_fire_at, before.definition)


def test_a_run_by_hand_with_the_same_key_is_the_same_job() -> None:
    schedules = control()
    schedules.add(a_definition(overlap=False))

    assert schedules.run("nightly", "k") == schedules.run("nightly", "k")


def test_a_run_by_hand_does_not_overlap_where_it_may_not() -> None:
    store = MemorySchedules()
    schedules = control(store)
    schedules.add(a_definition(overlap=False))
    job = schedules.run("nightly")

    with pytest.raises(RefusedError, match=f"jobs show {job}"):
        schedules.run("nightly")
    store.ended.add(job)

    assert schedules.run("nightly") != job


def test_a_run_by_hand_into_a_paused_queue_is_refused() -> None:
    schedules = control(MemorySchedules(disabled={"default"}))
    schedules.add(a_definition())

    with pytest.raises(RefusedError, match="queues resume"):
        schedules.run("nightly")


def test_the_next_instants_are_told_of_one_that_is_on_due_or_paused() -> None:
    store = MemorySchedules()
    schedules = control(store)
    schedules.add(a_definition(cron="0 * * * *"))
    on = schedules.coming("nightly", 2)
    store.at = NOW + HOUR
    due = schedules.coming("nightly", 2)
    schedules.switch("nightly", enabled=False)
    paused = schedules.coming("nightly", 2)

    assert on == due == [NOON + HOUR, NOON + 2 * HOUR]
    assert paused == [NOON + 2 * HOUR, NOON + 3 * HOUR]


def test_the_instants_of_an_expression_are_told_before_it_is_stored() -> None:
    schedules = control()

    told = schedules.preview("@daily", "Asia/Kathmandu", 1)

    assert told == [datetime(2026, 11, 22, 18, 15, tzinfo=UTC)]
    for count in (0, 101):
        with pytest.raises(UsageError, match="count"):
            schedules.preview("@daily", "UTC", count)
    with pytest.raises(UsageError, match="zone"):
        schedules.preview("@daily", "Nowhere", 1)


def test_a_schedule_of_a_kind_that_is_gone_goes_nowhere() -> None:
    gone = Schedule(
        id=a_schedule().id,
        definition=a_definition(kind="gone"),
        next_fire_at=None,
        created_at=NOW,
        updated_at=NOW,
    )

    assert control().queue_of(gone) is None
