"""One call of `queue-drain` over queues in memory."""

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from core.errors import (
    ConfigurationError,
    PermanentError,
    RateLimitedError,
    StoreUnavailableError,
    UpstreamFacts,
    UpstreamUnavailableError,
)
from core.jobs.kinds import BadPayloadError, Effect, JobContext
from core.jobs.model import (
    Cancelled,
    Completed,
    Failed,
    Job,
    JobId,
    NewJob,
    Priority,
    Retry,
    Snooze,
    Status,
    Transaction,
    Verdict,
    Waiting,
)
from core.jobs.ports import Ended, Settled
from core.report import Outcome, Reason
from tests.support.drained import EXACTLY, Yard, kind, needs_text, yard
from tests.support.sync_fakes import Run

SECRET = "canary-payload-4711"


def fails(error: BaseException) -> Callable[[Job, JobContext], Verdict]:
    def perform(_: Job, __: JobContext) -> Verdict:
        raise error

    return perform


def says(verdict: Any) -> Callable[[Job, JobContext], Any]:
    return lambda _, __: verdict


class Seen:
    """The jobs that were performed, in that order; each takes `seconds` of the fake clock."""

    def __init__(self, run: Run | None = None, seconds: float = 0.0) -> None:
        self.payloads: list[Mapping[str, object]] = []
        self._run, self._seconds = run, seconds

    def __call__(self, job: Job, _: JobContext) -> Verdict:
        self.payloads.append(job.payload)
        if self._run is not None:
            self._run.clock.advance(self._seconds)
        return Completed()


def test_nothing_due_says_so() -> None:
    report = yard(kind("test")).drain()

    assert (report.outcome, report.reason) == (Outcome.DONE, Reason.NOTHING_DUE)
    assert not report.more
    assert report.counts["claimed"] == 0
    assert report.counts["skipped"] == {}


def test_what_is_due_is_done_in_one_run() -> None:
    ground = yard(kind("test"))
    jobs = [ground.put("test") for _ in range(250)]

    report = ground.drain()

    assert (report.outcome, report.reason) == (Outcome.DONE, None)
    assert (report.counts["claimed"], report.counts["completed"]) == (250, 250)
    assert {ground.row(job).status for job in jobs} == {Status.COMPLETED}


@pytest.mark.parametrize("effect", list(Effect))
def test_e1_a_queued_job_is_done_by_the_next_run_whatever_its_effect(effect: Effect) -> None:
    ground = yard(kind("test", effect=effect))
    job = ground.put("test")

    ground.drain()

    assert ground.row(job).status is Status.COMPLETED


def test_jobs_that_jobs_leave_are_done_in_the_same_run() -> None:
    then = [NewJob(kind="second")]
    ground = yard(kind("first", says(Completed(then=then))), kind("second", queue="other"))
    ground.put("first")

    report = ground.drain()

    assert report.counts["completed"] == 2


def test_jobs_that_the_clock_brings_are_done_in_the_same_run() -> None:
    ground = yard(kind("test"))

    def fire() -> int:
        ground.put("test")
        return 1

    ground.schedules.act = fire
    report = ground.drain()

    assert (report.counts["fired"], report.counts["completed"]) == (1, 1)


def test_schedules_that_were_passed_over_are_told_and_more_of_them_want_another_run() -> None:
    ground = yard(kind("test"))
    ground.schedules.skipped, ground.schedules.more = {"unknown_kind": 3, "missed": 1}, True

    report = ground.drain()

    assert report.detail == (
        "schedules that were passed over: unknown_kind 3, missed 1; `schedules list`"
    )
    assert (report.counts["fired"], report.more) == (0, True)


def test_a_schedule_that_a_mistake_of_ours_stopped_makes_the_run_degraded() -> None:
    ground = yard(kind("test"))
    ground.put("test")
    ground.schedules.skipped = {"internal": 1}

    report = ground.drain()

    assert (report.outcome, report.counts["completed"]) == (Outcome.DEGRADED, 1)
    assert report.detail == "schedules that were passed over: internal 1; `schedules list`"


def test_a_clock_that_breaks_does_not_stop_the_jobs() -> None:
    ground = yard(kind("test"))
    ground.put("test")

    def breaks() -> int:
        raise KeyError(SECRET)

    ground.schedules.act = breaks
    report = ground.drain()

    assert (report.outcome, report.counts["completed"]) == (Outcome.DEGRADED, 1)
    [line] = [facts for _, event, facts in ground.run.log.lines if event == "schedules.failed"]
    assert line["error"] == "KeyError"
    assert SECRET not in str(ground.run.log.lines)


def test_staged_jobs_are_moved_and_done_before_the_run_ends() -> None:
    def stages(_: Job, __: JobContext) -> Verdict:
        ground.jobs.stage([NewJob(kind="second", ordering_key="chat")])
        return Completed()

    ground = yard(kind("first", stages), kind("second"))
    ground.put("first")

    report = ground.drain()

    assert (report.counts["moved"], report.counts["completed"]) == (1, 2)


def test_t1_jobs_of_one_key_are_done_in_order_within_one_run() -> None:
    seen = Seen()
    ground = yard(kind("test", seen, effect=Effect.OUTSIDE), parallel=4)
    for number in range(5):
        ground.put("test", {"n": number}, ordering_key="chat")

    ground.drain()

    assert [each["n"] for each in seen.payloads] == [0, 1, 2, 3, 4]


def test_df11_the_more_urgent_goes_first() -> None:
    seen = Seen()
    ground = yard(kind("test", seen), parallel=1)
    for priority in (Priority.LOW, Priority.URGENT, Priority.NORMAL):
        ground.put("test", {"p": int(priority)}, priority=priority)

    ground.drain()

    assert [each["p"] for each in seen.payloads] == [20, 5, 1]


class TestVerdicts:
    def one(self, perform: Callable[[Job, JobContext], Any], **more: Any) -> tuple[Yard, JobId]:
        ground = yard(kind("test", perform, **more))
        job = ground.put("test", {"text": SECRET})
        ground.report = ground.drain()  # type: ignore[attr-defined]  # handed to the test
        return ground, job

    def test_e10_an_exception_is_stored_logged_and_makes_the_run_degraded(self) -> None:
        ground, job = self.one(fails(ValueError(SECRET)))

        row = ground.row(job)
        assert (row.status, row.error_code) == (Status.PENDING, "ValueError")
        assert row.error_detail is not None
        assert "ValueError in test_drain.py" in row.error_detail
        assert ground.report.outcome is Outcome.DEGRADED  # type: ignore[attr-defined]  # see above
        [line] = [facts for _, event, facts in ground.run.log.lines if event == "job.failed"]
        assert "raise error" in str(line["traceback"])
        assert line["job_id"] == str(job)
        assert SECRET not in str(ground.run.log.lines) + str(row.error_detail)

    def test_e8_a_failure_is_counted_once_and_e6_claimable_when_its_backoff_is_over(self) -> None:
        ground, job = self.one(fails(ValueError()))
        ground.run.clock.advance(59)
        early = ground.drain()
        ground.run.clock.advance(1)

        later = ground.drain()

        assert (early.reason, later.counts["claimed"]) == (Reason.NOTHING_DUE, 1)
        assert ground.row(job).attempts == 2
        assert early.counts["skipped"] == {"not_due": 1}

    def test_e5_the_last_failure_ends_it_as_dead(self) -> None:
        ground, job = self.one(fails(ValueError()), max_attempts=1)

        row = ground.row(job)
        assert (row.status, row.error_code) == (Status.DEAD, "ValueError")
        assert ground.report.counts["dead"] == 1  # type: ignore[attr-defined]  # see above
        assert "jobs list --code ValueError" in ground.report.detail  # type: ignore[attr-defined]  # see above

    def test_an_exception_has_the_chain_of_its_causes_in_the_log(self) -> None:
        def perform(job: Job, _: JobContext) -> Verdict:
            try:
                return job.payload["none"]  # type: ignore[return-value]  # it raises
            except KeyError as error:
                raise ValueError(SECRET) from error

        ground, _ = self.one(perform)

        [line] = [facts for _, event, facts in ground.run.log.lines if event == "job.failed"]
        assert str(line["traceback"]).index("KeyError") < str(line["traceback"]).index("ValueError")

    def test_what_asks_to_end_the_process_is_a_failure_of_the_job(self) -> None:
        ground, job = self.one(fails(SystemExit(1)))

        assert ground.row(job).error_code == "SystemExit"

    @pytest.mark.parametrize(
        ("error", "status", "fault"),
        [
            (UpstreamUnavailableError("away"), Status.PENDING, False),
            (ConfigurationError("no key"), Status.PENDING, False),
            (StoreUnavailableError("away"), Status.PENDING, False),
            (PermanentError("404"), Status.FAILED, False),
        ],
    )
    def test_errors_that_somebody_foresaw_say_what_becomes_of_the_job(
        self, error: Exception, status: Status, fault: bool
    ) -> None:
        ground, job = self.one(fails(error))

        row = ground.row(job)
        assert (row.status, row.error_code) == (status, type(error).__name__)
        assert row.error_detail == str(error)
        assert "job.failed" not in ground.run.log.events()

    @pytest.mark.parametrize("named", [True, False])
    def test_a_rate_limit_gives_the_attempt_back(self, named: bool) -> None:
        at = Run().clock.now() + timedelta(minutes=5)
        error = RateLimitedError(
            "slow", retry_at=at if named else None, quota=False, facts=UpstreamFacts()
        )
        ground, job = self.one(fails(error))

        row = ground.row(job)
        expected = at if named else ground.run.clock.now() + timedelta(seconds=60)
        assert (row.status, row.attempts, row.run_at) == (Status.PENDING, 0, expected)

    def test_a_rate_limit_that_never_ends_ends_as_dead(self) -> None:
        slow = RateLimitedError("slow", retry_at=None, quota=False, facts=UpstreamFacts())
        ground, job = self.one(fails(slow), max_attempts=2)

        for _ in range(2):
            ground.run.clock.advance(timedelta(days=4).total_seconds())
            ground.drain()

        row = ground.row(job)
        assert (row.status, row.error_code, row.attempts) == (Status.DEAD, "throttled", 2)

    def test_e11_an_unknown_kind_is_dead_and_no_success(self) -> None:
        ground = yard(kind("test"))
        job = ground.put("test")
        ground.row(job).job = NewJob(kind="from-tomorrow")

        report = ground.drain()

        row = ground.row(job)
        assert (row.status, row.error_code) == (Status.DEAD, "unknown_kind")
        assert report.outcome is Outcome.DEGRADED

    def test_e12_a_payload_that_fails_its_check_at_claim_is_dead_without_another_try(self) -> None:
        ground = yard(kind("test", check=needs_text))
        job = ground.put("test", {"text": "x"})
        ground.row(job).payload = {}

        ground.drain()

        row = ground.row(job)
        assert (row.status, row.error_code) == (Status.DEAD, "bad_payload")
        assert row.error_detail == "text: is missing"

    def test_a_payload_refused_while_it_is_worked_with_is_dead_too(self) -> None:
        ground, job = self.one(fails(BadPayloadError("file: is empty")))

        assert ground.row(job).error_code == "bad_payload"

    def test_a_job_whose_time_is_over_is_dead(self) -> None:
        ground, job = self.one(says(Completed()), expires=lambda job: job.created_at)

        assert (ground.row(job).status, ground.row(job).error_code) == (Status.DEAD, "expired")

    def test_a_job_whose_time_is_not_over_is_done(self) -> None:
        ground, job = self.one(says(Completed()), expires=lambda _: None)

        assert ground.row(job).status is Status.COMPLETED

    @pytest.mark.parametrize("nothing", [None, True, {"success": True}])
    def test_s8_a_kind_that_returns_no_verdict_has_failed(self, nothing: object) -> None:
        ground, job = self.one(says(nothing))

        row = ground.row(job)
        assert (row.status, row.error_code) == (Status.DEAD, "no_verdict")
        assert type(nothing).__name__ in str(row.error_detail)

    @pytest.mark.parametrize(
        ("result", "told"),
        [
            ({"n": math.nan}, "no JSON"),
            ({"n": object()}, "no JSON"),
            ({"n": "x" * 300_000}, "larger than 256 KB"),
            ({"n": "a\0b"}, "NUL"),
            ({"n": "\ud800"}, "not Unicode"),
            ([1], "not an object"),
        ],
    )
    def test_df6_a_result_that_cannot_be_stored_is_a_failure_with_a_name(
        self, result: Any, told: str
    ) -> None:
        ground, job = self.one(says(Completed(result=result)))

        row = ground.row(job)
        assert (row.status, row.error_code) == (Status.DEAD, "bad_result")
        assert told in str(row.error_detail)

    @pytest.mark.parametrize("text", ["\\u0000", "\U0001f600", "ü", "\\ud800"])
    def test_results_that_only_look_like_those_are_stored(self, text: str) -> None:
        ground, job = self.one(says(Completed(result={"text": text}, outcome="sent")))

        assert ground.row(job).result == {"text": text}
        assert ground.row(job).outcome == "sent"

    def test_a_verdicts_instant_needs_a_zone(self) -> None:
        naive = Run().clock.now().replace(tzinfo=None)

        ground, job = self.one(says(Waiting(name="answer", until=naive)))

        assert ground.row(job).error_code == "bad_result"

    def test_a_verdict_with_a_field_of_the_wrong_kind_is_a_failure_with_a_name(self) -> None:
        ground, job = self.one(says(Completed(result={1: {2, 3}})))  # type: ignore[dict-item]  # on purpose

        assert ground.row(job).error_code == "bad_result"

    def test_each_verdict_ends_as_it_says(self) -> None:
        later = Run().clock.now() + timedelta(hours=1)
        ends: dict[str, tuple[Verdict, Status]] = {
            "failed": (Failed(code="404", detail="gone\0"), Status.FAILED),
            "retried": (Retry(code="503", detail="", after=timedelta(hours=1)), Status.PENDING),
            "snoozed": (Snooze(until=later, reason="night"), Status.PENDING),
            "waiting": (Waiting(name="answer", until=later), Status.WAITING),
            "cancelled": (Cancelled(outcome="rolled_back"), Status.CANCELLED),
        }
        ground = yard(*(kind(name, says(verdict)) for name, (verdict, _) in ends.items()))
        jobs = {name: ground.put(name) for name in ends}

        report = ground.drain()

        for name, (_, status) in ends.items():
            assert ground.row(jobs[name]).status is status
            assert report.counts[name] == 1
        assert ground.row(jobs["failed"]).error_detail == "gone?"
        assert report.detail == "jobs that somebody should look at: 404 1; `jobs list --code 404`"
        assert report.counts["skipped"] == {"not_due": 2, "waiting": 1}


class TestEffects:
    def test_an_effect_of_the_database_is_written_with_its_settling(self) -> None:
        def effect(transaction: Transaction) -> None:
            transaction.execute("store", value=1)

        ground = yard(kind("test", says(Completed(effect=effect)), effect=Effect.DATABASE))
        job = ground.put("test")

        ground.drain()

        assert ground.row(job).status is Status.COMPLETED
        assert ground.jobs.effects == [("store", {"value": 1})]

    def test_df9_after_an_error_in_one_jobs_effect_the_next_job_succeeds(self) -> None:
        def effect(_: Transaction) -> None:
            raise PermanentError("duplicate key")

        ground = yard(
            kind("bad", says(Completed(effect=effect)), effect=Effect.DATABASE),
            kind("good", effect=Effect.DATABASE),
            parallel=1,
        )
        bad, good = ground.put("bad"), ground.put("good")

        ground.drain()

        assert (ground.row(bad).status, ground.row(bad).error_code) == (
            Status.FAILED,
            "PermanentError",
        )
        assert ground.row(good).status is Status.COMPLETED

    def test_a_job_that_cannot_be_written_does_not_take_the_batch_with_it(self) -> None:
        ground = yard(kind("test"))
        jobs = [ground.put("test", {"n": number}) for number in range(5)]
        settle = ground.jobs.settle

        def picky(run_id: Any, settled: Sequence[Settled]) -> Sequence[Ended]:
            if any(isinstance(e.verdict, Completed) and e.job.payload["n"] == 3 for e in settled):
                raise ValueError("the database refuses its text")
            return settle(run_id, settled)

        ground.jobs.settle = picky  # type: ignore[method-assign]  # a store that refuses one
        report = ground.drain()

        statuses = [ground.row(job).status for job in jobs]
        assert statuses.count(Status.COMPLETED) == 4
        assert ground.row(jobs[3]).error_code == "ValueError"
        assert report.outcome is Outcome.DEGRADED

    def test_a_store_that_refuses_everything_is_told_and_ends_the_turn(self) -> None:
        ground = yard(kind("test"))
        job = ground.put("test")

        def broken(*_: Any) -> Sequence[Ended]:
            raise ValueError(SECRET)

        ground.jobs.settle = broken  # type: ignore[assignment]  # a store that refuses all
        report = ground.drain()

        assert ground.row(job).status is Status.PROCESSING
        assert "unsettled 1" in str(report.detail)
        assert "jobs.unsettled" in ground.run.log.events()

    def test_what_was_not_begun_behind_it_goes_back_uncounted(self) -> None:
        ground = yard(kind("test", effect=Effect.DATABASE), parallel=1)
        jobs = [ground.put("test") for _ in range(3)]
        settle = ground.jobs.settle

        def picky(run_id: Any, settled: Sequence[Settled]) -> Sequence[Ended]:
            if any(each.job.id == jobs[0] for each in settled):
                raise ValueError(SECRET)
            return settle(run_id, settled)

        ground.jobs.settle = picky  # type: ignore[method-assign]  # a store that refuses one
        ground.drain()

        rows = [ground.row(job) for job in jobs]
        assert [row.status for row in rows] == [
            Status.PROCESSING,
            Status.COMPLETED,
            Status.COMPLETED,
        ]
        assert [row.attempts for row in rows] == [1, 1, 1]

    def test_what_cannot_be_given_back_either_comes_back_with_its_lease(self) -> None:
        ground = yard(kind("test", effect=Effect.DATABASE), parallel=1)
        jobs = [ground.put("test") for _ in range(2)]

        def broken(*_: Any) -> Sequence[Ended]:
            raise ValueError(SECRET)

        def away(_: Sequence[Job]) -> None:
            raise StoreUnavailableError("gone")

        ground.jobs.settle = broken  # type: ignore[assignment]  # a store that refuses all
        ground.jobs.release = away  # type: ignore[assignment]  # and is away
        report = ground.drain()

        assert "unsettled 1" in str(report.detail)
        assert {ground.row(job).status for job in jobs} == {Status.PROCESSING}
        assert SECRET not in str(ground.run.log.lines)


class TestDatabaseAway:
    def test_a_settling_that_is_cut_off_is_tried_again(self) -> None:
        ground = yard(kind("test"))
        job = ground.put("test")
        settle, tries = ground.jobs.settle, []

        def shaky(run_id: Any, settled: Sequence[Settled]) -> Sequence[Ended]:
            tries.append(1)
            if len(tries) < 3:
                raise StoreUnavailableError("cut off")
            return settle(run_id, settled)

        ground.jobs.settle = shaky  # type: ignore[method-assign]  # a network that shakes
        report = ground.drain()

        assert ground.row(job).status is Status.COMPLETED
        assert report.outcome is Outcome.DONE

    @pytest.mark.parametrize("method", ["settle", "settle_with", "claim", "look", "move_staged"])
    def test_it_is_what_the_report_says(self, method: str) -> None:
        effect = says(Completed(effect=lambda _: None))
        ground = yard(kind("test", effect, effect=Effect.DATABASE), kind("plain"))
        ground.put("test" if method == "settle_with" else "plain")

        def away(*_: Any, **__: Any) -> Any:
            raise StoreUnavailableError("nobody answers")

        setattr(ground.jobs, method, away)
        report = ground.drain()

        assert (report.outcome, report.reason) == (Outcome.FAILED, Reason.DATABASE)
        assert report.detail == "nobody answers"

    def test_a_count_that_fails_at_the_end_does_not_hide_what_was_done(self) -> None:
        ground = yard(kind("test"))
        ground.put("test")

        def away(*_: Any) -> Any:
            raise StoreUnavailableError("nobody answers")

        ground.jobs.waiting_for = away  # type: ignore[assignment]  # at the last moment
        report = ground.drain()

        assert report.outcome is Outcome.DONE
        assert report.counts["completed"] == 1
        assert "jobs.uncounted" in ground.run.log.events()

    def test_a_database_that_goes_away_while_a_job_is_cut_off_is_what_the_report_says(self) -> None:
        released = threading.Event()

        def hangs(_: Job, __: JobContext) -> Verdict:
            ground.run.clock.advance(601)
            released.wait(20)
            return Completed()

        def away(*_: Any) -> Any:
            raise StoreUnavailableError("nobody answers")

        ground = yard(kind("test", hangs))
        ground.put("test")
        ground.jobs.settle = away  # type: ignore[assignment]  # just then
        report = ground.drain()
        released.set()

        assert report.reason is Reason.DATABASE


class TestRetention:
    def test_what_ended_long_ago_is_forgotten_in_batches(self) -> None:
        ground = yard(kind("test"))
        ground.retention.left = 1200

        ground.drain()

        assert ground.retention.left == 0
        assert ground.retention.asked == [ground.run.clock.now() - timedelta(days=30)] * 3

    def test_a_run_without_time_forgets_nothing(self) -> None:
        ground = yard(kind("test"))

        ground.drain(limit_s=1.0)

        assert ground.retention.asked == []

    def test_a_run_that_cannot_forget_has_not_failed(self) -> None:
        ground = yard(kind("test"))
        ground.retention.error = StoreUnavailableError("busy")

        assert ground.drain().outcome is Outcome.DONE
        assert "jobs.not_forgotten" in ground.run.log.events()


class TestLeases:
    def test_e4_a_job_taken_over_meanwhile_is_counted_and_logged_and_nothing_is_written(
        self,
    ) -> None:
        def taken_over(job: Job, _: JobContext) -> Verdict:
            row = ground.row(job.id)
            row.fence += 1
            return Completed(result={"mine": True})

        ground = yard(kind("test", taken_over))
        job = ground.put("test")

        report = ground.drain()

        assert ground.row(job).result is None
        assert report.counts["lost"] == 1
        assert ("warning", "job.lease_lost") in [line[:2] for line in ground.run.log.lines]

    def test_a_job_that_was_taken_over_before_it_began_is_not_begun(self) -> None:
        seen: list[object] = []

        def takes_over_the_next(job: Job, context: JobContext) -> Verdict:
            seen.append(job.payload["n"])
            for row in ground.jobs.rows.values():
                if row.payload["n"] == 1:
                    row.fence += 1
            for looked in (first, second):
                ground.run.clock.advance(21)
                assert looked.wait(20)
            return Completed()

        # When it renews for the second time it has read what the first one said.
        first, second = threading.Event(), threading.Event()
        ground = yard(kind("test", takes_over_the_next), parallel=1)
        for number in range(2):
            ground.put("test", {"n": number})
        renew = ground.jobs.renew

        def noted(jobs: Sequence[Job], lease: timedelta) -> Mapping[JobId, bool]:
            (second if first.is_set() else first).set()
            return renew(jobs, lease)

        ground.jobs.renew = noted  # type: ignore[method-assign]  # to know when it happened
        report = ground.drain()

        assert seen == [0]
        assert report.counts["lost"] == 1

    def test_a_mistake_of_ours_in_the_run_itself_leaves_no_thread_that_goes_on(self) -> None:
        began = threading.Event()
        ground = yard(kind("test", lambda _, __: began.wait(20) and Completed()))
        for _ in range(3):
            ground.put("test")
        claim = ground.jobs.claim

        def broken(run_id: Any, lane: Any) -> Any:
            if ground.row(next(iter(ground.jobs.rows))).attempts:
                raise ZeroDivisionError
            return claim(run_id, lane)

        ground.jobs.claim = broken  # type: ignore[method-assign]  # at the second look
        ground.put("test", queue="other")

        with pytest.raises(ZeroDivisionError):
            ground.drain()
        began.set()
        for thread in threading.enumerate():
            if thread.name.startswith("jobs "):
                thread.join(20)

        statuses = [row.status for row in ground.jobs.rows.values()]
        assert statuses.count(Status.PENDING) == 3

    def test_a_job_that_renews_learns_that_it_was_lost_or_is_to_end(self) -> None:
        told: list[tuple[bool, bool]] = []

        def renews(job: Job, context: JobContext) -> Verdict:
            ground.run.clock.advance(2)
            told.append((context.renew(), context.cancelled()))
            ground.jobs.cancel(job.id)
            told.append((context.renew(), context.cancelled()))
            ground.run.clock.advance(2)
            told.append((context.renew(), context.cancelled()))
            ground.row(job.id).fence += 1
            ground.run.clock.advance(2)
            told.append((context.renew(), context.cancelled()))
            return Completed()

        ground = yard(kind("test", renews))
        ground.put("test")

        ground.drain()

        # A lease renewed a second ago is not asked for again.
        assert told == [(True, False), (True, False), (True, True), (False, True)]

    def test_a_job_that_was_taken_over_before_it_began_learns_it_at_its_first_renewal(self) -> None:
        """Its process was frozen in between: how long, nothing here can know."""
        told: list[bool] = []

        def renews(job: Job, context: JobContext) -> Verdict:
            if job.id == jobs[0]:
                ground.row(jobs[1]).fence += 1
            told.append(context.renew())
            return Completed()

        ground = yard(kind("test", renews), parallel=1)
        jobs = [ground.put("test") for _ in range(2)]

        ground.drain()

        assert told == [True, False]

    def test_a_renewal_that_finds_no_database_is_no_loss(self) -> None:
        told: list[bool] = []

        def renews(_: Job, context: JobContext) -> Verdict:
            ground.run.clock.advance(2)
            told.append(context.renew())
            return Completed()

        def away(*_: Any) -> Any:
            raise StoreUnavailableError("cut off")

        ground = yard(kind("test", renews))
        ground.put("test")
        ground.jobs.renew = away  # type: ignore[assignment]  # a network that shakes

        assert ground.drain().counts["completed"] == 1
        assert told == [True]

    def test_s1_a_job_cancelled_while_it_runs_is_cancelled_and_its_result_discarded(self) -> None:
        def cancelled(job: Job, _: JobContext) -> Verdict:
            ground.jobs.cancel(job.id)
            return Completed(result={"late": True})

        ground = yard(kind("test", cancelled))
        job = ground.put("test")

        report = ground.drain()

        assert (ground.row(job).status, ground.row(job).result) == (Status.CANCELLED, None)
        assert report.counts["cancelled"] == 1

    def test_the_leases_of_what_is_at_work_live_on(self) -> None:
        def long(job: Job, _: JobContext) -> Verdict:
            ground.run.clock.advance(30)
            renewed.wait(20)
            leases.append(ground.row(job.id).leased_until)
            return Completed()

        renewed = threading.Event()
        leases: list[datetime | None] = []
        ground = yard(kind("test", long))
        job = ground.put("test")
        began = ground.run.clock.now()
        renew = ground.jobs.renew

        def noted(jobs: Sequence[Job], lease: timedelta) -> Mapping[JobId, bool]:
            told = renew(jobs, lease)
            renewed.set()
            return told

        ground.jobs.renew = noted  # type: ignore[method-assign]  # to know when it happened
        report = ground.drain()

        assert ground.row(job).status is Status.COMPLETED
        assert leases == [began + timedelta(seconds=90)]
        assert report.counts["lost"] == 0

    def test_a_renewal_that_fails_ends_no_run(self) -> None:
        def long(_: Job, __: JobContext) -> Verdict:
            ground.run.clock.advance(30)
            tried.wait(20)
            return Completed()

        tried = threading.Event()
        ground = yard(kind("test", long))
        job = ground.put("test")

        def away(_: Sequence[Job], __: timedelta) -> Mapping[JobId, bool]:
            tried.set()
            raise StoreUnavailableError("another session holds what this one needs")

        ground.jobs.renew = away  # type: ignore[assignment]  # a line that is locked
        report = ground.drain()

        assert ground.row(job).status is Status.COMPLETED
        assert report.outcome is Outcome.DONE
        assert "lease.renewal_failed" in ground.run.log.events()

    def test_a_run_is_renewed_with_nothing_in_hand(self) -> None:
        ground = yard(kind("test"))
        ground.run.renew_every_s = 0.0

        assert ground.drain().reason is Reason.NOTHING_DUE
        assert ground.run.renewals > 0

    def test_a_run_that_another_one_took_over_begins_nothing_more(self) -> None:
        ground = yard(kind("test", effect=Effect.OUTSIDE), parallel=1)
        for _ in range(3):
            ground.put("test")
        ground.run.owned = False
        ground.run.renew_every_s = 0.0

        report = ground.drain()

        assert (report.outcome, report.reason) == (Outcome.PARTIAL, Reason.LEASE_LOST)
        assert report.counts["claimed"] == 0


class TestTime:
    def test_at_the_deadline_nothing_more_is_begun_and_what_was_not_begun_is_given_back(
        self,
    ) -> None:
        run = Run()
        ground = yard(kind("test", Seen(run, 2.0)), run=run, parallel=1)
        jobs = [ground.put("test") for _ in range(10)]

        report = ground.drain(limit_s=4.0)

        assert (report.outcome, report.reason, report.more) == (
            Outcome.PARTIAL,
            Reason.DEADLINE,
            True,
        )
        assert report.counts["completed"] == 2
        assert report.counts["released"] == 8
        left = [ground.row(job) for job in jobs if ground.row(job).status is Status.PENDING]
        assert [row.attempts for row in left] == [0] * 8

    def test_no_time_at_all_claims_nothing(self) -> None:
        ground = yard(kind("test"))
        ground.put("test")

        report = ground.drain(limit_s=0.0)

        assert (report.reason, report.more) == (Reason.DEADLINE, True)
        assert report.counts["claimed"] == 0

    def test_no_time_and_nothing_due_is_nothing_due(self) -> None:
        assert yard(kind("test")).drain(limit_s=0.0).reason is Reason.NOTHING_DUE

    def test_a_long_batch_is_given_back_to_whoever_has_a_free_hand(self) -> None:
        run = Run()
        seen = Seen(run, 3.0)
        ground = yard(kind("test", seen), run=run, parallel=1)
        for number in range(5):
            ground.put("test", {"n": number})

        report = ground.drain()

        assert report.counts["completed"] == 5
        assert report.counts["released"] == 3
        assert report.outcome is Outcome.DONE

    def test_t9_a_job_that_hangs_is_cut_off_counted_and_tried_again(self) -> None:
        released = threading.Event()

        def hangs(_: Job, context: JobContext) -> Verdict:
            ground.run.clock.advance(601)
            released.wait(20)
            return Completed()

        ground = yard(kind("test", hangs, effect=Effect.OUTSIDE), kind("other", queue="other"))
        job, other = ground.put("test"), ground.put("other")

        report = ground.drain()
        released.set()

        row = ground.row(job)
        assert (row.status, row.attempts, row.error_code) == (Status.PENDING, 1, "timed_out")
        assert "601 s" in str(row.error_detail)
        assert ground.row(other).status is Status.COMPLETED
        assert report.outcome is Outcome.DEGRADED
        assert "job.timed_out" in ground.run.log.events()

    def test_t9_a_job_that_outlasts_its_run_is_cut_off_and_what_came_before_it_is_kept(
        self,
    ) -> None:
        released = threading.Event()

        def second_hangs(job: Job, _: JobContext) -> Verdict:
            if job.payload["n"] == 1:
                ground.run.clock.advance(30)
                released.wait(20)
            return Completed()

        ground = yard(kind("test", second_hangs), parallel=1)
        jobs = [ground.put("test", {"n": number}) for number in range(3)]

        report = ground.drain(limit_s=25.0)
        released.set()

        rows = [ground.row(job) for job in jobs]
        assert [row.status for row in rows] == [Status.COMPLETED, Status.PENDING, Status.PENDING]
        assert [row.attempts for row in rows] == [1, 1, 0]
        assert rows[1].error_code == "cut_off"
        assert (report.reason, report.more) == (Reason.DEADLINE, True)

    def test_a_verdict_that_comes_after_the_cut_is_not_heard(self) -> None:
        released, gone = threading.Event(), threading.Event()

        def hangs(_: Job, __: JobContext) -> Verdict:
            ground.run.clock.advance(601)
            released.wait(20)
            gone.set()
            return Completed()

        ground = yard(kind("test", hangs, max_attempts=1))
        job = ground.put("test")

        ground.drain()
        released.set()
        assert gone.wait(20)

        assert ground.row(job).status is Status.DEAD

    def test_what_hung_may_end_while_the_run_goes_on(self) -> None:
        cut, released = threading.Event(), threading.Event()

        def hangs(_: Job, __: JobContext) -> Verdict:
            ground.run.clock.advance(601)
            released.wait(20)
            return Completed()

        def goes_on(_: Job, __: JobContext) -> Verdict:
            assert cut.wait(20)
            released.set()
            for thread in threading.enumerate():
                if thread.name == "jobs hangs":
                    thread.join(20)
            return Completed()

        ground = yard(
            kind("hangs", hangs, queue="hangs", effect=Effect.OUTSIDE),
            kind("other", goes_on, queue="other", longest=timedelta(days=1)),
        )
        settle = ground.jobs.settle

        def noted(run_id: Any, settled: Sequence[Settled]) -> Sequence[Ended]:
            ended = settle(run_id, settled)
            cut.set()
            return ended

        ground.jobs.settle = noted  # type: ignore[method-assign]  # to know when it happened
        hung, other = ground.put("hangs"), ground.put("other")

        report = ground.drain()

        assert ground.row(hung).error_code == "timed_out"
        assert ground.row(other).status is Status.COMPLETED
        assert (report.counts["completed"], report.counts["retried"]) == (1, 1)

    def test_t9_of_a_kind_that_says_so_no_try_comes_after_one_that_took_too_long(self) -> None:
        released = threading.Event()

        def hangs(_: Job, __: JobContext) -> Verdict:
            ground.run.clock.advance(601.0)
            released.wait(20)
            return Completed()

        ground = yard(kind("hangs", hangs, overdue_is_dead=True), parallel=1)
        hung = ground.put("hangs")

        report = ground.drain()
        released.set()

        assert (ground.row(hung).status, ground.row(hung).error_code) == (Status.DEAD, "timed_out")
        assert report.counts["dead"] == 1

    @pytest.mark.parametrize(("margin_gone", "counted"), [(False, 1), (True, 0)])
    def test_what_is_being_written_down_at_the_end_is_waited_for_as_long_as_possible(
        self, margin_gone: bool, counted: int
    ) -> None:
        released = threading.Event()
        ground = yard(kind("test", effect=Effect.OUTSIDE), parallel=1)
        job = ground.put("test")
        settle = ground.jobs.settle

        def slow(run_id: Any, settled: Sequence[Settled]) -> Sequence[Ended]:
            # The margin is 3 s long: in its second half, or over.
            ground.run.clock.advance(25.0 + (5.0 if margin_gone else 2.0))
            released.wait(20 if margin_gone else 0.6)
            return settle(run_id, settled)

        ground.jobs.settle = slow  # type: ignore[method-assign]  # a database that is slow
        report = ground.drain(limit_s=25.0)
        released.set()

        assert report.counts["completed"] == counted
        if not margin_gone:
            assert ground.row(job).status is Status.COMPLETED

    def test_asked_to_stop_it_begins_nothing_more_and_waits_for_what_is_at_work(self) -> None:
        def stops(_: Job, __: JobContext) -> Verdict:
            ground.run.stop = True
            return Completed()

        ground = yard(kind("test", stops), parallel=1)
        jobs = [ground.put("test") for _ in range(3)]

        report = ground.drain()

        statuses = [ground.row(job).status for job in jobs]
        assert statuses == [Status.COMPLETED, Status.PENDING, Status.PENDING]
        assert (report.reason, report.more) == (Reason.DEADLINE, True)

    def test_asked_to_stop_it_waits_five_seconds_for_a_job_that_does_not_end(self) -> None:
        released = threading.Event()

        def goes_on(_: Job, __: JobContext) -> Verdict:
            ground.run.stop = True
            asked.set()
            released.wait(20)
            return Completed()

        def time_goes_by() -> None:
            assert asked.wait(20)
            while not released.wait(0.05):
                ground.run.clock.advance(1)

        asked = threading.Event()
        ground = yard(kind("test", goes_on), parallel=1)
        job = ground.put("test")
        beside = threading.Thread(target=time_goes_by)
        beside.start()

        ground.drain()
        released.set()
        beside.join()

        assert ground.row(job).error_code == "cut_off"


class TestSharing:
    def test_t11_one_slow_key_does_not_eat_the_run(self) -> None:
        run = Run()
        seen = Seen(run, 2.0)
        ground = yard(kind("test", seen, effect=Effect.OUTSIDE), run=run, parallel=1)
        for number in range(20):
            ground.put("test", {"key": "slow", "n": number}, ordering_key="slow")
        for number in range(3):
            ground.put("test", {"key": f"chat-{number}"}, ordering_key=f"chat-{number}")

        report = ground.drain(limit_s=20.0)

        worked = [each["key"] for each in seen.payloads]
        assert {"chat-0", "chat-1", "chat-2"} <= set(worked)
        assert worked.count("slow") >= 5, "and nobody idles while it waits"
        assert report.more

    def test_e14_keys_that_had_their_share_when_time_ran_out_are_counted(self) -> None:
        run = Run()
        ground = yard(kind("test", Seen(run, 9.0), effect=Effect.OUTSIDE), run=run, parallel=1)
        for key in ("slow", "slow", "other"):
            ground.put("test", ordering_key=key)

        report = ground.drain(limit_s=10.0)

        skipped = report.counts["skipped"]
        assert isinstance(skipped, Mapping)
        assert skipped["budget"] == 1

    def test_a_slow_queue_does_not_keep_the_last_hand_from_the_others(self) -> None:
        others_done = threading.Event()

        def slow(_: Job, __: JobContext) -> Verdict:
            others_done.wait(20)
            return Completed()

        def quick(_: Job, __: JobContext) -> Verdict:
            quick_done.append(1)
            if len(quick_done) == 3:
                others_done.set()
            return Completed()

        quick_done: list[int] = []
        ground = yard(
            kind("slow", slow, queue="a", effect=Effect.OUTSIDE),
            kind("quick", quick, queue="b", effect=Effect.OUTSIDE),
            parallel=2,
        )
        for name in ("slow", "slow", "slow", "quick", "quick", "quick"):
            ground.put(name)

        assert ground.drain().counts["completed"] == 6

    def test_jobs_with_an_effect_outside_run_side_by_side(self) -> None:
        together = threading.Barrier(3, timeout=20)

        def waits(_: Job, __: JobContext) -> Verdict:
            together.wait()
            return Completed()

        ground = yard(kind("test", waits, effect=Effect.OUTSIDE), parallel=3)
        for _ in range(3):
            ground.put("test")

        assert ground.drain().counts["completed"] == 3

    def test_what_becomes_due_beside_a_long_job_does_not_wait_for_its_end(self) -> None:
        other_done = threading.Event()

        def long(_: Job, __: JobContext) -> Verdict:
            ground.put("late")
            ground.run.clock.advance(2)
            assert other_done.wait(20)
            return Completed()

        def late(_: Job, __: JobContext) -> Verdict:
            other_done.set()
            return Completed()

        ground = yard(kind("long", long), kind("late", late, queue="other"))
        ground.put("long")

        assert ground.drain().counts["completed"] == 2

    def test_a_slow_kind_is_claimed_in_smaller_batches(self) -> None:
        run = Run()
        ground = yard(kind("test", Seen(run, 0.5)), run=run, parallel=1)
        claimed: list[int] = []
        claim = ground.jobs.claim

        def noted(run_id: Any, lane: Any) -> Any:
            claimed.append(lane.batch)
            return claim(run_id, lane)

        ground.jobs.claim = noted  # type: ignore[method-assign]  # to see what is asked for
        for _ in range(30):
            ground.put("test")

        ground.drain()

        assert claimed[0] == 100
        assert set(claimed[1:]) == {2}

    @pytest.mark.parametrize(("text", "largest"), [("x", 1000), ("x" * 5000, 100)])
    def test_batches_of_small_jobs_that_take_no_time_grow(self, text: str, largest: int) -> None:
        ground = yard(kind("test"), parallel=1)
        claimed: list[int] = []
        claim = ground.jobs.claim

        def noted(run_id: Any, lane: Any) -> Any:
            claimed.append(lane.batch)
            return claim(run_id, lane)

        ground.jobs.claim = noted  # type: ignore[method-assign]  # to see what is asked for
        for _ in range(2000):
            ground.put("test", {"text": text})

        ground.drain()

        assert claimed[0] == 100
        assert max(claimed) == largest


class TestSelection:
    def test_only_the_queues_asked_for(self) -> None:
        ground = yard(kind("a", queue="a"), kind("b", queue="b"))
        first, second = ground.put("a"), ground.put("b")

        report = ground.drain(queues=("a",))

        assert ground.row(first).status is Status.COMPLETED
        assert ground.row(second).status is Status.PENDING
        assert report.counts["claimed"] == 1

    def test_only_the_kinds_asked_for(self) -> None:
        ground = yard(kind("a"), kind("b"))
        first, second = ground.put("a"), ground.put("b")

        ground.drain(kinds=("b",))

        assert ground.row(first).status is Status.PENDING
        assert ground.row(second).status is Status.COMPLETED

    def test_a_queue_with_a_made_up_name_is_drained_too(self) -> None:
        ground = yard(kind("test"))
        job = ground.put("test", queue="chats")

        ground.drain()

        assert ground.row(job).status is Status.COMPLETED

    def test_a_dry_run_tells_what_is_due_and_does_nothing(self) -> None:
        ground = yard(kind("test"))
        job = ground.put("test")

        from core.jobs.lanes import Selection

        report = ground.worker().preview(ground.run.context(), Selection())
        nothing = yard(kind("test")).worker().preview(Run().context(), Selection())

        assert report.detail == "dry run: nothing was done; these queues have jobs due: default"
        assert ground.row(job).status is Status.PENDING
        assert nothing.detail is None


class TestClosedQueues:
    def test_e15_a_run_with_nothing_but_paused_queues_says_paused(self) -> None:
        ground = yard(kind("test"))
        ground.put("test")
        ground.jobs.switch("default", enabled=False)

        report = ground.drain()

        assert (report.outcome, report.reason) == (Outcome.SKIPPED, Reason.PAUSED)
        assert report.counts["skipped"] == {"disabled": 1}
        assert report.detail == "queue default is paused: `queues resume default`"

    def test_a_paused_queue_with_nothing_due_is_no_reason_to_skip(self) -> None:
        ground = yard(kind("test"))
        ground.put("test", run_at=ground.run.clock.now() + timedelta(hours=1))
        ground.jobs.switch("default", enabled=False)

        assert ground.drain().reason is Reason.NOTHING_DUE

    def test_a_paused_queue_is_told_beside_others_that_work(self) -> None:
        ground = yard(kind("a", queue="a"), kind("b", queue="b"))
        ground.put("a")
        ground.put("b")
        ground.jobs.switch("a", enabled=False)

        report = ground.drain()

        assert report.outcome is Outcome.DONE
        assert report.counts["completed"] == 1
        assert "queues resume a" in str(report.detail)

    def test_df8_the_tenth_fault_in_a_row_trips_the_queue_and_the_others_go_on(self) -> None:
        ground = yard(kind("bad", fails(ValueError()), batch=1), kind("good", queue="good"))
        bad = [ground.put("bad") for _ in range(12)]
        good = ground.put("good")

        report = ground.drain()
        after = ground.drain(queues=("default",))

        assert report.counts["claimed"] == 11
        assert report.outcome is Outcome.DEGRADED
        assert [line[:2] for line in ground.run.log.lines].count(
            ("critical", "Crash loop detected")
        ) == 1
        assert "queues resume default" in str(report.detail)
        assert ground.row(good).status is Status.COMPLETED
        assert [ground.row(job).attempts for job in bad].count(1) == 10
        assert (after.outcome, after.reason) == (Outcome.SKIPPED, Reason.TRIPPED)
        assert after.counts["skipped"] == {"tripped": 2}

    def test_df8_a_success_in_between_forgives_and_idle_runs_do_not(self) -> None:
        ground = yard(kind("bad", fails(ValueError()), max_attempts=50), kind("good"))
        for _ in range(9):
            ground.put("bad")
            ground.drain()
        nine = ground.jobs.switches["default"].faults
        ground.drain()
        idle = ground.jobs.switches["default"].faults

        ground.put("good")
        ground.drain()

        assert (nine, idle) == (9, 9)
        assert ground.jobs.switches["default"].faults == 0

    @pytest.mark.parametrize(
        "perform",
        [
            says(Failed(code="404", detail="gone")),
            says(Retry(code="503", detail="away")),
            fails(UpstreamUnavailableError("away")),
        ],
    )
    def test_what_says_nothing_about_our_code_neither_counts_nor_forgives(
        self, perform: Any
    ) -> None:
        ground = yard(kind("bad", fails(ValueError())), kind("neutral", perform))
        ground.put("bad")
        ground.drain()

        ground.put("neutral")
        ground.drain()

        assert ground.jobs.switches["default"].faults == 1

    def test_one_probe_an_hour_that_works_untrips(self) -> None:
        ground = yard(kind("bad", fails(ValueError())), kind("good"))
        for _ in range(10):
            ground.put("bad", max_attempts=1)
        ground.drain()
        for _ in range(3):
            ground.put("good")
        early = ground.drain()
        ground.run.clock.advance(3601)

        probe = ground.drain()
        after = ground.drain()

        assert early.reason is Reason.TRIPPED
        assert probe.counts["completed"] in {1, 3}
        assert early.counts["completed"] == 0
        assert ground.jobs.switches["default"].tripped is False
        assert after.counts["completed"] == 3 - int(str(probe.counts["completed"]))

    def test_a_probe_that_another_run_has_begun_is_not_begun_again(self) -> None:
        ground = yard(kind("bad", fails(ValueError())))
        for _ in range(10):
            ground.put("bad", max_attempts=1)
        ground.drain()
        ground.put("bad")
        ground.run.clock.advance(3601)
        ground.jobs.begin_probe = lambda queue: False  # type: ignore[method-assign]  # another has it

        assert ground.drain().counts["claimed"] == 0

    def test_a_job_that_came_back_by_its_lease_counts_as_a_fault(self) -> None:
        ground = yard(kind("test", says(Failed(code="x", detail=""))))
        job = ground.put("test")
        ground.jobs.claim(Run().context().run_id, lane_of(ground))
        ground.run.clock.advance(61)

        report = ground.drain()

        assert ground.row(job).attempts == 2
        assert ground.jobs.switches["default"].faults == 1
        assert report.counts["failed"] == 1

    def test_e3_one_that_killed_its_worker_each_time_is_dead_after_its_attempts(self) -> None:
        ground = yard(kind("test", max_attempts=2))
        job = ground.put("test")
        for _ in range(2):
            ground.jobs.claim(Run().context().run_id, lane_of(ground))
            ground.run.clock.advance(61)

        report = ground.drain()

        assert ground.row(job).status is Status.DEAD
        assert report.counts["dead"] == 1
        assert report.outcome is Outcome.DEGRADED


def lane_of(ground: Yard) -> Any:
    from core.jobs.ports import Lane

    return Lane(queue="default", batch=1, lease=timedelta(seconds=60))


def test_e7_the_backoff_of_a_kind_is_exact_before_its_spread_and_never_above_its_cap() -> None:
    assert [EXACTLY.delay(n) for n in (1, 2, 3, 5000)] == [60.0, 120.0, 240.0, 3600.0]


def test_e14_keys_that_wait_for_their_head_are_counted() -> None:
    later = Run().clock.now() + timedelta(hours=1)
    ground = yard(kind("test", says(Waiting(name="answer", until=later))))
    for _ in range(3):
        ground.put("test", ordering_key="chat")

    report = ground.drain()

    assert report.counts["skipped"] == {"key_busy": 2, "waiting": 1}


def test_e14_jobs_that_other_runs_are_at_are_counted_as_locked() -> None:
    ground = yard(kind("test"))
    ground.put("test")
    ground.jobs.claim(Run().context().run_id, lane_of(ground))

    assert ground.drain().counts["skipped"] == {"locked": 1}
