"""What a command would change: to what, at what cost, and how it is undone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.accounts.model import Status
from core.chat.assistant_asks import Word, instant_of, wrong
from core.chat.assistant_names import ALL, Names, quoted
from core.chat.assistant_ports import AccountSeen
from core.chat.assistant_rereading import run_of
from core.chat.assistant_steps import (
    RetryDead,
    RetryJob,
    RewindStream,
    RunWorker,
    Step,
    UndoRewind,
    written,
)
from core.chat.assistant_words import count, cut, harmless, moment
from core.chat.model import Plan, Reply
from core.errors import UsageError
from core.jobs.control import DeadFilter, DeadGroup, JobReader
from core.jobs.model import TERMINAL
from core.jobs.model import Status as JobStatus
from core.streams.control import ControlStreams
from core.streams.estimate import estimate
from core.streams.model import StreamState

MOST_DEAD = 5_000
GROUPS = 10
DETAIL = 200
NO_CALLS = "Cost: no call to eBay."
UNDO_HINT = (
    "What a command has changed it says how to undo. A rewind: /rewind ACCOUNT STREAM undo. A"
    " pause: /resume with the same words. A run and a retry cannot be undone; `jobs cancel` ends a"
    " job that has not begun."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plans:
    """`runnable`: workers that a job may run, by each of their names; the first reads streams."""

    names: Names
    streams: ControlStreams
    jobs: JobReader
    runnable: Mapping[str, str]

    def run(self, words: Sequence[Word], _: datetime) -> Plan:
        step = self._run(words)
        pages = "at least one call to eBay for each stream that it reads"
        if step.accounts:
            pages = f"at least {count(max(len(step.streams), 1), 'call')} to eBay"
        lines = [f"Run once: {run_of(step)}.", f"Cost: {pages}, and a place in the queue."]
        lines.append("Undo: none is needed; what is read is stored. `jobs cancel` ends it before.")
        return plan_of(lines, [step])

    def rewind(self, words: Sequence[Word], now: datetime) -> Plan:
        if len(words) < 3:  # noqa: PLR2004  (account, stream, date)
            raise wrong("rewind")
        undoes = words[-1].low == "undo"
        to = None if undoes else instant_of(words[-1], now)
        if not undoes and to is None:
            raise wrong("rewind", f"{harmless(words[-1].text)!r} is no date")
        account, streams = self.names.unit(words[:-1])
        if not streams:
            raise wrong("rewind", "name a stream behind the account")
        states = {each.stream: each for each in self._states(account, streams)}
        if to is None:
            return _undo(account, list(states.values()))
        with_past = [each for each in states if self.streams.rules[each].keeps is not None]
        # Of `all`, those that have a past; one that was named alone says why it has none.
        chosen = with_past or list(states)
        return self._rewind(account, [states[each] for each in chosen], to)

    def retry(self, words: Sequence[Word], now: datetime) -> Plan | Reply:
        if len(words) > 1:
            raise wrong("retry")
        if words and words[0].low != ALL:
            return self._retry_one(words[0].text)
        groups = self.jobs.dead(DeadFilter(until=now))
        total = sum(each.jobs for each in groups)
        if not total:
            return Reply(text="No job is dead.")
        head = [f"{count(total, 'dead job')}:", *_groups(groups)]
        if not words:
            return Reply(text=cut("\n".join([*head, "/retry all, or /retry JOB"])))
        most = min(total, MOST_DEAD)
        which = f"the oldest {most:,} of them" if most < total else "all of them"
        lines = [
            *head,
            f"Try again {which}, those that had died by {moment(now)}.",
            "Cost: each does its work once more, calls and messages too.",
            "Undo: none. `jobs cancel` ends one that has not begun.",
        ]
        return plan_of(lines, [RetryDead(until=now, most=most)])

    def _run(self, words: Sequence[Word]) -> RunWorker:
        if words and words[0].low == "worker":
            words = words[1:]
        reads = next(iter(self.runnable.values()))
        if not words:
            return RunWorker(worker=reads)
        if len(words) == 1 and (words[0].low or "") in self.runnable:
            return RunWorker(worker=self.runnable[words[0].text.lower()])
        account, streams = self.names.unit(words)
        if account.status is not Status.ACTIVE:
            raise UsageError(
                f"the account {harmless(account.name)!r} is {account.status}; /accounts says what"
                " helps"
            )
        return RunWorker(worker=reads, accounts=(account.name,), streams=tuple(streams))

    def _rewind(self, account: AccountSeen, states: Sequence[StreamState], to: datetime) -> Plan:
        lines, steps = [], []
        for state in states:
            plan = self.streams.plan(account.name, state.stream, to)
            lines.append(
                f"Set back {harmless(account.name)}/{state.stream} from {moment(plan.from_)} to"
                f" {moment(plan.to)}, and read it again from there."
            )
            lines += [f"  {line}" for line in estimate(plan)]
            steps.append(_rewind_step(account, state, plan.to))
        undo = (
            f"/rewind {quoted(harmless(account.name))} {','.join(each.stream for each in states)}"
        )
        lines.append(f"Undo: {undo} undo, until it has been read again; no row is deleted.")
        if len(states) > 1:
            lines.append("All of them or none: where one fails, the others are put back.")
        return plan_of(lines, steps)

    def _retry_one(self, given: str) -> Plan | Reply:
        job = self.jobs.find(given)
        short = str(job.id)[:8]
        if job.status not in TERMINAL or job.status is JobStatus.COMPLETED:
            return Reply(text=f"The job {short} is {job.status}; there is nothing to try again.")
        why = harmless(": ".join(filter(None, (job.error_code, job.error_detail))), DETAIL)
        lines = [
            (
                f"Try again the job {short} ({harmless(job.kind)}, {job.status}"
                f" {moment(job.finished_at)}){': ' if why else ''}{why}"
            ),
            "Cost: it does its work once more, calls and messages too.",
            "Undo: none. `jobs cancel` ends the new job before it begins.",
        ]
        return plan_of(lines, [RetryJob(job=job.id)])

    def _states(self, account: AccountSeen, streams: Sequence[str]) -> Sequence[StreamState]:
        return self.streams.list([account.name], streams).states


def plan_of(lines: Sequence[str], steps: Sequence[Step]) -> Plan:
    return Plan(text=cut("\n".join(lines)), steps=written(steps))


def _rewind_step(account: AccountSeen, state: StreamState, to: datetime) -> RewindStream:
    return RewindStream(
        account_id=account.id,
        account=account.name,
        stream=state.stream,
        to=to,
        latest=max((each.id for each in state.rewinds), default=0),
    )


def _undo(account: AccountSeen, states: Sequence[StreamState]) -> Plan:
    name = harmless(account.name)
    rewound = [each for each in states if each.rewinds and each.rewinds[0].undone_at is None]
    if not rewound:
        raise UsageError(f"{name}: none of these streams has a rewind that is not undone")
    lines = [
        f"Put back {name}/{each.stream} to where it stood before it was rewound; it stands at"
        f" {moment(each.new.cursor_at)} now."
        for each in rewound
    ]
    lines += [f"{NO_CALLS} No row is touched.", "Undo: none; /rewind sets it back again."]
    steps = [
        UndoRewind(
            account_id=account.id,
            account=account.name,
            stream=each.stream,
            latest=each.rewinds[0].id,
        )
        for each in rewound
    ]
    return plan_of(lines, steps)


def _groups(groups: Sequence[DeadGroup]) -> Sequence[str]:
    told = [
        f"  {each.jobs:,} {harmless(each.kind)}, {harmless(each.error_code)}, newest"
        f" {str(each.newest)[:8]} at {moment(each.newest_at)}"
        for each in groups[:GROUPS]
    ]
    more = len(groups) - len(told)
    return [*told, *([f"  … and {more} more causes; see `jobs dead`"] if more > 0 else [])]
