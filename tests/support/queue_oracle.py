"""What must hold of jobs whatever was done to their workers in between (design.md §13, O4-O8).

Triggers of the test's own remember every step in `storm.log`; they are no part of the schema.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from infra.postgres.url import DatabaseUrl
from tests.support.counting_site import CountingSite
from tests.support.postgres import execute
from tests.support.storm_kinds import POISON_ATTEMPTS, WRITES

TERMINAL = frozenset({"completed", "failed", "dead", "cancelled"})
STEPS: Mapping[str | None, frozenset[str]] = {
    None: frozenset({"draft", "pending"}),
    "draft": frozenset({"draft", "pending", "cancelled"}),
    "pending": frozenset({"pending", "processing", "cancelled", "dead"}),
    "processing": frozenset({"processing", "pending", "waiting"}) | TERMINAL,
    "waiting": frozenset({"waiting", "pending", "processing", "cancelled", "dead"}),
    **{status: frozenset() for status in TERMINAL},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A row of `storm.log`."""

    id: int
    at: datetime
    tx: int
    process: str
    job_id: str
    line: str | None
    seq: int | None
    old_status: str | None
    new_status: str
    old_fence: int | None
    new_fence: int
    old_holder: str | None
    new_holder: str | None
    old_leased_until: datetime | None
    new_leased_until: datetime | None
    attempts: int
    max_attempts: int

    @property
    def takes(self) -> bool:
        """Somebody leases it: it was free, or another's."""
        return self.new_holder is not None and self.new_fence != self.old_fence

    @property
    def ends(self) -> bool:
        return self.new_status in TERMINAL and self.old_status not in TERMINAL

    @property
    def found_expired(self) -> bool:
        """Not its holder's verdict, but of who found that its lease had run out."""
        return self.old_leased_until is not None and self.old_leased_until <= self.at


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A job at the end."""

    id: str
    kind: str
    status: str
    attempts: int
    max_attempts: int
    error_code: str | None
    fence: int
    payload: Mapping[str, Any]


@dataclass
class QueueOracle:
    """`lease_s`: what the workers were started with."""

    url: DatabaseUrl
    site: CountingSite
    lease_s: float
    _runs: dict[str, str] = field(default_factory=dict)

    def install(self) -> None:
        self.sql((Path(__file__).parent / "storm_log.sql").read_text())

    def sql(self, statement: str) -> Sequence[Sequence[Any]]:
        return execute(self.url, statement)

    def jobs(self) -> list[Found]:
        rows = self.sql(
            "SELECT id, kind, status, attempts, max_attempts, error_code, fence, payload"
            " FROM ops.jobs"
        )
        return [
            Found(
                id=str(row[0]), kind=row[1], status=row[2], attempts=row[3], max_attempts=row[4],
                error_code=row[5], fence=row[6], payload=row[7],
            )
            for row in rows
        ]  # fmt: skip

    def steps(self) -> list[Step]:
        rows = self.sql(f"SELECT {', '.join(Step.__slots__)} FROM storm.log ORDER BY id")
        return [Step(**dict(zip(Step.__slots__, _plain(row), strict=True))) for row in rows]

    def judge(self) -> None:
        """After quiet: everything."""
        steps, jobs = self.steps(), self.jobs()
        self.nobody_writes_with_a_stale_fence(steps)
        self.keys_go_in_order(steps)
        self.streams_go_in_order(steps, jobs)
        self.effects_are_those_of_completed_jobs(steps, jobs)
        self.nothing_is_stranded()
        self.nothing_is_left(jobs)
        self.each_ended_as_it_had_to(jobs)
        self.outside_effects_are_as_often_as_promised(jobs)

    def nobody_writes_with_a_stale_fence(self, steps: Sequence[Step]) -> None:
        """O4: who takes raises the fence, nobody takes what is held, only the holder settles."""
        self._runs.clear()
        before: dict[str, Step] = {}
        for step in steps:
            old = before.get(step.job_id)
            self._follows(step, old)
            before[step.job_id] = step
            assert step.new_fence >= (step.old_fence or 0), f"O4: a fence went back: {step}"
            assert step.new_status in STEPS[step.old_status], f"O7: no such step: {step}"
            assert step.attempts <= step.max_attempts, f"O7: one attempt too many: {step}"
            if step.takes:
                self._is_taken(step)
            elif step.old_status == "processing":
                self._is_written_by_its_holder(step)

    def _follows(self, step: Step, old: Step | None) -> None:
        now = (step.old_status, step.old_fence, step.old_holder)
        then = (
            (None, None, None) if old is None else (old.new_status, old.new_fence, old.new_holder)
        )
        assert now == then, f"O4: written unseen, {then} became {now}: {step}"

    def _is_taken(self, step: Step) -> None:
        assert step.new_fence > (step.old_fence or 0), f"O4: taken without a new fence: {step}"
        free = step.old_status != "processing" or step.found_expired
        assert free, f"O4: taken while its lease lived: {step}"
        run = self._runs.setdefault(step.process, str(step.new_holder))
        assert run == step.new_holder, f"O4: one process took for two runs: {step}"

    def _is_written_by_its_holder(self, step: Step) -> None:
        if self._runs.get(step.process) == step.old_holder:
            return
        asked = step.new_leased_until == step.old_leased_until
        swept = step.found_expired and step.new_status in {"dead", "cancelled"}
        assert asked or swept, f"O4: written by one who does not hold it: {step}"

    def keys_go_in_order(self, steps: Sequence[Step]) -> None:
        """O5: of each key one at a time, and always the first of those that have not ended."""
        lines: dict[str, dict[int, str]] = defaultdict(dict)
        for step in steps:
            if step.line is None or step.seq is None:
                continue
            line = lines[step.line]
            if step.takes:
                earlier = [seq for seq in line if seq < step.seq]
                assert not earlier, f"O5: {earlier} of {step.line} were before: {step}"
                others = [s for seq, s in line.items() if seq != step.seq]
                assert not {"processing", "waiting"} & set(others), f"O5: two at once: {step}"
            if step.new_status in TERMINAL:
                line.pop(step.seq, None)
            elif step.new_status != "draft":
                line[step.seq] = step.new_status

    def streams_go_in_order(self, steps: Sequence[Step], jobs: Sequence[Found]) -> None:
        """O5, as who enqueues sees it: what he committed first of a key ends first.

        But for what somebody cancels while it waits in line.
        """
        numbers = {
            job.id: (str(job.payload["stream"]), int(job.payload["n"]))
            for job in jobs
            if "stream" in job.payload
        }
        latest: dict[tuple[str, str], int] = {}
        for step in steps:
            done = step.ends and step.new_status != "cancelled"
            if done and step.line is not None and step.job_id in numbers:
                stream, number = numbers[step.job_id]
                before = latest.get((step.line, stream), 0)
                assert number > before, f"O5: {stream} {number} ended after {before}: {step}"
                latest[step.line, stream] = number

    def effects_are_those_of_completed_jobs(
        self, steps: Sequence[Step], jobs: Sequence[Found]
    ) -> None:
        """O6, and O4 of effects: each in the transaction that completed its job, with its fence."""
        ended = {(s.job_id, s.tx): s for s in steps if s.ends and s.new_status == "completed"}
        effects = self.sql("SELECT job_id, tx, fence FROM storm.effects")
        times = Counter(str(job_id) for job_id, _, _ in effects)
        for job_id, tx, fence in effects:
            step = ended.get((str(job_id), tx))
            assert step is not None, f"O6: {job_id} has an effect, and was not completed with it"
            assert step.old_fence == fence, f"O4: an effect with fence {fence}: {step}"
        for job in jobs:
            wanted = 1 if job.status == "completed" and job.kind in WRITES else 0
            assert times[job.id] == wanted, f"O6: {times[job.id]} effects, wanted {wanted}: {job}"
        self._follow_ups_are_there(jobs)

    def _follow_ups_are_there(self, jobs: Sequence[Found]) -> None:
        times = Counter(str(job.payload["origin"]) for job in jobs if "origin" in job.payload)
        for job in jobs:
            wanted = 1 if job.status == "completed" and "then" in job.payload else 0
            assert times[job.id] == wanted, f"O6: {times[job.id]} follow-ups, not {wanted}: {job}"

    def nothing_is_stranded(self) -> None:
        """O7, at any time: what has not ended can be seen by a claim, now or at an instant."""
        line_lost = self.sql(
            "SELECT id, status FROM ops.jobs job WHERE ordering_key IS NOT NULL AND seq IS NULL"
            " AND due_at IS NOT NULL"
            " AND NOT EXISTS (SELECT FROM ops.job_staging staged WHERE staged.job_id = job.id)"
        )
        assert not line_lost, f"O7: in no line, and on no way to one: {line_lost}"
        # A key is seen when its head is due, or its holder's lease is over.
        asleep = self.sql(
            "SELECT head.queue, head.ordering_key, head.status, head.due_at, key.visible_at"
            " FROM (SELECT DISTINCT ON (queue, ordering_key) queue, ordering_key, status, due_at"
            " FROM ops.jobs WHERE ordering_key IS NOT NULL AND seq IS NOT NULL AND due_at IS NOT"
            " NULL ORDER BY queue, ordering_key, seq) head LEFT JOIN ops.job_keys key"
            " ON (key.queue, key.ordering_key) = (head.queue, head.ordering_key)"
            " WHERE key.visible_at IS NULL"
            f" OR key.visible_at > head.due_at + make_interval(secs => {self.lease_s})"
        )
        assert not asleep, f"O7: nobody wakes these keys: {asleep}"

    def nothing_is_left(self, jobs: Sequence[Found]) -> None:
        """O7, after quiet: every job has ended, every key is at rest."""
        left = [job for job in jobs if job.status not in TERMINAL]
        assert not left, f"O7: {len(left)} have not ended: {left[:3]}"
        staged = self.sql("SELECT job_id FROM ops.job_staging LIMIT 3")
        assert not staged, f"O7: still on their way: {staged}"
        awake = self.sql(
            "SELECT queue, ordering_key, visible_at, locked_by FROM ops.job_keys"
            " WHERE locked_by IS NOT NULL LIMIT 3"
        )
        assert not awake, f"O7: held by nobody: {awake}"

    def each_ended_as_it_had_to(self, jobs: Sequence[Found]) -> None:
        """No innocent job is lost to what happened around it; poison ends by its attempts."""
        for job in jobs:
            allowed = ends_of(job)
            assert job.status in allowed, f"O6: ended otherwise than {sorted(allowed)}: {job}"
            if job.kind == "storm.poison" and job.status == "dead":
                exact = (job.attempts, job.error_code) == (POISON_ATTEMPTS, "attempts_exhausted")
                assert exact, f"poison, not after exactly its attempts: {job}"

    def outside_effects_are_as_often_as_promised(self, jobs: Sequence[Found]) -> None:
        """O8: at most once with a single attempt, else at least once; poison bites each time."""
        called, once, bitten = (self.site.of(what) for what in ("call", "once", "poison"))
        for job in jobs:
            if job.kind == "storm.once":
                times = once.get(job.id, 0)
                least = 1 if job.status == "completed" else 0
                assert least <= times <= 1, f"O8: requested {times} times: {job}"
            if job.kind == "storm.call" and job.status == "completed":
                assert called.get(job.id), f"O8: completed without a request: {job}"
            if job.kind == "storm.poison":
                assert bitten.get(job.id, 0) <= POISON_ATTEMPTS, f"it killed too often: {job}"


def ends_of(job: Found) -> frozenset[str]:
    asked = frozenset({"cancelled"}) if job.payload.get("cancel") else frozenset[str]()
    if job.kind == "storm.poison" or job.payload.get("doomed"):
        return asked | {"dead"}
    if job.kind == "storm.once":
        return asked | {"completed", "dead", "failed"}
    return asked | {"failed" if job.payload.get("refuses") else "completed"}


def _plain(row: Sequence[Any]) -> list[Any]:
    """Ids as text."""
    return [str(value) if type(value).__name__ == "UUID" else value for value in row]
