"""The coordinating thread of one drain: claims, hands out, keeps leases alive, cuts off."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from queue import Empty

from core.errors import StoreUnavailableError
from core.jobs.lanes import Lanes, Selection, key_budget
from core.jobs.model import Job
from core.jobs.ports import Ended, Queues, QueueState, Settled, Watch
from core.jobs.settler import Settlement
from core.jobs.tally import Tally, streak_of
from core.jobs.telling import CUT_OFF, TIMED_OUT, cut_short, tell_dead, tell_lost
from core.jobs.turn import News, Took, Tools, Turn
from core.renewal import Renewal

NEEDS_S, POLL_S, LOOK_EVERY_S, GRACE_S = 1.0, 0.25, 1.0, 5.0
SHARE, LAST_SHARE = 0.5, 0.8
"""Of the deadline's margin: then a job that is still at work is cut off."""
CRASH_LOOP = "Crash loop detected"
HELD = {"running": "locked"}
"""Other runs are at them."""


@dataclass(slots=True, kw_only=True)
class Shift:
    tools: Tools
    queues: Queues
    watch: Watch
    selection: Selection
    parallel: int
    tally: Tally
    staged_at_most: int
    turns: list[Turn] = field(default_factory=list)
    lanes: Lanes = field(init=False)
    renewal: Renewal = field(init=False)
    _looked_at: float = 0.0
    _over_since: float | None = None
    _news_since_look: bool = False
    _left: bool = False

    def __post_init__(self) -> None:
        run = self.tools.run
        self.renewal = Renewal.begun(run)
        self.lanes = Lanes(
            kinds=self.tools.kinds,
            selection=self.selection,
            parallel=self.parallel,
            lease=self.tools.lease,
            key_s=key_budget(run.deadline.remaining()),
        )

    def work(self) -> None:
        """Until nothing is due and all has ended, or there is no time left."""
        self._guarded(self._look)
        self.watch.began(self.tools.run, self.lanes.states, self.selection.kinds)
        while True:
            self._guarded(self._begin_more)
            if self.turns:
                self._wait()
            elif self._is_over() or not self._found_more():
                return

    def look(self) -> list[str]:
        """The names of the queues with something due."""
        self._look()
        return [state.queue for state in self.lanes.due()]

    def sum_up(self) -> None:
        """What was left, and why."""
        tally, lanes = self.tally, self.lanes
        tally.lease_lost = self.renewal.lost
        tally.closed = lanes.closed()
        tally.all_closed = bool(lanes.states) and len(tally.closed) == len(lanes.states)
        for state in tally.closed:
            tally.skipped["tripped" if state.tripped else "disabled"] += state.due
        tally.skipped["budget"] = lanes.over_budget()
        if tally.away is None:
            self._count_waiting()

    def _count_waiting(self) -> None:
        """What cannot be counted in time is no failure of what was done."""
        open_ = self.lanes.states.keys() - {each.queue for each in self.tally.closed}
        try:
            for reason, jobs in self.tools.jobs.waiting_for(open_).items():
                self.tally.skipped[HELD.get(reason, reason)] += jobs
        except StoreUnavailableError as error:
            self.tools.run.log.warning("jobs.uncounted", error=str(error))

    def _guarded(self, act: Callable[[], None]) -> None:
        """A database that is away ends the taking; the turns that run are still waited for."""
        try:
            act()
        except StoreUnavailableError as error:
            self.tally.away = self.tally.away or str(error)

    def _look(self) -> None:
        self.lanes.seen(self.queues.look())
        self._looked_at = self._ticks()
        self._news_since_look = False

    def _found_more(self) -> bool:
        """What was done may have left further jobs, and others have gone on enqueueing."""
        if not self._news_since_look:
            return False
        self._guarded(self._look_again)
        return self.lanes.next() is not None

    def _look_again(self) -> None:
        # What it has to tell is staged, and moved with the rest.
        self.watch.looks()
        self.tally.counts["moved"] += self.tools.jobs.move_staged(self.staged_at_most)
        self._look()

    def _begin_more(self) -> None:
        while len(self.turns) < self.parallel and not self._is_over():
            state = self.lanes.next()
            if state is None:
                return
            self._claim(state)

    def _claim(self, state: QueueState) -> None:
        if state.tripped and not self._may_probe(state):
            return
        claim = self.tools.jobs.claim(self.tools.run.run_id, self.lanes.lane(state))
        self.tally.counts["claimed"] += len(claim.jobs)
        self.tally.counts["cancelled"] += claim.cancelled
        self.tally.died(claim.dead)
        self.watch.claimed(state.queue, claim)
        # Their last holders died with them, or never came to an end.
        self._judge(state.queue, [True] * (claim.dead + sum(job.returned for job in claim.jobs)))
        if claim.jobs:
            self._start(state.queue, claim.jobs)
        if not claim.more or not (claim.jobs or claim.dead or claim.cancelled):
            self.lanes.empty(state.queue)

    def _may_probe(self, state: QueueState) -> bool:
        self.lanes.states[state.queue] = replace(state, probe=False)
        return self.queues.begin_probe(state.queue)

    def _start(self, queue: str, jobs: Sequence[Job]) -> None:
        turn = Turn(tools=self.tools, queue=queue, waiting=deque(jobs))
        self.turns.append(turn)
        self.lanes.taken(queue, jobs)
        self._news_since_look = True
        turn.start()

    def _is_over(self) -> bool:
        """Nothing more is begun: lost, the database away, asked to stop, or no time left."""
        self._renew_in_time()
        run = self.tools.run
        no_time = run.stop_requested() or not run.deadline.allows(NEEDS_S)
        if no_time or self.renewal.lost or self.tally.away is not None:
            if self._over_since is None:
                self._over_since = self._ticks()
            self.tally.out_of_time = no_time and self._is_something_left()
            self.tools.closing.set()
        return self.tools.closing.is_set()

    def _is_something_left(self) -> bool:
        return bool(self.turns or self._left or self.lanes.due())

    def _wait(self) -> None:
        try:
            self._heard(self.tools.inbox.get(timeout=min(POLL_S, self.renewal.due_in() + 0.01)))
            while True:
                self._heard(self.tools.inbox.get_nowait())
        except Empty:
            pass
        self._is_over()
        self._guarded(self._cut_off)
        if self._is_time_to_look():
            self._guarded(self._look_again)

    def _is_time_to_look(self) -> bool:
        """A long job at work is no reason to leave the others waiting."""
        idle = len(self.turns) < self.parallel and not self.tools.closing.is_set()
        return idle and self._ticks() - self._looked_at >= LOOK_EVERY_S

    def _heard(self, news: News) -> None:
        if news.turn not in self.turns:
            return
        if news.settled:
            self._guarded(lambda: self._noted(news.turn, news.settled, news.took))
        self._released(news.turn, news.released)
        if news.away is not None:
            self.tally.away = self.tally.away or news.away
        if news.broken:
            self.tally.trouble["unsettled"] += 1
        if news.ended:
            self._over(news.turn)

    def _released(self, turn: Turn, jobs: int) -> None:
        if jobs:
            self.tally.counts["released"] += jobs
            self._left = self._left or self.tools.closing.is_set()
            self.lanes.refilled(turn.queue)

    def _over(self, turn: Turn) -> None:
        self.turns.remove(turn)
        self.lanes.given_back(turn.queue)
        for job_id in turn.lost:
            self.tally.counts[Ended.LOST.value] += 1
            tell_lost(job_id, self.tools.run)
        self._news_since_look = True

    def _noted(self, turn: Turn, ended: Settlement, took: Took) -> None:
        self.tally.ended(ended)
        self.lanes.took(turn.queue, took, len(ended))
        if any(each.job.ordering_key is not None for each, _ in ended):
            self.lanes.refilled(turn.queue)
        if turn.lost:
            # They may have ended between a look at what is held and its renewal.
            turn.lost.difference_update(each.job.id for each, _ in ended)
        marks = []
        for each, how in ended:
            if how is Ended.LOST:
                turn.lost.add(each.job.id)
            elif each.fault or how is Ended.COMPLETED:
                marks.append(each.fault)
            if how is Ended.DEAD:
                tell_dead(each, self.tools.run)
        self._judge(turn.queue, marks)

    def _judge(self, queue: str, marks: Sequence[bool]) -> None:
        """Only where it changes something: most runs have no fault, and forgive none."""
        state = self.lanes.states.get(queue)
        forgives = state is None or bool(state.faults or state.tripped)
        if not any(marks) and not (marks and forgives):
            return
        self.lanes.judged(queue, faults=marks[-1])
        if self.queues.judge(queue, streak_of(marks)):
            self.lanes.tripped(queue)
            self.tools.run.log.critical(CRASH_LOOP, queue=queue, run_id=str(self.tools.run.run_id))

    def _renew_in_time(self) -> None:
        """As with the run's own lease: those of jobs outlive two tries as well."""
        if self.renewal.due_in() > 0.0 or not self.renewal.renew():
            return
        try:
            self._renew_jobs()
        except StoreUnavailableError as error:
            self.tools.run.log.warning("lease.renewal_failed", error=str(error))

    def _renew_jobs(self) -> None:
        held = [(turn, turn.held()) for turn in self.turns]
        jobs = [job for _, of_turn in held for job in of_turn]
        if jobs:
            renewed = self.tools.jobs.renew(jobs, self.tools.lease)
            for turn, of_turn in held:
                turn.note(of_turn, renewed)

    def _cut_off(self) -> None:
        """What hangs must not hold the run, nor what its caller waits for."""
        late = self._is_late()
        for turn in list(self.turns):
            # What is being written down is waited for as long as anybody can be.
            if turn.overdue() or (
                late and not (turn.settling and self._is_margin_left(LAST_SHARE))
            ):
                self._cut(turn, CUT_OFF if late else TIMED_OUT)

    def _is_late(self) -> bool:
        if self._over_since is None:
            return False
        return not self._is_margin_left(SHARE) or self._ticks() - self._over_since > GRACE_S

    def _is_margin_left(self, share: float) -> bool:
        return self.tools.run.deadline.remaining_to(share) > 0.0

    def _cut(self, turn: Turn, code: str) -> None:
        cut = turn.cut()
        done = [*cut.kept, *(self._cut_short(job, cut.for_s, code) for job in cut.current)]
        try:
            if cut.waiting:
                self.tools.jobs.release(cut.waiting)
                self._released(turn, len(cut.waiting))
            if done:
                self._noted(turn, self.tools.settler.settle(done), cut.took)
        finally:
            self._over(turn)

    def _cut_short(self, job: Job, for_s: float, code: str) -> Settled:
        return cut_short(job, self.tools.kinds[job.kind], for_s, code, self.tools.run)

    def _ticks(self) -> float:
        return self.tools.run.clock.monotonic()
