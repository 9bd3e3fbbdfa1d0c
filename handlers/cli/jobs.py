"""Jobs: `jobs list|show|enqueue|run|retry|cancel|dead|discard`."""

import argparse
import json
from shlex import quote
from typing import Any

from core.errors import UsageError
from core.jobs.control import DeadFilter, DeadGroup, JobFilter
from core.jobs.model import NewJob, Status
from core.jobs.ports import JobView
from handlers import job_desk
from handlers.cli.arguments import at_least
from handlers.cli.ready import opened
from handlers.cli.text import PROGRAM, as_typed, moment, shown, table
from handlers.job_asks import ago, read_at, read_mark, read_payload, read_priority
from handlers.job_views import event_json, group_json, job_json, mark_text, whole_job_json
from handlers.opening import WallClock

QUEUE = f"`{PROGRAM} queue`"


def register(commands: Any) -> None:
    what = "list, show, enqueue, retry and cancel jobs"
    jobs = commands.add_parser("jobs", help=what, description=what)
    actions = jobs.add_subparsers(title="actions", metavar="ACTION", required=True)
    _register_list(_action(actions, "list", "jobs, newest first", _list))
    show = _action(
        actions, "show", "one job: what was asked, what came of it, what happened", _show
    )
    _job(show)
    _register_enqueue(_action(actions, "enqueue", "make a job", _enqueue))
    _job(_action(actions, "run", "put a draft in line, make a delayed job due now", _run))
    _job(
        _action(actions, "cancel", "end a job; one that is at work ends at its next step", _cancel)
    )
    _register_dead(actions)


def _register_list(listing: argparse.ArgumentParser) -> None:
    for which in ("queue", "kind"):
        listing.add_argument(
            f"--{which}", action="append", default=[], metavar="NAME", help=f"of this {which} only"
        )
    listing.add_argument(
        "--status", action="append", default=[], choices=[each.value for each in Status],
        help="only these; may be given more than once",
    )  # fmt: skip
    listing.add_argument("--key", metavar="KEY", help="of this ordering key only")
    listing.add_argument("--code", metavar="CODE", help="with this error code only")
    listing.add_argument("--since", metavar="2026-11-01|7d", help="made since")
    listing.add_argument("--search", metavar="TEXT", help="in kind, key or payload")
    listing.add_argument("--limit", type=at_least(1), default=20, help="at most so many (20)")
    listing.add_argument("--after", metavar="NEXT", help="go on where the last list ended")


def _register_enqueue(enqueue: argparse.ArgumentParser) -> None:
    enqueue.add_argument("kind", metavar="KIND", help="for example test")
    enqueue.add_argument("payload", nargs="?", default="{}", metavar="JSON", help="an object ({})")
    enqueue.add_argument("--queue", metavar="NAME", help="another one than its kind's")
    enqueue.add_argument("--key", metavar="KEY", help="jobs of one key run in order, one at a time")
    enqueue.add_argument("--at", metavar="2026-12-01T08:00:00Z|10m", help="not before")
    enqueue.add_argument("--priority", default="normal", help="low, normal, high or urgent")
    enqueue.add_argument("--max-attempts", type=at_least(1), metavar="N", help="tries in all")
    enqueue.add_argument("--idempotency-key", metavar="KEY", help="made once for ever")
    enqueue.add_argument("--dedupe-key", metavar="KEY", help="made once until it has ended")
    enqueue.add_argument("--draft", action="store_true", help="not before `jobs run`")


def _register_dead(actions: Any) -> None:
    _dead_filter(_action(actions, "dead", "dead jobs by cause, with what to do", _dead))
    retry = _action(actions, "retry", "a new job for a dead or failed one, or for a group", _retry)
    retry.add_argument("id", nargs="?", metavar="JOB", help="by id or its beginning")
    retry.add_argument("--dead", action="store_true", help="all dead ones that the filter finds")
    retry.add_argument("--yes", action="store_true", help="not only count them")
    _dead_filter(retry)
    discard = _action(actions, "discard", "a dead job that needs no retry; it stays dead", _discard)
    _job(discard)
    discard.add_argument("--reason", required=True, metavar="TEXT", help="kept with the job")


def _dead_filter(action: argparse.ArgumentParser) -> None:
    for which in ("queue", "kind", "code"):
        action.add_argument(f"--{which}", metavar="NAME", help=f"with this {which} only")
    action.add_argument("--since", metavar="2026-11-01|7d", help="ended since")


def _action(actions: Any, name: str, what: str, run: Any) -> argparse.ArgumentParser:
    action: argparse.ArgumentParser = actions.add_parser(name, help=what, description=what)
    action.add_argument("--json", action="store_true", help="one JSON object on stdout")
    action.set_defaults(run=run)
    return action


def _job(action: argparse.ArgumentParser) -> None:
    action.add_argument("id", metavar="JOB", help="by id or its beginning")


def _list(options: argparse.Namespace) -> int:
    wanted = JobFilter(
        statuses=[Status(each) for each in options.status],
        queues=options.queue,
        kinds=options.kind,
        ordering_key=options.key,
        error_code=options.code,
        since=ago(options.since, WallClock().now()),
        search=options.search,
    )
    after = read_mark(options.after)
    with opened() as ready:
        page = job_desk.reader(ready).page(wanted, after, options.limit)
    if options.json:
        jobs = [job_json(each) for each in page.jobs]
        print(json.dumps({"jobs": jobs, "total": page.total, "next": mark_text(page.next)}))
        return 0
    head = ("job", "status", "kind", "queue", "key", "run at", "attempts", "error")
    print(table(head, [_row(each) for each in page.jobs]))
    print(f"{len(page.jobs)} of {page.total}")
    if page.next is not None:
        print(as_typed(f"more: `{PROGRAM} jobs list --after {mark_text(page.next)}`"))
    return 0


def _row(job: JobView) -> tuple[object, ...]:
    attempts = f"{job.attempts} of {job.max_attempts}"
    at, key = moment(job.run_at), job.ordering_key
    return (str(job.id)[:8], _status(job), job.kind, job.queue, key, at, attempts, job.error_code)


def _status(job: JobView) -> str:
    return job.status.value if job.phase is None else f"{job.status.value} ({job.phase})"


def _show(options: argparse.Namespace) -> int:
    with opened() as ready:
        reader = job_desk.reader(ready)
        job = reader.find(options.id)
        events = [event_json(each) for each in reader.events(job.id)]
    told = whole_job_json(job, events)
    if options.json:
        print(json.dumps(told))
        return 0
    for name, value in told.items():
        if name != "events" and value is not None:
            print(f"{name:15} {json.dumps(value) if isinstance(value, dict) else shown(value)}")
    if events:
        rows = [(each["at"], each["event"], each["code"], each["detail"]) for each in events]
        print(table(("at", "event", "code", "detail"), rows))
    print(as_typed(_next_step(job)))
    return 0


def _next_step(job: JobView) -> str:
    """What to type next, by where it stands."""
    short = str(job.id)[:8]
    match job.status:
        case Status.DRAFT:
            return f"it waits for `{PROGRAM} jobs run {short}`"
        case Status.PENDING:
            return (
                f"the next {QUEUE} takes it when it is due, `{PROGRAM} jobs cancel {short}` ends it"
            )
        case Status.PROCESSING | Status.WAITING:
            return f"`{PROGRAM} jobs cancel {short}` ends it"
        case Status.FAILED | Status.DEAD:
            return f"`{PROGRAM} jobs retry {short}` tries it again"
        case Status.COMPLETED | Status.CANCELLED:
            return f"it has ended; `{PROGRAM} jobs list` shows the others"


def _enqueue(options: argparse.Namespace) -> int:
    job = NewJob(
        kind=options.kind,
        payload=read_payload(options.payload),
        queue=options.queue,
        ordering_key=options.key,
        priority=read_priority(options.priority),
        run_at=None if options.at is None else read_at(options.at, WallClock().now()),
        max_attempts=options.max_attempts,
        idempotency_key=options.idempotency_key,
        dedupe_key=options.dedupe_key,
        draft=options.draft,
    )
    with opened() as ready:
        [made] = job_desk.store(ready).enqueue([job])
    short = str(made.id)[:8]
    if options.json:
        print(json.dumps({"id": str(made.id), "created": made.created}))
    elif not made.created:
        print(as_typed(f"{made.id} stood there already; `{PROGRAM} jobs show {short}`"))
    else:
        print(as_typed(f"{made.id}; {_following(job, short)}"))
    return 0


def _following(job: NewJob, short: str) -> str:
    if job.draft:
        return f"`{PROGRAM} jobs run {short}` puts it in line"
    return f"{QUEUE} does it" if job.run_at is None else f"{QUEUE} does it at {moment(job.run_at)}"


def _run(options: argparse.Namespace) -> int:
    with opened() as ready:
        job = job_desk.reader(ready).find(options.id)
        status = job_desk.control(ready).run_now(job.id)
    return _told(options, job, status, f"{QUEUE} does it")


def _cancel(options: argparse.Namespace) -> int:
    with opened() as ready:
        job = job_desk.reader(ready).find(options.id)
        status = job_desk.control(ready).cancel(job.id)
    if status is Status.PROCESSING:
        return _told(options, job, status, "it is at work, and ends as cancelled when that is over")
    return _told(options, job, status, f"`{PROGRAM} jobs show {str(job.id)[:8]}`")


def _told(options: argparse.Namespace, job: JobView, status: Status, following: str) -> int:
    if options.json:
        print(json.dumps({"id": str(job.id), "status": status.value}))
    else:
        print(as_typed(f"{job.id}: {status.value}; {following}"))
    return 0


def _wanted_dead(options: argparse.Namespace) -> DeadFilter:
    return DeadFilter(
        queue=options.queue,
        kind=options.kind,
        error_code=options.code,
        since=ago(options.since, WallClock().now()),
    )


def _dead(options: argparse.Namespace) -> int:
    with opened() as ready:
        groups = job_desk.reader(ready).dead(_wanted_dead(options))
    if options.json:
        print(json.dumps({"dead": [group_json(each) for each in groups]}))
        return 0
    if not groups:
        print("no job is dead")
        return 0
    head = ("jobs", "queue", "kind", "error", "newest", "last", "why")
    print(table(head, [_group(each) for each in groups]))
    first = groups[0]
    print(as_typed(f"one: `{PROGRAM} jobs show {str(first.newest)[:8]}`"))
    print(as_typed(f"a group again: `{PROGRAM} jobs retry --dead {_named(first)}`"))
    return 0


def _group(group: DeadGroup) -> tuple[object, ...]:
    newest, why = moment(group.newest_at), (group.detail or "")[:60]
    return (
        group.jobs, group.queue, group.kind, group.error_code, newest, str(group.newest)[:8], why,
    )  # fmt: skip


def _named(group: DeadGroup) -> str:
    names = (("queue", group.queue), ("kind", group.kind), ("code", group.error_code))
    return " ".join(f"--{name} {quote(value)}" for name, value in names)


def _retry(options: argparse.Namespace) -> int:
    if options.dead == (options.id is not None):
        raise UsageError("name one job, or --dead with what to filter by; see `jobs dead`")
    return _retry_group(options) if options.dead else _retry_one(options)


def _retry_one(options: argparse.Namespace) -> int:
    with opened() as ready:
        job = job_desk.reader(ready).find(options.id)
        made = job_desk.control(ready).retry(job.id)
    if options.json:
        print(json.dumps({"id": str(made.id), "created": made.created, "origin": str(job.id)}))
    else:
        how = "tries it again" if made.created else "was made for it before"
        print(as_typed(f"{made.id} {how}; {QUEUE} does it"))
    return 0


def _retry_group(options: argparse.Namespace) -> int:
    """The count first: a mistyped filter may find thousands."""
    wanted = _wanted_dead(options)
    with opened() as ready:
        count = sum(group.jobs for group in job_desk.reader(ready).dead(wanted))
        again = job_desk.control(ready)
        made = job_desk.retry_all(again, wanted, count) if options.yes else 0
    if options.json:
        print(json.dumps({"matching": count, "retried": made}))
    elif options.yes:
        print(as_typed(f"{made} tried again; {QUEUE} does them"))
    else:
        print(as_typed(f"{count} jobs match; nothing was changed, add --yes to try them again"))
    return 0


def _discard(options: argparse.Namespace) -> int:
    with opened() as ready:
        job = job_desk.reader(ready).find(options.id)
        job_desk.control(ready).discard(job.id, options.reason)
    return _told(options, job, job.status, f"it is no more among `{PROGRAM} jobs dead`")
