"""What taking notifications needs from outside. One method of the store is one transaction."""

from typing import Protocol

from core.notifications.model import Claim, Notification, Taken


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
