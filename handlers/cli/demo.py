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
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from core.errors import UpstreamUnavailableError
from core.report import RunReport, Trigger
from core.secret import Secret
from handlers import opening, selling, wiring
from handlers.cli.progress import Progress
from handlers.cli.ready import announce
from handlers.cli.text import PROGRAM, as_typed, moment, report_text, table
from handlers.cli.workers import worst
from handlers.invoke import Call, run_once
from handlers.parameters import Parameters
from infra.settings import Settings

FOLDER = Path(".cronshot/demo")
ACCOUNTS, ORDERS, SEED = 2, 3000, 7
# So that the first `--live` finds something.
HEAD_START = timedelta(minutes=30)
YOUNG = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class EBay:
    """The simulator in a process of its own."""

    url: str
    tokens: dict[str, Secret]


def register(commands: Any) -> None:
    demo = commands.add_parser(
        "demo", help="see it work: two simulated sellers, a database of its own"
    )
    demo.add_argument(
        "--live",
        action="store_true",
        help="let the sellers go on: orders, money, messages, returns, offers, prices",
    )
    demo.add_argument("--json", action="store_true")
    demo.set_defaults(run=_demo)


def _demo(options: argparse.Namespace) -> int:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with _alone() as alone, _ebay(live=options.live) as ebay:
        settings = _settings(ebay)
        _connect_sellers(settings, ebay)
        reports = [_run(settings, Parameters(take_over=alone))]
        if options.live:
            # What has changed may not be due for minutes.
            reports.append(_run(settings, Parameters(accounts=tuple(ebay.tokens))))
        stored = _stored(settings)
    if options.json:
        told = {"run": reports[-1].as_json(), "runs": [each.as_json() for each in reports]}
        print(json.dumps(told | {"stored": stored}, default=str))
    else:
        _tell(reports, stored)
    return worst(reports, ok_if_running=False)


def _settings(ebay: EBay) -> Settings:
    """None of the environment's and of `.env`: a demonstration must not touch real data."""
    return Settings.model_construct(
        cronshot_home=FOLDER, run_ddl_on_startup=True, ebay_simulator_api_url=ebay.url
    )


@contextmanager
def _ebay(*, live: bool) -> Iterator[EBay]:
    """The same sellers each time; what they did since is done again, and with `live` goes on."""
    began, until = _times(live=live)
    command = [sys.executable, "-m", "infra.simulator.main", "--port", "0", "--ends-with-stdin"]
    command += ["--accounts", str(ACCOUNTS), "--orders", str(ORDERS), "--seed", str(SEED)]
    command += ["--now", began, "--aged-until", until, "--signatures"]
    with subprocess.Popen(  # noqa: S603  (our own interpreter)
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # Ctrl-C is for the run, which goes on to the end of its page.
        process_group=0,
    ) as simulator:
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


def _times(*, live: bool) -> tuple[str, str]:
    """When the sellers' history ends, and until when they went on selling; only forwards."""
    now = opening.WallClock().now()
    began, until = FOLDER / "history-ends-at", FOLDER / "sold-until"
    if not began.exists():
        _remember(began, now - HEAD_START)
    if live:
        # Nobody reads what is younger, for it may still move.
        _remember(until, now - YOUNG)
    if not until.exists():
        until = began
    return began.read_text().strip(), until.read_text().strip()


def _remember(path: Path, at: datetime) -> None:
    draft = path.with_suffix(".new")
    draft.write_text(at.isoformat())
    draft.replace(path)


def _connect_sellers(settings: Settings, ebay: EBay) -> None:
    log = opening.log_for(settings)
    with (
        opening.opened(settings, log) as ready,
        selling.manage_accounts(ready) as manage,
    ):
        known = {account.name for account in selling.account_store(ready).list()}
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


def _run(settings: Settings, parameters: Parameters) -> RunReport:
    progress = Progress()
    call = Call(worker=selling.EBAY_CYCLE, trigger=Trigger(via="cli"), parameters=parameters)
    try:
        return run_once(call, settings=settings, announce=announce, observe=progress.observe)
    finally:
        progress.clear()


def _stored(settings: Settings) -> Sequence[dict[str, Any]]:
    with opening.opened(settings, opening.log_for(settings)) as ready:
        return wiring.run_history(ready).stored()


def _tell(reports: Sequence[RunReport], stored: Sequence[dict[str, Any]]) -> None:
    print(
        "\n".join(report_text(report, stopped=opening.STOP.is_set()) for report in reports),
        file=sys.stderr,
    )
    written: Counter[tuple[str, str]] = Counter()
    for unit in (unit for report in reports for unit in report.units):
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
    print(f"\nThe data are in {FOLDER}/ (PostgreSQL, made by the demo). Try next:")
    print("  make demo                 again: nothing is due or nothing is new, 0 written")
    print("  make demo ARGS=--live     the sellers go on, minute by minute, in every stream")
    # Whatever is set elsewhere: these must not reach the database that somebody works with.
    own = f"DATABASE_URL= COMPAT_ENV= CRONSHOT_ENV_FILE= CRONSHOT_HOME={FOLDER} {PROGRAM}"
    print(as_typed(f"  {own} psql -c 'TABLE ebay.order_lines LIMIT 5'"))
    print(as_typed(f"  {own} runs"))
