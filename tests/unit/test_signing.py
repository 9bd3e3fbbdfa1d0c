"""A signing key when one is needed: one is made, kept, and replaced in time."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from core.errors import (
    AccessTokenRefusedError,
    ApplicationRefusedError,
    BadAnswerError,
    ConfigurationError,
    DecryptError,
    OutOfTimeError,
    RateLimitedError,
    SignatureRequiredError,
    UpstreamFacts,
    UpstreamUnavailableError,
)
from core.signing.keep import KeepSigningKeys
from core.signing.model import MAKING_LEASE, Owner
from tests.support.memory_signing import KeyMaker, MemorySigningKeys, Row, lost, sealed
from tests.support.memory_tokens import BEGINNING, PlainCipher
from tests.support.sync_fakes import FakeLog

OWNER = Owner("production", "our-app")
AWAY = UpstreamUnavailableError("eBay could not be reached")
YEARS_LATER = BEGINNING + timedelta(days=3 * 365 - 30)


@dataclass
class Scene:
    store: MemorySigningKeys = field(default_factory=MemorySigningKeys)
    log: FakeLog = field(default_factory=FakeLog)
    seconds: float = 100.0
    stop: bool = False
    meanwhile: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.maker = KeyMaker(store=self.store)
        self.keys = self.process()

    def process(self) -> KeepSigningKeys:
        return KeepSigningKeys(
            store=self.store,
            service=self.maker,
            cipher=PlainCipher(),
            clients={"production": "our-app"},
            ticks=lambda: self.seconds,
            sleep=self._sleep,
            stopping=lambda: self.stop,
            log=self.log,
        )

    def _sleep(self, seconds: float) -> None:
        self.pass_by(seconds)
        self.meanwhile()

    def pass_by(self, seconds: float) -> None:
        self.seconds += seconds
        self.store.now += timedelta(seconds=seconds)

    def get(self, timeout: float = 25) -> str:
        return self.keys.get("production", timeout=timeout).key_id

    @property
    def row(self) -> Row:
        return self.store.rows[OWNER]


def test_the_first_that_needs_a_key_has_it_made_and_the_next_uses_it() -> None:
    scene = Scene()

    first = scene.get()
    other = scene.process().get("production", timeout=25)

    assert (first, other.key_id, other.jwe) == ("key-1", "key-1", "jwe-1")
    assert other.private_key.reveal() == "private-1"
    assert scene.maker.asked == [("production", 10.0)]
    assert scene.row.key == sealed(1)
    assert scene.log.events() == ["signing_key.made"]


def test_a_key_at_hand_is_not_looked_up_again_for_a_while() -> None:
    scene = Scene()
    scene.get()
    scene.store.rows.clear()

    assert scene.get() == "key-1"
    scene.pass_by(601)
    assert scene.get() == "key-2"


@pytest.mark.parametrize(
    ("age", "wanted"),
    [(timedelta(days=3 * 365 - 30, seconds=-1), "key-1"), (timedelta(days=3 * 365 - 30), "key-2")],
)
def test_a_key_is_replaced_thirty_days_before_it_ends(age: timedelta, wanted: str) -> None:
    scene = Scene()
    scene.get()
    scene.store.now = BEGINNING + age

    assert scene.process().get("production", timeout=25).key_id == wanted


def test_a_key_that_ebay_gives_for_days_is_replaced_in_its_last_tenth() -> None:
    scene = Scene()
    scene.maker.life = timedelta(days=10)
    scene.get()

    scene.store.now = BEGINNING + timedelta(days=8.9)
    assert scene.process().get("production", timeout=25).key_id == "key-1"
    scene.store.now = BEGINNING + timedelta(days=9)
    assert scene.process().get("production", timeout=25).key_id == "key-2"


def test_a_key_that_cannot_be_replaced_is_used_as_long_as_it_is_good() -> None:
    scene = Scene()
    scene.get()
    scene.store.now = YEARS_LATER
    scene.maker.answers = [AWAY]

    assert scene.process().get("production", timeout=25).key_id == "key-1"
    assert scene.process().get("production", timeout=25).key_id == "key-1"
    assert len(scene.maker.asked) == 2
    assert scene.log.events()[1:] == ["signing_key.failed", "signing_key.used_longer"]

    scene.store.now += timedelta(days=30)
    assert scene.process().get("production", timeout=25).key_id == "key-3"


def test_a_renewal_is_not_begun_without_time_for_it() -> None:
    scene = Scene()
    scene.get()
    scene.store.now = YEARS_LATER

    assert scene.process().get("production", timeout=2.9).key_id == "key-1"
    assert len(scene.maker.asked) == 1


def test_without_a_key_and_without_time_for_one_the_unit_is_out_of_time() -> None:
    scene = Scene()

    with pytest.raises(OutOfTimeError):
        scene.get(timeout=2.9)

    assert scene.maker.asked == []


@pytest.mark.parametrize(
    ("error", "wait"),
    [
        (AWAY, timedelta(minutes=1)),
        (BadAnswerError("it is no key"), timedelta(hours=1)),
        (AccessTokenRefusedError("401"), timedelta(hours=1)),
    ],
)
def test_what_cannot_be_had_is_asked_for_once_and_then_not_for_a_while(
    error: Exception, wait: timedelta
) -> None:
    """Each call that arrives makes a key at eBay, whether its answer comes or not."""
    scene = Scene()
    scene.maker.answers = [error]

    for _ in range(3):
        with pytest.raises(SignatureRequiredError) as raised:
            scene.process().get("production", timeout=25)
        assert str(error) in str(raised.value)
        assert raised.value.retry_at == BEGINNING + wait
        assert "tried again after 2026-11-01T0" in str(raised.value)
    assert len(scene.maker.asked) == 1

    scene.store.now += wait
    assert scene.get() == "key-2"


@pytest.mark.parametrize(
    ("told", "wait"),
    [
        (None, timedelta(minutes=15)),
        (timedelta(minutes=40), timedelta(minutes=40)),
        (timedelta(days=9), timedelta(days=1)),
        (timedelta(0), timedelta(minutes=1)),
    ],
)
def test_a_limit_is_kept_to_as_ebay_says_it(told: timedelta | None, wait: timedelta) -> None:
    scene = Scene()
    retry_at = None if told is None else BEGINNING + told
    scene.maker.answers = [
        RateLimitedError("429", retry_at=retry_at, quota=False, facts=UpstreamFacts())
    ]

    with pytest.raises(SignatureRequiredError) as raised:
        scene.get()

    assert raised.value.retry_at == BEGINNING + wait


def test_our_own_keys_that_ebay_refuses_stop_everything_and_cost_no_wait() -> None:
    scene = Scene()
    scene.maker.answers = [ApplicationRefusedError("invalid_client")]

    with pytest.raises(ApplicationRefusedError):
        scene.get()

    assert scene.get() == "key-2"


def test_an_environment_without_application_keys_is_named() -> None:
    with pytest.raises(ConfigurationError, match="EBAY_SANDBOX_CLIENT_ID"):
        Scene().keys.get("sandbox", timeout=25)


def test_a_key_that_does_not_open_says_what_to_do() -> None:
    scene = Scene()
    scene.store.rows[OWNER] = Row(key=lost(sealed(1)), version=1)

    with pytest.raises(DecryptError, match="signing-key renew --environment production"):
        scene.get()

    assert scene.maker.asked == []


def test_whoever_comes_while_another_process_makes_one_waits_and_takes_it() -> None:
    scene = Scene()
    rival = scene.store.start(OWNER, 0, MAKING_LEASE)
    assert rival is not None
    waits: list[int] = []

    def meanwhile() -> None:
        waits.append(1)
        if len(waits) == 3:
            scene.store.save(OWNER, rival, sealed(7))

    scene.meanwhile = meanwhile

    assert scene.get() == "key-7"
    assert scene.maker.asked == []


def test_a_process_that_died_while_making_one_is_followed_when_its_lease_ends() -> None:
    scene = Scene()
    scene.store.start(OWNER, 0, MAKING_LEASE)

    with pytest.raises(SignatureRequiredError, match="another process"):
        scene.get(timeout=MAKING_LEASE.total_seconds())

    assert scene.get() == "key-1"


def test_a_process_that_is_to_stop_waits_for_nobody() -> None:
    scene = Scene(stop=True)
    scene.store.start(OWNER, 0, MAKING_LEASE)

    with pytest.raises(SignatureRequiredError, match="another process"):
        scene.get()

    assert scene.seconds == 100.0


def test_beside_another_process_that_renews_the_old_key_is_used() -> None:
    scene = Scene()
    scene.get()
    scene.store.now = YEARS_LATER
    scene.store.start(OWNER, 1, MAKING_LEASE)

    assert scene.process().get("production", timeout=25).key_id == "key-1"
    assert len(scene.maker.asked) == 1


def test_who_was_overtaken_while_ebay_made_a_key_takes_the_others_and_says_so() -> None:
    scene = Scene()

    def overtaken() -> None:
        scene.store.now += MAKING_LEASE
        rival = scene.store.start(OWNER, 0, MAKING_LEASE)
        assert rival is not None
        scene.store.save(OWNER, rival, sealed(9))

    scene.maker.answers = [overtaken]

    assert scene.get() == "key-9"
    assert scene.log.events() == ["signing_key.unused"]


def test_who_was_overtaken_and_failed_says_what_failed() -> None:
    scene = Scene()

    def overtaken() -> None:
        scene.store.now += MAKING_LEASE
        assert scene.store.start(OWNER, 0, MAKING_LEASE) is not None
        raise AWAY

    scene.maker.answers = [overtaken]

    with pytest.raises(SignatureRequiredError, match="could not be reached") as raised:
        scene.get()

    assert raised.value.retry_at is None


def test_a_thread_waits_for_the_one_that_makes_the_key_no_longer_than_its_time() -> None:
    scene = Scene()
    began, go_on = threading.Event(), threading.Event()

    def slowly() -> None:
        began.set()
        assert go_on.wait(30)

    scene.maker.answers = [slowly]
    first = threading.Thread(target=scene.get)
    first.start()
    assert began.wait(30)

    with pytest.raises(SignatureRequiredError, match="another unit"):
        scene.get(timeout=0.0)

    go_on.set()
    first.join(30)
    assert scene.get() == "key-1"
    assert len(scene.maker.asked) == 1


def test_a_person_may_have_a_key_replaced_before_its_time() -> None:
    scene = Scene()
    scene.get()
    scene.row.retry_at, scene.row.last_error = BEGINNING + timedelta(hours=1), "once"

    scene.keys.renew("production", None, timeout=25)

    assert scene.row.key is not None
    assert scene.row.key.key_id == "key-2"
    assert not scene.store.read(OWNER).must_wait()
    assert scene.get() == "key-2"


def test_a_key_stays_of_the_kind_that_a_person_chose() -> None:
    scene = Scene()
    scene.get()
    scene.keys.renew("production", "RSA", timeout=25)
    scene.store.now = YEARS_LATER
    scene.process().get("production", timeout=25)
    scene.keys.renew("production", "ED25519", timeout=25)

    assert scene.maker.ciphers == ["ED25519", "RSA", "RSA", "ED25519"]


def test_a_person_who_renews_beside_a_process_that_does_waits_for_that_key() -> None:
    scene = Scene()
    scene.get()
    rival = scene.store.start(OWNER, 1, MAKING_LEASE)
    assert rival is not None
    scene.meanwhile = lambda: scene.store.save(OWNER, rival, sealed(7))

    scene.keys.renew("production", None, timeout=25)

    assert scene.row.key == sealed(7)
    assert len(scene.maker.asked) == 1


def test_a_renewal_that_ebay_refuses_says_so_and_keeps_the_old_key() -> None:
    scene = Scene()
    scene.get()
    scene.maker.answers = [BadAnswerError("error 210001")]

    with pytest.raises(SignatureRequiredError, match="210001"):
        scene.keys.renew("production", None, timeout=25)

    assert scene.row.key == sealed(1)
