"""Kinds of jobs that do what a test needs, in this process or in one of their own.

python -m tests.support.odd_kinds queue --json
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

from core.jobs.kind_test import TEST
from core.jobs.kinds import Backoff, BadPayloadError, Effect, JobContext, JobKind
from core.jobs.model import Completed, Failed, Job, Retry, Transaction, Verdict, Waiting
from handlers import job_desk
from handlers.cli.main import main

SLOWLY = Backoff(base=60.0, cap=3600.0, spread=0.0)


def _anything(_: Mapping[str, object]) -> None:
    return


def _text(payload: Mapping[str, object]) -> None:
    if not isinstance(payload.get("text"), str):
        raise BadPayloadError("text: must be a text")


def boom(job: Job, _: JobContext) -> Verdict:
    raise ValueError(str(job.payload))


def die(_: Job, __: JobContext) -> Verdict:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def hold(job: Job, context: JobContext) -> Verdict:
    """Says that it has begun, and works until it is told to end or its file is there."""
    folder = Path(str(job.payload["folder"]))
    (folder / f"began-{job.payload.get('n', 0)}").touch()
    while not (folder / "end").exists() and context.deadline.allows(0.01):
        time.sleep(0.02)
    return Completed()


def hang(_: Job, __: JobContext) -> Verdict:
    threading.Event().wait()
    raise AssertionError


def broken_effect(_: Job, __: JobContext) -> Verdict:
    def effect(transaction: Transaction) -> None:
        transaction.execute("jobs_control.line_of", id="no id at all")

    return Completed(effect=effect)


def wait(job: Job, _: JobContext) -> Verdict:
    return Waiting(name="answer", until=job.created_at + timedelta(days=1))


def kind(name: str, perform: object, effect: Effect = Effect.OUTSIDE, **more: object) -> JobKind:
    asked: dict[str, object] = {
        "queue": "odd",
        "check": _anything,
        "batch": 1 if effect is Effect.OUTSIDE else 100,
        "backoff": SLOWLY,
        **more,
    }
    return JobKind(name=name, perform=perform, effect=effect, **asked)  # type: ignore[arg-type]  # as the fields are


@dataclass
class Seen:
    """Jobs that were performed, and a gate that holds them while it is closed."""

    jobs: list[Job] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)
    gate: threading.Event = field(default_factory=threading.Event)

    def __call__(self, job: Job, _: JobContext) -> Verdict:
        self.jobs.append(job)
        self.arrived.set()
        assert self.gate.wait(60)
        return Completed(result={"by": "the first"})


KINDS = (
    TEST,
    kind("boom", boom),
    kind("boom-once", boom, max_attempts=1),
    kind("die", die, max_attempts=3),
    kind("hang", hang, longest=timedelta(seconds=0.1)),
    kind("hold", hold, queue="hold"),
    kind("broken-effect", broken_effect, Effect.DATABASE),
    kind("nothing", lambda _, __: None),
    kind("nan", lambda _, __: Completed(result={"n": float("nan")})),
    kind("refused", lambda _, __: Failed(code="404", detail="gone")),
    kind("away", lambda _, __: Retry(code="503", detail="away")),
    kind("wait", wait),
    kind("strict", lambda _, __: Completed(), Effect.NONE, check=_text),
)


@contextmanager
def odd_kinds(*more: JobKind) -> Iterator[None]:
    """In this process, for as long as this is open."""
    named = {each.name: each for each in (*KINDS, *more)}
    with patch.object(job_desk, "job_kinds", lambda *_: named):
        yield


if __name__ == "__main__":
    with odd_kinds():
        sys.exit(main(sys.argv[1:]))
