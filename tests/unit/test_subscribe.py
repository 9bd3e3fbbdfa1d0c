"""Subscribing an account to eBay's notifications."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest
import respx

from core.errors import (
    BadAnswerError,
    PermanentError,
    UpstreamFacts,
    UpstreamUnavailableError,
    UsageError,
)
from core.notifications.ports import Destination, Subscription
from core.notifications.subscribe import TOPICS, SubscribeAccount
from core.secret import Secret
from core.sync.model import Environment
from infra.ebay.client import EbayHttp
from infra.ebay.hosts import EbayHosts
from infra.ebay.notification_api import MOST_PAGES, EbayNotificationApi
from tests.support.ebay import TOKEN, clock
from tests.support.ebay_shared import sample

ENDPOINT, WORD = "https://x.example/webhooks/ebay", Secret("canary-word")
ROOT = "https://api.ebay.com/commerce/notification/v1"


@dataclass
class Api:
    emails: list[str] = field(default_factory=list)
    there: list[Destination] = field(default_factory=list)
    made: dict[str, Subscription] = field(default_factory=dict)
    refused: frozenset[str] = frozenset()
    tested: list[str] = field(default_factory=list)
    error_id: int = 0

    def set_alert_email(self, token: Secret, email: str) -> None:
        self.emails.append(email)

    def destinations(self, token: Secret) -> Sequence[Destination]:
        assert token.reveal() == "application"
        return self.there

    def create_destination(
        self, token: Secret, name: str, endpoint: str, word: Secret
    ) -> Destination:
        if self.error_id:
            raise BadAnswerError("eBay answered 409", UpstreamFacts(error_id=self.error_id))
        self.there.append(Destination(id="d-1", endpoint=endpoint, status="ENABLED"))
        return self.there[-1]

    def subscriptions(self, token: Secret) -> Sequence[Subscription]:
        assert token.reveal() == "user"
        return list(self.made.values())

    def subscribe(self, token: Secret, topic: str, destination_id: str) -> str:
        if topic in self.refused:
            raise BadAnswerError("eBay answered 403, error 195011")
        self.made[topic] = Subscription(id=f"s-{topic}", topic=topic, status="ENABLED")
        return f"s-{topic}"

    def test(self, token: Secret, subscription_id: str) -> None:
        self.tested.append(subscription_id)


def account(api: Api) -> SubscribeAccount:
    return SubscribeAccount(
        api=api,
        application=lambda: Secret("application"),
        user=lambda: Secret("user"),
        endpoint=ENDPOINT,
        word=WORD,
    )


def test_an_account_is_subscribed_to_what_makes_its_streams_due() -> None:
    api = Api()

    states = account(api).subscribe([], "me@example.com")

    assert [(each.topic, each.state) for each in states] == [
        (each, "subscribed") for each in TOPICS
    ]
    assert (api.emails, len(api.there)) == (["me@example.com"], 1)


def test_called_again_it_adds_what_is_missing() -> None:
    api = Api(there=[Destination(id="d-0", endpoint="https://other", status="ENABLED")])
    account(api).subscribe(["NEW_MESSAGE"], None)

    states = account(api).subscribe(["NEW_MESSAGE", "ORDER_CONFIRMATION"], None)

    assert [each.state for each in states] == ["already subscribed", "subscribed"]
    assert (api.emails, len(api.there)) == ([], 2)
    assert [each.state for each in account(api).states()] == ["ENABLED", "ENABLED"]


def test_a_topic_that_is_refused_stops_no_other() -> None:
    api = Api(refused=frozenset({"ORDER_RETURN_ACTIVITY"}))

    states = account(api).subscribe([], None)

    assert [each.topic for each in states if each.state == "refused"] == ["ORDER_RETURN_ACTIVITY"]
    assert "195011" in states[1].detail


def test_what_ebay_wants_first_is_told() -> None:
    with pytest.raises(UsageError, match="--alert-email"):
        account(Api(error_id=195003)).subscribe([], None)
    with pytest.raises(BadAnswerError, match="409"):
        account(Api(error_id=195020)).subscribe([], None)


@pytest.mark.parametrize("topic", ["MARKETPLACE_ACCOUNT_DELETION", "NO_SUCH_TOPIC"])
def test_a_topic_that_cannot_be_subscribed_to_is_named(topic: str) -> None:
    with pytest.raises(UsageError, match=topic):
        account(Api()).subscribe([topic], None)


def test_a_test_is_asked_for_by_its_topic() -> None:
    api = Api()
    account(api).subscribe([], None)

    account(api).test("NEW_MESSAGE")

    assert api.tested == ["s-NEW_MESSAGE"]
    with pytest.raises(UsageError, match="not subscribed"):
        account(api).test("ITEM_MARKED_SHIPPED")


@pytest.fixture
def api() -> Iterator[EbayNotificationApi]:
    http = EbayHttp()
    yield EbayNotificationApi(
        http=http, hosts=EbayHosts(), environment=Environment.PRODUCTION, clock=clock()
    )
    http.close()


@pytest.fixture
def ebay() -> Iterator[respx.MockRouter]:
    with respx.mock(assert_all_called=False) as router:
        yield router


def test_the_recorded_subscriptions_are_read(
    api: EbayNotificationApi, ebay: respx.MockRouter
) -> None:
    body = sample("notification_getSubscriptions_200")["body"]
    ebay.get(f"{ROOT}/subscription").respond(200, json=body)

    [found] = api.subscriptions(TOKEN)

    assert (found.topic, found.status) == ("ORDER_CONFIRMATION", "ENABLED")


def test_every_page_is_read_and_no_list_is_endless(
    api: EbayNotificationApi, ebay: respx.MockRouter
) -> None:
    row = {"destinationId": "d", "deliveryConfig": {"endpoint": ENDPOINT}, "name": None}
    body = {"destinations": [row, {"destinationId": "e"}], "next": "/d?continuation_token=7%3D"}
    route = ebay.get(f"{ROOT}/destination").respond(200, json=body)

    assert len(api.destinations(TOKEN)) == 2 * MOST_PAGES
    assert route.calls.last.request.url.params["continuation_token"] == "7="


def test_what_is_created_is_named_by_its_location(
    api: EbayNotificationApi, ebay: respx.MockRouter
) -> None:
    ebay.post(f"{ROOT}/destination").respond(201, headers={"Location": f"{ROOT}/destination/d-9"})
    ebay.post(f"{ROOT}/subscription").respond(201)

    made = api.create_destination(TOKEN, "cronshot", ENDPOINT, WORD)

    assert made == Destination(id="d-9", endpoint=ENDPOINT, status="ENABLED")
    with pytest.raises(PermanentError, match="nothing that was created"):
        api.subscribe(TOKEN, "NEW_MESSAGE", "d-9")


def test_a_refusal_repeats_neither_word_nor_token(
    api: EbayNotificationApi, ebay: respx.MockRouter
) -> None:
    said = {"errors": [{"errorId": 195019, "message": f"bad {WORD.reveal()} {TOKEN.reveal()}"}]}
    ebay.post(f"{ROOT}/destination").respond(400, json=said)

    with pytest.raises(BadAnswerError, match="195019") as caught:
        api.create_destination(TOKEN, "cronshot", ENDPOINT, WORD)

    assert "canary" not in repr(caught.value) + str(caught.value) + repr(caught.value.facts)


@pytest.mark.parametrize(
    ("body", "error"),
    [(b"<html>", UpstreamUnavailableError), (b'{"subscriptions": 7}', BadAnswerError)],
)
def test_an_answer_that_is_none_is_an_error(
    api: EbayNotificationApi, ebay: respx.MockRouter, body: bytes, error: type[Exception]
) -> None:
    ebay.get(f"{ROOT}/subscription").respond(200, content=body)

    with pytest.raises(error):
        api.subscriptions(TOKEN)


def test_an_email_and_a_test_are_sent(api: EbayNotificationApi, ebay: respx.MockRouter) -> None:
    ebay.put(f"{ROOT}/config").respond(204)
    ebay.post(f"{ROOT}/subscription/s-1/test").respond(202)

    api.set_alert_email(TOKEN, "me@example.com")
    api.test(TOKEN, "s-1")

    assert len(ebay.calls) == 2
