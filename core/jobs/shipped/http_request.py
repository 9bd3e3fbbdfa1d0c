"""`http_request`: submits to an external executor.

What is sent is `{"task_id", "type", "params"}`, unless the payload has a `body` of its own; what
counts as done is an answer 2xx with `"success": true` in it. An answer without the word is a
failure, and so is a redirect.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.jobs.kinds import PATIENT, BadPayloadError, Effect, JobContext, JobKind
from core.jobs.model import Completed, Failed, Job, Retry, Verdict
from core.jobs.shipped import answers, fields
from core.jobs.shipped.answers import HttpAnswer, HttpRequest, Send
from core.jobs.shipped.target import Reach, Target, read_target

NAME = "http_request"
QUEUE = "http"
ENVELOPE = ("type", "params", "description", "domain")
KNOWN = ("url", "method", "headers", "body", "expect", *ENVELOPE, fields.NOT_AFTER)
BODILESS = frozenset({"GET", "DELETE"})
METHODS = ("POST", "PUT", "PATCH", *sorted(BODILESS))
SUCCESS, STATUS = "success", "status"
MAX_RESULT = 200_000
MAX_HEADERS = 30
_TOO_LONG = f"longer than {MAX_RESULT:,} bytes"
_HEADER = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
_VALUE = re.compile(r"[\x20-\x7e]{0,2000}")
# The connection's, or ours to set; a credential in a payload would lie in the database.
_OURS = frozenset({
    "host", "content-length", "content-type", "transfer-encoding", "connection", "upgrade",
    "expect", "te", "trailer", "keep-alive", "accept-encoding", "idempotency-key",
})  # fmt: skip
_CREDENTIALS = re.compile(r"authorization|cookie|proxy-.*|.*(api-?key|token|secret|password).*")
_CODE = re.compile(r"[a-z0-9_.-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A payload, read."""

    method: str
    target: Target
    headers: Mapping[str, str]
    body: object = field(repr=False)
    has_body: bool
    envelope: Mapping[str, object] = field(repr=False)
    expect: str

    def content(self, task_id: str) -> bytes | None:
        if self.has_body:
            return fields.as_bytes(self.body, "body")
        if self.method in BODILESS:
            return None
        return fields.as_bytes({"task_id": task_id, **self.envelope}, "params")


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitOverHttp:
    send: Send
    reach: Reach

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
        self._read(payload).content("")

    def perform(self, job: Job, context: JobContext) -> Verdict:
        asked = self._read(job.payload)
        put_off = answers.held_up(job, context)
        if put_off is not None:
            return put_off
        sent = self.send(_request(asked, job))
        place = asked.target.place
        if not isinstance(sent, HttpAnswer) or not sent.is_success:
            return answers.not_a_success(sent, place, job, context.clock.now())
        return _reported(sent) if asked.expect == STATUS else _judged(sent, place)

    def _read(self, payload: Mapping[str, object]) -> Submission:
        fields.only(payload, KNOWN)
        fields.not_after(payload)
        target = read_target(fields.text(payload, "url", 2000), "url")
        self.reach.check(target, "url")
        method = fields.optional(payload, "method", 10) or "POST"
        if method not in METHODS:
            raise BadPayloadError(f"method: must be one of {', '.join(METHODS)}")
        expect = fields.optional(payload, "expect", 10) or SUCCESS
        if expect not in {SUCCESS, STATUS}:
            raise BadPayloadError(f"expect: must be {SUCCESS} or {STATUS}")
        for name in ("body", "params"):
            if method in BODILESS and name in payload:
                raise BadPayloadError(f"{name}: {method} has no body; put it into the address")
        return Submission(
            method=method,
            target=target,
            headers=_headers(fields.mapping(payload, "headers")),
            body=payload.get("body"),
            has_body="body" in payload,
            envelope=_envelope(payload),
            expect=expect,
        )


def _envelope(payload: Mapping[str, object]) -> Mapping[str, object]:
    described = {
        name: fields.text(payload, name, 20_000)
        for name in ("description", "domain")
        if payload.get(name) is not None
    }
    kind = fields.optional(payload, "type", 64) or NAME
    return {"type": kind, "params": fields.mapping(payload, "params"), **described}


def _headers(given: Mapping[str, object]) -> Mapping[str, str]:
    if len(given) > MAX_HEADERS:
        raise BadPayloadError(f"headers: there are more than {MAX_HEADERS}")
    return {name: _header(name, value) for name, value in given.items()}


def _header(name: str, value: object) -> str:
    if not _HEADER.fullmatch(name):
        raise BadPayloadError("headers: a name must be letters, digits and -")
    if name.lower() in _OURS:
        raise BadPayloadError(f"headers: {name} is set by Cronshot")
    if _CREDENTIALS.fullmatch(name.lower()):
        raise BadPayloadError(
            f"headers: {name} may be a credential, and payloads are stored as they are; name the"
            " host's in HTTP_BEARER_TOKENS"
        )
    if not isinstance(value, str) or not _VALUE.fullmatch(value):
        raise BadPayloadError(f"headers: {name} must be one line of ASCII")
    return value


def _request(asked: Submission, job: Job) -> HttpRequest:
    content = asked.content(str(job.id))
    headers = {**asked.headers, "Idempotency-Key": answers.effect_key(job)}
    if content is not None:
        headers["Content-Type"] = "application/json"
    return HttpRequest(method=asked.method, target=asked.target, headers=headers, content=content)


def _reported(answer: HttpAnswer) -> Verdict:
    return Completed(result={"status": answer.status, "body": _kept(answer.text)})


def _kept(text: str) -> object:
    try:
        body = fields.parsed(text)
    except ValueError:
        body = text
    return body if _fits(body) else {"omitted": _TOO_LONG}


def _fits(value: object) -> bool:
    """As the engine counts: in ASCII."""
    return len(json.dumps(value)) <= MAX_RESULT


def _judged(answer: HttpAnswer, place: str) -> Verdict:
    """By the executor's own word; without one it has failed."""
    told = _object(answer.text)
    word = told.get("success")
    if word is True:
        kept = told if _fits(told) else {"success": True, "omitted": _TOO_LONG}
        return Completed(result=kept, outcome=_word(told.get("kind")))
    if word is False:
        code = _word(told.get("error_code")) or "executor_failed"
        detail = f"{place} says that it failed{answers.said(answer.text)}"
        again = told.get("retry") is True
        return Retry(code=code, detail=detail) if again else Failed(code=code, detail=detail)
    return Failed(
        code="no_success",
        detail=f"{place} answered {answer.status} without `success` being true or false, which"
        ' counts as a failure; `"expect": "status"` takes any 2xx',
    )


def _object(text: str) -> Mapping[str, Any]:
    try:
        told = fields.parsed(text)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _word(given: object) -> str | None:
    return given if isinstance(given, str) and _CODE.fullmatch(given) else None
