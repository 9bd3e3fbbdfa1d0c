import json
import traceback
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.errors import (
    AccessTokenRefusedError,
    AppError,
    BadAnswerError,
    MissingScopeError,
    RateLimitedError,
    SignatureRequiredError,
    UpstreamUnavailableError,
)
from core.retry import retry_after
from infra.ebay.answer import Answer
from infra.ebay.errors import (
    MAX_FACTS,
    bad_answer,
    complaint_of,
    facts_of,
    refusal,
    unreadable,
)
from tests.support.ebay import CANARY, NOW, answer
from tests.support.ebay_shared import sample

SCOPE = "https://api.ebay.com/oauth/api_scope/sell.fulfillment.readonly"


def error_body(error_id: object, message: str = "no") -> bytes:
    return json.dumps({"errors": [{"errorId": error_id, "message": message}]}).encode()


def refused(given_answer: Answer) -> AppError:
    return refusal(given_answer, scope=SCOPE, now=NOW, secrets=(CANARY,))


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, b"", AccessTokenRefusedError),
        (401, error_body(1001), AccessTokenRefusedError),
        (400, error_body(1002), AccessTokenRefusedError),
        (403, error_body(1002), AccessTokenRefusedError),
        (403, error_body(1100), MissingScopeError),
        (403, error_body(215000), SignatureRequiredError),
        (403, error_body(215122), SignatureRequiredError),
        (400, error_body(215120), SignatureRequiredError),
        (403, error_body(215123), BadAnswerError),
        (403, b"<html>Access Denied</html>", BadAnswerError),
        (429, b"", RateLimitedError),
        (429, error_body(2001), RateLimitedError),
        (403, error_body(2001), RateLimitedError),
        (400, error_body(30700), BadAnswerError),
        (404, b"", BadAnswerError),
        (404, error_body(2002), BadAnswerError),
        (302, b"", BadAnswerError),
        (418, b"\xff\x00", BadAnswerError),
        (408, b"", UpstreamUnavailableError),
        (500, error_body(2003), UpstreamUnavailableError),
        (500, error_body(2001), UpstreamUnavailableError),
        (502, b"<html>", UpstreamUnavailableError),
        (503, b"", UpstreamUnavailableError),
        (599, b"", UpstreamUnavailableError),
        (204, b"", UpstreamUnavailableError),
        (206, b"{}", UpstreamUnavailableError),
    ],
)
def test_a_status_and_error_id_decide_what_is_done_next(
    status: int, body: bytes, kind: type[AppError]
) -> None:
    error = refused(answer(status, body))

    assert type(error) is kind
    assert str(status) in str(error)


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("error_401_1001_invalid_token", AccessTokenRefusedError, "1001: Invalid access token"),
        ("error_400_1002_missing_token", AccessTokenRefusedError, "1002"),
        ("error_403_1100_insufficient_scope", MissingScopeError, SCOPE),
        ("error_403_215001_missing_signature_key", SignatureRequiredError, "215001"),
        ("error_404_2002_unknown_resource", BadAnswerError, "2002"),
        ("error_400_30700_invalid_filter", BadAnswerError, "30700: Invalid filter name: foo"),
        ("error_500_2003_internal", UpstreamUnavailableError, "2003"),
    ],
)
def test_samples_of_errors_are_understood(name: str, kind: type[AppError], said: str) -> None:
    found = sample(name)

    error = refused(answer(found["status"], json.dumps(found["body"]).encode()))

    assert type(error) is kind
    assert said in str(error)


def test_a_spent_quota_is_told_from_a_short_limit() -> None:
    spent, short = refused(answer(429, error_body(2001))), refused(answer(429, retry_after="30"))

    assert isinstance(spent, RateLimitedError)
    assert isinstance(short, RateLimitedError)
    assert (spent.quota, spent.retry_at) == (True, None)
    assert (short.quota, short.retry_at) == (False, NOW + timedelta(seconds=30))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 120 ", 120),
        ("1.5", 1.5),
        ("86400", 86400),
        ("86401", 86400),
        ("9" * 400, 86400),
        ("Sun, 01 Mar 2026 12:10:00 GMT", 600),
        ("Sunday, 01-Mar-26 12:10:00 GMT", 600),
        ("Sun Mar  1 12:10:00 2026", 600),
        ("Sun, 01 Mar 2026 13:10:00 +0100", 600),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86400),
        ("0", None),
        ("-5", None),
        ("-" + "9" * 400, None),
        ("Sun, 01 Mar 2026 11:00:00 GMT", None),
        ("Mon, 99 Foo 2026 99:99:99 GMT", None),
        ("soon", None),
        ("NaN", None),
        ("inf", None),
        ("1e3", None),
        ("\u0665", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_read_in_every_form(value: str | None, seconds: float | None) -> None:
    expected = None if seconds is None else NOW + timedelta(seconds=seconds)

    assert retry_after(value, NOW) == expected


@given(st.text(max_size=60) | st.from_regex(r"[A-Za-z0-9 ,:+.-]{0,40}"))
@example("Thu, 01 Jan 0001 00:00:00 +2359")
@example("Thu, 01 Jan 2026 00:00:00 -9999")
def test_any_retry_after_is_the_future_within_a_day_or_nothing(value: str) -> None:
    at = retry_after(value, NOW)

    assert at is None or NOW < at <= NOW + timedelta(hours=24)


def test_r32_facts_keep_status_error_id_correlation_and_the_start_of_the_body() -> None:
    body = error_body(30500, "x" * 5000)

    facts = facts_of(answer(500, body, rlogid="t6sd%7F", x_ebay_request_id="19454f94!r1"))

    assert (facts.status, facts.error_id, facts.correlation_id) == (500, 30500, "19454f94!r1")
    assert facts.body == body.decode()[:MAX_FACTS]


@pytest.mark.parametrize(
    ("header", "value"),
    [("x_ebay_request_id", "a"), ("rlogid", "b"), ("x_ebay_c_request_id", "c")],
)
def test_each_trace_header_will_do(header: str, value: str) -> None:
    assert facts_of(answer(500, b"", **{header: value})).correlation_id == value


def test_facts_can_be_stored_whatever_the_body_holds() -> None:
    facts = facts_of(answer(500, b"a\x00b\xff\x1b", rlogid="x\x01" * 500))

    assert facts.body == "a\ufffdb\ufffd\ufffd"
    assert facts.correlation_id is not None
    assert len(facts.correlation_id) == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'{"errors": null}',
        b'{"errors": {}}',
        b'{"errors": [null, 1, "x"]}',
        b'{"errors": [{"errorId": "1100"}]}',
        b'{"errors": [{"errorId": true}]}',
        b'{"errors": [{}]}',
        b"<html>",
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_a_body_without_eBays_envelope_complains_of_nothing(body: bytes) -> None:  # noqa: N802  (its name)
    assert complaint_of(body).ids == ()
    assert isinstance(refused(answer(403, body)), BadAnswerError)


TOKENS = st.from_regex(r"v\^1\.1#[A-Za-z0-9+/=^#]{8,80}", fullmatch=True) | st.from_regex(
    r"[A-Za-z0-9+/=^#_.!-]{16,80}", fullmatch=True
)
FORMS = st.sampled_from(
    [
        "{}",
        "Bearer {}",
        '{{"errors":[{{"errorId":1001,"message":"token {} is bad"}}]}}',
        '{{"errors":[{{"errorId":30700,"longMessage":"{}"}}]}}',
        '{{"access_token":"{}"}}',
        "?refresh_token={}&x=1",
        "<b>{}</b>",
        "x{}",
    ]
)


@given(
    TOKENS,
    FORMS,
    st.integers(min_value=0, max_value=2100),
    st.sampled_from([400, 401, 403, 404, 429, 500, 200]),
    st.sampled_from(["plain", "quoted", "json"]),
)
def test_no_error_repeats_a_token_that_eBay_sends_back(  # noqa: N802  (its name)
    token: str, form: str, padding: int, status: int, written: str
) -> None:
    written_token = {"plain": token, "quoted": quote(token, safe=""), "json": json.dumps(token)}
    body = (" " * padding + form.format(written_token[written].strip('"'))).encode()
    echoed = answer(status, body, rlogid=token)

    errors: list[Any] = [
        refusal(echoed, scope=SCOPE, now=NOW, secrets=(token,)),
        unreadable(echoed, "it is malformed", (token,)),
        bad_answer(echoed, "it is odd", (token,)),
    ]

    for error in errors:
        shown = "".join(traceback.format_exception(error)) + repr(error) + repr(error.facts)
        assert token not in shown
        assert quote(token, safe="") not in shown
        assert token[4:] not in shown


@given(st.from_regex(r"v\^1\.1#[A-Za-z0-9+/=^#]{8,3000}", fullmatch=True))
def test_what_looks_like_a_token_is_taken_out_without_being_known(token: str) -> None:
    body = json.dumps({"message": f"bad token {token}", "sent": quote(token, safe="")}).encode()

    facts = facts_of(answer(400, body))

    assert token[:12] not in facts.body
    assert quote(token, safe="")[:20] not in facts.body


def test_an_answer_shows_neither_headers_nor_body() -> None:
    shown = repr(answer(200, CANARY.encode(), set_cookie=CANARY))

    assert "canary" not in shown


def test_a_date_without_a_zone_is_read_as_utc() -> None:
    assert retry_after("Sun, 01 Mar 2026 12:00:10 -0000", NOW) == datetime(
        2026, 3, 1, 12, 0, 10, tzinfo=UTC
    )
