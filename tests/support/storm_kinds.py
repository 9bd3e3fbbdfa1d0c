"""Kinds of job that kill, freeze, fail and count: given to the real worker, shipped with nothing.

What a job does stands in its payload, so that who looks at it afterwards knows what must have
become of it.
"""

import http.client
import os
import signal
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from core.jobs.kinds import Backoff, Effect, JobContext, JobKind, Perform
from core.jobs.model import (
    Completed,
    Failed,
    Job,
    NewJob,
    Retry,
    Snooze,
    Transaction,
    Verdict,
    Waiting,
)

QUEUE = "storm"
SITE = "STORM_SITE"
"""Of the environment: where requests are counted, `host:port`."""
NEVER = 10_000
"""Attempts that no innocent job uses up, however often its worker dies."""
POISON_ATTEMPTS = 3
QUICK = Backoff(base=0.05, cap=0.4)
STATEMENT = "storm.effect"
STEP_S = 0.1
SOON = timedelta(seconds=0.4)
DONE_OUTSIDE = 200


class BadMoodError(Exception):
    """Nobody foresaw it."""


def tell_site(job: Job, what: str) -> int:
    """One request, without anybody who would send it again; the answer's status."""
    connection = http.client.HTTPConnection(os.environ[SITE], timeout=10)
    try:
        connection.request("POST", f"/{what}/{job.id}/{job.attempt}")
        return connection.getresponse().status
    finally:
        connection.close()


def moody(perform: Perform) -> Perform:
    """Fails first as often as the payload says, one way and the other; or for good."""

    def tried(job: Job, context: JobContext, /) -> Verdict:
        if job.payload.get("refuses"):
            return Failed(code="refused", detail="it would fail again")
        if job.attempt <= number(job, "fails"):
            if job.attempt % 2:
                raise BadMoodError
            return Retry(code="bad_mood", detail="try again")
        return perform(job, context)

    return tried


def count(job: Job, context: JobContext, /) -> Verdict:
    return Completed(result={"n": job.payload.get("n")})


def write(job: Job, context: JobContext, /) -> Verdict:
    return Completed(effect=effect_of(job), then=follow_ups(job))


def freeze(job: Job, context: JobContext, /) -> Verdict:
    """Stops its own process, once, with the lease in its hands; whoever watches wakes it up."""
    if job.attempt == 1:
        os.kill(os.getpid(), signal.SIGSTOP)
    return write(job, context)


def poison(job: Job, context: JobContext, /) -> Verdict:
    tell_site(job, "poison")
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("it should be dead")


def call(job: Job, context: JobContext, /) -> Verdict:
    status = tell_site(job, "call")
    if status != DONE_OUTSIDE:
        return Retry(code="upstream", detail=f"HTTP {status}")
    return Completed()


def call_once(job: Job, context: JobContext, /) -> Verdict:
    tell_site(job, "once")
    return Completed()


def last(job: Job, context: JobContext, /) -> Verdict:
    """Longer than its lease, which it keeps alive."""
    ends = time.monotonic() + float(str(job.payload["seconds"]))
    while time.monotonic() < ends:
        if not context.renew():
            return Retry(code="overtaken", detail="another one has it")
        time.sleep(STEP_S)
    return write(job, context)


def snooze(job: Job, context: JobContext, /) -> Verdict:
    if job.phase is None:
        return Snooze(until=context.clock.now() + SOON, reason="not yet", phase="snoozed")
    return write(job, context)


def wait(job: Job, context: JobContext, /) -> Verdict:
    if job.phase is None:
        return Waiting(name="never", until=context.clock.now() + SOON, phase="waited")
    return write(job, context)


def number(job: Job, name: str) -> int:
    return int(str(job.payload.get(name, 0)))


def effect_of(job: Job) -> Any:
    def effect(transaction: Transaction) -> None:
        transaction.execute(STATEMENT, job_id=job.id, fence=job.fence)

    return effect


def follow_ups(job: Job) -> list[NewJob]:
    """To somebody else's key, as two handlers do that notify each other's chats."""
    key = job.payload.get("then")
    if key is None:
        return []
    return [NewJob(kind="storm.count", ordering_key=str(key), payload={"origin": str(job.id)})]


def anything(payload: Mapping[str, object], /) -> None:
    pass


def kind(
    name: str, effect: Effect, perform: Perform, *, batch: int = 20, max_attempts: int = NEVER
) -> JobKind:
    return JobKind(
        name=f"storm.{name}",
        queue=QUEUE,
        effect=effect,
        check=anything,
        perform=moody(perform),
        max_attempts=max_attempts,
        backoff=QUICK,
        batch=batch,
    )


KINDS: Mapping[str, JobKind] = {
    each.name: each
    for each in (
        kind("count", Effect.NONE, count),
        kind("write", Effect.DATABASE, write),
        kind("freeze", Effect.DATABASE, freeze),
        kind("last", Effect.DATABASE, last),
        kind("snooze", Effect.DATABASE, snooze),
        kind("wait", Effect.DATABASE, wait),
        kind("call", Effect.OUTSIDE, call, batch=1),
        kind("once", Effect.OUTSIDE, call_once, batch=1, max_attempts=1),
        kind("poison", Effect.NONE, poison, max_attempts=POISON_ATTEMPTS),
    )
}
WRITES = frozenset(name for name, each in KINDS.items() if each.effect is Effect.DATABASE)
