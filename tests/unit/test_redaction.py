"""The last net for secrets, under what is logged and under what eBay sent back: the same one."""

import io
import json

import pytest

from infra.ebay.errors import scrubbed
from infra.logs import make_log

C = "canary0123456789"
SECRETS = [
    f"Illegal header value b'Bearer v^1.1#i^1#p^3#{C}/+='",
    f"v^1.1#i^1#I^3#r^1#{C}+/=#%",
    f"refresh_token=v%5E1.1%23i%5E1%23{C}",
    rf'{{"token": "v\u005e1.1\u0023i\u005e1\u0023{C}"}}',
    rf'{{"token": "v^1.1#i\/{C}\/x"}}',
    f"IAF AgAAAA**AQAAAA**aAAAAA**{C}**nY+sHZ2PrBmdj6wVnY",
    f"<eBayAuthToken>AgAAAA**AQAAAA**{C}</eBayAuthToken>",
    f"<eBayAuthToken>{C}</eBayAuthToken>",
    f"AgAAAA%2A%2AAQAAAA%2A%2A{C}",
    f"X-EBAY-API-IAF-TOKEN: v^1.1#i^1#{C}",
    f"IAF {C}",
    f"authorization: Basic {C}==",
    f"Authorization: bearer  {C}",
    "Bearer canaryabcdefghijklmnopqrstu",
    f"Bearer%20{C}",
    f"grant_type=x&client_secret={C}&scope=y",
    f"client_secret={C}",
    f"refresh_token={C}",
    f"a refresh_token={C}, an access_token={C}",
    f'{{"access_token":"{C}","expires_in":7200}}',
    f'{{"refresh_token" : "{C}"}}',
    f"{{'client_secret': '{C}'}}",
    f'{{"inner": "{{\\"client_secret\\": \\"{C}\\"}}"}}',
    f"host=db password={C} user=a",
    f"postgresql://seller:{C}@db.example.com:5432/shop",
    f"postgresql://seller:p@ss@{C}@db.example.com/shop",
    f"postgresql://:{C}@db.example.com/shop",
    f"https://u:{C}@h/",
]
ORDINARY = [
    "IAF token supplied is invalid.",
    "Bearer authentication required; basic information is missing",
    "the token expired; a basic internationalization error",
    "invalid_grant: the provided authorization refresh token is invalid or was issued to another",
    "access_token, refresh_token and client_secret must be set",
    "client_secret: must not be empty",
    "https://api.ebay.com/sell/fulfillment/v1/order?limit=200&offset=0",
    "http://127.0.0.1:8900/a@b and https://hc-ping.com/x",
    "password authentication failed for user seller",
    "EBAY_SANDBOX_CLIENT_SECRET must be set",
    "order 12-34567-89012, v1.1 of 2026-11-22T05:00:00.000Z",
]


def mistake(text: str) -> None:
    raise ZeroDivisionError(text)


def logged(text: str, form: str) -> str:
    stream = io.StringIO()
    log = make_log("info", form, stream)
    try:
        mistake(text)
    except ZeroDivisionError as error:
        log.exception("worker.raised", error=str(error), body={"said": text})
    return stream.getvalue()


@pytest.mark.parametrize("text", SECRETS)
def test_a_secret_is_taken_out_wherever_it_is_told(text: str) -> None:
    told = [scrubbed(text, (), 10_000), logged(text, "json"), logged(text, "text")]

    for each in told:
        assert "canary" not in each
        assert "***" in each
    assert json.loads(told[1])["event"] == "worker.raised"


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_words_stay(text: str) -> None:
    assert scrubbed(text, (), 10_000) == text
    assert json.loads(logged(text, "json"))["error"] == text
    assert text in logged(text, "text")


def test_what_stands_around_a_secret_stays() -> None:
    told = scrubbed(f'{{"message": "Bearer {C}", "id": 7, "at": "https://u:{C}@h/x"}}', (), 10_000)

    assert told == '{"message": "Bearer ***", "id": 7, "at": "https://***@h/x"}'


def test_a_long_text_is_searched_in_a_moment() -> None:
    """Each of these once made somebody's pattern take minutes."""
    for text in (
        "://" * 20_000,
        "bearer " * 20_000,
        "v^1.1#" * 20_000,
        "\\" * 60_000,
        "a:" * 30_000,
    ):
        assert len(scrubbed(text, (), 10)) <= 10
