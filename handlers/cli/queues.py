"""Queues of jobs: `queues list|pause|resume`."""

import argparse
import json
from shlex import quote
from typing import Any

from core.errors import UsageError
from core.jobs.control import COUNTED, QueueView
from handlers import firing, job_desk
from handlers.cli.ready import opened
from handlers.cli.text import PROGRAM, as_typed, moment, table
from handlers.job_views import queue_json, state_of


def register(commands: Any) -> None:
    what = "list, pause and resume the queues of jobs"
    queues = commands.add_parser("queues", help=what, description=what)
    actions = queues.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="each queue: whether it is open, and what is in it")
    listing.add_argument("--json", action="store_true", help="one JSON object on stdout")
    listing.set_defaults(run=_list)
    for action, enabled, what in (
        ("pause", False, "nothing of it is begun any more; what is at work ends"),
        ("resume", True, "its jobs may begin again, also after ten failures in a row"),
    ):
        switch = actions.add_parser(action, help=what, description=what)
        switch.add_argument("queue", metavar="QUEUE", help="as `queues list` shows it")
        switch.add_argument("--key", metavar="KEY", help="of this ordering key only")
        switch.add_argument("--json", action="store_true", help="one JSON object on stdout")
        switch.set_defaults(run=_switch, enabled=enabled)


def _list(options: argparse.Namespace) -> int:
    with opened() as ready:
        found = job_desk.reader(ready).queues()
        schedules, comes_at = firing.coming(ready)
    if options.json:
        print(json.dumps({"queues": [queue_json(each) for each in found]}))
        return 0
    if not found:
        print(as_typed(f"no queue has jobs; `{PROGRAM} jobs enqueue test '{{}}'` makes one"))
        return 0
    head = ("queue", "state", "due", "later", "processing", "waiting", "dead", "oldest due")
    print(table(head, [_row(each) for each in found]))
    print(*(as_typed(line) for line in map(_told, found) if line), sep="\n", end="")
    if schedules:
        more = f"`{PROGRAM} schedules list`"
        print(as_typed(f"schedules that are on: {schedules}, next {moment(comes_at)}; {more}"))
    return 0


def _row(queue: QueueView) -> tuple[object, ...]:
    counted = (queue.due, queue.later, queue.processing, queue.waiting, queue.dead)
    oldest = "" if queue.oldest_due_at is None else moment(queue.oldest_due_at)
    return (queue.queue, state_of(queue), *map(_number, counted), oldest)


def _number(counted: int) -> str:
    return f"{COUNTED}+" if counted >= COUNTED else str(counted)


def _told(queue: QueueView) -> str:
    """What to do where it is not well."""
    name = quote(queue.queue)
    resume = f"`{PROGRAM} queues resume {name}`"
    lines = []
    if queue.tripped_at is not None:
        lines.append(
            f"{queue.queue}: stopped itself at {moment(queue.tripped_at)} after ten failures in a"
            f" row; one job is tried at {moment(queue.probe_at)}, or at once after {resume}"
        )
    elif not queue.enabled:
        lines.append(f"{queue.queue}: is paused; {resume}")
    if queue.paused_keys:
        lines.append(f"{queue.queue}: {queue.paused_keys} of its keys are paused")
    if queue.dead:
        lines.append(f"{queue.queue}: see why with `{PROGRAM} jobs dead --queue {name}`")
    return "".join(f"{line}\n" for line in lines)


def _switch(options: argparse.Namespace) -> int:
    with opened() as ready:
        if options.key is not None:
            control = job_desk.control(ready)
            control.pause_key(options.queue, options.key, paused=not options.enabled)
        elif not job_desk.queues(ready).switch(options.queue, enabled=options.enabled):
            raise UsageError(f"there is no queue {options.queue!r}; see `queues list`")
    done = "resumed" if options.enabled else "paused"
    if options.json:
        print(json.dumps({"queue": options.queue, "key": options.key, "enabled": options.enabled}))
        return 0
    undo = "pause" if options.enabled else "resume"
    name = quote(options.queue)
    if options.key is not None:
        name = f"{name} --key {quote(options.key)}"
    print(as_typed(f"{name}: {done}; `{PROGRAM} queues {undo} {name}` undoes it"))
    return 0
