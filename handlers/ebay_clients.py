"""eBay's side of whatever is put together: hosts, keys, tokens and the key that seals them."""

import time
from collections.abc import Mapping

from core.errors import ConfigurationError
from core.ids import RunId
from core.secret import Secret
from core.sync.model import Environment
from core.tokens.canary import KeyTest
from core.tokens.keep import KeepTokens
from core.tokens.ports import Cipher
from handlers.opening import STOP, Opened, WallClock, sleep
from infra.crypto import AesGcmCipher
from infra.ebay.client import EbayHttp
from infra.ebay.hosts import EbayHosts
from infra.ebay.oauth import ApplicationKeys, ApplicationTokens, OAuth
from infra.ebay.quotas import EbayQuotas
from infra.ebay.rate_limits import RateLimits
from infra.keyring import cipher_beside, cipher_from
from infra.postgres.sealed import PostgresCanary
from infra.postgres.tokens import PostgresTokens
from infra.settings import SIMULATOR_CLIENT_ID, SIMULATOR_CLIENT_SECRET, Settings


def cipher(settings: Settings) -> AesGcmCipher:
    """Raises ConfigurationError where ENCRYPTION_KEYS is missing beside a database of one's own."""
    if settings.encryption_keys is not None:
        return cipher_from(settings.encryption_keys.get_secret_value())
    if settings.database_url is None and not settings.on_lambda:
        return cipher_beside(settings.cronshot_home)
    raise ConfigurationError(
        "ENCRYPTION_KEYS is not set, and tokens are never stored in clear;"
        " .env.example shows how to make one"
    )


def key_test(ready: Opened, sealing: AesGcmCipher) -> KeyTest:
    return KeyTest(canary=PostgresCanary(ready.database), cipher=sealing)


def hosts(settings: Settings) -> EbayHosts:
    return EbayHosts.with_simulator(
        settings.ebay_simulator_api_url, settings.ebay_simulator_apiz_url
    )


def tokens(
    ready: Opened, http: EbayHttp, sealing: Cipher, triggered_by: str, run_id: RunId | None = None
) -> KeepTokens:
    return KeepTokens(
        store=PostgresTokens(ready.database, run_id),
        endpoint=oauth(ready.settings, http),
        cipher=sealing,
        ticks=time.monotonic,
        sleep=sleep,
        triggered_by=triggered_by,
        stopping=STOP.is_set,
        log=ready.log,
    )


def oauth(settings: Settings, http: EbayHttp) -> OAuth:
    return OAuth(http=http, hosts=hosts(settings), keys=keys(settings), clock=WallClock())


def quotas(settings: Settings, http: EbayHttp) -> EbayQuotas:
    limits = RateLimits(
        http=http,
        hosts=hosts(settings),
        tokens=ApplicationTokens(oauth(settings, http)),
        clock=WallClock(),
    )
    return EbayQuotas(limits=limits, ticks=time.monotonic)


def keys(settings: Settings) -> Mapping[Environment, ApplicationKeys]:
    """Those of the simulator are built in; the others are demanded when an account needs them."""
    simulator = ApplicationKeys(
        client_id=SIMULATOR_CLIENT_ID, client_secret=Secret(SIMULATOR_CLIENT_SECRET)
    )
    keys = {Environment.SIMULATOR: simulator}
    given = {
        Environment.PRODUCTION: (
            settings.ebay_production_client_id,
            settings.ebay_production_client_secret,
        ),
        Environment.SANDBOX: (settings.ebay_sandbox_client_id, settings.ebay_sandbox_client_secret),
    }
    for environment, (client_id, secret) in given.items():
        if client_id is not None and secret is not None:
            keys[environment] = ApplicationKeys(
                client_id=client_id, client_secret=Secret(secret.get_secret_value())
            )
    return keys
