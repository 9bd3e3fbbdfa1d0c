"""Pausing and resuming what was approved: accounts, streams, workers, queues."""

from dataclasses import dataclass
from typing import assert_never

from core.accounts.model import Status
from core.accounts.ports import AccountStore
from core.chat.assistant_names import quoted
from core.chat.assistant_ports import Switches, Workers
from core.chat.assistant_ready import (
    VIA,
    Done,
    Ready,
    known_account,
    known_streams,
    switched,
    undone_by,
)
from core.chat.assistant_steps import (
    Switch,
    SwitchAccount,
    SwitchQueue,
    SwitchStreams,
    SwitchWorker,
)
from core.chat.assistant_words import harmless
from core.errors import UsageError
from core.jobs.control import JobReader
from core.streams.control import ControlStreams


@dataclass(frozen=True, slots=True, kw_only=True)
class Switching:
    """Workers and queues are switched where the task settles, with its reply or not at all."""

    accounts: AccountStore
    streams: ControlStreams
    jobs: JobReader
    workers: Workers
    switches: Switches

    def ready(self, step: Switch) -> Ready:
        match step:
            case SwitchAccount():
                return self._account(step)
            case SwitchStreams():
                return self._streams(step)
            case SwitchWorker():
                return self._worker(step)
            case SwitchQueue():
                return self._queue(step)
            case _:
                assert_never(step)

    def _account(self, step: SwitchAccount) -> Ready:
        name = harmless(step.account)
        wanted = Status.ACTIVE if step.enabled else Status.PAUSED
        known = known_account(self.accounts, step.account, step.account_id)
        if known.status not in {Status.ACTIVE, Status.PAUSED}:
            raise UsageError(
                f"the account {name!r} is {known.status} now; /accounts says what helps"
            )

        def do() -> Done:
            if known.status is wanted:
                return Done(text=f"{name}: was {wanted} already", changed=False)
            self.accounts.switch(known.id, active=step.enabled)
            undo = undone_by(quoted(name), enabled=step.enabled)
            return Done(text=f"{name}: {switched(enabled=step.enabled)}. {undo}")

        def take_back() -> str | None:
            now = known_account(self.accounts, step.account, step.account_id)
            if now.status is not wanted:
                return None
            self.accounts.switch(known.id, active=not step.enabled)
            return f"{name}: {switched(enabled=not step.enabled)} again"

        return Ready(what=name, do=do, take_back=take_back)

    def _streams(self, step: SwitchStreams) -> Ready:
        unit = (step.account, step.streams, step.account_id)
        name, named = harmless(step.account), ", ".join(step.streams)
        known_streams(self.streams, *unit)

        def do() -> Done:
            now = self.streams.switch([step.account], step.streams, enabled=step.enabled, via=VIA)
            word = switched(enabled=step.enabled)
            if not now.changed:
                return Done(text=f"{name}: {named}: {word} already", changed=False)
            typed = f"{quoted(name)} {','.join(step.streams)}"
            return Done(text=f"{name}: {named}: {word}. {undone_by(typed, enabled=step.enabled)}")

        def take_back() -> str | None:
            ours = [
                state.stream
                for state in known_streams(self.streams, *unit)
                if state.new.enabled is step.enabled and state.new.switched_via == VIA
            ]
            if not ours:
                return None
            self.streams.switch([step.account], ours, enabled=not step.enabled, via=VIA)
            return f"{name}: {', '.join(ours)}: {switched(enabled=not step.enabled)} again"

        return Ready(what=f"{name}: {named}", do=do, take_back=take_back)

    def _worker(self, step: SwitchWorker) -> Ready:
        if all(each.worker != step.worker for each in self.workers.workers()):
            raise UsageError(f"there is no worker {harmless(step.worker)!r} any more")
        what = f"worker {step.worker}"
        told = f"{what}: {switched(enabled=step.enabled)}. {undone_by(what, enabled=step.enabled)}"
        effect = self.switches.worker(step.worker, enabled=step.enabled)
        return Ready(what=what, do=lambda: Done(text=told, effect=effect))

    def _queue(self, step: SwitchQueue) -> Ready:
        if all(each.queue != step.queue for each in self.jobs.queues()):
            raise UsageError(f"there is no queue {harmless(step.queue)!r} any more")
        what = f"queue {harmless(step.queue)}"
        told = f"{what}: {switched(enabled=step.enabled)}. {undone_by(what, enabled=step.enabled)}"
        effect = self.switches.queue(step.queue, enabled=step.enabled)
        return Ready(what=what, do=lambda: Done(text=told, effect=effect))
