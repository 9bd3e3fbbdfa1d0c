"""How deep a payload may be nested: an answer must be able to show it."""

import json

import pytest

from core.jobs.admission import json_text
from core.jobs.kinds import BadPayloadError
from core.jobs.model import MAX_NESTING


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
