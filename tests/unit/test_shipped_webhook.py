"""`notify.webhook`: signed as Standard Webhooks has it."""

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import pytest

from core.jobs.kinds import BadPayloadError
from core.jobs.model import Cancelled, Completed, Failed, Retry, Snooze, Verdict
from core.jobs.shipped.answers import HttpAnswer, HttpRequest, NoAnswer, Sent
from core.jobs.shipped.target import Reach, read_hosts
from core.jobs.shipped.webhook import PostWebhooks, signature, signing_key
from core.secret import Secret
from tests.support.outside import ID, NOW, Sender, context, job

KEY = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
OLD = Secret("whsec_" + base64.b64encode(b"o" * 32).decode())
REACH = Reach(hosts=read_hosts("hooks.example.com"))
EVENT = {"url": "https://hooks.example.com/canary", "type": "order.shipped", "data": {"id": "ü"}}


def performed(
    payload: dict[str, Any], *answers: Sent, keys: tuple[Secret, ...] = (KEY,), **overrides: Any
) -> tuple[Verdict, Sender]:
    sender = Sender(list(answers or (HttpAnswer(status=200),)))
    kind = PostWebhooks(send=sender, reach=REACH, keys=keys)
    return kind.perform(job(payload, **overrides), context()), sender


def verified(request: HttpRequest, key: Secret) -> bool:
    """As a receiver does it, from the raw body and the headers."""
    assert request.content is not None
    headers = request.headers
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + request.content
    expected = base64.b64encode(
        hmac.new(base64.b64decode(key.reveal()[6:]), signed, hashlib.sha256).digest()
    ).decode()
    return f"v1,{expected}" in headers["webhook-signature"].split(" ")


def test_the_signature_is_that_of_the_specifications_own_libraries() -> None:
    made = signature((KEY,), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')

    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_an_event_is_posted_with_its_id_its_instant_and_its_signature() -> None:
    verdict, sender = performed(EVENT)

    [request] = sender.requests
    assert request.method == "POST"
    assert json.loads(request.content or b"") == {
        "type": "order.shipped", "timestamp": "2026-11-22T12:00:00.000Z", "data": {"id": "ü"},
    }  # fmt: skip
    assert request.headers["webhook-id"] == f"msg_{ID}"
    assert request.headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    assert verified(request, KEY)
    assert verdict == Completed(result={"status": 200, "message_id": f"msg_{ID}"})


def test_while_the_key_changes_both_sign() -> None:
    _, sender = performed(EVENT, keys=(KEY, OLD))

    assert verified(sender.requests[0], KEY)
    assert verified(sender.requests[0], OLD)


def test_the_id_stays_over_attempts_and_has_no_dot() -> None:
    ids = [
        performed(EVENT, attempt=attempt, idempotency_key="a.b")[1]
        .requests[0]
        .headers["webhook-id"]
        for attempt in (1, 2)
    ]

    assert ids[0] == ids[1]
    assert "." not in ids[0]


def test_each_attempt_is_signed_with_its_own_instant() -> None:
    sender = Sender([NoAnswer(why="x")])
    kind = PostWebhooks(send=sender, reach=REACH, keys=(KEY,))
    for minutes in (0, 5):
        kind.perform(job(EVENT), context(now=NOW + timedelta(minutes=minutes)))

    stamps = [int(request.headers["webhook-timestamp"]) for request in sender.requests]
    assert stamps[1] - stamps[0] == 300
    assert all(verified(request, KEY) for request in sender.requests)


def test_a_whole_body_is_sent_as_it_stands() -> None:
    _, sender = performed({"url": EVENT["url"], "body": {"text": "hi"}})

    assert sender.requests[0].content == b'{"text":"hi"}'
    assert verified(sender.requests[0], KEY)


def test_without_an_address_it_goes_where_the_setting_says() -> None:
    sender = Sender()
    default = Secret("https://elsewhere.example/services/canary")
    kind = PostWebhooks(send=sender, reach=REACH, keys=(KEY,), default=default)

    kind.kind().check({"body": {}})
    kind.perform(job({"body": {}}), context())

    assert sender.requests[0].target.host == "elsewhere.example"
    assert sender.requests[0].target.path == "/services/canary"
    told = [secret.reveal() for secret in sender.requests[0].confidential]
    assert told == [KEY.reveal(), "services"]


@pytest.mark.parametrize(
    ("payload", "keys", "names"),
    [(EVENT, (), "NOTIFY_WEBHOOK_SECRET"), ({"body": {}}, (KEY,), "ALERT_WEBHOOK_URL")],
)
def test_what_is_not_set_is_named_and_tried_again(
    payload: dict[str, Any], keys: tuple[Secret, ...], names: str
) -> None:
    verdict, sender = performed(payload, keys=keys)

    assert isinstance(verdict, Retry)
    assert verdict.code == "not_configured"
    assert names in verdict.detail
    assert sender.requests == []


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (HttpAnswer(status=410), Failed, "gone"),
        (HttpAnswer(status=404), Failed, "http_404"),
        (HttpAnswer(status=302), Failed, "http_302"),
        (HttpAnswer(status=502), Retry, "http_502"),
        (NoAnswer(why="x"), Retry, "no_answer"),
    ],
)
def test_an_answer_is_sorted_by_what_to_do(
    answer: Sent, kind: type[Failed | Retry], code: str
) -> None:
    verdict, _ = performed(EVENT, answer)

    assert isinstance(verdict, kind)
    assert verdict.code == code
    assert "canary" not in verdict.detail


def test_a_throttle_is_waited_out() -> None:
    verdict, _ = performed(EVENT, HttpAnswer(status=429, retry_after="7"))

    assert verdict == Snooze(until=NOW + timedelta(seconds=7), reason="throttled")


def test_what_is_cancelled_is_not_sent() -> None:
    sender = Sender()
    kind = PostWebhooks(send=sender, reach=REACH, keys=(KEY,))

    assert kind.perform(job(EVENT), context(cancelled=True)) == Cancelled()
    assert sender.requests == []


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        ({}, "type: name the event"),
        ({"type": "a", "body": {}}, "type: name the event"),
        ({"body": {}, "data": {}}, "data: goes with `type`"),
        ({"body": [1]}, "body: must be a JSON object"),
        ({"type": "a\nb"}, "type: must be one line"),
        ({"type": "a", "data": {"x": float("inf")}}, "data: cannot be written as JSON"),
        ({"type": "a", "url": "http://hooks.example.com/"}, "url: must begin with https://"),
        ({"type": "a", "url": "https://evil.example/"}, "HTTP_ALLOWED_HOSTS"),
        ({"type": "a", "headers": {}}, "headers: there is no such field"),
        ({"type": "a", "not_after": 1}, "not_after: must be"),
    ],
)
def test_a_payload_that_cannot_be_sent_is_refused_by_its_field(
    payload: dict[str, Any], why: str
) -> None:
    with pytest.raises(BadPayloadError, match=why):
        PostWebhooks(send=Sender(), reach=REACH).check(payload)


@pytest.mark.parametrize(
    "given",
    [
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_",
        "whsec_canary!",
        "whsec_" + base64.b64encode(b"x" * 23).decode(),
        "whsec_" + base64.b64encode(b"x" * 65).decode(),
    ],
)
def test_a_key_that_is_none_is_refused_and_not_repeated(given: str) -> None:
    with pytest.raises(ValueError, match="24 to 64 bytes") as caught:
        signing_key(Secret(given))

    assert "canary" not in str(caught.value)
