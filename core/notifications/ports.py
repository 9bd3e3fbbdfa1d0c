"""What taking notifications needs from outside. One method of the store is one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from core.notifications.model import Claim, Notification, Taken
from core.secret import Secret


class KeySource(Protocol):
    def fetch(self, key_id: str, *, timeout: float) -> str | None:
        """The public key of this id, as eBay writes it; None where eBay knows none.

        Raises UpstreamUnavailableError and the other errors of calls to eBay.
        """
        ...


class Signatures(Protocol):
    def read(self, header: str) -> Claim:
        """Raises NotOursError."""
        ...

    def check(self, claim: Claim, key: str, body: bytes) -> None:
        """Raises NotOursError where another one has signed, BadAnswerError where `key` is none."""
        ...


class NotificationStore(Protocol):
    def take(self, notification: Notification) -> Taken:
        """Note it and do what it asks for, in one transaction; nothing the second time.

        Raises StoreUnavailableError: it is not taken, and must be sent again.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    id: str
    endpoint: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    id: str
    topic: str
    status: str


class SubscriptionApi(Protocol):
    """eBay's Notification API; each method raises what calls to eBay raise."""

    def set_alert_email(self, token: Secret, email: str) -> None: ...

    def destinations(self, token: Secret) -> Sequence[Destination]: ...

    def create_destination(
        self, token: Secret, name: str, endpoint: str, word: Secret
    ) -> Destination:
        """eBay challenges the endpoint first."""
        ...

    def subscriptions(self, token: Secret) -> Sequence[Subscription]: ...

    def subscribe(self, token: Secret, topic: str, destination_id: str) -> str: ...

    def test(self, token: Secret, subscription_id: str) -> None: ...
