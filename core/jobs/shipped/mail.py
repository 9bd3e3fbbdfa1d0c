"""`notify.email`: one plain text to one address.

Its Message-ID comes from the job, so that mailboxes and people recognise what came twice.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, assert_never

from core.jobs.kinds import PATIENT, BadPayloadError, Effect, JobContext, JobKind
from core.jobs.model import Completed, Failed, Job, Retry, Verdict
from core.jobs.shipped import answers, fields
from core.jobs.shipped.answers import NoAnswer, NotSent

NAME = "notify.email"
QUEUE = "notify"
KNOWN = ("to", "subject", "text", "reply_to", fields.NOT_AFTER)
SETTINGS = "SMTP_URL and SMTP_FROM"
PLACE = "the mail server"
MAX_TEXT = 100_000
LONGEST_ADDRESS = 254
# The addresses that every server takes; quoted local parts and comments are none of them.
_ADDRESS = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@"
    r"(?P<domain>[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*)"
)
_REFUSED_FOR_GOOD = range(500, 600)
# Before these it was the account or the connection, not the message: right once the setting is.
_OF_THE_MESSAGE = frozenset({"RCPT", "DATA"})
_NOT_LOGGED_IN = frozenset({530, 535})


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    message_id: str
    to: str
    subject: str = field(repr=False)
    text: str = field(repr=False)
    reply_to: str | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The server has taken responsibility for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailRefused:
    """By its SMTP code; `stage` is the command that was refused, `text` what it said."""

    code: int
    stage: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotTrusted:
    """Its connection cannot be made as safe as it must be."""

    why: str


Posted = Accepted | MailRefused | NotTrusted | NotSent | NoAnswer


class Post(Protocol):
    """`sender`: whose domain names the messages."""

    sender: str

    def send(self, mail: Mail, /) -> Posted:
        """Within answers.TIMEOUT_S in all."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SendMails:
    """`post` is None where no server is set."""

    post: Post | None

    def kind(self) -> JobKind:
        return JobKind(
            name=NAME,
            queue=QUEUE,
            effect=Effect.OUTSIDE,
            check=check,
            perform=self.perform,
            backoff=PATIENT,
            batch=1,
            expires=fields.expires,
        )

    def perform(self, job: Job, context: JobContext) -> Verdict:
        if self.post is None:
            return Retry(code="not_configured", detail=f"{SETTINGS} are not set; see .env.example")
        put_off = answers.held_up(job, context)
        if put_off is not None:
            return put_off
        mail = _read(job, message_id(job, self.post.sender))
        return _verdict(self.post.send(mail), mail)


def _verdict(posted: Posted, mail: Mail) -> Verdict:
    match posted:
        case Accepted():
            return Completed(result={"message_id": mail.message_id})
        case MailRefused(code=code, stage=stage, text=text):
            detail = f"{PLACE} answered {code} to {stage}: {fields.quoted(text, 300)}"
            of_ours = stage not in _OF_THE_MESSAGE or code in _NOT_LOGGED_IN
            ended = Retry if of_ours or code not in _REFUSED_FOR_GOOD else Failed
            return ended(code=f"smtp_{code}", detail=detail)
        case NotTrusted(why=why):
            return Retry(code="smtp_tls", detail=f"{PLACE} is not trusted: {why}; check SMTP_URL")
        case NotSent() | NoAnswer():
            return answers.not_answered(posted, PLACE)
        case _:
            assert_never(posted)


def is_address(text: str) -> bool:
    return len(text) <= LONGEST_ADDRESS and _ADDRESS.fullmatch(text) is not None


def message_id(job: Job, sender: str) -> str:
    """`<…@the sender's domain>`, the same at each attempt."""
    digest = hashlib.sha256(answers.effect_key(job).encode()).hexdigest()
    return f"<{digest[:32]}@{sender.rpartition('@')[2]}>"


def check(payload: Mapping[str, object]) -> None:
    fields.only(payload, KNOWN)
    fields.not_after(payload)
    _address(payload, "to")
    fields.line(payload, "subject", 500)
    fields.text(payload, "text", MAX_TEXT)
    if payload.get("reply_to") is not None:
        _address(payload, "reply_to")


def _address(payload: Mapping[str, object], name: str) -> str:
    given = fields.line(payload, name, LONGEST_ADDRESS)
    if not is_address(given):
        raise BadPayloadError(f"{name}: must be one address like name@example.com")
    return given


def _read(job: Job, message: str) -> Mail:
    payload = job.payload
    check(payload)
    return Mail(
        message_id=message,
        to=_address(payload, "to"),
        subject=fields.line(payload, "subject", 500),
        text=fields.text(payload, "text", MAX_TEXT),
        reply_to=fields.optional(payload, "reply_to", LONGEST_ADDRESS),
        at=job.created_at,
    )
