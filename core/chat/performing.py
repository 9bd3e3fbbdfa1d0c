"""The kind `chat`: a message is planned, approved where it must be, done, and answered.

planning → a reply, or a plan that waits for a yes (plan_approval) → in_progress → a reply.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from core.chat import telling
from core.chat.meaning import Meaning, meaning_of
from core.chat.model import (
    ANSWER,
    APPROVAL_WITHIN,
    KIND,
    LONGEST_TASK,
    QUEUE,
    REJECTED,
    ROLLED_BACK,
    UNANSWERED,
    Chat,
    Phase,
    Plan,
    Process,
    Reply,
    RolledBack,
    Turn,
)
from core.chat.payload import chat_of, check, ordering_key, text_of
from core.chat.ports import Asked, Begun, ChatTasks
from core.errors import AppError, UsageError
from core.jobs.admission import json_text
from core.jobs.kinds import Backoff, BadPayloadError, Effect, JobContext, JobKind
from core.jobs.model import (
    Cancelled,
    Completed,
    Failed,
    Job,
    NewJob,
    Retry,
    Transaction,
    Verdict,
    Waiting,
)
from core.jobs.trying import clean, frames

MAX_ATTEMPTS = 3
BACKOFF = Backoff(base=15.0, cap=60.0)
LEASE = timedelta(minutes=1)
NO_SESSION = "no_session"


class BadAnswerError(Exception):
    """The processor returned what is no answer: a mistake in it, logged with its traceback."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformChats:
    process: Process
    tasks: ChatTasks

    def kind(self) -> JobKind:
        return JobKind(
            name=KIND,
            queue=QUEUE,
            effect=Effect.OUTSIDE,
            check=check,
            perform=self.perform,
            max_attempts=MAX_ATTEMPTS,
            backoff=BACKOFF,
            lease=LEASE,
            longest=LONGEST_TASK,
            # What took all its time may be at work still: a second try would stand beside it.
            overdue_is_dead=True,
            batch=1,
            key=ordering_key,
        )

    def perform(self, job: Job, context: JobContext) -> Verdict:
        """1. It is in no line of its chat. 2. It begins, or begins again. 3. What was answered."""
        chat = chat_of(job.payload)
        if (job.queue, job.ordering_key) != (QUEUE, chat.ordering_key):
            told = "it stands in a line that is not its chat's; somebody made it by hand"
            return Failed(code=NO_SESSION, detail=told)
        heard = _heard(job)
        begun = self.tasks.begun(job, chat, _phase(heard))
        if begun is None:
            return Retry(code="lease_lost", detail="another run has taken it over")
        task = _Task(job=job, chat=chat, begun=begun, now=context.clock.now())
        if heard is None or begun.asked is None:
            return self._process(task, context, Phase.PLANNING)
        if heard is Meaning.YES and begun.asked.shown:
            return self._process(task, context, Phase.IN_PROGRESS)
        return task.undone(heard, begun.asked)

    def _process(self, task: "_Task", context: JobContext, phase: Phase) -> Verdict:
        try:
            return task.ended(self.process(task.turn(phase)), phase)
        except UsageError as error:
            return task.refused(error)
        except Exception as error:
            task.tell_log(context, error)
            raise


class _TooLate:
    """Nobody answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    job: Job
    chat: Chat
    begun: Begun
    now: datetime

    def turn(self, phase: Phase) -> Turn:
        approved = phase is Phase.IN_PROGRESS
        return Turn(
            chat=self.chat,
            text=text_of(self.job.payload),
            now=self.now,
            plan=self.begun.asked.steps if self.begun.asked and approved else None,
            again=self.job.phase == phase,
        )

    def ended(self, answer: object, phase: Phase) -> Verdict:
        """Raises BadAnswerError."""
        if isinstance(answer, Reply):
            return self._replied(answer)
        if isinstance(answer, RolledBack):
            return self.dropped(ROLLED_BACK, answer.text)
        if isinstance(answer, Plan) and phase is Phase.PLANNING:
            return self._planned(answer)
        raise BadAnswerError(f"a processor in {phase} returned {type(answer).__name__}")

    def undone(self, heard: Meaning | _TooLate, asked: Asked) -> Verdict:
        if isinstance(heard, _TooLate):
            return self.dropped(UNANSWERED, f"{telling.TOO_LATE}\n\n{asked.plan}")
        if heard is Meaning.NO:
            return self.dropped(REJECTED, telling.DROPPED)
        return self.asks(telling.asked_again(asked), asked.answer_by)

    def _replied(self, reply: Reply) -> Verdict:
        text = telling.kept(reply.text)

        def write(transaction: Transaction) -> None:
            if reply.effect is not None:
                reply.effect(transaction)
            self._keep_ending(transaction, text)

        then = (*self._sending(text), *reply.then)
        return Completed(result=reply.result, effect=write, then=then)

    def _planned(self, plan: Plan) -> Verdict:
        text, steps, by = telling.kept(plan.text), _json(plan.steps), self.now + APPROVAL_WITHIN

        def write(transaction: Transaction) -> None:
            values = {"id": self.job.id, "plan": text, "steps": steps, "answer_by": by}
            transaction.execute("chats.keep_plan", **values)

        return self.asks(telling.question(text, by), by, write)

    def asks(
        self, told: str, by: datetime, write: Callable[[Transaction], None] | None = None
    ) -> Verdict:
        """Until the instant at which the first question ends."""

        def ask(transaction: Transaction) -> None:
            transaction.execute("chats.hold_chat", **asdict(self.chat))
            if write is not None:
                write(transaction)
            shown = not self.begun.blocked
            transaction.execute("chats.keep_question", id=self.job.id, reply=told, shown=shown)
            self._note_silence(transaction)

        return Waiting(
            name=ANSWER, until=by, phase=Phase.PLAN_APPROVAL, effect=ask, then=self._sending(told)
        )

    def dropped(self, outcome: str, text: str) -> Verdict:
        told = telling.kept(text)
        return Cancelled(
            outcome=outcome,
            effect=lambda transaction: self._keep_ending(transaction, told),
            then=self._sending(told),
        )

    def refused(self, error: UsageError) -> Verdict:
        told = telling.kept(str(error))
        return Failed(
            code=type(error).__name__,
            detail=clean(str(error)),
            effect=lambda transaction: self._keep_ending(transaction, told),
            then=self._sending(told),
        )

    def tell_log(self, context: JobContext, error: Exception) -> None:
        """Whose task it was; the job's own line has the traceback, if there is one."""
        told = {"traceback": frames(error)} if isinstance(error, AppError) else {}
        context.log.warning(
            "session.task_failed",
            source=self.chat.source,
            chat_id=self.chat.chat_id,
            task_id=str(self.job.id),
            attempt=self.job.attempt,
            error=type(error).__name__,
            **told,
        )

    def _sending(self, text: str) -> tuple[NewJob, ...]:
        if self.begun.blocked:
            return ()
        return telling.sending(self.chat, self.job.id, text, str(self.job.fence))

    def _keep_ending(self, transaction: Transaction, text: str) -> None:
        transaction.execute("chats.keep_ending", id=self.job.id, reply=text)
        self._note_silence(transaction)

    def _note_silence(self, transaction: Transaction) -> None:
        if self.begun.blocked:
            transaction.execute("chats.note_silence", id=self.job.id)


def _heard(job: Job) -> Meaning | _TooLate | None:
    """None: nothing was asked."""
    signal = job.signal
    if signal is None or signal.get("name") != ANSWER:
        return None
    if signal.get("timed_out"):
        return _TooLate()
    data = signal.get("data")
    text = data.get("text") if isinstance(data, Mapping) else None
    return meaning_of(text) if isinstance(text, str) else Meaning.UNCLEAR


def _phase(heard: Meaning | _TooLate | None) -> Phase | None:
    """What is shown while it is performed; None: as it was."""
    if heard is None:
        return Phase.PLANNING
    return Phase.IN_PROGRESS if heard is Meaning.YES else None


def _json(steps: Mapping[str, object]) -> str:
    try:
        return json_text("the plan's steps", steps)
    except BadPayloadError as error:
        raise BadAnswerError(str(error)) from error
