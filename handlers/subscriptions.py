"""Where subscribing an account to eBay's notifications is put together."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from core.accounts.model import KnownAccount
from core.errors import ConfigurationError, UsageError
from core.notifications.subscribe import SubscribeAccount
from core.sync.model import Environment
from handlers import ebay_clients, opening, selling
from handlers.notifications import Endpoint
from handlers.opening import Opened
from infra.ebay.client import EbayHttp
from infra.ebay.notification_api import CALL_S, EbayNotificationApi
from infra.ebay.oauth import ApplicationTokens


@contextmanager
def subscribing(ready: Opened, name: str) -> Iterator[SubscribeAccount]:
    """The account of this name at eBay. Raises UsageError, ConfigurationError."""
    endpoint = Endpoint.of(ready.settings)
    if endpoint is None:
        raise ConfigurationError(
            "EBAY_NOTIFICATION_VERIFICATION_TOKEN and EBAY_NOTIFICATION_ENDPOINT are not set;"
            " docs/webhooks.md says what they are"
        )
    known = selling.account_store(ready).find(name)
    if known is None:
        raise UsageError(f"there is no account {name!r}; see `accounts list`")
    if known.environment != ready.settings.ebay_notification_environment:
        raise UsageError(
            f"the account {name!r} belongs to {known.environment}, and /webhooks/ebay listens to"
            f" {ready.settings.ebay_notification_environment}: the keys that are set decide that"
        )
    with closing(EbayHttp(stopping=opening.STOP.is_set)) as http:
        yield _subscribing(ready, http, endpoint, known)


def _subscribing(
    ready: Opened, http: EbayHttp, endpoint: Endpoint, known: KnownAccount
) -> SubscribeAccount:
    settings, environment = ready.settings, Environment(known.environment)
    sealing = ebay_clients.cipher(settings)
    ebay_clients.key_test(ready, sealing).check()
    applications = ApplicationTokens(ebay_clients.oauth(settings, http))
    users = ebay_clients.tokens(ready, http, sealing, "manual")
    api = EbayNotificationApi(
        http=http,
        hosts=ebay_clients.hosts(settings),
        environment=environment,
        clock=opening.WallClock(),
    )
    return SubscribeAccount(
        api=api,
        application=lambda: applications.get(environment, timeout=CALL_S),
        user=lambda: users.get(known.id, known.environment, rejected=None, timeout=CALL_S),
        endpoint=endpoint.address,
        word=endpoint.word,
    )
