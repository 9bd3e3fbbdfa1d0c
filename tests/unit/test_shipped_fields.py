"""A payload's fields: what is wrong is named, and never repeated."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from core.jobs.kinds import BadPayloadError
from core.jobs.shipped import fields
from tests.support.outside import job

CANARY = "canary-77a1"


@pytest.mark.parametrize(
    ("read", "names"),
    [
        (lambda: fields.only({"text": 1, CANARY * 9: 2}, ("text", "to")), "there are: text, to"),
        (lambda: fields.text({}, "text", 9), "text: must be a text"),
        (lambda: fields.text({"text": 7}, "text", 9), "text: must be a text"),
        (lambda: fields.text({"text": " \n"}, "text", 9), "text: must be a text"),
        (lambda: fields.text({"text": CANARY}, "text", 9), "text: is longer than 9"),
        (lambda: fields.text({"text": CANARY + "\0"}, "text", 99), "text: holds a character"),
        (lambda: fields.text({"text": CANARY + "\ud83d"}, "text", 99), "text: holds a character"),
        (lambda: fields.line({"to": f"{CANARY}\r\nBcc: x"}, "to", 99), "to: must be one line"),
        (lambda: fields.line({"to": f"{CANARY}\u2028x"}, "to", 99), "to: must be one line"),
        (lambda: fields.flag({"silent": CANARY}, "silent"), "silent: must be true or false"),
        (lambda: fields.mapping({"data": [CANARY]}, "data"), "data: must be a JSON object"),
        (lambda: fields.names({"accounts": CANARY}, "accounts"), "accounts: must be a list"),
        (lambda: fields.names({"accounts": [CANARY, 1]}, "accounts"), "accounts: must be a list"),
        (lambda: fields.not_after({"not_after": CANARY}), "not_after: must be an instant"),
        (lambda: fields.not_after({"not_after": 5}), "not_after: must be an instant"),
        (lambda: fields.not_after({"not_after": "0001-01-01T00:00:00+23:59"}), "not_after: must"),
        (lambda: fields.not_after({"not_after": "2026-11-22T08:00:00"}), "with a zone"),
        (lambda: fields.as_bytes({"x": float("nan")}, "body"), "body: cannot be written"),
        (lambda: fields.as_bytes({"x": CANARY + "\ud83d"}, "body"), "body: cannot be written"),
    ],
)
def test_a_bad_field_is_named_and_not_repeated(read: Callable[[], object], names: str) -> None:
    with pytest.raises(BadPayloadError, match=names) as caught:
        read()

    assert CANARY * 4 not in str(caught.value)
    assert names == "there are: text, to" or CANARY not in str(caught.value)
    assert caught.value.__cause__ is None


def test_good_fields_are_read() -> None:
    payload = {
        "text": " a\nb ", "to": " x ", "silent": True, "names": ["a", "b", "a"], "data": {"k": 1},
    }  # fmt: skip

    fields.only(payload, ("text", "to", "silent", "names", "data"))
    assert fields.text(payload, "text", 10) == " a\nb "
    assert fields.line(payload, "to", 10) == "x"
    assert (fields.optional(payload, "to", 10), fields.optional(payload, "cc", 10)) == ("x", None)
    assert (fields.flag(payload, "silent"), fields.flag(payload, "loud")) == (True, False)
    assert (fields.names(payload, "names"), fields.names(payload, "others")) == (("a", "b"), ())
    assert (fields.mapping(payload, "data"), fields.mapping(payload, "more")) == ({"k": 1}, {})


def test_what_nobody_wants_after_an_instant_says_which() -> None:
    at = datetime(2026, 11, 22, 7, tzinfo=UTC)

    assert fields.not_after({}) is None
    assert fields.not_after({"not_after": "2026-11-22T08:00:00+01:00"}) == at
    assert fields.expires(job({"not_after": "2026-11-22T07:00:00Z"})) == at
    assert fields.expires(job({"not_after": "tomorrow"})) is None


def test_the_same_value_is_the_same_bytes() -> None:
    assert fields.as_bytes({"b": "ü", "a": [1, None]}, "body") == '{"b":"ü","a":[1,null]}'.encode()


@pytest.mark.parametrize("text", ["", "{", "NaN", "[Infinity]", "1e999", "[" * 100_000])
def test_what_postgresql_would_not_store_is_no_json(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (its text is nobody's)
        fields.parsed(text)


def test_json_is_parsed() -> None:
    assert fields.parsed('{"a": 1.5}') == {"a": 1.5}


def test_others_words_stay_on_one_line() -> None:
    assert fields.quoted("a\r\nb\x1b[31m\u2028c" + "x" * 100, 12) == "a  b [31m cx"
