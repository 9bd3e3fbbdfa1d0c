"""`make bench`: Cronshot, a bare statement and dlt bring the same orders into the same PostgreSQL.

With `--jobs`, Cronshot and other people's queues do the same jobs (`queues`).

In one run, in turn, the order reversed from one repetition to the next, each in a new process and a
new database; medians and ratios at the end.
"""

import argparse
import json
import os
import platform
import signal
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.benchmarks import measure, queues, streams
from tests.benchmarks.contenders import CONTENDERS, Contender, Phase, Place
from tests.benchmarks.ground import Ebay, Ground, prepared
from tests.benchmarks.report import Result, Sample
from tests.benchmarks.trial import folder_in, trial


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    # Otherwise the server and the simulators would outlive us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if options.jobs:
        return queues.main(options.rows or queues.JOBS, options.reps, options.only, options.json)
    if options.stream:
        return streams.main(options.stream, options.rows, options.reps)
    chosen = [each for each in CONTENDERS if _chosen(each, options.only)]
    say(f"preparing {options.size:,} orders, and as many shared by {options.accounts} accounts")
    with prepared(options.size, options.accounts) as ground:
        conditions = _conditions(ground) | {"most_the_simulator_gives": _ceilings(ground)}
        for name, value in conditions.items():
            say(f"  {name}: {value}")
        samples = _measured(ground, chosen, options.reps, options.full_reps)
    result = Result(options.size, samples)
    for phase in dict.fromkeys(sample.phase for sample in samples):
        print(f"\n{result.table(phase)}\n{result.verdicts(phase)}")
    for each in chosen:
        print(f"\n{each.name}: {each.said}", end="")
    print()
    if options.json:
        text = json.dumps({"conditions": conditions} | result.as_json(), indent=2)
        options.json.write_text(text + "\n")
    return 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench ARGS=...")
    parser.add_argument("--reps", type=int, default=3, help="repetitions, for the medians")
    parser.add_argument("--size", type=int, default=50_000, help="orders")
    parser.add_argument("--accounts", type=int, default=4, help="accounts side by side")
    parser.add_argument("--json", type=Path, metavar="FILE", help="everything, for programs")
    parser.add_argument("--only", action="append", default=[], metavar="WORD", help="in its name")
    parser.add_argument(
        "--stream", action="append", default=[], choices=sorted(streams.TRIALS),
        help="measure Cronshot alone on this stream, and nothing else",
    )  # fmt: skip
    parser.add_argument(
        "--jobs", action="store_true", help="measure queues instead, on jobs that do nothing"
    )
    parser.add_argument(
        "--rows", type=int, metavar="N", help="of that stream, about; or so many jobs"
    )
    parser.add_argument(
        "--full-reps", type=int, default=1, help="repetitions that read all of it again as well"
    )
    return parser.parse_args(arguments)


def _chosen(contender: Contender, words: Sequence[str]) -> bool:
    return not words or any(word in contender.name for word in words)


def _conditions(ground: Ground) -> dict[str, Any]:
    libraries = ("dlt", "psycopg2-binary", "pg8000", "sqlalchemy", "httpx")
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, load {os.getloadavg()[0]:.1f}",
        "python": platform.python_version(),
        "postgresql": f"{ground.version()}, its default settings, fsync on, Unix socket",
        "libraries": ", ".join(f"{name} {version(name)}" for name in libraries),
    }


def _ceilings(ground: Ground) -> dict[str, Any]:
    """Orders per second that plain readers get: one reader, and one for each account at once."""
    one = _reading(ground, ground.one)
    several = _reading(ground, ground.several)
    average = one.pop("bytes") // ground.one.orders
    several.pop("bytes")
    return {"one reader": one, "one for each account": several, "bytes of an order": average}


def _reading(ground: Ground, ebay: Ebay) -> dict[str, Any]:
    place = Place(ground, "", ground.folder, datetime.now(UTC))
    folders = [folder_in(ground) for _ in ebay.sellers]

    def read(which: int) -> measure.Usage:
        token = ebay.sellers[which].access_token
        command = measure.python(
            "tests.benchmarks.children.reader", ebay.url, token, place.window(Phase.FULL)
        )
        return measure.run(command, settings={}, folder=folders[which])

    with ThreadPoolExecutor(len(folders)) as threads:
        used = list(threads.map(read, range(len(folders))))
    slowest = max(each.wall_s for each in used)
    return {
        "orders_per_s": round(ebay.orders / slowest),
        "bytes": sum(int(each.output) for each in used),
    }


def _measured(
    ground: Ground, contenders: Sequence[Contender], repetitions: int, full_repetitions: int
) -> list[Sample]:
    samples: list[Sample] = []
    for repetition in range(repetitions):
        again = repetition < full_repetitions
        phases = [phase for phase in Phase if again or phase is not Phase.FULL]
        for contender in contenders if repetition % 2 == 0 else contenders[::-1]:
            for sample in trial(ground, contender, phases, repetition, ground.one.orders):
                took = f"{sample.wall_s:7.2f} s"
                say(f"  {repetition + 1}: {contender.name:24} {sample.phase:24} {took}")
                samples.append(sample)
    return samples


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
