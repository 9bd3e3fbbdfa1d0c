"""What every store of signing keys promises: one maker at a time, and nothing written late."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
import sqlalchemy as sa

from core.errors import LeaseLostError
from core.signing.model import Owner
from core.signing.ports import KeyStore
from infra.postgres.signing import PostgresSigningKeys
from infra.postgres.transaction import Database
from tests.support.memory_signing import MemorySigningKeys, sealed

LEASE = timedelta(seconds=30)
OURS, THEIRS = Owner("simulator", "our-app"), Owner("simulator", "their-app")


@dataclass
class Ground:
    store: KeyStore
    let_leases_end: Callable[[], None]


@pytest.fixture(params=["memory", "postgres"])
def ground(request: pytest.FixtureRequest) -> Ground:
    if request.param == "memory":
        memory = MemorySigningKeys()

        def later() -> None:
            memory.now += LEASE

        return Ground(memory, later)
    database: Database = request.getfixturevalue("database")

    def end_leases() -> None:
        with database.transaction() as connection:
            connection.execute(
                sa.text("UPDATE ebay.signing_keys SET leased_until = clock_timestamp()")
            )

    return Ground(PostgresSigningKeys(database), end_leases)


def test_an_owner_without_a_row_has_no_key(ground: Ground) -> None:
    state = ground.store.read(OURS)

    assert (state.key, state.version, state.retry_at, state.last_error) == (None, 0, None, None)
    assert state.is_due()
    assert ground.store.list() == []


def test_a_key_that_was_saved_is_read_again(ground: Ground) -> None:
    making = ground.store.start(OURS, 0, LEASE)
    assert making is not None

    ground.store.save(OURS, making, sealed(1))

    state = ground.store.read(OURS)
    assert (state.key, state.version) == (sealed(1), 1)
    assert ground.store.read(THEIRS).key is None
    [known] = ground.store.list()
    assert (known.owner, known.state.key, known.making) == (OURS, sealed(1), False)


def test_one_maker_at_a_time(ground: Ground) -> None:
    assert ground.store.start(OURS, 0, LEASE) is not None

    assert ground.store.start(OURS, 0, LEASE) is None
    assert ground.store.start(THEIRS, 0, LEASE) is not None
    assert [known.making for known in ground.store.list()] == [True, True]


def test_who_knows_an_older_key_only_makes_none(ground: Ground) -> None:
    making = ground.store.start(OURS, 0, LEASE)
    assert making is not None
    ground.store.save(OURS, making, sealed(1))

    assert ground.store.start(OURS, 0, LEASE) is None
    assert ground.store.start(OURS, 1, LEASE) is not None


def test_a_maker_whose_lease_ended_writes_nothing_any_more(ground: Ground) -> None:
    late = ground.store.start(OURS, 0, LEASE)
    assert late is not None
    ground.let_leases_end()
    making = ground.store.start(OURS, 0, LEASE)
    assert making is not None

    with pytest.raises(LeaseLostError):
        ground.store.save(OURS, late, sealed(1))
    with pytest.raises(LeaseLostError):
        ground.store.fail(OURS, late, error="late", wait=LEASE)
    ground.store.save(OURS, making, sealed(2))

    assert ground.store.read(OURS).key == sealed(2)


def test_a_failure_gives_the_right_back_and_says_until_when_nobody_asks(ground: Ground) -> None:
    making = ground.store.start(OURS, 0, LEASE)
    assert making is not None

    retry_at = ground.store.fail(OURS, making, error="eBay is away", wait=timedelta(minutes=1))

    state = ground.store.read(OURS)
    assert (state.key, state.last_error, state.retry_at) == (None, "eBay is away", retry_at)
    assert state.must_wait()
    again = ground.store.start(OURS, 0, LEASE)
    assert again is not None
    ground.store.save(OURS, again, sealed(1))
    state = ground.store.read(OURS)
    assert (state.last_error, state.retry_at, state.must_wait()) == (None, None, False)


def test_a_failure_leaves_the_old_key(ground: Ground) -> None:
    making = ground.store.start(OURS, 0, LEASE)
    assert making is not None
    ground.store.save(OURS, making, sealed(1))
    renewing = ground.store.start(OURS, 1, LEASE)
    assert renewing is not None

    ground.store.fail(OURS, renewing, error="eBay is away", wait=timedelta(minutes=1))

    state = ground.store.read(OURS)
    assert (state.key, state.version) == (sealed(1), 1)
