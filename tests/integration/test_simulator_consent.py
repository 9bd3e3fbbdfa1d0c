"""The simulator's consent page, its codes, and what becomes of the tokens."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest

from infra.simulator.accounts import SCOPE
from infra.simulator.clock import SimulatorClock
from infra.simulator.consent import AUTHORIZE, DONE
from infra.simulator.oauth import CLIENT_ID, RUNAME
from infra.simulator.server import Simulator
from infra.simulator.world import World
from tests.support.ebay_shared import sample
from tests.support.seller import AtEbay
from tests.support.simulated import ORDERS, TRANSACTIONS, USER, Caller

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
REVOKE = "/identity/v1/oauth2/token/revoke"
ASKED = {
    "client_id": CLIENT_ID,
    "redirect_uri": RUNAME,
    "response_type": "code",
    "scope": f"{SCOPE} {SCOPE}/sell.fulfillment.readonly {SCOPE}/commerce.identity.readonly",
    "state": "a state",
    "prompt": "login",
}


@pytest.fixture
def caller() -> Iterator[Caller]:
    world = World(seed=5, orders=10, clock=SimulatorClock(source=lambda: NOON))
    with Simulator(world) as simulator, Caller(simulator) as caller:
        yield caller


@pytest.fixture
def browser() -> Iterator[AtEbay]:
    with AtEbay() as browser:
        yield browser


def link(caller: Caller, **changed: str | None) -> str:
    asked = {name: value for name, value in (ASKED | changed).items() if value is not None}
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in asked.items())
    return f"{caller.simulator.api_url}{AUTHORIZE}?{query}"


def told(address: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


def redeem(caller: Caller, code: str) -> httpx.Response:
    return caller.mint(grant_type="authorization_code", code=code, redirect_uri=RUNAME)


def test_who_agrees_is_sent_back_with_a_code_and_the_state(caller: Caller, browser: AtEbay) -> None:
    address = browser.consents(link(caller), "seller-2")

    answer = told(address)
    assert urlsplit(address).path == DONE
    assert (answer["state"], answer["expires_in"]) == ("a state", "299")
    assert {"^", "#"} <= set(answer["code"])
    assert "#" not in address
    assert "safe to close" in browser.http.get(address).text
    caller.token = redeem(caller, answer["code"]).json()["access_token"]
    assert caller.get(USER).json()["username"] == "simulated_seller_2"


def test_the_runame_says_where_browsers_are_sent(caller: Caller, browser: AtEbay) -> None:
    behaviour = caller.simulator.world.behaviour
    behaviour.accept_url = "http://127.0.0.1:1/ebay/callback"

    agreed = browser.consents(link(caller), "seller-1")
    declined = browser.declines(link(caller), "seller-1")
    caller.control("POST", "/behaviour", {"declined_url": "http://127.0.0.1:1/no?lang=en"})
    elsewhere = browser.declines(link(caller), "seller-1")

    assert agreed.startswith("http://127.0.0.1:1/ebay/callback?state=a%20state&code=v%5E1.1%23")
    assert told(declined)["error"] == "access_denied"
    assert told(declined)["state"] == "a state"
    assert elsewhere.startswith("http://127.0.0.1:1/no?lang=en&error=access_denied")


def test_without_prompt_the_seller_who_is_signed_in_is_taken(
    caller: Caller, browser: AtEbay
) -> None:
    browser.consents(link(caller), "seller-1")

    again = browser.http.get(link(caller, prompt=None))
    asked_for_more = browser.http.get(
        link(caller, prompt=None, scope=f"{ASKED['scope']} {SCOPE}/sell.finances")
    )
    prompted = browser.http.get(link(caller))

    assert again.status_code == 302
    assert "code" in told(again.headers["location"])
    assert "simulated_seller_1 grants" in asked_for_more.text
    assert "Sign in" in prompted.text


def test_a_page_opened_without_signing_in_asks_who_it_is(caller: Caller, browser: AtEbay) -> None:
    page = browser.http.get(link(caller).replace("authorize", "consent"))
    unknown = browser.submit(browser.http.get(link(caller)), seller="nobody")
    unsigned = browser.http.post(link(caller).replace("authorize", "consent"))

    assert [page.status_code, unknown.status_code, unsigned.status_code] == [200] * 3
    assert all("Sign in" in each.text for each in (page, unknown, unsigned))


@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": "another"},
        {"redirect_uri": "https://example.com/"},
        {"response_type": "token"},
        {"scope": None},
    ],
)
def test_a_wrong_parameter_breaks_the_page_as_ebays_does(
    caller: Caller, browser: AtEbay, changed: dict[str, str | None]
) -> None:
    wanted = sample("oauth_consent_page_error")

    answer = browser.http.get(link(caller, **changed))

    assert (answer.status_code, answer.json()) == (wanted["status"], wanted["body"])


def test_a_scope_that_the_keyset_lacks_breaks_the_page(caller: Caller, browser: AtEbay) -> None:
    unknown = browser.http.get(link(caller, scope=f"{SCOPE} {SCOPE}/sell.nothing"))
    caller.simulator.world.behaviour.keyset_lacks.append(f"{SCOPE}/sell.fulfillment.readonly")
    lacking = browser.http.get(link(caller))

    assert [each.status_code for each in (unknown, lacking)] == [400, 400]
    assert [each.json()["error_id"] for each in (unknown, lacking)] == ["invalid_scope"] * 2


def test_there_are_no_other_pages(caller: Caller, browser: AtEbay) -> None:
    assert browser.http.get(f"{caller.simulator.api_url}/oauth2/nowhere").status_code == 404


@pytest.mark.parametrize(("seconds", "status"), [(298, 200), (299, 400)])
def test_a_code_is_good_for_299_seconds(
    caller: Caller, browser: AtEbay, seconds: int, status: int
) -> None:
    code = told(browser.consents(link(caller), "seller-1"))["code"]
    caller.simulator.clock.shift(timedelta(seconds=seconds))

    answer = redeem(caller, code)

    assert answer.status_code == status
    assert redeem(caller, code).json() == sample("oauth_error_invalid_grant_code")["body"]


def test_a_code_belongs_to_its_runame(caller: Caller, browser: AtEbay) -> None:
    code = told(browser.consents(link(caller), "seller-1"))["code"]

    answer = caller.mint(grant_type="authorization_code", code=code, redirect_uri="another")

    assert answer.json()["error"] == "invalid_grant"


def test_codes_are_as_long_as_ebay_lets_them_be(caller: Caller, browser: AtEbay) -> None:
    caller.simulator.world.behaviour.long_codes = True

    code = told(browser.consents(link(caller), "seller-1"))["code"]

    assert len(code) == 1024
    assert {"+", "/", "=", "^", "#"} <= set(code)
    assert redeem(caller, code).status_code == 200


def test_a_token_may_do_what_was_consented_to_and_nothing_else(
    caller: Caller, browser: AtEbay
) -> None:
    code = told(browser.consents(link(caller), "seller-1"))["code"]
    granted = redeem(caller, code).json()

    caller.token = granted["access_token"]
    allowed, denied = caller.get(ORDERS).status_code, caller.error_id(TRANSACTIONS)
    refreshed = caller.mint(
        grant_type="refresh_token", refresh_token=granted["refresh_token"]
    ).json()
    caller.token = refreshed["access_token"]

    assert (allowed, denied) == (200, (403, 1100))
    assert caller.error_id(TRANSACTIONS) == (403, 1100)
    caller.refresh()
    assert caller.get(TRANSACTIONS).status_code == 200


def test_an_answer_that_tells_the_scopes_can_be_had(caller: Caller, browser: AtEbay) -> None:
    caller.simulator.world.behaviour.grant_tells_scopes = True

    code = told(browser.consents(link(caller), "seller-1"))["code"]

    assert set(redeem(caller, code).json()["scope"].split()) == set(ASKED["scope"].split())


def test_a_refresh_token_ends_eighteen_months_after_the_consent(
    caller: Caller, browser: AtEbay
) -> None:
    code = told(browser.consents(link(caller), "seller-1"))["code"]
    token = redeem(caller, code).json()["refresh_token"]

    caller.simulator.clock.shift(timedelta(seconds=47_303_999))
    before = caller.mint(grant_type="refresh_token", refresh_token=token)
    caller.simulator.clock.shift(timedelta(seconds=1))
    after = caller.mint(grant_type="refresh_token", refresh_token=token)

    assert (before.status_code, after.json()["error"]) == (200, "invalid_grant")


def test_revoking_ends_one_token_and_what_came_of_it(caller: Caller, browser: AtEbay) -> None:
    first = redeem(caller, told(browser.consents(link(caller), "seller-1"))["code"]).json()
    second = redeem(caller, told(browser.consents(link(caller), "seller-1"))["code"]).json()

    answer = caller.http.post(
        caller.simulator.api_url + REVOKE,
        auth=(CLIENT_ID, "cronshot-simulator-secret"),
        data={"token": first["refresh_token"], "token_type_hint": "refresh_token"},
    )

    assert answer.status_code == 200
    caller.token = first["access_token"]
    assert caller.error_id(USER) == (401, 1001)
    caller.token = second["access_token"]
    assert caller.get(USER).status_code == 200
    gone = caller.mint(grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert gone.json() == sample("oauth_error_invalid_grant_refresh")["body"]


def test_revoking_wants_the_client_and_a_token(caller: Caller) -> None:
    place = caller.simulator.api_url + REVOKE

    stranger = caller.http.post(place, auth=("x", "y"), data={"token": "x"})
    nothing = caller.http.post(place, auth=(CLIENT_ID, "cronshot-simulator-secret"))
    unknown = caller.http.post(
        place, auth=(CLIENT_ID, "cronshot-simulator-secret"), data={"token": "x"}
    )

    assert [each.status_code for each in (stranger, nothing, unknown)] == [401, 400, 200]
    assert stranger.json() == sample("oauth_error_invalid_client")["body"]


def test_a_new_consent_after_a_revocation_does_not_revive_the_old_tokens(
    caller: Caller, browser: AtEbay
) -> None:
    caller.refresh()
    caller.account.revoked = True

    granted = redeem(caller, told(browser.consents(link(caller), "seller-1"))["code"]).json()
    old = caller.mint(grant_type="refresh_token", refresh_token=caller.account.refresh_token)

    assert old.json()["error"] == "invalid_grant"
    assert caller.error_id(USER) == (401, 1001)
    caller.token = granted["access_token"]
    assert caller.get(USER).status_code == 200
