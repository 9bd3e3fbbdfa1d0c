"""What `accounts import` says."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from shlex import quote

from core.moving.model import Fate, FoundToken, Planned, PlannedStream, TokenState
from core.moving.move import Moved
from core.moving.naming import clean, shown
from core.moving.plan import Wishes
from core.report import instant
from handlers.cli.text import PROGRAM, as_typed, moment, table
from handlers.moving import Survey

FATES = {
    Fate.NEW: "comes",
    Fate.RENEWED: "is here, untouched: takes the newest cursors",
    Fate.SAME: "is here: nothing to change",
    Fate.LEFT: "left out",
}
DONE = {
    Fate.NEW: "came, paused",
    Fate.RENEWED: "took the newest cursors, still paused",
    Fate.SAME: "is here already: nothing changed",
    Fate.LEFT: "left out",
}
TOKENS = {
    TokenState.OPENS: "opens with this secret",
    TokenState.IN_CLEAR: "lies there in clear",
    TokenState.EXPIRED: "the owner's consent is over",
    TokenState.MISSING: "none",
    TokenState.NOT_OPENED: "does not open with this secret",
    TokenState.NO_TOKEN: "no token of eBay's",
}
COMES_NOT = (
    "Not brought: the rows that the old connector has read (eBay is asked again), its runs, logs"
    " and health events, snipes, watches, reminders and tasks, and tokens of a user that belong to"
    " no account."
)
SWITCH_OFF = """\
these accounts: deactivate each in its list of accounts, which ends its workers, token refreshes and
health checks; in SQL:
    UPDATE ebay_accounts SET is_active = false WHERE id IN ({ids});
or, to keep them active there for snipes and offers: Admin, Workers, turn off each family; in SQL:
    UPDATE ebay_sync_state SET enabled = false WHERE ebay_account_id IN ({ids});
when it has no account left: Admin, Workers, the big red button; in SQL:
    UPDATE ebay_worker_global_config SET workers_enabled = false;
then stop its services aebay-workers-loop and atoken-refresh-worker, and the web process last: its
loops go on as long as it lives, and refresh tokens whatever the red button says
"""


def head(seen: Survey) -> str:
    number = len(seen.old.accounts)
    lines = [f"the old connector at {seen.place}: accounts: {number}; {_activity(seen)}"]
    if seen.well_known_secret:
        lines.append(
            "its secret is the one printed in its source: whoever read that database can open the"
            " tokens; have each account's owner consent anew after the move"
        )
    return "\n".join(lines)


def _activity(seen: Survey) -> str:
    last_run_at = _last_run_at(seen)
    off = "its switch over all workers is off" if seen.old.workers_enabled is False else ""
    if last_run_at is None:
        return off or "nothing has ever run there"
    ago = seen.now - last_run_at
    told = f"its last run ended {moment(last_run_at)} ({_minutes(ago.total_seconds())} ago)"
    return f"{told}; {off}" if off else told


def _last_run_at(seen: Survey) -> datetime | None:
    runs = [state.last_run_at for account in seen.old.accounts for state in account.states]
    return max((at for at in runs if at is not None), default=None)


def _minutes(seconds: float) -> str:
    minutes = max(round(seconds / 60), 0)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"  # noqa: PLR2004  (two hours)


def planned_text(planned: Planned) -> str:
    old = planned.old
    lines = [
        f"{planned.name}: {FATES[planned.fate]}{_because(planned)}",
        f"  there        account {shown(old.id)} of user {shown(old.owner) or 'unknown'}",
        f"  seller       {planned.seller}",
        f"  environment  {planned.environment or 'unknown'} ({planned.decided_by})",
        f"  token        {_token(planned.token)}",
        *(f"  note         {note}" for note in planned.notes),
    ]
    if planned.fate is not Fate.LEFT:
        lines += [f"  {line}" for line in _streams(planned.streams).splitlines()]
    return "\n".join(lines)


def _because(planned: Planned) -> str:
    return "" if planned.reason is None else f": {planned.reason}"


def _token(token: FoundToken) -> str:
    told = TOKENS[token.state]
    if token.state in {TokenState.MISSING, TokenState.NO_TOKEN}:
        return told
    ends_at = token.consent_ends_at
    until = "not told" if ends_at is None else str(ends_at.date())
    return f"{told}; end of the owner's consent: {until}"


def _streams(streams: Sequence[PlannedStream]) -> str:
    rows = [
        (
            each.state.stream,
            " + ".join(each.from_) or "-",
            "-" if each.state.cursor_at is None else moment(each.state.cursor_at),
            "on" if each.state.enabled else "off",
            each.why,
        )
        for each in streams
    ]
    return table(("stream here", "there", "goes on at", "switch", "remark"), rows)


def tail(seen: Survey) -> str:
    fates = [each.fate for each in seen.planned]
    coming = sum(fate in {Fate.NEW, Fate.RENEWED} for fate in fates)
    numbers = (
        f"to be brought: {coming}; nothing to change: {fates.count(Fate.SAME)}; left out:"
        f" {fates.count(Fate.LEFT)}. Nothing was written."
    )
    lines = [numbers, COMES_NOT]
    if coming:
        lines.append(f"next: {_command(seen.wishes)}")
    return "\n".join(lines)


def _command(wishes: Wishes) -> str:
    """As it was typed, but for what nobody else should read."""
    words = [PROGRAM, "accounts import --from URL --secret-file FILE"]
    if wishes.environment is not None:
        words.append(f"--environment {wishes.environment}")
    words += [f"--account {quote(name)}" for name in wishes.accounts]
    if wishes.with_history:
        words.append("--with-history")
    return as_typed(" ".join([*words, "--yes"]))


def moved_line(moved: Moved) -> str:
    planned = moved.planned
    said = f"{planned.name} ({planned.environment or 'unknown'}, {moved.seller})"
    return f"{said}: {DONE[planned.fate]}{_because(planned)}"


def farewell(wishes: Wishes, moved: Sequence[Moved]) -> str:
    """What is to be done now, in the order in which it is to be done."""
    waiting = [each.planned for each in moved if each.planned.fate is not Fate.LEFT]
    if not waiting:
        return "nothing came: there is nothing to switch off"
    return "\n".join(["", *_steps(wishes, waiting)])


def _steps(wishes: Wishes, waiting: Sequence[Planned]) -> Iterator[str]:
    yield "1. Switch off there, or both read the same accounts and spend eBay's calls twice:"
    yield from (f"   {line}" for line in switch_off(waiting))
    yield "2. The same command again takes the cursors as they are then, and changes nothing else:"
    yield f"   {_command(wishes)}"
    yield "3. Here, for each account:"
    for planned in waiting:
        yield f"   {as_typed(f'{PROGRAM} accounts test {quote(planned.name)}')}"
        yield f"   {as_typed(f'{PROGRAM} accounts resume {quote(planned.name)}')}"
    going_on = [each for each in waiting if _continued(each)]
    if going_on:
        yield "4. What was before the cursors is not here, open cases and returns included. What it"
        yield "   costs to read it is told first:"
    for planned in going_on:
        streams = _continued(planned)
        rewind = f"{PROGRAM} streams rewind --account {quote(planned.name)}"
        yield f"   {as_typed(rewind)} --stream {streams[0]} --to 90d"
        if streams[1:]:
            yield f"   and the same of {', '.join(streams[1:])}"


def _continued(planned: Planned) -> list[str]:
    return [state.stream for state in planned.states if state.cursor_at is not None]


def switch_off(planned: Sequence[Planned]) -> list[str]:
    """What to do there for these accounts, and for all of it when they were the last ones."""
    ids = ", ".join(_literal(each.old.id) for each in planned)
    return SWITCH_OFF.replace("{ids}", ids).splitlines()


def _literal(text: str) -> str:
    doubled = clean(text).replace("'", "''")
    return f"'{doubled}'"


def as_json(seen: Survey, moved: Sequence[Moved], *, dry_run: bool) -> dict[str, object]:
    planned = list(seen.planned) if dry_run else [each.planned for each in moved]
    refused = {each.planned.old.id for each in moved if each.refused}
    waiting = [each for each in planned if each.fate is not Fate.LEFT]
    return {
        "dry_run": dry_run,
        "old": {
            "place": seen.place,
            "accounts": len(seen.old.accounts),
            "workers_enabled": seen.old.workers_enabled,
            "last_run_at": instant(_last_run_at(seen)),
            "well_known_secret": seen.well_known_secret,
        },
        "accounts": [
            _account(each) | {"refused_by_ebay": each.old.id in refused} for each in planned
        ],
        "switch_off": switch_off(waiting) if waiting else [],
    }


def _account(planned: Planned) -> dict[str, object]:
    return {
        "old_id": clean(planned.old.id),
        "name": planned.name,
        "seller": planned.seller,
        "environment": planned.environment,
        "environment_decided_by": planned.decided_by,
        "fate": planned.fate,
        "reason": planned.reason,
        "token": {
            "state": planned.token.state,
            "consent_ends_at": instant(planned.token.consent_ends_at),
        },
        "notes": list(planned.notes),
        "streams": [
            {
                "stream": each.state.stream,
                "from": list(each.from_),
                "cursor_at": instant(each.state.cursor_at),
                "enabled": each.state.enabled,
                "why": each.why,
            }
            for each in planned.streams
        ],
    }
