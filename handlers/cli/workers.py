"""Running workers: `ebay`, `tokens`, `tick`, `workers`."""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from core.errors import ConfigurationError, StoreUnavailableError
from core.report import RunReport, Trigger, instant
from core.runs.model import WorkerState
from handlers import wiring
from handlers.answers import (
    EX_CONFIG,
    EX_NOPERM,
    EX_SOFTWARE,
    EX_TEMPFAIL,
    EX_UNAVAILABLE,
    exit_code,
)
from handlers.cli.arguments import ALIASES, deadline, since, worker_named
from handlers.cli.progress import Progress
from handlers.cli.ready import announce, opened
from handlers.cli.text import PROGRAM, as_typed, moment, report_text, span, table
from handlers.invoke import Call, run_once
from handlers.opening import STOP
from handlers.parameters import Parameters, names

WORST_FIRST = (EX_SOFTWARE, EX_CONFIG, EX_UNAVAILABLE, EX_NOPERM, 1, EX_TEMPFAIL)
ABOUT = {
    "ebay-cycle": "read once what is due of every account",
    "token-refresh": "refresh once the access tokens that are due, and warn of consents that end",
    "queue-drain": "do once the jobs that are due; several calls at once share them",
}
OPTIONS = {
    "ebay-cycle": ("account", "stream", "take_over"),
    "token-refresh": ("account", "take_over"),
    "queue-drain": ("queue", "kind"),
}
"""What each may be asked beside what all are; the words are of `Parameters`."""


def register(commands: Any) -> None:
    for worker in wiring.WORKERS:
        alias = ALIASES.get(worker, worker)
        run = commands.add_parser(
            alias,
            aliases=[worker] if alias != worker else [],
            help=ABOUT.get(worker, f"run {worker} once"),
            description=ABOUT.get(worker),
        )
        _run_options(run, OPTIONS[worker])
        run.set_defaults(run=_run, worker=worker)
    tick = commands.add_parser("tick", help="run every worker that is due, one after the other")
    tick.add_argument("--json", action="store_true", help="one JSON object on stdout")
    tick.add_argument("--ok-if-running", action="store_true")
    tick.add_argument("--deadline", type=deadline, metavar="20s")
    tick.set_defaults(run=_tick)
    _register_workers(commands)


def _register_workers(commands: Any) -> None:
    workers = commands.add_parser("workers", help="list, pause and resume workers")
    actions = workers.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="each worker, its interval and its last run")
    listing.add_argument("--json", action="store_true", help="one JSON object on stdout")
    listing.set_defaults(run=_list)
    for action, enabled, what in (
        ("pause", False, "no run starts any more, and one that is at it stops at its next page"),
        ("resume", True, "runs may start again, also after ten failures in a row"),
    ):
        switch = actions.add_parser(action, help=what, description=what)
        which = switch.add_mutually_exclusive_group(required=True)
        which.add_argument("name", nargs="?", metavar="NAME", help="as `workers list` shows it")
        which.add_argument("--all", action="store_true", help="the switch over all of them")
        switch.set_defaults(run=_switch, enabled=enabled)


def _run_options(run: argparse.ArgumentParser, own: Sequence[str]) -> None:
    run.set_defaults(account=[], stream=[], since=None, queue=[], kind=[], take_over=False)
    if "stream" in own:
        _stream_options(run)
    for which in ("account", "queue", "kind"):
        if which in own:
            _names(run, which)
    if "take_over" in own:
        run.add_argument("--take-over", action="store_true", help="revoke the run that is at it")
    _common_options(run)


def _stream_options(run: argparse.ArgumentParser) -> None:
    _names(run, "stream", "; offers: both kinds")
    run.add_argument(
        "--since", type=since, metavar="2026-11-01|7d",
        help="read from here to the cursor again; the cursor stays",
    )  # fmt: skip


def _names(run: argparse.ArgumentParser, which: str, words: str = "") -> None:
    run.add_argument(
        f"--{which}", action="append", default=[], metavar="NAME",
        help=f"this {which} now, due or not; may be given more than once{words}",
    )  # fmt: skip


def _common_options(run: argparse.ArgumentParser) -> None:
    run.add_argument("--deadline", type=deadline, metavar="20s", help="start nothing after it")
    run.add_argument("--dry-run", action="store_true", help="look, and keep nothing of it")
    run.add_argument("--ok-if-running", action="store_true", help="then exit 0 instead of 75")
    run.add_argument("--json", action="store_true", help="one JSON object on stdout")
    run.add_argument("-v", "--verbose", action="store_true", help="a log line for each page")


def _run(options: argparse.Namespace) -> int:
    parameters = Parameters(
        accounts=names("account", options.account),
        streams=names("stream", options.stream),
        since=options.since,
        queues=names("queue", options.queue),
        kinds=names("kind", options.kind),
        deadline_s=options.deadline,
        dry_run=options.dry_run,
        take_over=options.take_over,
    )
    report = _once(options.worker, parameters, verbose=options.verbose)
    if options.json:
        print(json.dumps(report.as_json()))
    else:
        told = report_text(report, dry_run=options.dry_run, stopped=STOP.is_set())
        print(told, file=sys.stderr)
    return exit_code(report, ok_if_running=options.ok_if_running)


def _once(worker: str, parameters: Parameters, *, verbose: bool = False) -> RunReport:
    progress = Progress()
    trigger = Trigger(via="cli")
    call = Call(worker=worker, trigger=trigger, parameters=parameters, verbose=verbose)
    try:
        return run_once(call, announce=announce, observe=progress.observe)
    finally:
        progress.clear()


def _tick(options: argparse.Namespace) -> int:
    """Workers whose interval is over since their last run began, one after the other."""
    reports = [_once(name, Parameters(deadline_s=options.deadline)) for name in _due()]
    if options.json:
        print(json.dumps({"runs": [report.as_json() for report in reports]}))
    else:
        lines = [report_text(report, stopped=STOP.is_set()) for report in reports] or [
            "tick: no worker is due"
        ]
        print("\n".join(lines), file=sys.stderr)
    return worst(reports, ok_if_running=options.ok_if_running)


def worst(reports: Sequence[RunReport], *, ok_if_running: bool) -> int:
    """Which exit code speaks for them all; "already running" must not hide a failure."""
    codes = {exit_code(report, ok_if_running=ok_if_running) for report in reports}
    return next((code for code in WORST_FIRST if code in codes), 0)


def _due() -> Sequence[str]:
    """Paused ones too: they say so. All where nobody can tell: each says what is wrong."""
    try:
        with opened() as ready:
            states = wiring.worker_states(ready)
    except (ConfigurationError, StoreUnavailableError):
        return list(wiring.WORKERS)
    # A newer release, which migrates first, may have brought workers that we do not know.
    return [row.worker for row in states if row.due and row.worker in wiring.WORKERS]


def _list(options: argparse.Namespace) -> int:
    with opened() as ready:
        states = wiring.worker_states(ready)
    if options.json:
        print(json.dumps({"workers": [_as_json(state) for state in states]}))
        return 0
    head = ("worker", "status", "enabled", "every", "last sign of life", "last outcome")
    rows = [
        (
            state.worker,
            state.status,
            "yes" if state.enabled else "paused",
            span(state.interval),
            moment(state.last_heartbeat_at),
            state.outcome if state.reason is None else f"{state.outcome}: {state.reason}",
        )
        for state in states
    ]
    print(table(head, rows))
    return 0


def _as_json(state: WorkerState) -> dict[str, object]:
    return {
        "worker": state.worker,
        "status": state.status,
        "enabled": state.enabled,
        "interval_s": state.interval.total_seconds(),
        "last_heartbeat_at": instant(state.last_heartbeat_at),
        "outcome": state.outcome,
        "reason": state.reason,
        "finished_at": instant(state.finished_at),
        "due": state.due,
    }


def _switch(options: argparse.Namespace) -> int:
    name = "*" if options.all else worker_named(options.name)
    with opened() as ready:
        wiring.switch_worker(ready, name, enabled=options.enabled)
    what = "all workers" if options.all else name
    undo = "pause" if options.enabled else "resume"
    done = "resumed" if options.enabled else "paused"
    target = "--all" if options.all else name
    print(as_typed(f"{what}: {done}; `{PROGRAM} workers {undo} {target}` undoes it"))
    return 0
