"""What a browser brings back and what people paste: codes are decoded once, never twice."""

from urllib.parse import quote

import pytest

from core.connect.model import Reply
from core.connect.reply import read_pasted, read_query

CODE = "v^1.1#i^1#p^3#r^1#I^3#f^0#t^Ul4xMF8+/x==%41"
STATE = "s" * 43
ANSWER = f"state={STATE}&code={quote(CODE, safe='')}&expires_in=299"
ADDRESS = f"https://example.com/ebay/callback?{ANSWER}"
BARE = CODE.removesuffix("%41")


def both(reply: Reply) -> tuple[str | None, str | None]:
    return (
        reply.state.reveal() if reply.state else None,
        reply.code.reveal() if reply.code else None,
    )


def test_each_value_is_decoded_once_and_a_plus_stays_a_plus() -> None:
    encoded = quote(CODE, safe="+")

    assert both(read_query(f"code={encoded}&state={STATE}")) == (STATE, CODE)


@pytest.mark.parametrize(
    "query",
    [
        "state=a&state=b&code=c",
        "code=a&state=b&code=c",
        "error=a&error=b",
    ],
)
def test_a_name_that_comes_twice_is_not_ebays_doing(query: str) -> None:
    assert read_query(query) == Reply(malformed=True)


@pytest.mark.parametrize("query", ["", "&&", "=x", "state=&code=", "other=1"])
def test_what_is_not_there_is_none(query: str) -> None:
    assert read_query(query) == Reply()


@pytest.mark.parametrize(
    ("error", "told"),
    [("access_denied", "access_denied"), ("<script>", "unnamed"), ("x" * 65, "unnamed")],
)
def test_a_refusal_has_a_name_and_nothing_else_of_the_address(error: str, told: str) -> None:
    reply = read_query(f"error={quote(error)}&error_description=call+this+number")

    assert reply == Reply(error=told)


@pytest.mark.parametrize(
    "pasted",
    [
        ADDRESS,
        f"  {ADDRESS}\r\n",
        f"{ADDRESS[:40]}\n  {ADDRESS[40:90]}\n{ADDRESS[90:]}\n",
        ANSWER,
        f"https://example.com/?expires_in=299&state={STATE}&code={BARE}%2541",
    ],
)
def test_an_address_is_understood_as_people_paste_it(pasted: str) -> None:
    assert both(read_pasted(pasted)) == (STATE, CODE)


@pytest.mark.parametrize("pasted", [BARE, quote(BARE, safe="")])
def test_a_bare_code_is_understood_encoded_or_not(pasted: str) -> None:
    assert both(read_pasted(pasted)) == (None, BARE)


def test_nothing_pasted_is_nothing() -> None:
    assert read_pasted(" \n") == Reply()
