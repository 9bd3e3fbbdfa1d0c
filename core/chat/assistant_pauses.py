"""What a pause or a resume would change: accounts, streams, workers, queues."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.accounts.model import Status
from core.chat.assistant_asks import Word, wrong
from core.chat.assistant_names import ALL, Names, quoted
from core.chat.assistant_plans import NO_CALLS, plan_of
from core.chat.assistant_ports import AccountSeen, Workers
from core.chat.assistant_ready import switched, undone_by
from core.chat.assistant_steps import SwitchAccount, SwitchQueue, SwitchStreams, SwitchWorker
from core.chat.assistant_words import count, harmless, some
from core.chat.model import Plan, Reply
from core.errors import UsageError
from core.jobs.control import JobReader
from core.runs.model import WorkerState
from core.streams.control import ControlStreams

CATCHES_UP = "Cost: what was missed is read with the next runs."
NOT_LOST = f"{NO_CALLS} Nothing is lost: it catches up after /resume."


@dataclass(frozen=True, slots=True, kw_only=True)
class Pauses:
    """`aliases`: what people call workers. `needed_worker`, `needed_queues`: without them nobody is
    answered here, and what this chat has paused it could not resume; only the command line does.
    """

    names: Names
    streams: ControlStreams
    jobs: JobReader
    workers: Workers
    aliases: Mapping[str, str]
    needed_worker: str
    needed_queues: Sequence[str]

    def pause(self, words: Sequence[Word], _: datetime) -> Plan | Reply:
        return self._switch("pause", words, enabled=False)

    def resume(self, words: Sequence[Word], _: datetime) -> Plan | Reply:
        return self._switch("resume", words, enabled=True)

    def _switch(self, command: str, words: Sequence[Word], *, enabled: bool) -> Plan | Reply:
        low = [word.low for word in words]
        rest = " ".join(word.text for word in words[1:])
        if not words or (low[0] in {"worker", "queue"} and not rest):
            raise wrong(command)
        if low == [ALL]:
            return self._all_workers(enabled=enabled)
        if low[0] == "worker":
            return self._worker(rest.lower(), enabled=enabled)
        if low[0] == "queue":
            return self._queue(rest, enabled=enabled)
        return self._unit(words, enabled=enabled)

    def _unit(self, words: Sequence[Word], *, enabled: bool) -> Plan | Reply:
        account, streams = self.names.unit(words)
        if streams:
            return self._some_streams(account, streams, enabled=enabled)
        return _account(account, enabled=enabled)

    def _all_workers(self, *, enabled: bool) -> Plan | Reply:
        others = [each for each in self.workers.workers() if each.worker != self.needed_worker]
        chosen = [each.worker for each in others if not _is_so(each, enabled=enabled)]
        if not chosen:
            return Reply(text=f"All workers are {switched(enabled=enabled)} already.")
        named = ", ".join(chosen)
        lines = [
            f"{_verb(enabled=enabled)} all workers but {self.needed_worker}, which answers here:",
            f"  {named}",
            CATCHES_UP if enabled else NOT_LOST,
            f"Undo: {undone_by(ALL, enabled=enabled)}",
        ]
        return plan_of(lines, [SwitchWorker(worker=each, enabled=enabled) for each in chosen])

    def _worker(self, word: str, *, enabled: bool) -> Plan | Reply:
        states = {each.worker: each for each in self.workers.workers()}
        name = self.aliases.get(word, word)
        if name not in states:
            raise UsageError(
                f"there is no worker {harmless(word)!r}; there are: {', '.join(states)}"
            )
        if name == self.needed_worker and not enabled:
            raise UsageError(
                f"{name} is what answers here, and could not be resumed here; `workers pause` on"
                " the command line pauses it"
            )
        if _is_so(states[name], enabled=enabled):
            return Reply(text=f"The worker {name} is {switched(enabled=enabled)} already.")
        lines = [
            f"{_verb(enabled=enabled)} the worker {name}.",
            CATCHES_UP if enabled else NOT_LOST,
            f"Undo: {undone_by(f'worker {name}', enabled=enabled)}",
        ]
        return plan_of(lines, [SwitchWorker(worker=name, enabled=enabled)])

    def _queue(self, word: str, *, enabled: bool) -> Plan | Reply:
        queues = {each.queue: each for each in self.jobs.queues()}
        found = queues.get(word) or queues.get(word.lower())
        if found is None:
            known = some([harmless(each) for each in queues], 20)
            raise UsageError(f"there is no queue {harmless(word)!r}; there are: {known}")
        if found.queue in self.needed_queues and not enabled:
            raise UsageError(
                f"without the queue {found.queue} nobody is answered here, and it could not be"
                " resumed here; `queues pause` on the command line pauses it"
            )
        shown = harmless(found.queue)
        if found.enabled is enabled and found.tripped_at is None:
            return Reply(text=f"The queue {shown} is {switched(enabled=enabled)} already.")
        jobs = count(found.due + found.later, "job")
        cost = f"{NO_CALLS} What is in it waits, now {jobs}."
        if enabled:
            cost = f"Cost: the next drains do its work, now {jobs}."
        lines = [
            f"{_verb(enabled=enabled)} the queue {shown}.",
            cost,
            f"Undo: {undone_by(f'queue {shown}', enabled=enabled)}",
        ]
        return plan_of(lines, [SwitchQueue(queue=found.queue, enabled=enabled)])

    def _some_streams(
        self, account: AccountSeen, streams: Sequence[str], *, enabled: bool
    ) -> Plan | Reply:
        states = self.streams.list([account.name], streams).states
        name = harmless(account.name)
        differ = tuple(each.stream for each in states if each.new.enabled is not enabled)
        if not differ:
            named = ", ".join(each.stream for each in states)
            return Reply(text=f"{name}: {named}: {switched(enabled=enabled)} already.")
        typed = f"{quoted(name)} {','.join(differ)}"
        lines = [
            f"{_verb(enabled=enabled)} {count(len(differ), 'stream')} of {name}:",
            f"  {', '.join(differ)}",
            *_still_asleep(account, enabled=enabled),
            CATCHES_UP if enabled else NOT_LOST,
            f"Undo: {undone_by(typed, enabled=enabled)}",
        ]
        step = SwitchStreams(
            account_id=account.id, account=account.name, streams=differ, enabled=enabled
        )
        return plan_of(lines, [step])


def _verb(*, enabled: bool) -> str:
    return "Resume" if enabled else "Pause"


def _is_so(worker: WorkerState, *, enabled: bool) -> bool:
    """One that stopped itself is resumed, though nobody has paused it."""
    return worker.enabled is enabled and not (enabled and worker.status == "error")


def _account(account: AccountSeen, *, enabled: bool) -> Plan | Reply:
    name = harmless(account.name)
    wanted = Status.ACTIVE if enabled else Status.PAUSED
    if account.status is wanted:
        return Reply(text=f"{name}: is {wanted} already.")
    if account.status not in {Status.ACTIVE, Status.PAUSED}:
        raise UsageError(f"the account {name!r} is {account.status}; /accounts says what helps")
    lines = [
        f"{_verb(enabled=enabled)} the account {name}: all its streams.",
        CATCHES_UP if enabled else NOT_LOST,
        f"Undo: {undone_by(quoted(name), enabled=enabled)}",
    ]
    step = SwitchAccount(account_id=account.id, account=account.name, enabled=enabled)
    return plan_of(lines, [step])


def _still_asleep(account: AccountSeen, *, enabled: bool) -> Sequence[str]:
    if not enabled or account.status is Status.ACTIVE:
        return []
    return [f"The account itself is {account.status}: nothing of it is read before it is resumed."]
