"""What may enter a queue: an answer, and a terminal, must be able to show it."""

import json
from datetime import datetime
from typing import Any

import pytest

from core.errors import UsageError
from core.jobs.admission import admit, check_depth, json_text
from core.jobs.kind_test import TEST
from core.jobs.kinds import BadPayloadError
from core.jobs.model import MAX_DEPTH, MAX_NESTING, NewJob


def nested(depth: int) -> dict[str, object]:
    lists = depth - 1
    return {"a": json.loads("[" * lists + "]" * lists)}


def test_a_payload_may_be_nested_so_deep_and_not_deeper() -> None:
    json_text("the payload", nested(MAX_NESTING))

    with pytest.raises(BadPayloadError, match="nested more than 100 deep"):
        json_text("the payload", nested(MAX_NESTING + 1))


def test_many_lists_beside_each_other_and_brackets_in_a_text_are_not_deep() -> None:
    wide = {"lists": [[] for _ in range(500)], 'a text \\"[': "[{" * 500}

    assert json.loads(json_text("the payload", wide)) == wide


@pytest.mark.parametrize("field", ["queue", "ordering_key", "dedupe_key", "idempotency_key"])
@pytest.mark.parametrize("word", ["a\0b", "two\nlines", "\x1b[2Jcleared", "\ud800"])
def test_names_that_no_terminal_may_show_are_refused(field: str, word: str) -> None:
    named: Any = {field: word}

    with pytest.raises(UsageError, match="character that cannot be shown"):
        admit([NewJob(kind="test", **named)], {"test": TEST})


def test_what_is_to_be_typed_can_be_typed_whatever_the_names_are() -> None:
    with pytest.raises(UsageError, match="--queue 'my queue' --key 'a; b'"):
        check_depth(("my queue", "a; b"), MAX_DEPTH, 1)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"max_attempts": 0}, "1 to 1000 attempts, not 0"),
        ({"max_attempts": 2**31}, "1 to 1000 attempts, not 2147483648"),
        ({"run_at": datetime(2026, 1, 1)}, "no time zone"),  # noqa: DTZ001  (what is refused)
        ({"ordering_key": ""}, "1 to 512 characters, not 0"),
        ({"dedupe_key": "x" * 513}, "1 to 512 characters, not 513"),
        # An index takes no more of two of them together.
        ({"ordering_key": "\u6f22" * 342}, "at most 1024 bytes, not 1026"),
    ],
)
def test_a_field_that_makes_no_sense_is_named(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        admit([NewJob(kind="test", **fields)], {"test": TEST})


@pytest.mark.parametrize("queue", [" ", "mail ", " mail"])
def test_a_queue_has_a_name_that_can_be_typed(queue: str) -> None:
    with pytest.raises(UsageError, match="queue of a test job begins or ends with a space"):
        admit([NewJob(kind="test", queue=queue)], {"test": TEST})
