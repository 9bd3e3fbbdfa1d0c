"""Subscribing one account to what eBay tells of sellers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.errors import PermanentError, UsageError
from core.notifications.ports import Destination, Subscription, SubscriptionApi
from core.notifications.read import DELETION, STREAMS
from core.secret import Secret

TOPICS = (
    "ORDER_CONFIRMATION",
    "ORDER_RETURN_ACTIVITY",
    "ORDER_INQUIRY_ACTIVITY",
    "ORDER_CANCELLATION_ACTIVITY",
    "NEW_MESSAGE",
)
"""Subscribed to unless others are named."""
NAME = "cronshot"
WANTS_EMAIL = 195003


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicState:
    """`state`: subscribed, already subscribed, refused, or what eBay calls it."""

    topic: str
    state: str
    detail: str = ""
    subscription_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscribeAccount:
    """`application` and `user` get a token each, when the first call needs it.

    Called again it finds what is there and adds what is missing.
    """

    api: SubscriptionApi
    application: Callable[[], Secret]
    user: Callable[[], Secret]
    endpoint: str
    word: Secret

    def subscribe(self, topics: Sequence[str], alert_email: str | None) -> Sequence[TopicState]:
        """Raises UsageError, and what calls to eBay raise; a topic that is refused is a state."""
        wanted = tuple(dict.fromkeys(topics)) or TOPICS
        _check(wanted)
        if alert_email is not None:
            self.api.set_alert_email(self.application(), alert_email)
        destination = self._destination()
        there = {each.topic: each for each in self.api.subscriptions(self.user())}
        return [self._one(topic, destination, there.get(topic)) for topic in wanted]

    def states(self) -> Sequence[TopicState]:
        return [
            TopicState(topic=each.topic, state=each.status, subscription_id=each.id)
            for each in self.api.subscriptions(self.user())
        ]

    def test(self, topic: str) -> None:
        """eBay sends a made-up notification. Raises UsageError for a topic not subscribed to."""
        for each in self.api.subscriptions(self.user()):
            if each.topic == topic:
                self.api.test(self.user(), each.id)
                return
        raise UsageError(
            f"the account is not subscribed to {topic!r}; `notifications subscribe` does it"
        )

    def _destination(self) -> Destination:
        for each in self.api.destinations(self.application()):
            if each.endpoint == self.endpoint:
                return each
        try:
            return self.api.create_destination(self.application(), NAME, self.endpoint, self.word)
        except PermanentError as error:
            if error.facts.error_id == WANTS_EMAIL:
                raise UsageError(
                    "eBay wants an address to write to before the first endpoint: add --alert-email"
                ) from error
            raise

    def _one(self, topic: str, destination: Destination, known: Subscription | None) -> TopicState:
        if known is not None:
            return TopicState(topic=topic, state="already subscribed", subscription_id=known.id)
        try:
            made = self.api.subscribe(self.user(), topic, destination.id)
        except PermanentError as error:
            return TopicState(topic=topic, state="refused", detail=str(error))
        return TopicState(topic=topic, state="subscribed", subscription_id=made)


def _check(topics: Sequence[str]) -> None:
    for topic in topics:
        if topic == DELETION:
            raise UsageError(
                f"{topic} is not subscribed to by a call: enter the endpoint at"
                " https://developer.ebay.com/my/push (docs/webhooks.md)"
            )
        if topic not in STREAMS:
            known = ", ".join(STREAMS)
            raise UsageError(f"nothing would come of the topic {topic!r}; there are: {known}")
