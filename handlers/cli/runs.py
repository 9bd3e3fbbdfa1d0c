"""What ran: `runs`, `runs RUN`."""

import argparse
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from core.report import Outcome, instant
from handlers import opening, wiring
from handlers.cli.arguments import at_least, known_worker, since
from handlers.cli.ready import opened
from handlers.cli.text import moment, shown, table, written
from handlers.parameters import Parameters

EVENTS_SHOWN = 200
"""A first reading makes thousands of calls; its units should still be seen."""


def register(commands: Any) -> None:
    runs = commands.add_parser("runs", help="what ran, newest first")
    runs.add_argument("run_id", nargs="?", metavar="RUN", help="one run by id or its beginning")
    runs.add_argument("--worker", type=known_worker, metavar="NAME", help="of this worker only")
    runs.add_argument("--outcome", choices=[each.value for each in Outcome], help="only these")
    runs.add_argument("--since", type=since, metavar="2026-11-01|7d", help="started since")
    runs.add_argument("--limit", type=at_least(1), default=20, help="at most so many (20)")
    runs.add_argument("--json", action="store_true", help="one JSON object on stdout")
    runs.set_defaults(run=_runs)


def _runs(options: argparse.Namespace) -> int:
    with opened() as ready:
        history = wiring.run_history(ready)
        if options.run_id:
            return _show(history.show(options.run_id), as_json=options.json)
        began = Parameters(since=options.since).selection(opening.WallClock().now()).since
        found = history.list(options.worker, options.outcome, began, options.limit)
    if options.json:
        print(json.dumps({"runs": found}, default=_as_json))
        return 0
    head = ("run", "worker", "started", "status", "outcome", "reason", "via", "done")
    rows = [
        (
            str(run["id"])[:8],
            run["worker"],
            moment(run["started_at"]),
            run["status"],
            run["outcome"],
            run["reason"],
            run["via"],
            written(run["counts"]),
        )
        for run in found
    ]
    print(table(head, rows))
    return 0


def _show(run: dict[str, Any], *, as_json: bool) -> int:
    if as_json:
        print(json.dumps(run, default=_as_json))
        return 0
    facts = {name: value for name, value in run.items() if name not in {"units", "events"}}
    for name, value in facts.items():
        if value is not None and value != {}:
            print(f"{name}: {_fact(value)}")
    units = ("account", "stream", "pass", "outcome", "reason", "fetched", "inserted", "updated",
             "unchanged", "quarantined", "pages", "calls", "error")  # fmt: skip
    if run["units"]:
        print(table(units, [[unit[name] for name in units] for unit in run["units"]]))
    show_events(run["events"])
    return 0


def show_events(events: Sequence[Mapping[str, Any]]) -> None:
    for event in events[-EVENTS_SHOWN:]:
        unit = f"{event['account'] or ''}/{event['stream'] or ''}"
        head = f"{moment(event['at'])} {event['level']} {event['event']} {unit}"
        print(f"{head} {_fact(event['facts'])}")
    if len(events) > EVENTS_SHOWN:
        print(f"the last {EVENTS_SHOWN} of {len(events)} pages and calls; --json has them all")


def _fact(value: object) -> str:
    """What a run counted, was asked for or did in a line for people."""
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return " ".join(f"{name}={_fact(each)}" for name, each in value.items() if each != {})
    return shown(value)


def _as_json(value: object) -> str | None:
    """Instants as reports write them."""
    return instant(value) if isinstance(value, datetime) else str(value)
