"""What a session may be called: each in one way."""

import pytest

from core.chat.model import Chat
from core.chat.naming import read_chat, read_name
from core.errors import UsageError


@pytest.mark.parametrize(
    ("name", "chat"),
    [
        ("telegram:42", Chat(source="telegram", chat_id="42")),
        ("telegram:-1001234567890", Chat(source="telegram", chat_id="-1001234567890")),
        ("http:42", Chat(source="http", chat_id="42")),
        ("my-shop_2:a:b@c?d", Chat(source="my-shop_2", chat_id="a:b@c?d")),
        ("a" * 32 + ":" + "x" * 128, Chat(source="a" * 32, chat_id="x" * 128)),
    ],
)
def test_a_session_is_named_by_its_door_and_its_chat(name: str, chat: Chat) -> None:
    assert read_name(name) == chat
    assert chat.ordering_key == name


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("42", "telegram:42"),
        (":42", "source:"),
        ("Http:42", "source:"),
        ("h" * 33 + ":42", "source:"),
        ("2nd:42", "source:"),
        ("http:", "chat_id:"),
        ("http: a", "chat_id:"),
        ("http:a/b", "chat_id:"),
        ("http:a\n", "chat_id:"),
        ("http:" + "x" * 129, "chat_id:"),
        ("telegram:042", "chat_id:"),
        ("telegram:+42", "chat_id:"),
        ("telegram:0", "chat_id:"),
        ("telegram:٤٢", "chat_id:"),
        ("telegram:@a", "chat_id:"),
    ],
)
def test_what_no_session_can_be_called_is_told(name: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        read_name(name)


def test_the_parts_may_come_apart() -> None:
    assert read_chat("telegram", "-5") == Chat(source="telegram", chat_id="-5")
