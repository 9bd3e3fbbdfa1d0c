"""Sessions of chats, in PostgreSQL: the `ChatStore` port."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from core.chat.model import ANSWER, KIND, QUEUE, Chat
from core.chat.ports import Message, Received, Said, SeenSession, Session, Sessions, SessionTask
from core.chat.words import check_chat, check_key, check_text, is_command, task_of
from core.errors import UsageError
from core.jobs.admission import Kinds, admit
from core.jobs.control import AmbiguousJobError, JobConflictError, JobEvent, NoSuchJobError
from core.jobs.model import MAX_DEPTH, JobId, Status
from core.jobs.trying import clean
from infra.postgres import job_control, job_view
from infra.postgres.chat_tasks import PostgresChatTasks, chat_of, named, session_of
from infra.postgres.job_rows import enqueue_in_line, lines_json, lock, refresh
from infra.postgres.job_rows import run as run_of_jobs
from infra.postgres.queries import load
from infra.postgres.transaction import Database

HERE = {"queue": QUEUE}
THIS_KIND = {"queue": QUEUE, "kind": KIND}


@dataclass(frozen=True, slots=True)
class PostgresChats:
    database: Database
    kinds: Kinds

    def receive(self, message: Message) -> Received:
        check_chat(message.chat)
        check_key(message.key)
        check_text(message.text)
        return self.database.run(
            lambda connection: receive(connection, message, self.kinds), by_index=True
        )

    def answer(self, task_id: JobId, text: str, key: str | None = None) -> Received:
        check_key(key)
        check_text(text)
        return self.database.run(
            lambda connection: _answer(connection, task_id, text, key), by_index=True
        )

    def sessions(self, most: int, after: Chat | None = None) -> Sessions:
        place = {"source": after and after.source, "chat_id": after and after.chat_id}
        with self.database.transaction() as connection:
            total = _run(connection, "total").scalar_one()
            rows = _run(connection, "page", most=most, **place).all()
        return Sessions(sessions=[session_of(row) for row in rows], total=total)

    def session(self, chat: Chat) -> Session | None:
        with self.database.transaction() as connection:
            row = _run(connection, "one", **named(chat)).first()
        return None if row is None else session_of(row)

    def tasks(self, chat: Chat, most: int) -> Sequence[SessionTask]:
        values = {"ordering_key": chat.ordering_key, "most": most}
        with self.database.transaction(by_index=True) as connection:
            rows = list(_run(connection, "unfinished", **HERE, **values))
            if len(rows) < most:
                rows += _run(connection, "ended", **values | {"most": most - len(rows)})
        return [_task(row) for row in rows]

    def task(self, given: str) -> SessionTask:
        first, last = job_view.range_of(given)
        values = {"first": first, "last": last, "most": job_view.CANDIDATES}
        with self.database.transaction(by_index=True) as connection:
            rows = _run(connection, "between", **THIS_KIND, **values).all()
        if not rows:
            raise NoSuchJobError(f"no task's id begins with {given[:40]!r}; see `sessions list`")
        if len(rows) > 1:
            ids = [JobId(row.id) for row in rows]
            raise AmbiguousJobError(f"several tasks' ids begin with {given!r}; give more", ids)
        return _task(rows[0])

    def events(self, task_id: JobId) -> Sequence[JobEvent]:
        return job_view.PostgresJobView(self.database, self.kinds).events(task_id)

    def seen(self, most: int) -> tuple[int, Sequence[SeenSession]]:
        seen = PostgresChatTasks(self.database, self.kinds).seen(most)
        return seen.total, seen.sessions

    def blocked(self, chat: Chat, reason: str) -> None:
        with self.database.transaction(by_index=True) as connection:
            _run(connection, "block", **named(chat), reason=clean(reason, 300) or "refused")

    def wrote(self, chat: Chat) -> None:
        with self.database.transaction(by_index=True) as connection:
            _run(connection, "chat_wrote", **named(chat))


def receive(connection: sa.Connection, message: Message, kinds: Kinds) -> Received:
    """On the caller's transaction, all under the key's row.

    What begins to wait meanwhile, or ends to, waits for this.
    """
    chat = message.chat
    line = (QUEUE, chat.ordering_key)
    run_of_jobs(connection, "lock_new_lines", lines=lines_json([line]))
    known = _heard(connection, chat, message.key)
    if known is not None:
        return known
    _run(connection, "chat_wrote", **named(chat))
    head = _run(connection, "head", **HERE, ordering_key=chat.ordering_key, answer=ANSWER).first()
    if head is not None and head.asks and not is_command(message.text):
        _run(connection, "hide_unsent", id=head.id)
        _signal(connection, JobId(head.id), chat, message.text)
        received = _received(connection, JobId(head.id), Said.ANSWERED)
    else:
        received = _received(connection, _queue(connection, message, kinds), Said.QUEUED)
    _keep(connection, chat, message.key, received)
    return received


def _queue(connection: sa.Connection, message: Message, kinds: Kinds) -> JobId:
    admitted = admit([task_of(message.chat, message.text)], kinds)
    try:
        [made] = enqueue_in_line(connection, admitted)
    except UsageError as error:
        # Everything else was looked at before.
        raise UsageError(
            f"this chat has {MAX_DEPTH:,} tasks that have not ended, and takes no more;"
            " wait, or cancel some of them: `sessions list`"
        ) from error
    _run(connection, "keep_task", id=made.id, ordering_key=message.chat.ordering_key)
    return made.id


def _answer(connection: sa.Connection, task_id: JobId, text: str, key: str | None) -> Received:
    row = _run(connection, "line_of", id=task_id, **THIS_KIND).first()
    if row is None:
        raise NoSuchJobError(f"there is no task {task_id}; see `sessions list`")
    chat = chat_of(row.ordering_key)
    lock(connection, [(QUEUE, row.ordering_key)])
    known = _heard(connection, chat, key)
    if known is not None:
        return known
    task = _run(connection, "asks", id=task_id, answer=ANSWER, **THIS_KIND).one()
    if not task.asks:
        status = Status(task.status)
        raise JobConflictError(f"task {task_id} is {status} and waits for no answer", status)
    _run(connection, "chat_wrote", **named(chat))
    _signal(connection, task_id, chat, text)
    received = _received(connection, task_id, Said.ANSWERED)
    _keep(connection, chat, key, received)
    return received


def _heard(connection: sa.Connection, chat: Chat, key: str | None) -> Received | None:
    if key is None:
        return None
    row = _run(connection, "heard", **named(chat), key=key).first()
    if row is None:
        return None
    return Received(
        task_id=JobId(row.job_id), said=Said(row.said), position=row.position, created=False
    )


def _signal(connection: sa.Connection, task_id: JobId, chat: Chat, text: str) -> None:
    """As JobControl.signal, on this transaction: the key's row is locked already."""
    data = json.dumps({"text": text})
    job_control.keep_signal(connection, task_id, ANSWER, data)
    refresh(connection, [(QUEUE, chat.ordering_key)])
    _run(connection, "keep_task", id=task_id, ordering_key=chat.ordering_key)


def _received(connection: sa.Connection, task_id: JobId, said: Said) -> Received:
    position = _run(connection, "position", id=task_id).scalar_one()
    return Received(task_id=task_id, said=said, position=position, created=True)


def _keep(connection: sa.Connection, chat: Chat, key: str | None, received: Received) -> None:
    if key is not None:
        said = {"said": received.said.value, "position": received.position}
        _run(connection, "keep_message", **named(chat), key=key, id=received.task_id, **said)


def _task(row: sa.Row[Any]) -> SessionTask:
    fields = dict(row._mapping)  # noqa: SLF001  (SQLAlchemy's public name)
    chat = chat_of(fields.pop("ordering_key"))
    return SessionTask(**{**fields, "chat": chat, "status": Status(row.status)})


def _run(connection: sa.Connection, name: str, /, **values: object) -> sa.CursorResult[Any]:
    return connection.execute(load("chats")[name], values)
