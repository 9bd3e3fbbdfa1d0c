"""A job within a request: done if it is quick, left to the drain if it is not."""

import threading
from collections.abc import Callable
from random import Random
from typing import Any
from uuid import uuid4

from core.jobs.at_once import PerformAtOnce
from core.jobs.kinds import JobContext, JobKind
from core.jobs.model import Completed, Failed, Job, Status, Verdict
from tests.support.drained import Yard, kind

CANARY = "canary"


def made(**kinds: JobKind) -> Yard:
    return Yard(kinds=kinds)


def at_once(yard: Yard, **changes: Any) -> PerformAtOnce:
    ports: dict[str, Any] = {
        "jobs": yard.jobs,
        "kinds": yard.kinds,
        "new_id": uuid4,
        "ticks": yard.run.clock.monotonic,
        "sleep": yard.run.clock.advance,
        "rng": Random(1),
        "log": yard.run.log,
        "stop_requested": lambda: False,
    }
    return PerformAtOnce(**{**ports, **changes})


def quick(perform: Callable[[Job, JobContext], Verdict], **more: Any) -> JobKind:
    return kind("quick", perform, **{"inline_s": 1.0, **more})


def wait_for_threads() -> None:
    for thread in threading.enumerate():
        if thread.name.startswith("job "):
            thread.join(10)


def test_a_quick_job_has_ended_when_the_answer_comes() -> None:
    yard = made(quick=quick(lambda job, _: Completed(result={"said": job.payload["x"]})))
    job_id = yard.put("quick", {"x": 1})

    assert at_once(yard).perform(job_id, "quick")

    assert yard.row(job_id).status is Status.COMPLETED
    assert yard.row(job_id).result == {"said": 1}
    assert yard.row(job_id).attempts == 1


def test_how_it_fails_is_the_drains_own_way() -> None:
    yard = made(quick=quick(lambda *_: Failed(code="no", detail="never")))
    job_id = yard.put("quick")

    assert at_once(yard).perform(job_id, "quick")

    assert (yard.row(job_id).status, yard.row(job_id).error_code) == (Status.FAILED, "no")


def test_what_is_not_quick_is_left_to_the_drain() -> None:
    yard = made(slow=kind("slow"), long=kind("long", inline_s=60.0))
    jobs = {name: yard.put(name) for name in ("slow", "long")}

    assert not any(at_once(yard).perform(job_id, name) for name, job_id in jobs.items())
    assert not at_once(yard).perform(jobs["slow"], "unknown")

    assert {yard.row(job_id).attempts for job_id in jobs.values()} == {0}


def test_a_job_behind_another_of_its_key_is_left_to_the_drain() -> None:
    yard = made(quick=quick(lambda *_: Completed()))
    yard.put("quick", ordering_key="k")
    second = yard.put("quick", ordering_key="k")

    assert not at_once(yard).perform(second, "quick")

    assert yard.row(second).status is Status.PENDING


def test_a_job_that_takes_longer_than_it_said_is_not_waited_for() -> None:
    gate = threading.Event()

    def held(_: Job, __: JobContext) -> Verdict:
        assert gate.wait(10)
        return Completed()

    yard = made(quick=quick(held))
    job_id = yard.put("quick")

    assert not at_once(yard, longest_s=0.01).perform(job_id, "quick")

    assert yard.row(job_id).status is Status.PROCESSING
    gate.set()
    wait_for_threads()
    assert yard.row(job_id).status is Status.COMPLETED


def test_s1_a_cancel_while_it_is_done_is_seen_and_its_result_discarded() -> None:
    seen: list[tuple[bool, bool]] = []

    def cancelled_meanwhile(job: Job, context: JobContext) -> Verdict:
        yard.jobs.cancel(job.id)
        seen.append((context.renew(), context.cancelled()))
        return Completed(result={"x": 1})

    yard = made(quick=quick(cancelled_meanwhile))
    job_id = yard.put("quick")

    assert at_once(yard).perform(job_id, "quick")

    assert seen == [(True, True)]
    assert (yard.row(job_id).status, yard.row(job_id).result) == (Status.CANCELLED, None)


def test_what_cannot_be_settled_is_told_and_left_to_its_lease() -> None:
    yard = made(quick=quick(lambda *_: Completed()))
    job_id = yard.put("quick")

    def broken(*_: object) -> Any:
        raise RuntimeError(CANARY)

    yard.jobs.settle = broken  # type: ignore[assignment]  # a store that breaks

    assert not at_once(yard).perform(job_id, "quick")

    assert yard.row(job_id).status is Status.PROCESSING
    [told] = [line for line in yard.run.log.lines if "job.unsettled" in line]
    assert CANARY not in str(told)
