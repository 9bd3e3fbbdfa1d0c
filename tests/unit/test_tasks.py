"""Tasks: what of them is kept, what they are about, how they are found."""

import base64
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from core.errors import UsageError
from core.tasks import cursor
from core.tasks.control import CANDIDATES, ControlTasks
from core.tasks.enrich import MOST, enriched
from core.tasks.model import (
    MAX_TEXT,
    AmbiguousTaskError,
    KeptTask,
    KeyTakenError,
    Made,
    Mark,
    NewTask,
    NoSuchTaskError,
    Task,
    TaskConflictError,
    TaskEvent,
    TaskId,
)
from core.tasks.prepare import clip, prepare, read_id
from core.tasks.tag import Tags, tagged
from core.tasks.words import STATUSES, read_statuses

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
ID = UUID("0a1b2c3d-0000-4000-8000-000000000001")


def task(number: int = 1, status: str = "pending") -> Task:
    return Task(
        id=TaskId(UUID(int=ID.int + number - 1)), type="test", status=status, description="",
        domain=None, drift_score=0.0, event_tags=(), confidence=0.7, attributes={}, redacted={},
        tagging_error=None, priority=5, phase=None, outcome=None, error_code=None,
        error_detail=None, attempts=0, max_attempts=3, run_at=AT, ordering_key=None,
        cancel_asked_at=None, created_at=AT, updated_at=AT, started_at=None, finished_at=None,
        changed_at=AT,
    )  # fmt: skip


class Store:
    """Only what the rules ask of it."""

    def __init__(self, *tasks: Task) -> None:
        self.tasks = {each.id: each for each in tasks}
        self.made: list[KeptTask] = []
        self.same = True

    def create(self, kept: KeptTask) -> Made:
        self.made.append(kept)
        return Made(id=TaskId(ID), created=len(self.made) == 1, same=self.same)

    def between(self, first: UUID, last: UUID, most: int) -> Sequence[Task]:
        found = [each for id_, each in sorted(self.tasks.items()) if first <= id_ <= last]
        return found[:most]

    def release(self, task_id: TaskId) -> bool:
        return self._end(task_id, "pending")

    def cancel(self, task_id: TaskId) -> bool:
        return self._end(task_id, "cancelled")

    def _end(self, task_id: TaskId, status: str) -> bool:
        now = self.tasks[task_id]
        if now.ended:
            return False
        self.tasks[task_id] = replace(now, status=status)
        return True

    def events(self, task_id: TaskId, after: int, most: int) -> Sequence[TaskEvent]:
        said = {"at": AT, "event": "retried", "code": None, "detail": None}
        return [TaskEvent(id=after, **said), TaskEvent(id=most, **said)]  # type: ignore[arg-type]  # of one dictionary

    def list(self, *_: object) -> Any: ...

    def changes(self, *_: object) -> Any: ...


def control(*tasks: Task) -> ControlTasks:
    return ControlTasks(store=Store(*tasks), types=("test", "http_request"))


def test_what_is_kept_has_lost_what_is_personal() -> None:
    asked = NewTask(
        type="test", description="mail a@b.de at once: urgent", params={"to": "a@b.de"},
        domain="a@b.de", ordering_key="a@b.de", idempotency_key="a@b.de",
    )  # fmt: skip

    kept = prepare(asked)

    assert "a@b.de" not in repr(kept)
    assert kept.description == "mail [EMAIL_REDACTED] at once: urgent"
    assert kept.redacted == {"email": 3}
    assert (kept.event_tags, kept.priority) == (("emergency",), 20)
    assert kept.original_text is None


def test_what_is_to_be_preserved_is_kept_beside_it() -> None:
    kept = prepare(
        NewTask(type="test", description="a@b.de", params={"to": "c@d.de"},
                preserve_original_text=True)
    )  # fmt: skip

    assert kept.description == "[EMAIL_REDACTED]"
    assert kept.original_text == "a@b.de"
    assert kept.params == {"to": "c@d.de"}


def test_the_same_task_is_told_by_what_it_was_before_anything_went() -> None:
    asked = NewTask(type="test", description="call 555-123-4567", params={"b": 1, "a": 2})

    same = prepare(replace(asked, params={"a": 2, "b": 1}, priority=1)).digest
    other = prepare(replace(asked, description="call 555-123-4568"))

    assert prepare(asked).digest == same
    assert other.digest != same
    assert other.description == prepare(asked).description


def test_a_priority_that_is_asked_for_stands() -> None:
    assert prepare(NewTask(type="test", description="urgent", priority=1)).priority == 1


def test_a_failure_to_tag_refuses_no_task() -> None:
    def broken(_: str) -> Tags:
        raise RuntimeError("canary")

    kept = prepare(NewTask(type="test", description="urgent"), tag=broken)

    assert (kept.tagging_error, kept.event_tags, kept.enrich) == ("RuntimeError", (), True)
    assert kept.priority == 5


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"domain": ""}, "domain"),
        ({"domain": "x" * 65}, "domain"),
        ({"ordering_key": "x" * 201}, "ordering_key"),
        ({"idempotency_key": ""}, "idempotency key"),
        ({"priority": 7}, "priority"),
        ({"description": "a\0b"}, "cannot be stored"),
        ({"domain": "\ud800"}, "cannot be stored"),
        ({"params": {"a": ["\udfff"]}}, "params"),
        ({"params": {"a\0": 1}}, "params"),
        ({"params": {"a": float("nan")}}, "finite"),
        ({"drift_score": float("inf")}, "drift_score"),
        ({"params": json.loads('{"a":' * 40 + "1" + "}" * 40)}, "deeper"),
    ],
)
def test_what_cannot_be_stored_is_refused_by_name(change: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told) as refused:
        prepare(replace(NewTask(type="test"), **change))

    assert "canary" not in str(refused.value)


def test_a_long_text_ends_with_a_word() -> None:
    kept = prepare(NewTask(type="test", description="word " * 4000))

    assert len(kept.description) <= MAX_TEXT
    assert kept.description.endswith(" word")
    assert kept.attributes == {"length": 20_000, "clipped": True}
    assert clip("x" * 20, 10) == "x" * 10
    assert clip("one two", 5) == "one"
    assert clip("one two", 3) == "one"
    assert clip("short") == "short"


def test_an_address_at_the_end_of_what_is_kept_is_not_cut_in_two() -> None:
    text = "x" * (MAX_TEXT - 5) + " alice@example.com"

    assert "alice" not in prepare(NewTask(type="test", description=text)).description


@pytest.mark.parametrize(
    ("text", "tags", "priority", "confidence", "needs_more"),
    [
        ("test task", ("normal",), 5, 0.7, False),
        ("the account was hacked, urgent, fraud", ("emergency", "security"), 20, 0.9, False),
        ("suspicious login", ("security",), 10, 0.7, False),
        ("refund is overdue", ("warning",), 10, 0.7, False),
        ("update the stock", ("maintenance",), 5, 0.7, False),
        ("lorem ipsum", (), 5, 0.3, True),
        ("", (), 5, 0.3, False),
        ("test " + "x" * 200, ("normal",), 5, 0.7, True),
        ("test " + "x" * 2000, ("normal",), 5, 0.56, True),
    ],
)
def test_rules_tell_what_a_text_is_about(
    text: str, tags: tuple[str, ...], priority: int, confidence: float, needs_more: bool
) -> None:
    assert tagged(text) == Tags(
        tags=tags, priority=priority, confidence=confidence, needs_more=needs_more
    )


def test_a_second_look_finds_what_a_text_names() -> None:
    text = (
        "Order 12-34567-12345 (12-34567-12345) for item 123456789012, tx"
        " 123456789012-1234567890123, ref 1234567890, on 2026-11-22 at EBAY_DE: $1,234.50, 99 EUR,"
        " £3; track 1Z999AA10123456784 at https://www.example.com/x. Lost right away."
    )

    assert enriched(text) == {
        "order_ids": ["12-34567-12345"],
        "transaction_ids": ["123456789012-1234567890123"],
        "item_ids": ["123456789012"],
        "numbers": ["1234567890"],
        "tracking_numbers": ["1Z999AA10123456784"],
        "dates": ["2026-11-22"],
        "marketplaces": ["EBAY_DE"],
        "hosts": ["www.example.com"],
        "amounts": ["USD 1234.50", "GBP 3.00", "EUR 99.00"],
        "tags": ["emergency", "warning"],
    }
    assert enriched("nothing here") == {}
    assert len(enriched(" ".join(f"1234567{each:05}" for each in range(200)))["item_ids"]) == MOST  # type: ignore[arg-type]  # a list


def test_both_vocabularies_of_a_status_are_understood() -> None:
    assert read_statuses(["created", "QUEUED", "running", "retry", "pending"]) == (
        "draft", "pending", "processing",
    )  # fmt: skip
    assert read_statuses(STATUSES) == STATUSES
    with pytest.raises(UsageError, match="queued = pending"):
        read_statuses(["succeeded"])


def test_a_place_in_a_list_comes_back_as_it_was() -> None:
    mark = Mark(at=AT, id=ID)

    assert cursor.read(cursor.written(mark)) == mark
    assert len(cursor.written(mark)) <= cursor.LONGEST


def as_cursor(told: str) -> str:
    return base64.urlsafe_b64encode(told.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "given",
    [
        "", "x", "ä", "!!!!", "AAAA", cursor.written(Mark(at=AT, id=ID))[:-9],
        as_cursor(f"9999-12-31T23:59:59-23:59 {ID}"),
        as_cursor(f"9999-99-31T23:59:59+00:00 {ID}"),
        as_cursor(f"2026-11-22T12:00:00+00:00 {'-' * 36}"),
    ],
)  # fmt: skip
def test_a_place_that_nobody_gave_out_is_refused(given: str) -> None:
    with pytest.raises(UsageError, match="cursor"):
        cursor.read(given)


def test_s4_a_task_is_found_by_the_beginning_of_its_id() -> None:
    tasks = control(task(1), task(2))

    assert tasks.one(str(ID)).id == ID
    with pytest.raises(NoSuchTaskError):
        tasks.one("ff")
    with pytest.raises(AmbiguousTaskError) as several:
        tasks.one("0A1B")
    assert several.value.candidates == (task(1).id, task(2).id)
    assert len(several.value.candidates) <= CANDIDATES
    for nothing in ("", "xyz", "0" * 33, "é"):
        with pytest.raises(UsageError):
            read_id(nothing)


def test_an_unknown_type_is_told_which_there_are() -> None:
    with pytest.raises(UsageError, match="http_request, test"):
        control().create(NewTask(type="canary"))


@pytest.mark.parametrize(
    ("params", "told"),
    [({"to": "a@b.de"}, "preserve_original_text"), ({"to": "x"}, "to is wrong$")],
)
def test_what_its_kind_refuses_because_it_was_redacted_says_so(
    params: dict[str, Any], told: str
) -> None:
    tasks = control()

    def refuse(_: KeptTask) -> Made:
        raise UsageError("to is wrong")

    tasks.store.create = refuse  # type: ignore[method-assign,assignment]  # a kind that wants one

    with pytest.raises(UsageError, match=told):
        tasks.create(NewTask(type="test", params=params))


def test_a_key_that_stands_for_another_task_is_refused() -> None:
    store = Store()
    store.same = False

    with pytest.raises(KeyTakenError):
        ControlTasks(store=store, types=("test",)).create(NewTask(type="test", idempotency_key="k"))


def test_s2_a_draft_is_begun_and_what_has_ended_is_not() -> None:
    tasks = control(task(1, "draft"), task(2, "completed"), task(3, "processing"))

    assert tasks.run(str(task(1).id)).status == "pending"
    with pytest.raises(TaskConflictError, match="completed"):
        tasks.run(str(task(2).id))


def test_s1_cancelled_twice_is_cancelled_once_and_what_has_ended_stays() -> None:
    tasks = control(task(1), task(2, "failed"))

    assert [tasks.cancel(str(ID)).status for _ in range(2)] == ["cancelled"] * 2
    with pytest.raises(TaskConflictError, match="failed"):
        tasks.cancel(str(task(2).id))


def test_events_are_those_of_the_task_that_was_meant() -> None:
    whose, events = control(task(1)).events("0a", 3, 7)

    assert whose == ID
    assert [each.id for each in events] == [3, 7]


def test_a_new_task_is_made_once() -> None:
    tasks = control()

    assert tasks.create(NewTask(type="test")) == Made(id=TaskId(ID), created=True)
    assert tasks.create(NewTask(type="test")) == Made(id=TaskId(ID), created=False)
