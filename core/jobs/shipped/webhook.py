"""`notify.webhook`: a signed POST of JSON, as Standard Webhooks has it.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.jobs.kinds import PATIENT, BadPayloadError, Effect, JobContext, JobKind
from core.jobs.model import Completed, Failed, Job, Retry, Verdict
from core.jobs.shipped import answers, fields
from core.jobs.shipped.answers import HttpAnswer, HttpRequest, Send
from core.jobs.shipped.target import Reach, Target, read_target
from core.report import instant
from core.secret import Secret

NAME = "notify.webhook"
QUEUE = "notify"
KNOWN = ("url", "type", "data", "body", fields.NOT_AFTER)
DEFAULT_URL, KEYS = "ALERT_WEBHOOK_URL", "NOTIFY_WEBHOOK_SECRET"
_PREFIX = "whsec_"
_SHORTEST_KEY, _LONGEST_KEY = 24, 64
_GONE = 410
_LIKE_A_SECRET = 8
"""Characters: a shorter part of an address is a word."""


def signing_key(secret: Secret) -> bytes:
    """Raises ValueError."""
    given = secret.reveal()
    try:
        key = base64.b64decode(given.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not given.startswith(_PREFIX) or not _SHORTEST_KEY <= len(key) <= _LONGEST_KEY:
        raise ValueError(
            f"must be {_PREFIX} and the base64 of {_SHORTEST_KEY} to {_LONGEST_KEY} bytes"
        )
    return key


def signature(keys: Sequence[Secret], message_id: str, timestamp: int, content: bytes) -> str:
    """One for each key, so that a receiver may change over to the new one in its own time."""
    signed = f"{message_id}.{timestamp}.".encode() + content
    made = [hmac.digest(signing_key(key), signed, hashlib.sha256) for key in keys]
    return " ".join(f"v1,{base64.b64encode(each).decode()}" for each in made)


def message_id(job: Job) -> str:
    """Stable over attempts; never with a dot, which would move the borders of what is signed."""
    return f"msg_{answers.effect_key(job)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PostWebhooks:
    """`keys`: the newest first. `default`: where it goes when the payload names no address.

    That one needs no place in HTTP_ALLOWED_HOSTS: whoever set it set both.
    """

    send: Send
    reach: Reach
    keys: Sequence[Secret] = ()
    default: Secret | None = None

    def kind(self) -> JobKind:
        return JobKind(
            name=NAME,
            queue=QUEUE,
            effect=Effect.OUTSIDE,
            check=self.check,
            perform=self.perform,
            backoff=PATIENT,
            batch=1,
            expires=fields.expires,
        )

    def check(self, payload: Mapping[str, object]) -> None:
        fields.only(payload, KNOWN)
        fields.not_after(payload)
        if payload.get("url") is not None:
            self._named(payload)
        _content(payload, "")

    def perform(self, job: Job, context: JobContext) -> Verdict:
        target = self._target(job.payload)
        if target is None or not self.keys:
            missing = KEYS if target is not None else f"url is not given, and {DEFAULT_URL}"
            return Retry(code="not_configured", detail=f"{missing} is not set; see .env.example")
        put_off = answers.held_up(job, context)
        if put_off is not None:
            return put_off
        sent = self.send(self._request(job, target, int(context.clock.now().timestamp())))
        if isinstance(sent, HttpAnswer) and sent.status == _GONE:
            return Failed(code="gone", detail=f"{target.place} wants no more of it (410)")
        if not isinstance(sent, HttpAnswer) or not sent.is_success:
            return answers.not_a_success(sent, target.place, job, context.clock.now())
        return Completed(result={"status": sent.status, "message_id": message_id(job)})

    def _target(self, payload: Mapping[str, object]) -> Target | None:
        if payload.get("url") is not None:
            return self._named(payload)
        return None if self.default is None else read_target(self.default.reveal(), DEFAULT_URL)

    def _named(self, payload: Mapping[str, object]) -> Target:
        target = read_target(fields.text(payload, "url", 2000), "url")
        self.reach.check(target, "url")
        return target

    def _request(self, job: Job, target: Target, timestamp: int) -> HttpRequest:
        content = _content(job.payload, instant(job.created_at) or "")
        return HttpRequest(
            method="POST",
            target=target,
            headers={
                "Content-Type": "application/json",
                "webhook-id": message_id(job),
                "webhook-timestamp": str(timestamp),
                "webhook-signature": signature(self.keys, message_id(job), timestamp, content),
            },
            content=content,
            confidential=[*self.keys, *_of_the_address(job.payload, target)],
        )


def _of_the_address(payload: Mapping[str, object], target: Target) -> list[Secret]:
    """The parts of an address that was set in confidence: whoever has it can post as we do."""
    if payload.get("url") is not None:
        return []
    parts = re.split(r"[/?&=]", target.path)
    return [Secret(part) for part in parts if len(part) >= _LIKE_A_SECRET]


def _content(payload: Mapping[str, object], at: str) -> bytes:
    """`body` as it stands, or the event as the specification recommends it."""
    if ("body" in payload) == ("type" in payload):
        raise BadPayloadError(
            "type: name the event (and give its `data`), or give a whole `body` instead"
        )
    if "body" in payload:
        if "data" in payload:
            raise BadPayloadError("data: goes with `type`, not with `body`")
        return fields.as_bytes(fields.mapping(payload, "body"), "body")
    event = fields.line(payload, "type", 200)
    data = fields.mapping(payload, "data")
    return fields.as_bytes({"type": event, "timestamp": at, "data": data}, "data")
