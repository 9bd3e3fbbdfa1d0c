"""`notify.telegram`: plain text to a chat, in order, in as many messages as it takes.

Telegram knows no idempotency key. What may have arrived is sent again with a mark that people see.
https://core.telegram.org/bots/api#sendmessage
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from core.jobs.kinds import PATIENT, BadPayloadError, Effect, JobContext, JobKind
from core.jobs.model import Cancelled, Completed, Failed, Job, Retry, Transaction, Verdict
from core.jobs.shipped import answers, fields
from core.jobs.shipped.answers import NoAnswer, NotSent
from core.jobs.throttling import throttled
from core.retry import MAX_RETRY_AFTER

NAME = "notify.telegram"
QUEUE = "notify"
KNOWN = ("chat_id", "text", "silent", fields.NOT_AFTER)
TOKEN = "TELEGRAM_BOT_TOKEN"  # noqa: S105  (the setting's name)
PLACE = "Telegram"
LIMIT = 4096
"""UTF-16 units of a message: an emoji counts twice."""
MARK = "(resent) "
MAX_PARTS = 10
MAX_TEXT = MAX_PARTS * LIMIT
_LONGEST_SAID = 300
_UNIT_BYTES = 2
_LARGEST_CHAT = 2**52
_CHANNEL = re.compile(r"@[A-Za-z][A-Za-z0-9_]{3,31}")
_PHASE = re.compile(r"sent (\d+)(|, unsure of the (?:next|rest))")
_TOO_MANY = 429
_FORBIDDEN, _BAD_REQUEST = 403, 400
# Of a bad request only its words tell whether it is the chat that is bad.
_NO_CHAT = re.compile(r"chat not found|user not found|deactivated|PEER_ID_INVALID", re.IGNORECASE)
BLOCKED = "chat_blocked"
# A wrong token: the same message is right as soon as the setting is.
_BAD_TOKEN = frozenset({401, 404})
_ACCEPTED = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatMessage:
    chat_id: int | str
    text: str = field(repr=False)
    silent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BotAnswer:
    """`code` is 200 for a message that was taken. `migrated_to`: the group's new id."""

    code: int
    message_id: int | None = None
    description: str = ""
    retry_after_s: float | None = None
    migrated_to: int | None = None


class Bot(Protocol):
    def send(self, message: ChatMessage, /) -> BotAnswer | NotSent | NoAnswer: ...


class Blocks(Protocol):
    """Chats that refused what was sent; a chat that writes takes messages again."""

    def is_blocked(self, chat_id: int | str, /) -> bool:
        """Raises StoreUnavailableError."""
        ...

    def block(self, transaction: Transaction, chat_id: int | str, why: str, /) -> None: ...


class Doubt(StrEnum):
    """What may have arrived already, of the parts that are not known to have."""

    NONE = ""
    NEXT = ", unsure of the next"
    REST = ", unsure of the rest"


@dataclass(frozen=True, slots=True)
class Progress:
    """Kept as the job's phase: a throttle in the middle must not send the beginning again."""

    done: int = 0
    doubt: Doubt = Doubt.NONE

    @classmethod
    def of(cls, job: Job) -> "Progress":
        """Who held a lease that ran out may have sent any part without a record of it."""
        found = _PHASE.fullmatch(job.phase or "")
        done, doubt = (0, Doubt.NONE) if found is None else (int(found[1]), Doubt(found[2]))
        return cls(done, Doubt.REST if job.returned else doubt)

    def __str__(self) -> str:
        return f"sent {self.done}{self.doubt}"

    def after_one(self) -> "Progress":
        return Progress(self.done + 1, Doubt.REST if self.doubt is Doubt.REST else Doubt.NONE)

    def doubted(self) -> "Progress":
        return replace(self, doubt=self.doubt or Doubt.NEXT)


@dataclass(frozen=True, slots=True, kw_only=True)
class SendToChats:
    """`bot` is None where no token is set."""

    bot: Bot | None
    blocks: Blocks

    def kind(self) -> JobKind:
        return JobKind(
            name=NAME,
            queue=QUEUE,
            effect=Effect.OUTSIDE,
            check=check,
            perform=self.perform,
            backoff=PATIENT,
            lease=timedelta(minutes=2),
            batch=1,
            expires=fields.expires,
            key=ordering_key,
        )

    def perform(self, job: Job, context: JobContext) -> Verdict:
        """Part by part, from where the last attempt came to."""
        if self.bot is None:
            return Retry(code="not_configured", detail=f"{TOKEN} is not set; see .env.example")
        message = _read(job.payload)
        if self.blocks.is_blocked(message.chat_id):
            return Cancelled(outcome=BLOCKED)
        return self._sent(self.bot, message, job, context)

    def _sent(self, bot: Bot, message: ChatMessage, job: Job, context: JobContext) -> Verdict:
        texts = parts(message.text)
        progress = Progress.of(job)
        messages: list[int | None] = []
        while progress.done < len(texts):
            put_off = answers.held_up(job, context, phase=str(progress))
            if put_off is not None:
                return put_off
            if messages and not context.renew():
                return answers.lease_lost(context)
            text = (MARK if progress.doubt else "") + texts[progress.done]
            message, answer = _moved(bot, replace(message, text=text))
            if isinstance(answer, BotAnswer) and _is_blocked(answer):
                return self._blocked(job, answer, context)
            if not isinstance(answer, BotAnswer) or answer.code != _ACCEPTED:
                return _unsent(answer, progress, job, context.clock.now())
            messages.append(answer.message_id)
            progress = progress.after_one()
        return Completed(result={"message_ids": messages})

    def _blocked(self, job: Job, answer: BotAnswer, context: JobContext) -> Failed:
        """Nothing more is sent to it: Telegram slows down bots that go on."""
        chat_id = _chat(job.payload)
        why = fields.quoted(answer.description, _LONGEST_SAID)
        context.log.warning("chat.blocked", chat_id=str(chat_id), why=why)

        def block(transaction: Transaction) -> None:
            self.blocks.block(transaction, chat_id, why)

        return Failed(code=_code(answer), detail=_detail(answer), effect=block)


def _moved(bot: Bot, message: ChatMessage) -> tuple[ChatMessage, BotAnswer | NotSent | NoAnswer]:
    """A group that became a supergroup has another id, and Telegram names it."""
    answer = bot.send(message)
    if isinstance(answer, BotAnswer) and answer.migrated_to is not None:
        message = replace(message, chat_id=answer.migrated_to)
        answer = bot.send(message)
    return message, answer


def _unsent(
    answer: BotAnswer | NotSent | NoAnswer, progress: Progress, job: Job, now: datetime
) -> Verdict:
    if isinstance(answer, BotAnswer):
        return _refused(answer, progress, job, now)
    came_to = progress.doubted() if isinstance(answer, NoAnswer) else progress
    return replace(answers.not_answered(answer, PLACE), phase=str(came_to))


def _refused(answer: BotAnswer, progress: Progress, job: Job, now: datetime) -> Verdict:
    code, detail = _code(answer), _detail(answer)
    if answer.code == _TOO_MANY:
        until = _free_at(answer, job, now)
        return throttled(job, until, now, detail=detail, phase=str(progress))
    if answer.code in _BAD_TOKEN:
        return Retry(code=code, detail=f"{detail}; check {TOKEN}", phase=str(progress))
    if answer.code >= 500:  # noqa: PLR2004  (HTTP's own classes)
        return Retry(code=code, detail=detail, phase=str(progress))
    return Failed(code=code, detail=detail)


def _code(answer: BotAnswer) -> str:
    return f"telegram_{answer.code}"


def _detail(answer: BotAnswer) -> str:
    said = fields.quoted(answer.description, _LONGEST_SAID)
    return f"{PLACE} answered {answer.code}: {said}"


def _is_blocked(answer: BotAnswer) -> bool:
    """Blocked, kicked, deleted, never begun: whatever is sent there is refused."""
    if answer.code == _BAD_REQUEST:
        return _NO_CHAT.search(answer.description) is not None
    return answer.code == _FORBIDDEN


def _free_at(answer: BotAnswer, job: Job, now: datetime) -> datetime:
    told = answer.retry_after_s
    if told is None or not told > 0:
        return answers.untold(job, now)
    return now + timedelta(seconds=min(told, MAX_RETRY_AFTER.total_seconds()))


def check(payload: Mapping[str, object]) -> None:
    fields.not_after(payload)
    texts = parts(_read(payload).text)
    if len(texts) > MAX_PARTS:
        raise BadPayloadError(f"text: takes more than {MAX_PARTS} messages of {LIMIT:,} characters")


def ordering_key(payload: Mapping[str, object]) -> str:
    return f"telegram:{_chat(payload)}"


def parts(text: str) -> list[str]:
    """Each fits into one message together with MARK; cut at a line, else at a word."""
    rest, found = text.strip(), []
    while rest:
        head = _fitting(rest)
        if len(head) < len(rest):
            head = head[: _border(head)]
        found.append(head.rstrip())
        rest = rest[len(head) :].lstrip()
    return found


def _fitting(text: str) -> str:
    # Half of a pair at the end is left out by `ignore`.
    room = (LIMIT - len(MARK)) * _UNIT_BYTES
    return text.encode("utf-16-le")[:room].decode("utf-16-le", "ignore")


def _border(head: str) -> int:
    """The last line's end in the second half, else the last space there, else where it is full."""
    for sign in ("\n", " "):
        at = head.rfind(sign)
        if at > len(head) // 2:
            return at
    return len(head)


def _read(payload: Mapping[str, object]) -> ChatMessage:
    fields.only(payload, KNOWN)
    return ChatMessage(
        chat_id=_chat(payload),
        text=fields.text(payload, "text", MAX_TEXT),
        silent=fields.flag(payload, "silent"),
    )


def _chat(payload: Mapping[str, object]) -> int | str:
    chat = payload.get("chat_id")
    if isinstance(chat, int) and not isinstance(chat, bool) and 0 < abs(chat) < _LARGEST_CHAT:
        return chat
    if isinstance(chat, str) and _CHANNEL.fullmatch(chat):
        return chat
    raise BadPayloadError("chat_id: must be a chat's number, or a channel's name like @orders")
