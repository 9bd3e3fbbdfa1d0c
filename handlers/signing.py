"""What message signatures are made with: keys, who keeps them, who signs."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from core.clock import Clock
from core.signing.keep import KeepSigningKeys
from core.signing.model import KnownKey
from core.signing.ports import KeyService, KeyStore
from handlers import ebay_clients
from handlers.opening import STOP, Opened, WallClock, sleep
from infra.crypto import AesGcmCipher
from infra.ebay.client import EbayHttp
from infra.ebay.oauth import ApplicationTokens
from infra.ebay.signer import EbaySigner
from infra.ebay.signing_keys import KeyManagement
from infra.postgres.signing import PostgresSigningKeys

RENEWAL_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningDesk:
    """A person's view of the signing keys. `renew` replaces what is stored, `known` asks eBay."""

    store: KeyStore
    keeper: KeepSigningKeys
    service: KeyService

    def renew(self, environment: str, cipher: str | None) -> None:
        self.keeper.renew(environment, cipher, timeout=RENEWAL_S)

    def list(self) -> Sequence[KnownKey]:
        return self.store.list()

    def known(self, environment: str) -> Sequence[str]:
        return self.service.list(environment, timeout=RENEWAL_S)


def signer(ready: Opened, http: EbayHttp, sealing: AesGcmCipher, clock: Clock) -> EbaySigner:
    """By the run's clock, which is the database's: one that eBay's agrees with, or nothing does."""
    return EbaySigner(keys=_keeper(ready, http, sealing), clock=clock)


@contextmanager
def signing_desk(ready: Opened) -> Iterator[SigningDesk]:
    """Raises ConfigurationError where ENCRYPTION_KEYS are not those of this database."""
    sealing = ebay_clients.cipher(ready.settings)
    ebay_clients.key_test(ready, sealing).check()
    http = EbayHttp(stopping=STOP.is_set)
    try:
        yield SigningDesk(
            store=PostgresSigningKeys(ready.database),
            keeper=_keeper(ready, http, sealing),
            service=_service(ready, http),
        )
    finally:
        http.close()


def signing_keys(ready: Opened) -> Sequence[KnownKey]:
    return PostgresSigningKeys(ready.database).list()


def _keeper(ready: Opened, http: EbayHttp, sealing: AesGcmCipher) -> KeepSigningKeys:
    applications = ebay_clients.keys(ready.settings)
    return KeepSigningKeys(
        store=PostgresSigningKeys(ready.database),
        service=_service(ready, http),
        cipher=sealing,
        clients={str(each): keys.client_id for each, keys in applications.items()},
        ticks=time.monotonic,
        sleep=sleep,
        stopping=STOP.is_set,
        log=ready.log,
    )


def _service(ready: Opened, http: EbayHttp) -> KeyManagement:
    return KeyManagement(
        http=http,
        hosts=ebay_clients.hosts(ready.settings),
        tokens=ApplicationTokens(ebay_clients.oauth(ready.settings, http)),
        clock=WallClock(),
    )
