"""What a drain needs of sessions, in PostgreSQL: the `ChatTasks` port."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from core.chat.decision import SessionFacts, decide
from core.chat.model import QUEUE, Chat, Phase
from core.chat.ports import Asked, Begun, SeenSession, SeenSessions, Session, Untold
from core.jobs.admission import Kinds
from core.jobs.model import Job, JobId, NewJob, Status
from infra.postgres.job_rows import enqueue
from infra.postgres.queries import load
from infra.postgres.transaction import Database


@dataclass(frozen=True, slots=True)
class PostgresChatTasks:
    """`kinds`: of the jobs that tell a person something."""

    database: Database
    kinds: Kinds

    def begun(self, job: Job, chat: Chat, phase: Phase | None) -> Begun | None:
        values = {"id": job.id, "fence": job.fence, "phase": phase, **named(chat)}
        with self.database.transaction(by_index=True) as connection:
            row = _run(connection, "begin_task", **values).first()
        return None if row is None else _begun(row)

    def seen(self, most: int) -> SeenSessions:
        with self.database.transaction(by_index=True) as connection:
            rows = _run(connection, "seen", queue=QUEUE, most=most).all()
        return SeenSessions(
            total=rows[0].total,
            sessions=[_seen(row) for row in rows if row.source is not None],
            unreadable=rows[0].unreadable,
            silent=rows[0].silent,
        )

    def seen_now(self, chat: Chat) -> SeenSession:
        with self.database.transaction(by_index=True) as connection:
            _run(connection, "know_chat", **named(chat))
            return _seen(_run(connection, "seen_now", **named(chat)).one())

    def untold(self, most: int) -> Sequence[Untold]:
        with self.database.transaction(by_index=True) as connection:
            return [_untold(row) for row in _run(connection, "untold", most=most)]

    def told(self, task: Untold, text: str, then: Sequence[NewJob]) -> bool:
        with self.database.transaction(by_index=True) as connection:
            if _run(connection, "tell_ending", id=task.id, reply=text).first() is None:
                return False
            if task.blocked:
                _run(connection, "note_silence", id=task.id)
            enqueue(connection, then, self.kinds)
            return True


def chat_of(ordering_key: str) -> Chat:
    source, _, chat_id = ordering_key.partition(":")
    return Chat(source=source, chat_id=chat_id)


def named(chat: Chat) -> dict[str, object]:
    return {"source": chat.source, "chat_id": chat.chat_id}


def session_of(row: sa.Row[Any]) -> Session:
    status = row.active_status
    return Session(
        chat=Chat(source=row.source, chat_id=row.chat_id),
        queue_len=row.queue_len,
        active_id=row.active_id and JobId(row.active_id),
        active_status=None if status is None else Status(status),
        active_phase=row.active_phase,
        next_task_id=row.next_task_id and JobId(row.next_task_id),
        paused=row.paused,
        blocked_at=row.blocked_at,
        last_message_at=row.last_message_at,
    )


def _seen(row: sa.Row[Any]) -> SeenSession:
    session = session_of(row)
    facts = SessionFacts(
        status=session.active_status,
        due=row.due,
        paused=session.paused,
        input_len=row.input_len,
    )
    return SeenSession(session=session, input_len=row.input_len, decision=decide(facts))


def _begun(row: sa.Row[Any]) -> Begun:
    if row.plan is None:
        return Begun(blocked=row.blocked)
    asked = Asked(plan=row.plan, steps=row.steps, answer_by=row.answer_by, shown=row.shown)
    return Begun(asked=asked, blocked=row.blocked)


def _untold(row: sa.Row[Any]) -> Untold:
    return Untold(
        id=JobId(row.id),
        chat=chat_of(row.ordering_key) if row.readable else None,
        status=Status(row.status),
        error_code=row.error_code,
        started=row.started,
        blocked=row.blocked,
    )


def _run(connection: sa.Connection, name: str, /, **values: object) -> sa.CursorResult[Any]:
    return connection.execute(load("chats")[name], values)
