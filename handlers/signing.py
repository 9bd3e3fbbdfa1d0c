"""What message signatures are made with: keys, who keeps them, who signs."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from core.clock import Clock
from core.signing.keep import KeepSigningKeys
from core.signing.model import KnownKey
from core.signing.ports import KeyService
from handlers import ebay_clients
from handlers.opening import STOP, Opened, WallClock, sleep
from infra.crypto import AesGcmCipher
from infra.ebay.client import EbayHttp
from infra.ebay.oauth import ApplicationTokens
from infra.ebay.signed_calls import LateSignatures, Signatures
from infra.postgres.signing import PostgresSigningKeys

RENEWAL_S = 30.0


def signer(ready: Opened, http: EbayHttp, sealing: AesGcmCipher, clock: Clock) -> Signatures:
    """By the run's clock, which is the database's: one that eBay's agrees with, or nothing does."""

    def make() -> Signatures:
        from infra.ebay.signer import EbaySigner

        return EbaySigner(keys=_keeper(ready, http, sealing), clock=clock)

    return LateSignatures(make)


def signing_keys(ready: Opened) -> Sequence[KnownKey]:
    return PostgresSigningKeys(ready.database).list()


@contextmanager
def key_management(ready: Opened) -> Iterator[KeyService]:
    """eBay's own view of the keys; nothing stored is opened for it."""
    http = EbayHttp(stopping=STOP.is_set)
    try:
        yield _service(ready, http)
    finally:
        http.close()


def renew_signing_key(ready: Opened, environment: str, cipher: str | None) -> None:
    """Raises ConfigurationError where ENCRYPTION_KEYS are not those of this database."""
    sealing = ebay_clients.cipher(ready.settings)
    ebay_clients.key_test(ready, sealing).check()
    http = EbayHttp(stopping=STOP.is_set)
    try:
        _keeper(ready, http, sealing).renew(environment, cipher, timeout=RENEWAL_S)
    finally:
        http.close()


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


def _service(ready: Opened, http: EbayHttp) -> KeyService:
    # Ten milliseconds of imports, which a run that signs nothing does not need.
    from infra.ebay.signing_keys import KeyManagement

    return KeyManagement(
        http=http,
        hosts=ebay_clients.hosts(ready.settings),
        tokens=ApplicationTokens(ebay_clients.oauth(ready.settings, http)),
        clock=WallClock(),
    )
