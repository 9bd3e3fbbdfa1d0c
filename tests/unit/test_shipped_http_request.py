"""`http_request`: what an executor is sent, and what its answer means."""

import json
from datetime import timedelta
from typing import Any

import pytest

from core.jobs.kinds import BadPayloadError, Effect
from core.jobs.model import Cancelled, Completed, Failed, Retry, Snooze, Verdict
from core.jobs.shipped.answers import HttpAnswer, NoAnswer, NotSent, Refused, Sent
from core.jobs.shipped.http_request import MAX_RESULT, SubmitOverHttp
from core.jobs.shipped.target import Reach, read_hosts
from tests.support.outside import ID, NOW, Sender, context, job

REACH = Reach(hosts=read_hosts("executor.example.com"))
URL = "https://executor.example.com/tasks?canary=canary"
DONE = HttpAnswer(status=200, text='{"success": true}')


def performed(payload: dict[str, Any], *answers: Sent, **overrides: Any) -> tuple[Verdict, Sender]:
    sender = Sender(list(answers or (DONE,)))
    kind = SubmitOverHttp(send=sender, reach=REACH)
    return kind.perform(job({"url": URL, **payload}, **overrides), context()), sender


def body(sender: Sender) -> Any:
    [request] = sender.requests
    assert request.content is not None
    return json.loads(request.content)


def test_an_executor_is_sent_the_task_its_type_and_its_params() -> None:
    verdict, sender = performed(
        {"type": "index", "params": {"item": "ü"}, "description": "d", "domain": "shop"}
    )

    assert body(sender) == {
        "task_id": str(ID),
        "type": "index",
        "params": {"item": "ü"},
        "description": "d",
        "domain": "shop",
    }
    assert sender.requests[0].method == "POST"
    assert sender.requests[0].target.path == "/tasks?canary=canary"
    assert sender.requests[0].headers == {
        "Idempotency-Key": str(ID), "Content-Type": "application/json",
    }  # fmt: skip
    assert verdict == Completed(result={"success": True})


def test_a_type_that_is_not_named_is_the_kinds() -> None:
    _, sender = performed({})

    assert body(sender) == {"task_id": str(ID), "type": "http_request", "params": {}}


def test_a_body_of_its_own_is_sent_as_it_stands() -> None:
    _, sender = performed({"body": [1, {"a": None}], "method": "PUT", "headers": {"X-A": "b"}})

    assert body(sender) == [1, {"a": None}]
    assert sender.requests[0].method == "PUT"
    assert sender.requests[0].headers["X-A"] == "b"


def test_what_has_no_body_is_sent_without() -> None:
    _, sender = performed({"method": "GET", "expect": "status"})

    assert sender.requests[0].content is None
    assert "Content-Type" not in sender.requests[0].headers


@pytest.mark.parametrize(
    ("key", "sent"),
    [
        (None, str(ID)),
        ("order:shop-1:12-3", "order:shop-1:12-3"),
        ("two\r\nlines", "sha256-8aac78b16cd3e9c4c2a0a4c34f8a2c4e"),
    ],
)
def test_the_key_is_the_same_at_each_attempt(key: str | None, sent: str) -> None:
    keys = set()
    for attempt in (1, 2, 8):
        _, sender = performed({}, idempotency_key=key, attempt=attempt, fence=attempt)
        keys.add(sender.requests[0].headers["Idempotency-Key"])

    [only] = keys
    assert only == sent or (only.startswith("sha256-") and sent.startswith("sha256-"))
    assert only.isprintable()


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ('{"success": true, "kind": "fast_path", "x": 1}',
         Completed(result={"success": True, "kind": "fast_path", "x": 1}, outcome="fast_path")),
        ('{"success": true, "kind": "not a word"}',
         Completed(result={"success": True, "kind": "not a word"})),
        ('{"success": false, "error": "no such\\nitem"}',
         Failed(code="executor_failed",
                detail="executor.example.com says that it failed: no such item")),
        ('{"success": false, "error_code": "no_item", "error": {"x": 1}}',
         Failed(code="no_item", detail="executor.example.com says that it failed")),
        ('{"success": false, "error_code": "No Word!", "retry": true}',
         Retry(code="executor_failed", detail="executor.example.com says that it failed")),
    ],
)  # fmt: skip
def test_the_executors_word_decides(text: str, verdict: Verdict) -> None:
    assert performed({}, HttpAnswer(status=200, text=text))[0] == verdict


@pytest.mark.parametrize(
    "text",
    ["", "{}", "OK", "[]", "null", '{"success": "true"}', '{"success": 1}', '{"sucess": true}'],
)
def test_s8_an_answer_without_success_is_a_failure(text: str) -> None:
    verdict, _ = performed({}, HttpAnswer(status=200, text=text))

    assert isinstance(verdict, Failed)
    assert verdict.code == "no_success"
    assert '"expect": "status"' in verdict.detail


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('{"a": 1}', {"a": 1}),
        ("plain", "plain"),
        ("", ""),
        ("x" * (MAX_RESULT + 1), {"omitted": "longer than 200,000 bytes"}),
        ("ü" * (MAX_RESULT // 2), {"omitted": "longer than 200,000 bytes"}),
    ],
)
def test_where_the_status_is_enough_the_answer_is_kept(text: str, kept: object) -> None:
    verdict, _ = performed({"expect": "status"}, HttpAnswer(status=204, text=text))

    assert verdict == Completed(result={"status": 204, "body": kept})


def test_a_long_answer_of_an_executor_is_done_all_the_same() -> None:
    text = json.dumps({"success": True, "x": "y" * MAX_RESULT})

    verdict, _ = performed({}, HttpAnswer(status=200, text=text))

    assert verdict == Completed(result={"success": True, "omitted": "longer than 200,000 bytes"})


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (HttpAnswer(status=400, text='{"detail": "why"}'), Failed, "http_400"),
        (HttpAnswer(status=401, text='["canary"]'), Failed, "http_401"),
        (HttpAnswer(status=404), Failed, "http_404"),
        (HttpAnswer(status=301), Failed, "http_301"),
        (HttpAnswer(status=307), Failed, "http_307"),
        (HttpAnswer(status=408), Retry, "http_408"),
        (HttpAnswer(status=425), Retry, "http_425"),
        (HttpAnswer(status=500), Retry, "http_500"),
        (HttpAnswer(status=503), Retry, "http_503"),
        (HttpAnswer(status=503, retry_after="soon"), Retry, "http_503"),
        (HttpAnswer(status=101), Failed, "http_101"),
        (NotSent(why="refused"), Retry, "not_sent"),
        (NoAnswer(why="gave none"), Retry, "no_answer"),
        (Refused(code="address_refused", why="not public"), Failed, "address_refused"),
        (Refused(code="answer_too_large", why="over 1 MB"), Failed, "answer_too_large"),
    ],
)
def test_every_other_answer_is_sorted_by_what_to_do(
    answer: Sent, kind: type[Failed | Retry], code: str
) -> None:
    for expect in ("success", "status"):
        verdict, _ = performed({"expect": expect}, answer)

        assert isinstance(verdict, kind)
        assert verdict.code == code
        assert "executor.example.com" in verdict.detail
        assert "canary" not in verdict.detail


def test_a_reason_is_told_and_a_redirect_says_what_to_do() -> None:
    told, _ = performed({}, HttpAnswer(status=400, text='{"detail": "no\\nitem"}'))
    moved, _ = performed({}, HttpAnswer(status=308, text="<html>"))

    assert isinstance(told, Failed)
    assert told.detail == "executor.example.com answered 400: no item"
    assert isinstance(moved, Failed)
    assert "redirects are not followed" in moved.detail


@pytest.mark.parametrize(
    ("status", "told", "after"),
    [
        (429, "30", timedelta(seconds=30)),
        (503, "30", timedelta(seconds=30)),
        (429, "Sun, 22 Nov 2026 12:02:00 GMT", timedelta(minutes=2)),
        (429, "99999999", timedelta(hours=24)),
        (429, None, timedelta(minutes=1)),
        (429, "-5", timedelta(minutes=1)),
        (429, "soon", timedelta(minutes=1)),
    ],
)
def test_a_throttle_is_waited_out_and_takes_no_attempt(
    status: int, told: str | None, after: timedelta
) -> None:
    verdict, _ = performed({}, HttpAnswer(status=status, retry_after=told))

    assert verdict == Snooze(until=NOW + after, reason="throttled")


@pytest.mark.parametrize(
    ("age", "after"),
    [
        (timedelta(minutes=7), timedelta(minutes=7)),
        (timedelta(days=2), timedelta(hours=1)),
        (-timedelta(seconds=5), timedelta(minutes=1)),
    ],
)
def test_who_throttles_and_names_no_time_is_left_alone_for_ever_longer(
    age: timedelta, after: timedelta
) -> None:
    verdict, _ = performed({}, HttpAnswer(status=429), tried_since=NOW - age)

    assert verdict == Snooze(until=NOW + after, reason="throttled")


def test_a_job_that_was_made_long_before_its_first_try_is_not_left_alone_longer() -> None:
    verdict, _ = performed({}, HttpAnswer(status=429), created_at=NOW - timedelta(days=30))

    assert verdict == Snooze(until=NOW + timedelta(minutes=1), reason="throttled")


@pytest.mark.parametrize(
    ("answer", "after"),
    [
        (HttpAnswer(status=429), timedelta(hours=1)),
        (HttpAnswer(status=503, retry_after="30"), timedelta(seconds=30)),
    ],
)
def test_who_throttles_for_more_than_three_days_takes_attempts(
    answer: HttpAnswer, after: timedelta
) -> None:
    verdict, _ = performed({}, answer, tried_since=NOW - timedelta(days=3, seconds=1))

    assert isinstance(verdict, Retry)
    assert (verdict.code, verdict.after) == ("throttled", after)
    assert "answered" in verdict.detail
    assert "3 days" in verdict.detail


def test_without_time_nothing_is_sent_and_this_run_does_not_claim_it_again() -> None:
    sender = Sender()
    kind = SubmitOverHttp(send=sender, reach=REACH)

    verdict = kind.perform(job({"url": URL}), context(left_s=10.5))

    assert verdict == Snooze(until=NOW + timedelta(seconds=11.5), reason="deadline")
    assert sender.requests == []


@pytest.mark.parametrize(("kept", "sent"), [(True, 1), (False, 0)])
def test_who_stood_still_beyond_its_lease_asks_before_it_sends(kept: bool, sent: int) -> None:
    sender = Sender([DONE])
    kind = SubmitOverHttp(send=sender, reach=REACH)
    later = context(now=NOW + timedelta(minutes=1), renewals=[kept])

    verdict = kind.perform(job({"url": URL}), later)

    assert len(sender.requests) == sent
    assert isinstance(verdict, Completed if kept else Snooze)


def test_what_is_cancelled_is_not_sent() -> None:
    sender = Sender()
    kind = SubmitOverHttp(send=sender, reach=REACH)

    assert kind.perform(job({"url": URL}), context(cancelled=True)) == Cancelled()
    assert sender.requests == []


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        ({}, "url: must be a text"),
        ({"url": "https://evil.example/"}, "url: evil.example is not in HTTP_ALLOWED_HOSTS"),
        ({"url": URL, "uri": 1}, "uri: there is no such field; there are: url, method"),
        ({"url": URL, "method": "TRACE"}, "method: must be one of POST, PUT, PATCH, DELETE, GET"),
        ({"url": URL, "method": "GET", "body": {}}, "body: GET has no body"),
        ({"url": URL, "method": "DELETE", "params": {}}, "params: DELETE has no body"),
        ({"url": URL, "expect": "luck"}, "expect: must be success or status"),
        ({"url": URL, "params": [1]}, "params: must be a JSON object"),
        ({"url": URL, "params": {"x": "\ud83d"}}, "params: cannot be written as JSON"),
        ({"url": URL, "type": "x\ny"}, "type: must be one line"),
        ({"url": URL, "not_after": "soon"}, "not_after: must be an instant"),
        ({"url": URL, "headers": {"Host": "evil"}}, "headers: Host is set by Cronshot"),
        ({"url": URL, "headers": {"content-LENGTH": "1"}}, "is set by Cronshot"),
        ({"url": URL, "headers": {"X-A": "b\r\nX: y"}}, "headers: X-A must be one line"),
        ({"url": URL, "headers": {"X-A": 1}}, "headers: X-A must be one line"),
        ({"url": URL, "headers": {"X A": "b"}}, "headers: a name must be"),
        ({"url": URL, "headers": {f"X-{n}": "" for n in range(31)}}, "headers: there are more"),
    ],
)
def test_a_payload_that_cannot_be_sent_is_refused_by_its_field(
    payload: dict[str, Any], why: str
) -> None:
    with pytest.raises(BadPayloadError, match=why):
        SubmitOverHttp(send=Sender(), reach=REACH).check(payload)


@pytest.mark.parametrize(
    "name", ["Authorization", "Cookie", "Proxy-Auth", "X-Api-Key", "api-token"]
)
def test_a_credential_has_no_place_in_a_payload(name: str) -> None:
    with pytest.raises(BadPayloadError, match="HTTP_BEARER_TOKENS") as caught:
        SubmitOverHttp(send=Sender(), reach=REACH).check({"url": URL, "headers": {name: "canary"}})

    assert "canary" not in str(caught.value)


def test_the_kind_is_settled_directly_after_its_effect() -> None:
    kind = SubmitOverHttp(send=Sender(), reach=REACH).kind()

    assert (kind.name, kind.effect, kind.batch) == ("http_request", Effect.OUTSIDE, 1)
    kind.check({"url": URL, "not_after": "2026-11-22T08:00:00Z"})
