"""Reading what was approved, now or again: runs, rewinds and their undoing."""

from dataclasses import dataclass
from typing import assert_never

from core.accounts.ports import AccountStore
from core.chat.assistant_names import quoted
from core.chat.assistant_ready import VIA, Done, Ready, known_account, known_streams
from core.chat.assistant_steps import Reading, RewindStream, RunWorker, UndoRewind
from core.chat.assistant_words import harmless, moment
from core.errors import UsageError
from core.jobs.model import NewJob
from core.jobs.shipped.run_worker import NAME as RUN_WORKER
from core.streams.control import ControlStreams


@dataclass(frozen=True, slots=True, kw_only=True)
class Rereading:
    accounts: AccountStore
    streams: ControlStreams

    def ready(self, step: Reading) -> Ready:
        match step:
            case RunWorker():
                return self._run(step)
            case RewindStream():
                return self._rewind(step)
            case UndoRewind():
                return self._undo(step)
            case _:
                assert_never(step)

    def _run(self, step: RunWorker) -> Ready:
        for account in step.accounts:
            known_account(self.accounts, account, None)
        payload = {"worker": step.worker, "accounts": [*step.accounts], "streams": [*step.streams]}
        what = run_of(step)
        told = f"Queued: {what}. The next drain does it; /status shows its end."
        then = (NewJob(kind=RUN_WORKER, payload=payload),)
        return Ready(what=what, do=lambda: Done(text=told, then=then))

    def _rewind(self, step: RewindStream) -> Ready:
        unit = (step.account, [step.stream], step.account_id)
        name = f"{harmless(step.account)}/{step.stream}"
        known_streams(self.streams, *unit)
        self.streams.plan(step.account, step.stream, step.to)

        def made() -> bool:
            """By this plan: it may have been read again in full since, and must not be twice."""
            [state] = known_streams(self.streams, *unit)
            latest = state.rewinds[0] if state.rewinds else None
            if latest is None or latest.id <= step.latest or latest.undone_at is not None:
                return False
            return (latest.new_cursor_at, latest.via) == (step.to, VIA)

        def do() -> Done:
            undo = f"/rewind {quoted(harmless(step.account))} {step.stream} undo"
            if made():
                return Done(text=f"{name}: was set back to {moment(step.to)}. {undo} undoes it.")
            _, rewound = self.streams.rewind(step.account, step.stream, step.to, via=VIA)
            if not rewound.changed:
                told = f"{name}: is being read again already, from there or before"
                return Done(text=told, changed=False)
            held = " The run that was at it writes nothing more." if rewound.held else ""
            stands = f"{name}: stands at {moment(step.to)}, and is read again from there."
            return Done(text=f"{stands}{held} {undo} undoes it.")

        def take_back() -> str | None:
            if not made():
                return None
            undone = self.streams.undo(step.account, step.stream, via=VIA)
            return f"{name}: stands at {moment(undone.state.new.cursor_at)} again"

        return Ready(what=name, do=do, take_back=take_back)

    def _undo(self, step: UndoRewind) -> Ready:
        unit = (step.account, [step.stream], step.account_id)
        name = f"{harmless(step.account)}/{step.stream}"
        [planned] = known_streams(self.streams, *unit)
        if planned.rewinds and planned.rewinds[0].id != step.latest:
            raise UsageError(f"{name} was rewound again since this was planned; look at it anew")

        def do() -> Done:
            undone = self.streams.undo(step.account, step.stream, via=VIA)
            stands = moment(undone.state.new.cursor_at)
            if not undone.changed:
                return Done(text=f"{name}: was undone already; stands at {stands}", changed=False)
            return Done(text=f"{name}: stands at {stands} again; no row was touched")

        def take_back() -> str | None:
            [state] = known_streams(self.streams, *unit)
            for rewind in state.rewinds:
                if rewind.id == step.latest and rewind.undone_at is not None:
                    to = rewind.new_cursor_at
                    self.streams.rewind(step.account, step.stream, to, via=VIA)
                    return f"{name}: stands at {moment(to)} again"
            return None

        return Ready(what=name, do=do, take_back=take_back)


def run_of(step: RunWorker) -> str:
    """As a person reads it."""
    named = "/".join([*map(harmless, step.accounts), ", ".join(step.streams)]).rstrip("/")
    return f"a run of {step.worker}{' for ' if named else ''}{named}"
