"""What went wrong between us and eBay, in core's terms. Nothing in here repeats a token."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import httpx

from core.errors import (
    AccessTokenRefusedError,
    AppError,
    BadAnswerError,
    MissingScopeError,
    RateLimitedError,
    SignatureRequiredError,
    UpstreamFacts,
    UpstreamUnavailableError,
)
from core.retry import retry_after
from infra.clean import clean_text
from infra.ebay.answer import Answer
from infra.ebay.signature_errors import SIGNATURE_FAULTS, signature_way_out
from infra.http.unpack import BodyBrokenError, BodyTooLargeError
from infra.redaction import without

MAX_FACTS = 2000
_MAX_TEXT = 300
_MAX_ID = 200
_UNAUTHORIZED = 401
_TOO_MANY_REQUESTS = 429
_TRANSIENT = frozenset({*range(200, 300), 408, *range(500, 600)})
_BAD_TOKEN_IDS = frozenset({1001, 1002})
_INSUFFICIENT_SCOPE = 1100
_QUOTA_SPENT = 2001
_BAD_SCHEME = "bad scheme"
_CORRELATION_HEADERS = ("x-ebay-request-id", "rlogid", "x-ebay-c-request-id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """The first error of eBay's envelope `{"errors": [...]}`, and the ids of them all.

    Post-Order writes `{"errorMessage": {"error": [...]}}` or `{"error": [...]}`.
    """

    ids: tuple[int, ...] = ()
    text: str = ""


def no_answer(cause: httpx.HTTPError, place: str, timeout: float) -> UpstreamUnavailableError:
    """For a request that got no whole answer.

    httpx's own text may hold what was sent; where there was no connection, nothing was.
    """
    match cause:
        case httpx.TimeoutException():
            what = f"gave no whole answer within {timeout:.3g} s"
        case httpx.ConnectError():
            why = scrubbed(str(cause), (), _MAX_TEXT)
            what = f"could not be reached: {why}" if why else "could not be reached"
        case httpx.RemoteProtocolError():
            what = "broke HTTP off: its answer is truncated or malformed"
        case _:
            what = "broke the connection off"
    return UpstreamUnavailableError(f"eBay {what} ({place}; {type(cause).__name__})")


def given_up(place: str) -> UpstreamUnavailableError:
    """For a request that was ended by us: the process was asked to stop."""
    return UpstreamUnavailableError(f"not waited for, because this process is to stop ({place})")


def unusable_body(cause: BodyBrokenError | BodyTooLargeError, place: str, status: int) -> AppError:
    facts = UpstreamFacts(status=status)
    match cause:
        case BodyTooLargeError():
            # Not transient: the same request would bring as much again.
            return BadAnswerError(f"eBay's answer is over 10 MB unpacked ({place})", facts)
        case BodyBrokenError():
            return UpstreamUnavailableError(
                f"eBay's answer is unreadable: {cause} ({place})", facts
            )


def unreadable(answer: Answer, why: str, secrets: Iterable[str] = ()) -> UpstreamUnavailableError:
    """For a success whose body is not the JSON that it should be: worth another try."""
    return UpstreamUnavailableError(
        f"eBay's answer is unreadable: {why} ({answer.place})", facts_of(answer, secrets)
    )


def bad_answer(answer: Answer, why: str, secrets: Iterable[str] = ()) -> BadAnswerError:
    """For JSON that is whole, and not what eBay's contract says."""
    return BadAnswerError(
        f"eBay's answer is not what its contract says: {why} ({answer.place})",
        facts_of(answer, secrets),
    )


def refusal(
    answer: Answer,
    *,
    scope: str,
    now: datetime,
    secrets: Iterable[str] = (),
    signed_by: str | None = None,
) -> AppError:
    """For every status that is not the success asked for.

    `scope` is what the call needs, named where the consent lacks it. `secrets` are taken out of
    what is kept, beside all that looks like a token. `signed_by`: the environment whose key signed
    the call, None where it was not signed.
    """
    secrets = tuple(secrets)
    facts = facts_of(answer, secrets)
    complaint = complaint_of(answer.body)
    ids = frozenset(complaint.ids)
    said = f"eBay answered {_said(answer, complaint, secrets)} ({answer.place})"
    if answer.status in _TRANSIENT or ids & SIGNATURE_FAULTS:
        return UpstreamUnavailableError(said, facts)
    if answer.status == _TOO_MANY_REQUESTS or _QUOTA_SPENT in ids:
        return RateLimitedError(
            said,
            retry_at=retry_after(answer.headers.get("retry-after"), now),
            quota=_QUOTA_SPENT in ids,
            facts=facts,
        )
    # The status of one and the same error differs from API to API; its id does not.
    refused = answer.status == _UNAUTHORIZED or ids & _BAD_TOKEN_IDS
    # A bad scheme is of our own making: another token would be refused as well.
    if refused and _BAD_SCHEME not in complaint.text.lower():
        return AccessTokenRefusedError(said, facts)
    if _INSUFFICIENT_SCOPE in ids:
        return MissingScopeError(f"{said}; the consent must include the scope {scope}", facts)
    way_out = signature_way_out(ids, signed_by, answer.headers.get("date"), now)
    if way_out is not None:
        return SignatureRequiredError(f"{said}; {way_out}", facts)
    return BadAnswerError(said, facts)


def facts_of(answer: Answer, secrets: Iterable[str] = ()) -> UpstreamFacts:
    ids = complaint_of(answer.body).ids
    correlation = next(
        (answer.headers[name] for name in _CORRELATION_HEADERS if answer.headers.get(name)), None
    )
    body = answer.body.decode("utf-8", errors="replace")
    return UpstreamFacts(
        status=answer.status,
        error_id=ids[0] if ids else None,
        correlation_id=correlation and scrubbed(correlation, secrets, _MAX_ID),
        body=scrubbed(body, secrets, MAX_FACTS),
    )


def scrubbed(text: str, secrets: Iterable[str], length: int) -> str:
    """Without secrets and at most `length` long; cut afterwards, or half a token would stay."""
    return clean_text(without(text, secrets))[:length]


def complaint_of(body: bytes) -> Complaint:
    """eBay's own words, where the body holds any; never raises."""
    try:
        said = json.loads(body)
        errors = said["errors"] if "errors" in said else said.get("errorMessage", said)["error"]
        found = [error for error in errors if isinstance(error, dict)]
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return Complaint()
    ids = tuple(error["errorId"] for error in found if type(error.get("errorId")) is int)
    texts = [str(error.get("longMessage") or error.get("message") or "") for error in found]
    return Complaint(ids=ids, text=texts[0] if texts else "")


def _said(answer: Answer, complaint: Complaint, secrets: Iterable[str]) -> str:
    if not complaint.ids:
        return str(answer.status)
    return f"{answer.status}, error {complaint.ids[0]}: " + scrubbed(
        complaint.text, secrets, _MAX_TEXT
    )
