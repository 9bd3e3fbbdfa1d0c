"""`demo`: two sellers' orders and money from a simulated eBay into a database of its own."""

import argparse
import fcntl
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import UpstreamUnavailableError
from core.report import RunReport, Trigger
from core.secret import Secret
from handlers import wiring
from handlers.answers import exit_code
from handlers.cli.progress import Progress
from handlers.cli.ready import announce
from handlers.cli.text import moment, report_text, table
from handlers.invoke import Call, run_once
from handlers.parameters import Parameters
from infra.settings import Settings

FOLDER = Path(".cronshot/demo")
ACCOUNTS, ORDERS, SEED = 2, 3000, 7


@dataclass(frozen=True, slots=True)
class EBay:
    """The simulator in a process of its own."""

    url: str
    tokens: dict[str, Secret]


def register(commands: Any) -> None:
    demo = commands.add_parser(
        "demo", help="see it work: two simulated sellers, a database of its own"
    )
    demo.add_argument("--live", action="store_true", help="let the sellers' orders change")
    demo.add_argument("--json", action="store_true")
    demo.set_defaults(run=_demo)


def _demo(options: argparse.Namespace) -> int:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with _alone() as alone, _ebay(live=options.live) as ebay:
        settings = _settings(ebay)
        _connect_sellers(settings, ebay)
        report = _run(settings, take_over=alone)
        stored = _stored(settings)
    if options.json:
        print(json.dumps({"run": report.as_json(), "stored": stored}, default=str))
    else:
        _tell(report, stored)
    return exit_code(report)


def _settings(ebay: EBay) -> Settings:
    """None of the environment's and of `.env`: a demonstration must not touch real data."""
    return Settings.model_construct(
        cronshot_home=FOLDER, run_ddl_on_startup=True, ebay_simulator_api_url=ebay.url
    )


@contextmanager
def _ebay(*, live: bool) -> Iterator[EBay]:
    """The same sellers each time: history ends when the demonstration was first run."""
    command = [sys.executable, "-m", "infra.simulator.main", "--port", "0"]
    command += ["--accounts", str(ACCOUNTS), "--orders", str(ORDERS), "--seed", str(SEED)]
    command += ["--now", _beginning()] + (["--live"] if live else [])
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as simulator:  # noqa: S603  (our own interpreter)
        try:
            assert simulator.stdout is not None
            line = simulator.stdout.readline()
            if not line:
                raise UpstreamUnavailableError("the simulator did not start; see above")
            told = json.loads(line)
            tokens = {each["name"]: Secret(each["refresh_token"]) for each in told["accounts"]}
            yield EBay(told["api_url"], tokens)
        finally:
            simulator.terminate()


def _beginning() -> str:
    path = FOLDER / "history-ends-at"
    if not path.exists():
        draft = path.with_suffix(".new")
        draft.write_text(wiring.WallClock().now().isoformat())
        draft.replace(path)
    return path.read_text().strip()


def _connect_sellers(settings: Settings, ebay: EBay) -> None:
    log = wiring.log_for(settings)
    with (
        wiring.opened(settings, log) as ready,
        wiring.manage_accounts(ready) as manage,
    ):
        known = {account.name for account in wiring.account_store(ready).list()}
        for name, token in ebay.tokens.items():
            if name not in known:
                manage.add(name, "simulator", token, marketplace_ids=(), replace=False)


@contextmanager
def _alone() -> Iterator[bool]:
    """Whether no other demonstration lives: a lease that is held is then a killed one's.

    The lock ends with its process, so a killed demonstration goes on without waiting for its lease.
    """
    with (FOLDER / "running").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _run(settings: Settings, *, take_over: bool) -> RunReport:
    progress = Progress()
    call = Call(
        worker=wiring.EBAY_CYCLE,
        trigger=Trigger(via="cli"),
        parameters=Parameters(take_over=take_over),
    )
    try:
        return run_once(call, settings=settings, announce=announce, observe=progress.observe)
    finally:
        progress.clear()


def _stored(settings: Settings) -> Sequence[dict[str, Any]]:
    with wiring.opened(settings, wiring.log_for(settings)) as ready:
        return wiring.run_history(ready).stored()


def _tell(report: RunReport, stored: Sequence[dict[str, Any]]) -> None:
    print(report_text(report), file=sys.stderr)
    written: Counter[tuple[str, str]] = Counter()
    for unit in report.units:
        written[unit.account, unit.stream] += unit.written
    rows = [
        (
            each["account"],
            each["stream"],
            each["rows"],
            written[each["account"], each["stream"]],
            moment(each["cursor_at"]),
            moment(each["due_at"]),
        )
        for each in stored
    ]
    print()
    print(table(("account", "stream", "rows", "written now", "complete until", "due again"), rows))
    home = f"CRONSHOT_HOME={FOLDER}"
    print(f"\nThe data are in {FOLDER}/ (PostgreSQL, made by the demo). Try next:")
    print("  make demo                 again: nothing is due or nothing is new, 0 written")
    print("  make demo ARGS=--live     the sellers go on selling")
    print(f"  {home} .venv/bin/python -m core.run psql -c 'TABLE ebay.order_lines LIMIT 5'")
    print(f"  {home} .venv/bin/python -m core.run runs")
