"""What Telegram posts, read: hostile and unknown forms too."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.chat.model import Chat
from core.chat.updates import Update, read_update
from core.errors import UsageError

NAMES = st.sampled_from(["update_id", "message", "chat", "id", "text", "photo"])
FORMS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda each: st.lists(each) | st.dictionaries(NAMES, each),
)
MINE = Chat(source="telegram", chat_id="42")


def read(**update: Any) -> Update:
    return read_update(json.dumps({"update_id": 7, **update}).encode())


def message(**fields: Any) -> Update:
    return read(message={"message_id": 1, "chat": {"id": 42, "type": "private"}, **fields})


def test_a_text_is_read_with_its_chat_and_its_delivery() -> None:
    update = message(text="hello")

    assert update == Update(id=7, kind="message", chat=MINE, text="hello")
    assert update.key == "telegram:7"


def test_a_group_has_a_number_below_zero() -> None:
    update = read(message={"chat": {"id": -1001234567890}, "text": "hello"})

    assert update.chat == Chat(source="telegram", chat_id="-1001234567890")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("/status@my_shop_bot", "/status"),
        ("/pause@my_shop_bot orders", "/pause orders"),
        ("mail me /status@my_shop_bot", "mail me /status@my_shop_bot"),
        ("/status@my-bot", "/status@my-bot"),
        (" *a* <b>b</b> 😀 \u202ec\n", "*a* <b>b</b> 😀 \u202ec"),
        ("a\x00b\ud83dc", "a\ufffdb\ufffdc"),
        ("  ", ""),
    ],
)
def test_a_text_is_taken_as_it_can_be_stored(text: str, kept: str) -> None:
    assert message(text=text).text == kept


@pytest.mark.parametrize("kind", ["photo", "voice", "sticker", "document", "location"])
def test_what_is_no_text_is_told_from_what_the_chat_itself_tells(kind: str) -> None:
    sent = message(**{kind: {}, "caption": "look"})
    told = message(pinned_message={})

    assert (sent.chat, sent.text, sent.unreadable) == (MINE, None, True)
    assert (told.chat, told.text, told.unreadable) == (MINE, None, False)


@pytest.mark.parametrize(
    ("update", "kind"),
    [
        ({"edited_message": {"chat": {"id": 42}, "text": "x"}}, "edited_message"),
        ({"a_kind_of_tomorrow": []}, "a_kind_of_tomorrow"),
        ({}, "unknown"),
        ({"said by a stranger": 1}, "unknown"),
        ({"message": None}, "message"),
        ({"message": {"chat": {"id": True}, "text": "x"}}, "message"),
        ({"message": {"chat": {"id": 2**52}, "text": "x"}}, "message"),
        ({"message": {"chat": {"id": 0}, "text": "x"}}, "message"),
        ({"message": {"chat": 42, "text": "x"}}, "message"),
    ],
)
def test_what_is_nobodys_message_is_read_as_nobodys(update: dict[str, Any], kind: str) -> None:
    assert read(**update) == Update(id=7, kind=kind)


def test_a_text_that_is_none_is_none() -> None:
    assert message(text=["x"]).text is None


@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"[]", b"{}", b'"x"', b"{", b"\xff\xfe", b"[" * 100_000,
        b'{"update_id": NaN}', b'{"update_id": "7"}', b'{"update_id": true}', b'{"update_id": -1}',
        b'{"update_id": 1e999}', b'{"update_id": ' + b"9" * 5000 + b"}",
        b'{"update_id": 9223372036854775808}',
    ],
    ids=lambda body: repr(body[:24]),
)  # fmt: skip
def test_what_telegram_never_sends_is_an_error(body: bytes) -> None:
    with pytest.raises(UsageError, match="the body is no"):
        read_update(body)


@given(FORMS)
def test_no_form_of_json_is_an_accident(body: Any) -> None:
    try:
        read_update(json.dumps(body).encode())
    except UsageError:
        return


def test_a_text_does_not_show_where_an_update_does() -> None:
    assert "secret" not in repr(message(text="secret"))
