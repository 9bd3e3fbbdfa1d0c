"""An installation that people write to: what they say, what drains do, what they are told."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from unittest.mock import patch

from core.chat.model import KIND, Answer, Chat, Plan, Reply, RolledBack, Turn
from core.chat.performing import PerformChats
from core.chat.ports import ChatStore, Message, Received, SessionTask
from core.jobs.control import JobControl
from core.jobs.kinds import JobKind
from core.jobs.model import JobId
from handlers import chat_kinds, job_kinds, late_kinds
from infra.postgres.chats import PostgresChats
from infra.postgres.job_control import PostgresJobControl
from tests.support.site import Site
from tests.support.typed import typed

ME = Chat(source="telegram", chat_id="4711")
OTHER = Chat(source="http", chat_id="4711")


def echo(turn: Turn) -> Answer:
    """`/plan …` asks first, `/undo …` cannot be done in the end, all else is said again."""
    if turn.plan is not None:
        if turn.text.startswith("/undo"):
            return RolledBack(text=f"undone: {turn.text}")
        return Reply(text=f"did {turn.plan['what']}", result={"did": turn.plan["what"]})
    if turn.text.startswith(("/plan", "/undo")):
        return Plan(text=f"I would {turn.text}", steps={"what": turn.text})
    return Reply(text=f"heard {turn.text}")


@dataclass
class Drained:
    """What a run of `queue-drain` reported and logged."""

    report: Mapping[str, Any]
    log: Sequence[Mapping[str, Any]]
    err: str

    def lines(self, event: str) -> list[Mapping[str, Any]]:
        return [line for line in self.log if line["event"] == event]

    def line(self, event: str) -> Mapping[str, Any]:
        [line] = self.lines(event)
        return line

    def decisions(self) -> dict[str, str]:
        return {
            f"{line['source']}:{line['chat_id']}": line["decision"]
            for line in self.lines("session.seen")
        }


@dataclass
class Talk:
    """`process` is what answers; `turns` what it was asked."""

    site: Site
    process: Callable[[Turn], Any] = echo
    turns: list[Turn] = field(default_factory=list)

    def answered(self, turn: Turn) -> Answer:
        self.turns.append(turn)
        answer: Answer = self.process(turn)
        return answer

    @property
    def texts(self) -> list[str]:
        return [turn.text for turn in self.turns]

    @contextmanager
    def chats(self) -> Iterator[ChatStore]:
        with self.site.opened() as database:
            yield PostgresChats(database, _kinds())

    @contextmanager
    def control(self) -> Iterator[JobControl]:
        with self.site.opened() as database:
            yield PostgresJobControl(database, _kinds())

    def say(self, *texts: str, chat: Chat = ME, key: str | None = None) -> JobId:
        """The last one's task."""
        return self.heard(*texts, chat=chat, key=key).task_id

    def heard(self, *texts: str, chat: Chat = ME, key: str | None = None) -> Received:
        """From a person whom everything has reached that was sent; nobody sends here."""
        self.site.sql(
            "UPDATE ops.jobs SET status = 'completed', finished_at = now()"
            " WHERE kind = 'notify.telegram' AND status = 'pending'"
        )
        with self.chats() as chats:
            done = [chats.receive(Message(chat=chat, text=text, key=key)) for text in texts]
        return done[-1]

    def task(self, task_id: JobId) -> SessionTask:
        with self.chats() as chats:
            return chats.task(str(task_id))

    def drain(self, *more: str, **settings: str | None) -> Drained:
        ended = typed(self.site, "queue", "--json", *more, **settings)
        lines = [line for line in ended.stderr.splitlines() if line.startswith("{")]
        return Drained(json.loads(ended.stdout), [json.loads(line) for line in lines], ended.stderr)

    def told(self, chat: Chat = ME) -> list[str]:
        """What was sent to a chat of Telegram, in order."""
        rows = self.site.sql(
            "SELECT payload ->> 'text' FROM ops.jobs WHERE kind = 'notify.telegram'"
            f" AND ordering_key = '{chat.ordering_key}' ORDER BY seq"
        )
        return [text for (text,) in rows]

    def let_retries_come(self) -> None:
        self.site.sql(
            "UPDATE ops.jobs SET run_at = now() WHERE status = 'pending' AND queue = 'chat';"
            "UPDATE ops.job_keys SET visible_at = now() WHERE visible_at > now() AND queue = 'chat'"
            " AND locked_by IS NULL AND NOT EXISTS (SELECT FROM ops.jobs WHERE status = 'waiting'"
            " AND jobs.queue = job_keys.queue AND jobs.ordering_key = job_keys.ordering_key)"
        )

    def let_waits_end(self) -> None:
        self.site.sql(
            "UPDATE ops.jobs SET wait_until = now() - interval '1 s' WHERE status = 'waiting';"
            "UPDATE ops.job_keys SET visible_at = now() - interval '1 s' WHERE queue = 'chat'"
        )

    def let_leases_run_out(self) -> None:
        self.site.sql(
            "UPDATE ops.jobs SET leased_until = now() - interval '1 s' WHERE locked_by IS NOT NULL;"
            "UPDATE ops.job_keys SET visible_at = now() WHERE locked_by IS NOT NULL"
        )


@contextmanager
def talk(site: Site, **kind: Any) -> Iterator[Talk]:
    """With a processor of the test's own; `kind`: what is different about the kind."""
    talking = Talk(site)
    [chat] = late_kinds.CHATS
    changed = (replace(chat, **kind),)
    with (
        patch.object(chat_kinds, "processor", lambda *_: talking.answered),
        patch.object(job_kinds, "CHATS", changed),
    ):
        yield talking


def _kinds() -> Mapping[str, JobKind]:
    def made() -> Mapping[str, JobKind]:
        return {KIND: PerformChats(process=echo, tasks=None).kind()}  # type: ignore[arg-type]  # performs nothing

    return {kind.name: kind for kind in late_kinds.late_kinds(made, late_kinds.CHATS)}
