"""Sessions of chats: `sessions list`, `show`, `send`, `answer`, `webhook`."""

import argparse
import json
from collections.abc import Sequence
from shlex import quote
from typing import Any

from core.chat.control import MOST_TASKS, NO, YES
from core.chat.hook import PATH, HookState
from core.chat.naming import read_name
from core.chat.ports import Said, Session, SessionTask
from core.report import instant
from handlers import opening, sessions, telegram_hook
from handlers.cli.arguments import at_least
from handlers.cli.ready import opened
from handlers.cli.text import PROGRAM, as_typed, moment, shown, table
from handlers.session_views import (
    awaits,
    received_json,
    sessions_json,
    task_json,
    whole_session_json,
    whole_task_json,
)

DOOR = "cli"
WORDS = 60
HEAD = ("session", "tasks", "active", "status", "last message", "note")


def register(commands: Any) -> None:
    what = "sessions of chats: what is said, what is done, what waits (docs/sessions.md)"
    actions = commands.add_parser("sessions", help=what, description=what).add_subparsers(
        required=True, metavar="ACTION"
    )
    listing = _action(actions, "list", "sessions, those with the latest messages first", _list)
    listing.add_argument("--limit", type=at_least(1), default=20, help="at most so many (20)")
    listing.add_argument("--after", metavar="NEXT", help="go on where the last list ended")
    show = _action(actions, "show", "one session with its tasks, or one task", _show)
    show.add_argument("name", metavar="SOURCE:CHAT|TASK", help="telegram:42, or a task's id")
    send = _action(actions, "send", "say something, as if it were written in the chat", _send)
    send.add_argument("chat", metavar="SOURCE:CHAT", help="telegram:42, or http:anything")
    send.add_argument("text", metavar="TEXT", help="for example /status")
    send.add_argument("--key", metavar="KEY", help="said once for ever")
    answer = _action(actions, "answer", "approve a plan that waits, or reject it", _answer)
    answer.add_argument("task", metavar="TASK", help="by id or its beginning")
    answer.add_argument("answer", choices=[YES, NO])
    hook = _action(actions, "webhook", "what Telegram says of the bot's webhook", _webhook)
    hook.add_argument("--url", metavar="URL", help=f"register it: https://…{PATH}")


def _action(actions: Any, name: str, what: str, run: Any) -> argparse.ArgumentParser:
    action: argparse.ArgumentParser = actions.add_parser(name, help=what, description=what)
    action.add_argument("--json", action="store_true", help="one JSON object on stdout")
    action.set_defaults(run=run)
    return action


def _list(options: argparse.Namespace) -> int:
    after = None if options.after is None else read_name(options.after)
    with opened() as ready:
        found = sessions.store(ready).sessions(options.limit, after)
    told = sessions_json(found, options.limit)
    if options.json:
        print(json.dumps(told))
        return 0
    print(table(HEAD, [_row(each) for each in found.sessions]))
    print(f"{len(found.sessions)} of {found.total}")
    if told["next"] is not None:
        print(as_typed(f"more: `{PROGRAM} sessions list --after {quote(told['next'])}`"))
    elif found.sessions:
        name = quote(found.sessions[0].chat.ordering_key)
        print(as_typed(f"one: `{PROGRAM} sessions show {name}`"))
    else:
        print(as_typed(f"begin one: `{PROGRAM} sessions send http:me /help`"))
    return 0


def _row(session: Session) -> tuple[object, ...]:
    active = None if session.active_id is None else str(session.active_id)[:8]
    return (
        session.chat.ordering_key,
        session.queue_len,
        active,
        _status(session.active_status, session.active_phase),
        moment(session.last_message_at),
        _note(session),
    )


def _note(session: Session) -> str:
    notes = []
    if session.blocked_at is not None:
        notes.append(f"takes no messages since {moment(session.blocked_at)}, until it writes")
    if session.paused:
        notes.append("paused")
    return ", ".join(notes)


def _status(status: object, phase: str | None) -> str:
    if status is None:
        return ""
    return str(status) if phase is None else f"{status} ({phase})"


def _show(options: argparse.Namespace) -> int:
    return _show_session(options) if ":" in options.name else _show_task(options)


def _show_session(options: argparse.Namespace) -> int:
    chat = read_name(options.name)
    with opened() as ready:
        session, tasks = sessions.control(ready, DOOR).one(chat)
    if options.json:
        print(json.dumps(whole_session_json(session, tasks)))
        return 0
    print(table(HEAD, [_row(session)]))
    print()
    print(table(("task", "place", "status", "said", "told"), [_task_row(each) for each in tasks]))
    if len(tasks) == MOST_TASKS:
        print(f"the first {MOST_TASKS} of them")
    waiting = [each for each in tasks if awaits(each)]
    for each in waiting:
        print(f"\n{_printable(each.plan)}")
        print(
            as_typed(f"`{PROGRAM} sessions answer {str(each.id)[:8]} yes` does it, `no` drops it")
        )
    if not waiting:
        _print_last_reply(tasks)
        print(as_typed(f"`{PROGRAM} sessions send {quote(chat.ordering_key)} /help`"))
    return 0


def _print_last_reply(tasks: Sequence[SessionTask]) -> None:
    """Whole: for a session that no chat is sent, this is the chat."""
    told = next((each for each in tasks if each.finished_at is not None and each.reply), None)
    if told is not None:
        print(f"\n{str(told.id)[:8]}:\n{_printable(told.reply)}\n")


def _show_task(options: argparse.Namespace) -> int:
    with opened() as ready:
        chats = sessions.store(ready)
        task = chats.task(options.name)
        told = whole_task_json(task, chats.events(task.id))
    if options.json:
        print(json.dumps(told))
        return 0
    for name, value in told.items():
        if name not in {"events", "plan", "reply", "text"} and value is not None:
            print(f"{name:17} {shown(value)}")
    rows = [(each["at"], each["event"], each["code"], each["detail"]) for each in told["events"]]
    print(table(("at", "event", "code", "detail"), rows))
    for name in ("text", "plan", "reply"):
        if told[name] is not None:
            print(f"\n{name}:\n{_printable(told[name])}")
    print(as_typed(_after(task)))
    return 0


def _after(task: SessionTask) -> str:
    short = str(task.id)[:8]
    if awaits(task):
        return f"`{PROGRAM} sessions answer {short} yes` does it, `no` drops it"
    if task.finished_at is None:
        return f"`{PROGRAM} jobs cancel {short}` ends it"
    return f"`{PROGRAM} sessions show {quote(task.chat.ordering_key)}` shows the others"


def _printable(text: str | None) -> str:
    """Its lines, and nothing that a terminal obeys."""
    return "\n".join(shown(line) for line in (text or "").split("\n"))


def _task_row(task: SessionTask) -> tuple[object, ...]:
    short = str(task.id)[:8]
    phase = task.phase if task.finished_at is None else None
    status = task.outcome or _status(task.status.value, phase)
    told = task.reply or task.error_detail or task.error_code or ""
    return (short, task.position, status, (task.text or "")[:WORDS], told[:WORDS])


def _send(options: argparse.Namespace) -> int:
    chat = read_name(options.chat)
    with opened() as ready:
        control = sessions.control(ready, DOOR)
        received = control.say(chat, options.text, options.key)
        task = control.task(chat, str(received.task_id))
    if options.json:
        print(json.dumps(received_json(received, task)))
        return 0
    place = "it has ended" if task.position is None else f"{task.position} before it"
    if received.said is Said.ANSWERED:
        place = "the plan that was waiting"
    print(f"{received.task_id}: {received.said.value}, {place}")
    following = f"`{PROGRAM} queue` does it, `{PROGRAM} sessions show {str(task.id)[:8]}` tells"
    print(as_typed(following))
    return 0


def _answer(options: argparse.Namespace) -> int:
    with opened() as ready:
        control = sessions.control(ready, DOOR)
        task = control.answer(sessions.store(ready).task(options.task), options.answer)
    if options.json:
        print(json.dumps(task_json(task)))
        return 0
    print(f"{task.id}: answered {options.answer}")
    print(
        as_typed(f"`{PROGRAM} queue` goes on, `{PROGRAM} sessions show {str(task.id)[:8]}` tells")
    )
    return 0


def _webhook(options: argparse.Namespace) -> int:
    settings = opening.load_settings()
    if options.url is not None:
        state = telegram_hook.register(settings, options.url)
    else:
        with telegram_hook.hook(settings) as hook:
            state = hook.state()
    if options.json:
        print(json.dumps(_state_json(state)))
        return 0
    told = {
        "url": state.url or "none",
        "waiting": f"{state.pending} updates",
        "last error": _error(state),
        "kinds": ", ".join(state.allowed_updates),
    }  # fmt: skip
    for name, value in told.items():
        print(f"{name:11} {value}")
    print(as_typed(_next_step(state, set_now=options.url is not None)))
    return 0


def _error(state: HookState) -> str:
    return f"{moment(state.last_error_at)}: {state.last_error}" if state.last_error else "none"


def _next_step(state: HookState, *, set_now: bool) -> str:
    if not state.url:
        return f"`{PROGRAM} sessions webhook --url https://YOUR-HOST{PATH}` registers one"
    if set_now:
        return f"write to the bot, then `{PROGRAM} sessions list` shows the chat"
    return f"`{PROGRAM} sessions list` shows who wrote"


def _state_json(state: HookState) -> dict[str, Any]:
    return {
        "url": state.url,
        "pending": state.pending,
        "allowed_updates": list(state.allowed_updates),
        "max_connections": state.max_connections,
        "last_error_at": instant(state.last_error_at),
        "last_error": state.last_error,
    }
