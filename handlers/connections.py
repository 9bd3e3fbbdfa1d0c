"""What connecting and disconnecting are made of."""

import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

from core.connect import scopes
from core.connect.begin import BeginConsent
from core.connect.disconnect import DisconnectAccount
from core.connect.finish import FinishConsent
from core.sync.model import Environment
from handlers import ebay_clients, selling
from handlers.opening import STOP, Opened, WallClock, sleep
from infra.ebay.client import EbayHttp
from infra.ebay.consents import EbayConsents
from infra.ebay.identity import Identity
from infra.ebay.owner import TokenOwners
from infra.ebay.streams.registry import STREAM_APIS
from infra.postgres.connections import PostgresConnections
from infra.settings import SIMULATOR_RUNAME, Settings

STATE_BYTES = 32
NEEDS: Mapping[str, str] = {name: api.scope for name, api in STREAM_APIS.items()}
"""The scope that each stream needs."""
NOTIFICATIONS = f"{scopes.ROOT}/commerce.notification.subscription"
USUAL_SCOPES = tuple(dict.fromkeys([scopes.ROOT, scopes.IDENTITY, *NEEDS.values(), NOTIFICATIONS]))
"""No more than is read, and what eBay's notifications of an account need."""


def new_secret() -> str:
    return secrets.token_urlsafe(STATE_BYTES)


def plain_origins(settings: Settings) -> list[str]:
    """The consent pages that are not served over https: a simulator's."""
    if not settings.ebay_simulator_api_url:
        return []
    place = urlsplit(ebay_clients.hosts(settings).consent_page(Environment.SIMULATOR))
    return [f"{place.scheme}://{place.netloc}"]


@contextmanager
def consents(settings: Settings) -> Iterator[EbayConsents]:
    http = EbayHttp(stopping=STOP.is_set)
    try:
        yield _consents(settings, http)
    finally:
        http.close()


def _consents(settings: Settings, http: EbayHttp) -> EbayConsents:
    given = {
        Environment.PRODUCTION: settings.ebay_production_runame,
        Environment.SANDBOX: settings.ebay_sandbox_runame,
        Environment.SIMULATOR: SIMULATOR_RUNAME,
    }
    runames = {where: runame for where, runame in given.items() if runame}
    return EbayConsents(oauth=ebay_clients.oauth(settings, http), runames=runames)


@contextmanager
def begin_consent(ready: Opened) -> Iterator[BeginConsent]:
    with consents(ready.settings) as ebay:
        yield BeginConsent(
            store=_store(ready),
            consents=ebay,
            usual_scopes=USUAL_SCOPES,
            new_state=new_secret,
            test_keys=ebay_clients.key_test(ready, ebay_clients.cipher(ready.settings)).check,
        )


@contextmanager
def finish_consent(ready: Opened) -> Iterator[FinishConsent]:
    with consents(ready.settings) as ebay:
        identity = Identity(http=ebay.oauth.http, hosts=ebay.oauth.hosts, clock=WallClock())
        yield FinishConsent(
            store=_store(ready),
            consents=ebay,
            sellers=TokenOwners(identity),
            sealer=ebay_clients.cipher(ready.settings),
            needs=NEEDS,
            ticks=time.monotonic,
            sleep=sleep,
        )


@contextmanager
def disconnect_account(ready: Opened) -> Iterator[DisconnectAccount]:
    with consents(ready.settings) as ebay:
        yield DisconnectAccount(
            store=_store(ready), revoker=ebay, opener=ebay_clients.cipher(ready.settings)
        )


def _store(ready: Opened) -> PostgresConnections:
    return PostgresConnections(ready.database, selling.account_store(ready))
