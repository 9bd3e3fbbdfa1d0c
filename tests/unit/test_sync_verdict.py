"""Every error has one reason, and an instant at which to try again."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from core import errors
from core.errors import (
    AppError,
    ApplicationRefusedError,
    OutOfCallsError,
    RateLimitedError,
    RejectedContentError,
    UpstreamFacts,
    UpstreamUnavailableError,
)
from core.report import SENTENCES, Outcome, Reason
from core.sync.calls import Quota
from core.sync.keeping import SwitchedOffError
from core.sync.verdict import DETAIL_LENGTH, judge
from tests.support.sync_fakes import NOW

EXPECTED = {
    "AccessTokenRefusedError": (Outcome.FAILED, Reason.TOKEN_REFUSED),
    "ApplicationRefusedError": (Outcome.FAILED, Reason.TOKEN_REFUSED),
    "BadAnswerError": (Outcome.FAILED, Reason.BAD_DATA),
    "TooManyRowsError": (Outcome.FAILED, Reason.TOO_MANY),
    "ConfigurationError": (Outcome.FAILED, Reason.CONFIG),
    "DecryptError": (Outcome.SKIPPED, Reason.DECRYPT_FAILED),
    "LeaseLostError": (Outcome.FAILED, Reason.LEASE_LOST),
    "MissingScopeError": (Outcome.FAILED, Reason.MISSING_SCOPE),
    "NoTokenError": (Outcome.SKIPPED, Reason.NO_TOKEN),
    "UnsupportedError": (Outcome.SKIPPED, Reason.UNSUPPORTED),
    "OutOfCallsError": (Outcome.SKIPPED, Reason.BUDGET),
    "OutOfTimeError": (Outcome.PARTIAL, Reason.DEADLINE),
    "PermanentError": (Outcome.FAILED, Reason.BAD_DATA),
    "QuarantineLimitError": (Outcome.FAILED, Reason.QUARANTINE_LIMIT),
    "RateLimitedError": (Outcome.FAILED, Reason.RATE_LIMITED),
    "ReauthorizationRequiredError": (Outcome.SKIPPED, Reason.NEEDS_RECONNECT),
    "RejectedContentError": (Outcome.FAILED, Reason.BAD_DATA),
    "SignatureRequiredError": (Outcome.FAILED, Reason.SIGNATURE_REQUIRED),
    "StoreUnavailableError": (Outcome.FAILED, Reason.DATABASE),
    "MaybeWrittenError": (Outcome.FAILED, Reason.DATABASE),
    "TokenRefusedError": (Outcome.FAILED, Reason.TOKEN_REFUSED),
    "UpstreamUnavailableError": (Outcome.FAILED, Reason.UPSTREAM),
}
NOT_A_UNITS = {
    "AppError",
    "TransientError",
    "UsageError",  # said before a run begins
}
LATER = NOW + timedelta(hours=5)


def limited(retry_after_s: float | None = None) -> RateLimitedError:
    at = None if retry_after_s is None else NOW + timedelta(seconds=retry_after_s)
    return RateLimitedError("429", retry_at=at, quota=False, facts=UpstreamFacts(status=429))


def made(kind: type[AppError]) -> AppError:
    if kind is RateLimitedError:
        return limited()
    if kind is OutOfCallsError:
        return OutOfCallsError("none left", retry_at=LATER)
    if kind is RejectedContentError:
        return RejectedContentError("why", "22003")
    return kind("why")


def kinds(root: type[AppError] = AppError) -> Iterator[type[AppError]]:
    yield root
    for kind in root.__subclasses__():
        if kind.__module__ == errors.__name__:
            yield from kinds(kind)


def test_every_error_of_ours_is_either_a_units_or_not() -> None:
    names = {kind.__name__ for kind in kinds()}

    assert names == EXPECTED.keys() | NOT_A_UNITS


@pytest.mark.parametrize(
    "kind",
    [kind for kind in kinds() if kind.__name__ in EXPECTED],
    ids=lambda kind: kind.__name__,
)
def test_an_error_has_its_outcome_and_a_reason_with_a_sentence(kind: type[AppError]) -> None:
    verdict = judge(made(kind), failures=1, now=NOW)

    assert (verdict.outcome, verdict.reason) == EXPECTED[kind.__name__]
    assert SENTENCES[verdict.reason]
    assert verdict.stops_all == (kind is ApplicationRefusedError)


@pytest.mark.parametrize(
    "error", [ZeroDivisionError("secret"), SwitchedOffError(Reason.PAUSED), KeyError("secret")]
)
def test_what_is_not_classified_is_ours_and_its_text_is_not_told(error: Exception) -> None:
    verdict = judge(error, failures=1, now=NOW)

    assert (verdict.outcome, verdict.reason) == (Outcome.FAILED, Reason.INTERNAL)
    assert verdict.detail == type(error).__name__


def test_the_detail_has_an_end() -> None:
    verdict = judge(UpstreamUnavailableError("x" * 5000), failures=1, now=NOW)

    assert len(verdict.detail) == DETAIL_LENGTH


@pytest.mark.parametrize(
    ("failures", "minutes"), [(0, 1), (1, 1), (2, 2), (3, 4), (4, 8), (5, 15), (60, 15)]
)
def test_an_ebay_that_is_away_is_tried_after_one_minute_doubling_to_fifteen(
    failures: int, minutes: int
) -> None:
    away = judge(UpstreamUnavailableError("500"), failures=failures, now=NOW)
    slow = judge(limited(), failures=failures, now=NOW)

    assert away.retry_at == slow.retry_at == NOW + timedelta(minutes=minutes)


def test_ebays_own_instant_is_kept() -> None:
    verdict = judge(limited(90), failures=5, now=NOW)

    assert verdict.retry_at == NOW + timedelta(seconds=90)


def test_a_spent_quota_waits_for_its_reset() -> None:
    quota = Quota(remaining=0, reset_at=LATER)

    verdict = judge(limited(90), failures=1, now=NOW, quota=quota)

    assert (verdict.reason, verdict.retry_at) == (Reason.QUOTA, LATER)


@pytest.mark.parametrize(("named_s", "expected_s"), [(90, 90), (None, 60)])
def test_a_spent_quota_without_a_reset_waits_as_told(
    named_s: float | None, expected_s: float
) -> None:
    quota = Quota(remaining=0, reset_at=None)

    verdict = judge(limited(named_s), failures=1, now=NOW, quota=quota)

    assert (verdict.reason, verdict.retry_at) == (
        Reason.QUOTA,
        NOW + timedelta(seconds=expected_s),
    )


@pytest.mark.parametrize("remaining", [1, 4000, None])
def test_a_limit_with_calls_left_or_unknown_only_slows_down(remaining: int | None) -> None:
    quota = Quota(remaining=remaining, reset_at=LATER)

    verdict = judge(limited(), failures=1, now=NOW, quota=quota)

    assert (verdict.reason, verdict.retry_at) == (
        Reason.RATE_LIMITED,
        NOW + timedelta(minutes=1),
    )
