"""What a drain did, counted, and what that makes of its run."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from shlex import quote

from core.jobs.model import Failed, Retry
from core.jobs.ports import Dead, Ended, Fired, QueueState, Settled, Streak
from core.jobs.settling import EXHAUSTED
from core.report import Outcome, Reason, WorkReport

COUNTED = (
    "claimed", "completed", "failed", "dead", "retried", "waiting", "snoozed", "cancelled", "lost",
    "released", "fired", "moved",
)  # fmt: skip
SKIPPED = (
    "not_due", "key_busy", "waiting", "paused", "disabled", "tripped", "locked", "budget",
)  # fmt: skip
TROUBLE = frozenset({Ended.FAILED, Ended.DEAD})
TOLD = 4


@dataclass(slots=True)
class Tally:
    """`trouble`: by code, what a person has to look at. `passed_over`: schedules, by reason."""

    counts: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    trouble: Counter[str] = field(default_factory=Counter)
    lease_lost: bool = False
    out_of_time: bool = False
    away: str | None = None
    closed: list[QueueState] = field(default_factory=list)
    all_closed: bool = False
    passed_over: Counter[str] = field(default_factory=Counter)
    more_scheduled: bool = False

    def scheduled(self, fired: Fired) -> None:
        self.counts["fired"] = fired.jobs
        self.passed_over.update(fired.skipped)
        self.more_scheduled = fired.more

    def ended(self, ended: Sequence[tuple[Settled, Ended]]) -> None:
        """The lost ones are counted when it is sure that they are."""
        for how, jobs in Counter(how for _, how in ended if how is not Ended.LOST).items():
            self.counts[how.value] += jobs
        self.trouble.update(
            each.verdict.code
            for each, how in ended
            if isinstance(each.verdict, Failed | Retry | Dead)
            and how is not Ended.LOST
            and (each.fault or how in TROUBLE)
        )

    def died(self, jobs: int) -> None:
        """Found with all their attempts used up by runs that never came to a verdict."""
        if jobs:
            self.counts[Ended.DEAD.value] += jobs
            self.trouble[EXHAUSTED] += jobs

    def did_something(self) -> bool:
        return any(self.counts.values())

    def report(self) -> WorkReport:
        """1. Another run took over. 2. The database went away. 3. What somebody must look at.

        4. Time ran out. 5. Every queue asked for is closed. 6. Nothing was due. 7. Done.
        """
        outcome, reason = self._decide()
        return WorkReport(
            outcome=outcome,
            reason=reason,
            detail="; ".join(self._details()) or None,
            more=(self.out_of_time or self.more_scheduled) and not self.lease_lost,
            counts={name: self.counts[name] for name in COUNTED}
            | {"skipped": {name: n for name in SKIPPED if (n := self.skipped[name])}},
        )

    def _decide(self) -> tuple[Outcome, Reason | None]:
        if self.lease_lost:
            return Outcome.PARTIAL, Reason.LEASE_LOST
        if self.away is not None:
            return Outcome.FAILED, Reason.DATABASE
        if self.trouble or self.passed_over[Reason.INTERNAL]:
            return Outcome.DEGRADED, None
        if self.out_of_time:
            return Outcome.PARTIAL, Reason.DEADLINE
        if self.did_something():
            return Outcome.DONE, None
        return self._nothing_done()

    def _nothing_done(self) -> tuple[Outcome, Reason]:
        # A queue that is paused and has nothing to do is nothing to be loud about.
        held = any(state.due for state in self.closed)
        if not (self.all_closed and held):
            return Outcome.DONE, Reason.NOTHING_DUE
        tripped = all(state.tripped for state in self.closed)
        return Outcome.SKIPPED, Reason.TRIPPED if tripped else Reason.PAUSED

    def _details(self) -> Iterable[str]:
        if self.away is not None:
            yield self.away
        if self.trouble:
            most = self.trouble.most_common(TOLD)
            codes = ", ".join(f"{code} {n}" for code, n in most)
            look = f"`jobs list --code {quote(most[0][0])}`"
            yield f"jobs that somebody should look at: {codes}; {look}"
        if self.passed_over:
            why = ", ".join(f"{reason} {n}" for reason, n in self.passed_over.most_common(TOLD))
            yield f"schedules that were passed over: {why}; `schedules list`"
        for state in self.closed[:TOLD]:
            what = "stopped after ten failures in a row" if state.tripped else "paused"
            yield f"queue {state.queue} is {what}: `queues resume {quote(state.queue)}`"


def streak_of(marks: Sequence[bool]) -> Streak:
    """`marks`: True for a fault of ours, False for a job that was done; in the order of both."""
    rows = "".join("x" if fault else "." for fault in marks).split(".")
    return Streak(
        before=len(rows[0]),
        after=len(rows[-1]),
        longest=max(map(len, rows)),
        sound=len(rows) > 1,
    )
