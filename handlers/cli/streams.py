"""Streams of accounts: `streams list|pause|resume|every|rewind|undo`."""

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from shlex import quote
from typing import Any

from core.errors import UsageError
from core.report import SENTENCES, Reason
from core.streams.control import ALL, ControlStreams
from core.streams.estimate import estimate
from core.streams.model import Overview, RewindPlan, Rewound, StreamState, Switched
from handlers.cli.arguments import interval, since
from handlers.cli.given import read_line
from handlers.cli.ready import opened
from handlers.cli.text import PROGRAM, as_typed, moment, span, table
from handlers.stream_control import control_streams, judge
from handlers.stream_views import judged, listing, plan_json

VIA = "cli"


def register(commands: Any) -> None:
    what = "list, pause, resume and rewind what is read of each account"
    streams = commands.add_parser("streams", help=what, description=what)
    actions = streams.add_subparsers(title="actions", metavar="ACTION", required=True)
    show = _action(actions, "list", "each account's streams: how they are, and what to do", _list)
    _names(show, "account", "of this account only", required=False)
    _names(show, "stream", "of this stream only", required=False)
    pause = "never due; one that is being read stops at its next page"
    _chosen(_action(actions, "pause", pause, _switch, enabled=False))
    _chosen(_action(actions, "resume", "read again, and due now", _switch, enabled=True))
    every = _action(actions, "every", "how often a stream is read; 0 switches it off", _every)
    every.add_argument("interval", type=interval, metavar="10m|0", help="or 90s, 2h, 1d")
    _chosen(every)
    _register_rewind(actions)


def _register_rewind(actions: Any) -> None:
    what = "set a cursor back, so that everything from there on is read again"
    rewind = _action(actions, "rewind", what, _rewind)
    _unit(rewind)
    rewind.add_argument("--to", type=since, required=True, metavar="2026-10-01|7d", help="in UTC")
    rewind.add_argument("--reason", metavar="TEXT", help="kept beside the old cursor")
    rewind.add_argument("--dry-run", action="store_true", help="what it would cost, no more")
    rewind.add_argument("--yes", action="store_true", help="do not ask")
    undo = "put the cursor back to where it stood before it was rewound"
    _unit(_action(actions, "undo", undo, _undo))


def _action(
    actions: Any, name: str, what: str, run: Any, **values: object
) -> argparse.ArgumentParser:
    action: argparse.ArgumentParser = actions.add_parser(name, help=what, description=what)
    action.add_argument("--json", action="store_true", help="one JSON object on stdout")
    action.set_defaults(run=run, **values)
    return action


def _chosen(action: argparse.ArgumentParser) -> None:
    for which in ("account", "stream"):
        _names(action, which, f"this {which}; may be given more than once; {ALL}", required=True)


def _names(action: argparse.ArgumentParser, which: str, what: str, *, required: bool) -> None:
    action.add_argument(
        f"--{which}", action="append", default=None if required else [], metavar="NAME",
        help=what, required=required,
    )  # fmt: skip


def _unit(action: argparse.ArgumentParser) -> None:
    for which in ("account", "stream"):
        action.add_argument(f"--{which}", required=True, metavar="NAME")


@contextmanager
def _control() -> Iterator[ControlStreams]:
    with opened() as ready:
        yield control_streams(ready)


def _list(options: argparse.Namespace) -> int:
    with _control() as control:
        overview = control.list(options.account, options.stream)
    if options.json:
        print(json.dumps({"streams": listing(overview, judge())}))
    elif overview.states:
        print(as_typed(_listed(overview)))
    else:
        print(SENTENCES[Reason.NO_ACCOUNTS])
    return 0


def _listed(overview: Overview) -> str:
    rows: list[tuple[object, ...]] = []
    told: dict[str, list[str]] = {}
    for state, (_, standing) in zip(overview.states, judged(overview, judge()), strict=True):
        progress = "" if standing.percent is None else f"{standing.percent} %"
        rows.append(
            (
                state.account,
                state.stream,
                standing.label,
                moment(state.new.last_success_at),
                moment(state.new.cursor_at) if state.new.cursor_at else "",
                "" if state.new.due_at is None else moment(state.new.due_at),
                progress,
            )
        )
        for line in (standing.sentence, standing.error):
            if line:
                told.setdefault(line, []).append(f"{state.account}/{state.stream}")
    head = ("account", "stream", "state", "last success", "complete until", "due", "progress")
    return "\n".join(
        [table(head, rows), *(f"{_some(units)}: {line}" for line, units in told.items())]
    )


SHOWN = 5


def _some(units: list[str]) -> str:
    more = len(units) - SHOWN
    return ", ".join(units[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _switch(options: argparse.Namespace) -> int:
    with _control() as control:
        switched = control.switch(options.account, options.stream, enabled=options.enabled, via=VIA)
    done, undo = ("resumed", "pause") if options.enabled else ("paused", "resume")
    return _told_switched(options, switched, done, f"streams {undo} {_as_given(options)}")


def _every(options: argparse.Namespace) -> int:
    with _control() as control:
        switched = control.every(options.account, options.stream, options.interval, via=VIA)
    done = f"read every {span(options.interval)}" if options.interval else "switched off"
    return _told_switched(options, switched, done, "streams list")


def _told_switched(
    options: argparse.Namespace, switched: Switched, done: str, following: str
) -> int:
    if options.json:
        units = [{"account": each.account, "stream": each.stream} for each in switched.states]
        print(json.dumps({"changed": switched.changed, "streams": units}))
        return 0
    same = len(switched.states) - switched.changed
    already = f", so already: {same}" if same else ""
    print(as_typed(f"streams {done}: {switched.changed}{already}; next: `{PROGRAM} {following}`"))
    for sentence in sorted(filter(None, (_asleep(each) for each in switched.states))):
        print(as_typed(sentence))
    return 0


def _asleep(state: StreamState) -> str | None:
    """What is switched on and still is not read."""
    if not state.new.enabled or not state.new.interval or state.account_status == "active":
        return None
    return (
        f"{state.account}/{state.stream}: the account is {state.account_status};"
        f" `{PROGRAM} accounts list` says what to do"
    )


def _rewind(options: argparse.Namespace) -> int:
    with _control() as control:
        plan = control.plan(options.account, options.stream, options.to)
        if options.dry_run:
            _show(options, plan, None)
            return 0
        if not options.yes:
            _ask(options, plan)
        plan, rewound = control.rewind(
            options.account, options.stream, plan.to, via=VIA, reason=options.reason
        )
    _show(options, plan, rewound)
    return 0


def _ask(options: argparse.Namespace, plan: RewindPlan) -> None:
    """Raises UsageError unless somebody says yes."""
    if options.json or sys.stdin is None or not sys.stdin.isatty():
        raise UsageError("nothing was changed: add --yes to rewind, or --dry-run to see the cost")
    print(_planned(plan), "Rewind? [y/N] ", sep="\n", end="", file=sys.stderr, flush=True)
    if read_line().strip().lower() not in {"y", "yes"}:
        raise UsageError("nothing was changed")


def _show(options: argparse.Namespace, plan: RewindPlan, rewound: Rewound | None) -> None:
    if options.json:
        changed = rewound is not None and rewound.changed
        print(json.dumps({"plan": plan_json(plan), "changed": changed}))
        return
    print(_planned(plan))
    print(as_typed(_after(options, plan, rewound)))


def _planned(plan: RewindPlan) -> str:
    head = f"{plan.account}/{plan.stream}: from {moment(plan.from_)} back to {moment(plan.to)}"
    return "\n".join([head, *(f"  {line}" for line in estimate(plan))])


def _after(options: argparse.Namespace, plan: RewindPlan, rewound: Rewound | None) -> str:
    unit = f"--account {quote(options.account)} --stream {quote(options.stream)}"
    if rewound is None:
        to = plan.to.isoformat().replace("+00:00", "Z")
        return f"nothing was changed; `{PROGRAM} streams rewind {unit} --to {to} --yes` does it"
    if not rewound.changed:
        return f"it is being read again already, from there or before; `{PROGRAM} streams list`"
    held = "; the run that was at it writes nothing more" if rewound.held else ""
    following = f"`{PROGRAM} ebay` reads it, `{PROGRAM} streams undo {unit}` undoes it"
    asleep = _asleep(rewound.state) or ("" if rewound.state.new.enabled else "it is paused")
    return f"rewound{held}; {asleep or 'it is due now'}; {following}"


def _undo(options: argparse.Namespace) -> int:
    with _control() as control:
        undone = control.undo(options.account, options.stream, via=VIA)
    stands = moment(undone.state.new.cursor_at)
    if options.json:
        print(json.dumps({"changed": undone.changed, "cursor": _cursor(undone)}))
    elif undone.changed:
        told = f"{options.account}/{options.stream}: stands at {stands} again; no row was touched"
        print(as_typed(f"{told}; `{PROGRAM} streams list`"))
    else:
        print(f"{options.account}/{options.stream}: was undone already; stands at {stands}")
    return 0


def _cursor(undone: Rewound) -> object:
    return None if undone.state.new.cursor_at is None else undone.state.new.cursor_at.isoformat()


def _as_given(options: argparse.Namespace) -> str:
    names = [f"--account {quote(each)}" for each in options.account]
    return " ".join([*names, *(f"--stream {quote(each)}" for each in options.stream)])
