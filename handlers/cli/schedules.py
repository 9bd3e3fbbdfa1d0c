"""Work that the clock brings: `schedules list|show|add|pause|resume|run|next|remove`."""

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from shlex import quote
from typing import Any

from core.errors import UsageError
from core.schedules.control import MOST_SHOWN, ControlSchedules
from core.schedules.model import Definition, Misfire, Schedule, Wanted
from handlers.cli.arguments import at_least, interval
from handlers.cli.ready import opened
from handlers.cli.text import PROGRAM, as_typed, moment, table
from handlers.schedule_views import coming_json, explained, schedule_json, sentence
from handlers.schedules import control_schedules

PRIORITIES = {"low": 1, "normal": 5, "high": 10, "urgent": 20}
STDIN = "-"
EXAMPLE = f"{PROGRAM} schedules add nightly --kind test --cron '0 3 * * *' --zone Europe/Berlin"


def register(commands: Any) -> None:
    what = "jobs that the clock brings: list, add, pause, resume, run and remove schedules"
    schedules = commands.add_parser("schedules", help=what, description=what)
    actions = schedules.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = _action(actions, "list", "what comes when, and what became of the last time", _list)
    listing.add_argument("--kind", help="of this kind of job only")
    listing.add_argument("--limit", type=at_least(1), default=100, metavar="N")
    listing.add_argument("--after", metavar="NAME", help="the ones behind this one")
    _named(_action(actions, "show", "one schedule, with its payload", _show))
    _register_add(actions)
    _named(_action(actions, "pause", "never due; jobs that it made go on", _switch, enabled=False))
    resume = "from now on; what would have come while it was paused is not made up for"
    _named(_action(actions, "resume", resume, _switch, enabled=True))
    _named(_action(actions, "run", "a job at once; when it comes next stays", _run))
    _register_next(actions)
    _named(_action(actions, "remove", "gone; jobs that it made stay", _remove))


def _register_add(actions: Any) -> None:
    add = _action(actions, "add", "a job of this kind whenever the expression says", _add)
    _named(add)
    add.add_argument("--kind", required=True, help="of job: test, http_request, notify.telegram")
    add.add_argument(
        "--cron", required=True, metavar="'0 9 * * MON-FRI'",
        help="minute hour day month weekday, or @hourly, @daily, @weekly, @monthly, @yearly",
    )  # fmt: skip
    add.add_argument("--zone", default="UTC", metavar="Europe/Berlin", help="UTC unless given")
    payload = add.add_mutually_exclusive_group()
    payload.add_argument("--payload", metavar="JSON", help="what its jobs are given")
    payload.add_argument("--payload-file", metavar="FILE", help=f"the same; {STDIN} is stdin")
    add.add_argument("--queue", help="its kind's own unless given")
    add.add_argument("--key", metavar="KEY", help="jobs of one ordering key run one by one")
    add.add_argument("--priority", choices=PRIORITIES, default="normal")
    _register_policies(add)
    add.add_argument("--paused", action="store_const", const=False, dest="enabled", default=None)
    add.add_argument("--replace", action="store_true", help="change the one of this name")


def _register_policies(add: argparse.ArgumentParser) -> None:
    add.add_argument(
        "--misfire", choices=[each.value for each in Misfire], default=Misfire.COALESCE.value,
        help="of instants that were missed: one job for all, none, or one for each",
    )  # fmt: skip
    add.add_argument("--catch-up", type=at_least(1), metavar="N", help="one for each, N at most")
    add.add_argument(
        "--grace", type=interval, default=timedelta(minutes=5), metavar="5m",
        help="with skip: how late one may be",
    )  # fmt: skip
    add.add_argument(
        "--no-overlap", action="store_false", dest="overlap",
        help="none while the job before has not ended",
    )  # fmt: skip


def _register_next(actions: Any) -> None:
    coming = _action(actions, "next", "when one comes next, or an expression would", _next)
    coming.add_argument("name", nargs="?", metavar="NAME")
    coming.add_argument("--cron", metavar="'0 9 * * *'", help="in place of a name")
    coming.add_argument("--zone", default="UTC", metavar="Europe/Berlin")
    coming.add_argument("--count", type=at_least(1), default=5, metavar="N", help=f"{MOST_SHOWN}")


def _action(
    actions: Any, name: str, what: str, run: Any, **values: object
) -> argparse.ArgumentParser:
    action: argparse.ArgumentParser = actions.add_parser(name, help=what, description=what)
    action.add_argument("--json", action="store_true", help="one JSON object on stdout")
    action.set_defaults(run=run, **values)
    return action


def _named(action: argparse.ArgumentParser) -> None:
    action.add_argument("name", metavar="NAME")


@contextmanager
def _control() -> Iterator[ControlSchedules]:
    with opened() as ready:
        yield control_schedules(ready)


def _list(options: argparse.Namespace) -> int:
    wanted = Wanted(kind=options.kind, after=options.after, limit=options.limit)
    with _control() as control:
        page = control.list(wanted)
        told = [schedule_json(each, control.queue_of(each), whole=False) for each in page.schedules]
    if options.json:
        print(json.dumps({"schedules": told, "total": page.total, "after": page.after}))
    elif page.schedules:
        print(as_typed("\n".join(_listed(page.schedules))))
        if page.after is not None:
            print(as_typed(f"of {page.total}; next: `{_typed('list', '--after', page.after)}`"))
    else:
        print(as_typed(f"there is no schedule here; next: `{EXAMPLE}`"))
    return 0


def _listed(schedules: Any) -> Iterator[str]:
    head = ("name", "kind", "cron", "zone", "next", "last", "outcome")
    yield table(head, [_row(each) for each in schedules])
    told: dict[str, list[str]] = {}
    for each in schedules:
        line = sentence(each)
        if line is not None:
            told.setdefault(line, []).append(each.definition.name)
    yield from (f"{', '.join(names[:5])}: {line}" for line, names in told.items())


def _row(schedule: Schedule) -> tuple[object, ...]:
    wanted = schedule.definition
    outcome = schedule.last_outcome or ""
    reason = "" if schedule.last_reason is None else f": {schedule.last_reason}"
    return (
        wanted.name,
        wanted.kind,
        wanted.cron,
        wanted.zone,
        "paused" if schedule.next_fire_at is None else moment(schedule.next_fire_at),
        moment(schedule.last_fire_at),
        f"{outcome}{reason}",
    )


def _show(options: argparse.Namespace) -> int:
    with _control() as control:
        schedule = control.one(options.name)
        told = schedule_json(schedule, control.queue_of(schedule), whole=True)
    if options.json:
        print(json.dumps(told))
        return 0
    shown = {name: value for name, value in told.items() if value is not None}
    print(table(("field", "value"), [(name, _text(value)) for name, value in shown.items()]))
    print(as_typed(f"next: `{_typed('next', options.name)}`, `{_typed('run', options.name)}`"))
    return 0


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _add(options: argparse.Namespace) -> int:
    definition = Definition(
        name=options.name,
        kind=options.kind,
        cron=options.cron,
        zone=options.zone,
        queue=options.queue,
        payload=_payload(options),
        ordering_key=options.key,
        priority=PRIORITIES[options.priority],
        misfire=Misfire.CATCH_UP if options.catch_up else Misfire(options.misfire),
        catch_up=options.catch_up,
        grace=options.grace,
        overlap=options.overlap,
    )
    with _control() as control:
        saved = control.add(definition, enabled=options.enabled, replaces=options.replace)
        told = schedule_json(saved.schedule, control.queue_of(saved.schedule), whole=True)
    if options.json:
        print(json.dumps({"changed": saved.changed, "schedule": told}))
    else:
        print(as_typed(_saved(saved.schedule, "" if saved.changed else "was so already; ")))
    return 0


def _payload(options: argparse.Namespace) -> dict[str, object]:
    """Raises UsageError, without a word of what stands there."""
    text = options.payload
    if options.payload_file is not None:
        text = _read(options.payload_file)
    try:
        payload = {} if text is None else json.loads(text)
    except (ValueError, RecursionError):
        payload = None
    if not isinstance(payload, dict):
        raise UsageError('the payload is no JSON object; it looks like \'{"text": "hello"}\'')
    return payload


def _read(path: str) -> str:
    try:
        return sys.stdin.read() if path == STDIN else Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{path} is no text in UTF-8") from error


def _saved(schedule: Schedule, how: str) -> str:
    wanted = schedule.definition
    name = wanted.name
    if schedule.next_fire_at is None:
        return f"{name}: {how}paused; next: `{_typed('resume', name)}`"
    when = f"{explained(wanted.cron)} ({wanted.zone}), next {moment(schedule.next_fire_at)}"
    return (
        f"{name}: {how}{when}; `{PROGRAM} queue` enqueues and does what is due,"
        f" `{_typed('run', name)}` does not wait for it"
    )


def _switch(options: argparse.Namespace) -> int:
    with _control() as control:
        saved = control.switch(options.name, enabled=options.enabled)
        told = schedule_json(saved.schedule, control.queue_of(saved.schedule), whole=True)
    if options.json:
        print(json.dumps({"changed": saved.changed, "schedule": told}))
        return 0
    print(as_typed(_saved(saved.schedule, "" if saved.changed else "was so already; ")))
    return 0


def _run(options: argparse.Namespace) -> int:
    with _control() as control:
        job = control.run(options.name)
    if options.json:
        print(json.dumps({"job_id": str(job)}))
    else:
        print(as_typed(f"job {job}; next: `{PROGRAM} queue`, then `{PROGRAM} jobs show {job}`"))
    return 0


def _next(options: argparse.Namespace) -> int:
    if (options.name is None) == (options.cron is None):
        raise UsageError("name a schedule, or give an expression with --cron")
    with _control() as control:
        if options.cron is not None:
            cron, zone = options.cron, options.zone
            instants = control.preview(cron, zone, options.count)
        else:
            wanted = control.one(options.name).definition
            cron, zone = wanted.cron, wanted.zone
            instants = control.coming(options.name, options.count)
    told = coming_json(instants, zone)
    if options.json:
        print(json.dumps({"cron": cron, "zone": zone, "when": explained(cron), "instants": told}))
        return 0
    print(f"{explained(cron)} ({zone})")
    rows = [(moment(at), each["local"]) for at, each in zip(instants, told, strict=True)]
    print(table(("UTC", zone), rows))
    return 0


def _remove(options: argparse.Namespace) -> int:
    with _control() as control:
        control.remove(options.name)
    if options.json:
        print(json.dumps({"removed": options.name}))
    else:
        print(as_typed(f"{options.name}: removed; next: `{_typed('list')}`"))
    return 0


def _typed(action: str, *words: str) -> str:
    return " ".join([PROGRAM, "schedules", action, *map(quote, words)])
