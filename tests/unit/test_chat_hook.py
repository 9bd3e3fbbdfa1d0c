"""Which address may be registered as the webhook."""

import pytest

from core.chat.hook import check_url
from core.errors import UsageError


@pytest.mark.parametrize(
    "url",
    [
        "https://cronshot.example.com/webhooks/telegram",
        "https://abc.execute-api.eu-central-1.amazonaws.com/dev/webhooks/telegram",
        "http://127.0.0.1:8000/webhooks/telegram",
    ],
)
def test_our_own_address_is_taken(url: str) -> None:
    assert check_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "cronshot.example.com/webhooks/telegram", "https://cronshot.example.com/webhooks/ebay",
        "https://cronshot.example.com", "ftp://cronshot.example.com/webhooks/telegram",
        "https://cronshot.example.com/webhooks/telegram?x=1", "https://[/webhooks/telegram",
        "https://me:secret@cronshot.example.com/webhooks/telegram",
        "https://cronshot.example.com:99999/webhooks/telegram",
    ],
)  # fmt: skip
def test_another_one_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="--url must look like"):
        check_url(url)
