"""The product's queue, as a program uses it: jobs of kind `test`, and one run of `queue-drain`."""

import sys

from core.jobs.model import NewJob
from core.report import Trigger
from handlers import job_desk, opening
from handlers.queue_drain import run_once
from tests.benchmarks.children.stopwatch import told

AT_ONCE = 1000


def enqueue(count: int, keys: int) -> None:
    """`keys`: shared by so many ordering keys in turn; 0: without any."""
    settings = opening.load_settings()
    with opening.opened(settings, opening.log_for(settings)) as ready:
        store = job_desk.store(ready)
        for first in range(0, count, AT_ONCE):
            numbers = range(first, min(first + AT_ONCE, count))
            store.enqueue(
                [
                    NewJob(
                        kind="test",
                        payload={"n": number},
                        ordering_key=f"key-{number % keys}" if keys else None,
                    )
                    for number in numbers
                ]
            )


def drain() -> None:
    report = run_once(Trigger(via="cli"))
    assert report.outcome == "done", report


def main(what: str, count: str = "0", keys: str = "0") -> None:
    with told():
        if what == "enqueue":
            enqueue(int(count), int(keys))
        else:
            drain()


if __name__ == "__main__":
    main(*sys.argv[1:])
