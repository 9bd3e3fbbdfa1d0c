"""What `/webhooks/ebay` is put together from."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from core.events import Log
from core.notifications.challenge import challenge_response
from core.notifications.keys import PublicKeys
from core.notifications.model import Taken
from core.notifications.take import TakeNotifications
from core.secret import Secret
from core.sync.model import Environment
from handlers import ebay_clients, opening
from infra.ebay.client import EbayHttp
from infra.ebay.notification_keys import EbayPublicKeys, Line
from infra.ebay.notification_signature import EcdsaSignatures
from infra.ebay.oauth import ApplicationTokens
from infra.postgres.notifications import PostgresNotifications
from infra.settings import Settings

KEY_S = 2.5
"""eBay gives us about three seconds; whoever waits longer is sent the notification again."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What is registered at eBay: `address`, and the word that proves that it is ours."""

    settings: Settings
    word: Secret
    address: str

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        """None where it is not configured."""
        word = settings.ebay_notification_verification_token
        address = settings.ebay_notification_endpoint
        if word is None or address is None:
            return None
        return cls(settings, Secret(word.get_secret_value()), address)

    @property
    def log(self) -> Log:
        return opening.log_for(self.settings)

    def answer_challenge(self, code: str) -> str:
        return challenge_response(code, self.word, self.address)

    def take(self, body: bytes, header: str) -> Taken:
        """As TakeNotifications does. Raises also ConfigurationError."""
        log = self.log
        with opening.connected(self.settings, log) as ready:
            environment = self.settings.ebay_notification_environment
            taking = TakeNotifications(
                keys=_public_keys(self.settings),
                signatures=EcdsaSignatures(),
                store=PostgresNotifications(ready.database, environment),
                log=log,
                key_s=KEY_S,
            )
            return taking.take(body, header)


@lru_cache(maxsize=2)
def _public_keys(settings: Settings) -> PublicKeys:
    """For as long as the process lives and its settings stay."""

    @contextmanager
    def line() -> Iterator[Line]:
        with closing(EbayHttp(stopping=opening.STOP.is_set)) as http:
            yield Line(http=http, tokens=ApplicationTokens(ebay_clients.oauth(settings, http)))

    source = EbayPublicKeys(
        line=line,
        hosts=ebay_clients.hosts(settings),
        environment=Environment(settings.ebay_notification_environment),
        clock=opening.WallClock(),
    )
    return PublicKeys(source=source, ticks=opening.WallClock().monotonic)
