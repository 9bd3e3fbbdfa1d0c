"""Tokens, scopes, hosts and quotas of the simulator."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from infra.simulator.accounts import SCOPE
from infra.simulator.clock import SimulatorClock
from infra.simulator.oauth import CLIENT_ID, CLIENT_SECRET, RUNAME
from infra.simulator.server import Simulator
from infra.simulator.world import World
from tests.support.simulated import ORDERS, RATE_LIMITS, TRANSACTIONS, USER, Caller

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.fixture
def caller() -> Iterator[Caller]:
    clock = SimulatorClock(source=lambda: NOON)
    world = World(seed=5, orders=30, clock=clock)
    with Simulator(world) as simulator, Caller(simulator) as caller:
        yield caller


def test_every_refresh_gives_another_token(caller: Caller) -> None:
    tokens = {caller.refresh() for _ in range(20)}

    assert len(tokens) == 20


def test_a_token_ends_after_two_hours(caller: Caller) -> None:
    caller.refresh()

    caller.simulator.clock.shift(timedelta(seconds=7199))
    before = caller.get(USER).status_code
    caller.simulator.clock.shift(timedelta(seconds=1))

    assert before == 200
    assert caller.error_id(USER) == (401, 1001)


def test_a_token_outlives_a_restart(caller: Caller) -> None:
    caller.refresh()
    again = World(seed=5, orders=30, clock=caller.simulator.clock)

    with Simulator(again) as restarted, Caller(restarted) as other:
        other.token = caller.token
        answer = other.get(USER)

    assert answer.status_code == 200


def test_a_token_of_another_seed_is_refused(caller: Caller) -> None:
    with Simulator(World(seed=6, orders=1)) as other, Caller(other) as stranger:
        caller.token = stranger.refresh()

    assert caller.error_id(USER) == (401, 1001)


@pytest.mark.parametrize("token", ["x", "v^1.1#i^1#t^e30=.00", "."])
def test_an_unknown_token_is_refused(caller: Caller, token: str) -> None:
    caller.token = token

    assert caller.error_id(ORDERS) == (401, 1001)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "IAF abc"}])
def test_a_missing_token_is_said_to_be_missing(caller: Caller, headers: dict[str, str]) -> None:
    answer = caller.http.get(caller.simulator.api_url + ORDERS, headers=headers)

    assert (answer.status_code, answer.json()["errors"][0]["errorId"]) == (401, 1002)


def test_the_status_of_a_missing_token_can_be_switched(caller: Caller) -> None:
    caller.simulator.world.behaviour.missing_token_status = 400

    assert caller.http.get(caller.simulator.api_url + ORDERS).status_code == 400


@pytest.mark.parametrize(
    ("scope", "path"),
    [
        ("sell.finances", TRANSACTIONS),
        ("commerce.identity.readonly", USER),
    ],
)
def test_a_scope_that_was_not_granted_is_denied(caller: Caller, scope: str, path: str) -> None:
    caller.account.scopes.discard(f"{SCOPE}/{scope}")

    assert caller.error_id(path) == (403, 1100)
    assert caller.get(ORDERS).status_code == 200


def test_either_fulfillment_scope_is_enough(caller: Caller) -> None:
    caller.account.scopes.discard(f"{SCOPE}/sell.fulfillment")

    assert caller.get(ORDERS).status_code == 200


def test_a_refresh_may_ask_for_less_and_not_for_more(caller: Caller) -> None:
    token = caller.account.refresh_token

    less = caller.mint(grant_type="refresh_token", refresh_token=token, scope=SCOPE)
    more = caller.mint(
        grant_type="refresh_token", refresh_token=token, scope=f"{SCOPE}/sell.marketing"
    )
    caller.token = less.json()["access_token"]

    assert caller.error_id(ORDERS) == (403, 1100)
    assert (more.status_code, more.json()["error"]) == (400, "invalid_scope")


def test_a_revoked_account_gets_invalid_grant_and_its_tokens_end(caller: Caller) -> None:
    caller.refresh()
    caller.account.revoked = True

    answer = caller.mint(grant_type="refresh_token", refresh_token=caller.account.refresh_token)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert caller.error_id(ORDERS) == (401, 1001)


@pytest.mark.parametrize("auth", [(CLIENT_ID, "wrong"), ("wrong", CLIENT_SECRET), (CLIENT_ID, "")])
def test_a_wrong_client_is_refused_before_anything_else(
    caller: Caller, auth: tuple[str, str]
) -> None:
    answer = caller.mint_as(auth, {"grant_type": "nonsense", "refresh_token": "x"})

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_a_form_that_is_not_one_is_no_grant(caller: Caller) -> None:
    answer = caller.http.post(
        caller.simulator.api_url + "/identity/v1/oauth2/token",
        auth=(CLIENT_ID, CLIENT_SECRET),
        json={"grant_type": "refresh_token"},
    )

    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")


def test_a_code_is_good_once_and_its_refresh_token_for_long(caller: Caller) -> None:
    form = {
        "grant_type": "authorization_code",
        "code": caller.simulator.desk.authorization_code(caller.account),
        "redirect_uri": RUNAME,
    }

    first = caller.mint(**form)
    second = caller.mint(**form)
    refreshed = caller.mint(grant_type="refresh_token", refresh_token=first.json()["refresh_token"])

    assert first.json()["refresh_token_expires_in"] == 47_304_000
    assert (second.status_code, second.json()["error"]) == (400, "invalid_grant")
    assert refreshed.status_code == 200


def test_an_application_token_sees_limits_and_no_orders(caller: Caller) -> None:
    answer = caller.mint(grant_type="client_credentials", scope=SCOPE)
    caller.token = answer.json()["access_token"]

    assert caller.get(RATE_LIMITS).status_code == 200
    assert caller.error_id(ORDERS) == (403, 1100)


def test_tokens_are_the_same_for_the_same_seed() -> None:
    first, again = World(seed=9, orders=1), World(seed=9, orders=2)
    other = World(seed=10, orders=1)

    assert [each.refresh_token for each in first.accounts] == [
        each.refresh_token for each in again.accounts
    ]
    assert first.accounts[0].refresh_token != first.accounts[1].refresh_token
    assert first.accounts[0].refresh_token != other.accounts[0].refresh_token


def test_the_wrong_host_answers_404_with_nothing() -> None:
    with Simulator(orders=3, split_hosts=True) as simulator, Caller(simulator) as caller:
        headers = {"Authorization": f"Bearer {caller.refresh()}"}

        right = caller.http.get(simulator.apiz_url + USER, headers=headers)
        wrong = caller.http.get(simulator.api_url + USER, headers=headers)
        orders = caller.http.get(simulator.apiz_url + ORDERS, headers=headers)

    assert right.status_code == 200
    assert (wrong.status_code, wrong.content) == (404, b"")
    assert (orders.status_code, orders.content) == (404, b"")


def test_an_unknown_resource_is_told_so(caller: Caller) -> None:
    assert caller.error_id("/sell/nothing/v1/here") == (404, 2002)


def rate(caller: Caller, resource: str) -> dict[str, int | str]:
    for api in caller.get(RATE_LIMITS).json()["rateLimits"]:
        for each in api["resources"]:
            if each["name"] == resource:
                found: dict[str, int | str] = each["rates"][0]
                return found
    raise AssertionError(resource)


def test_a_quota_that_is_used_up_refuses_until_seven_in_the_morning(caller: Caller) -> None:
    caller.simulator.world.behaviour.quota_limits["sell.fulfillment"] = 3

    answers = [caller.get(ORDERS).status_code for _ in range(3)]
    refused = caller.error_id(ORDERS)
    used = rate(caller, "sell.fulfillment")
    caller.simulator.clock.shift(timedelta(hours=19) - timedelta(seconds=1))
    caller.refresh()
    still = caller.get(ORDERS).status_code
    caller.simulator.clock.shift(timedelta(seconds=1))

    assert (answers, refused, still) == ([200, 200, 200], (429, 2001), 429)
    assert used == {
        "count": 3,
        "limit": 3,
        "remaining": 0,
        "reset": "2026-05-05T07:00:00.000Z",
        "timeWindow": 86400,
    }
    assert caller.get(ORDERS).status_code == 200
    assert rate(caller, "sell.fulfillment")["remaining"] == 2


def test_all_accounts_share_a_quota(caller: Caller) -> None:
    caller.get(ORDERS)
    with Caller(caller.simulator, 1) as other:
        other.get(ORDERS)

    assert rate(caller, "sell.fulfillment")["count"] == 2


def test_rate_limits_can_be_narrowed(caller: Caller) -> None:
    finances = caller.get(RATE_LIMITS, api_name="finances").json()["rateLimits"]
    nothing = caller.get(RATE_LIMITS, api_context="nothing")

    assert [each["apiName"] for each in finances] == ["Finances"]
    assert nothing.status_code == 204


def test_mints_have_a_daily_limit(caller: Caller) -> None:
    caller.simulator.quotas.set_count("oauth.refresh_token", 50_000)

    answer = caller.mint(grant_type="refresh_token", refresh_token=caller.account.refresh_token)

    assert answer.status_code == 429
