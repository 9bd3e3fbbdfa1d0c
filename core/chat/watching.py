"""What each drain says of the sessions, and tells people whose tasks ended without a word.

A line says who and how much, never what was written.
"""

from dataclasses import dataclass, field, replace

from core.chat import telling
from core.chat.model import QUEUE, Chat, Decision
from core.chat.payload import chat_of, text_of
from core.chat.ports import ChatTasks, SeenSession, Untold
from core.chat.words import check_chat
from core.context import RunContext
from core.errors import UsageError
from core.jobs.kinds import BadPayloadError
from core.jobs.model import Job, NewJob
from core.jobs.ports import Claim

SEEN = 20
"""Sessions that are named, and told one by one; how many there are is counted."""
TOLD_AT_ONCE = 100


@dataclass(slots=True, kw_only=True)
class WatchSessions:
    """Of one drain that may take the queue `chat`. Raises StoreUnavailableError."""

    tasks: ChatTasks
    run: RunContext
    _to_start: list[Chat] = field(default_factory=list)
    _something_ended: bool = False

    def began(self) -> None:
        """A session that is to be started is told of when it was, or when it will not be."""
        seen = self.tasks.seen(SEEN)
        names = [each.session.chat.ordering_key for each in seen.sessions]
        self._info("sessions.seen", count=seen.total, sessions=names)
        for each in seen.sessions:
            if each.decision is Decision.STARTED:
                self._to_start.append(each.session.chat)
            else:
                self._tell(each, each.decision)
        for key in seen.unreadable:
            self._unreadable(ordering_key=key)
        self._something_ended = seen.silent
        self.looks()

    def claimed(self, claim: Claim) -> None:
        """What is claimed may end, or has ended with the claim."""
        self._something_ended = True
        for job in claim.jobs:
            self._started(job)

    def looks(self) -> None:
        if self._something_ended:
            self._tell_endings()

    def ended(self) -> None:
        """Another run has what was not started, or there was no time left for it."""
        for chat in self._to_start:
            seen = self.tasks.seen_now(chat)
            left = seen.decision is Decision.STARTED
            self._tell(seen, Decision.WAITING if left else seen.decision)
        self.looks()

    def _tell_endings(self) -> None:
        """The engine's verdicts and people's cancels come without a reply."""
        for task in self.tasks.untold(TOLD_AT_ONCE):
            text = telling.ending(task)
            self.tasks.told(task, text, self._sending(task, text))

    def _sending(self, task: Untold, text: str) -> tuple[NewJob, ...]:
        if task.chat is None or task.blocked or not _is_chat(task.chat):
            return ()
        return telling.sending(task.chat, task.id, text, "ended")

    def _started(self, job: Job) -> None:
        try:
            chat, text = chat_of(job.payload), text_of(job.payload)
        except BadPayloadError:
            # Its kind refuses it as well, and it ends as dead.
            self._unreadable(ordering_key=job.ordering_key, job_id=str(job.id))
            return
        if chat in self._to_start:
            self._to_start.remove(chat)
        seen = self.tasks.seen_now(chat)
        active = replace(seen.session, active_id=job.id)
        self._tell(replace(seen, session=active, input_len=len(text)), Decision.STARTED)

    def _tell(self, seen: SeenSession, decision: Decision) -> None:
        session = seen.session
        self._info(
            "session.seen",
            source=session.chat.source,
            chat_id=session.chat.chat_id,
            queue_len=session.queue_len,
            active_id=_id(session.active_id),
            status=session.active_status,
            phase=session.active_phase,
            next_task_id=_id(session.next_task_id),
            user_input_len=seen.input_len,
            decision=decision,
        )

    def _info(self, event: str, **facts: object) -> None:
        self.run.log.info(event, run_id=str(self.run.run_id), **facts)

    def _unreadable(self, **facts: object) -> None:
        self.run.log.warning(
            "session.unreadable", run_id=str(self.run.run_id), queue=QUEUE, **facts
        )


def _is_chat(chat: Chat) -> bool:
    """Lines are made by hand as well, of what no message could be sent to."""
    try:
        check_chat(chat)
    except UsageError:
        return False
    return True


def _id(given: object) -> str | None:
    return None if given is None else str(given)
