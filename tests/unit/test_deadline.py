"""How long a run may start work, and when something is tried again."""

import math
from random import Random

import pytest

from core.clock import CarriedClock
from core.deadline import Deadline
from core.retry import RetryPolicy
from core.secret import Secret
from tests.support.moments import BEGAN, Moments


def test_time_left_shrinks_to_nothing_and_not_below() -> None:
    moments = Moments()
    deadline = Deadline.after(10.0, moments.monotonic)

    moments.sleep(4)
    after_four = deadline.remaining()
    moments.sleep(7)

    assert after_four == 6.0
    assert deadline.remaining() == 0.0
    assert deadline.allows(0.0)
    assert not deadline.allows(0.001)


def test_exactly_what_is_left_is_allowed() -> None:
    moments = Moments()

    deadline = Deadline.after(10.0, moments.monotonic)

    assert deadline.allows(10.0)
    assert not deadline.allows(10.5)


def test_no_limit_allows_everything() -> None:
    deadline = Deadline.after(None, Moments().monotonic)

    assert deadline.remaining() == math.inf
    assert deadline.allows(1e12)


def test_a_limit_that_is_over_allows_nothing() -> None:
    deadline = Deadline.after(-5.0, Moments().monotonic)

    assert deadline.remaining() == 0.0


@pytest.mark.parametrize(
    ("attempt", "delay"), [(1, 1.0), (2, 2.0), (3, 4.0), (6, 32.0), (7, 60.0), (10_000, 60.0)]
)
def test_the_delay_doubles_up_to_its_cap(attempt: int, delay: float) -> None:
    assert RetryPolicy(base=1.0, cap=60.0).delay(attempt) == delay


def test_jitter_lies_between_nothing_and_the_delay() -> None:
    policy, rng = RetryPolicy(base=1.0, cap=60.0), Random(7)

    drawn = [policy.jittered(4, rng) for _ in range(1000)]

    assert min(drawn) >= 0.0
    assert max(drawn) <= 8.0
    assert min(drawn) < 0.5
    assert max(drawn) > 7.5


def test_a_clock_carries_the_databases_instant_forward() -> None:
    moments = Moments()
    clock = CarriedClock(BEGAN, moments.monotonic(), moments.monotonic)

    moments.sleep(1.5)

    assert (clock.now() - BEGAN).total_seconds() == 1.5
    assert clock.monotonic() == moments.monotonic()


def test_a_secret_shows_itself_to_nobody() -> None:
    secret = Secret("canary")

    assert "canary" not in f"{secret} {secret!r} {[secret]}"
    assert secret.reveal() == "canary"
    assert secret == Secret("canary")
    assert hash(secret) == hash(Secret("canary"))
    assert secret not in {Secret("other"), "canary"}
