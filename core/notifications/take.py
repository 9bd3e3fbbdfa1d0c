"""Taking one notification."""

from dataclasses import dataclass
from typing import Protocol

from core.events import Log
from core.notifications.model import Notification, NotOursError, Taken
from core.notifications.ports import NotificationStore, Signatures
from core.notifications.read import read_notification


class Keys(Protocol):
    def get(self, key_id: str, *, timeout: float) -> str | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeNotifications:
    """1. Whose key signed it, 2. is it eBay's, 3. did it sign these bytes, 4. what it asks for.

    `key_s`: how long eBay may take to show its key; it wants our answer at once.
    """

    keys: Keys
    signatures: Signatures
    store: NotificationStore
    log: Log
    key_s: float

    def take(self, body: bytes, header: str) -> Taken:
        """What was done is committed. Raises NotOursError, and what keys and store raise."""
        claim = self.signatures.read(header)
        key = self.keys.get(claim.key_id, timeout=self.key_s)
        if key is None:
            raise NotOursError("eBay knows no key of this id")
        self.signatures.check(claim, key, body)
        notification = read_notification(body)
        taken = self.store.take(notification)
        self._tell(notification, taken)
        return taken

    def _tell(self, notification: Notification, taken: Taken) -> None:
        self.log.info(
            "notification.taken" if taken.is_new else "notification.repeated",
            topic=notification.topic,
            notification_id=notification.id,
            attempt=notification.attempt,
            outcome=taken.outcome,
            **taken.effects,
        )
