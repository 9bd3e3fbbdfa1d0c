"""The wiring of `accounts import`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from core.moving.model import OldConnector, Planned
from core.moving.move import MoveAccount
from core.moving.plan import Planner, Wishes
from core.secret import Secret
from core.sync.model import Stream, Walk
from handlers import ebay_clients
from handlers.opening import STOP, Opened, WallClock
from infra.ebay.client import EbayHttp
from infra.ebay.identity import Identity
from infra.ebay.owner import TokenOwners
from infra.ebay.streams.registry import STREAMS
from infra.old_connector.cipher import WELL_KNOWN, old_cipher
from infra.old_connector.reading import PostgresOldConnector
from infra.postgres.moving import PostgresMoving


@dataclass(frozen=True, slots=True)
class StreamHere:
    name: str
    is_snapshot: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """The old connector as it was read, and what is to become of it. `now` is our database's.

    `well_known_secret`: what it sealed with is printed in its source.
    """

    place: str
    old: OldConnector
    planned: Sequence[Planned]
    now: datetime
    wishes: Wishes
    well_known_secret: bool


def survey(ready: Opened, url: Secret, secret: Secret, wishes: Wishes) -> Survey:
    """Nothing is written anywhere."""
    source = PostgresOldConnector(url)
    old = source.read()
    destination = PostgresMoving(ready.database, STREAMS)
    now = destination.now()
    planner = Planner(
        opener=old_cipher(secret),
        streams=[_here(stream) for stream in STREAMS],
        here=destination.accounts(),
        now=now,
        wishes=wishes,
    )
    return Survey(
        place=source.place,
        old=old,
        planned=planner.plan(old),
        now=now,
        wishes=wishes,
        well_known_secret=secret.reveal() == WELL_KNOWN,
    )


def _here(stream: Stream) -> StreamHere:
    return StreamHere(stream.name, stream.walk is Walk.SNAPSHOT)


@contextmanager
def mover(ready: Opened) -> Iterator[MoveAccount]:
    http = EbayHttp(stopping=STOP.is_set)
    try:
        sealing = ebay_clients.cipher(ready.settings)
        where = ebay_clients.hosts(ready.settings)
        yield MoveAccount(
            destination=PostgresMoving(ready.database, STREAMS),
            refresher=ebay_clients.oauth(ready.settings, http),
            sellers=TokenOwners(Identity(http=http, hosts=where, clock=WallClock())),
            sealer=sealing,
            test_keys=ebay_clients.key_test(ready, sealing).check,
        )
    finally:
        http.close()
