"""Accounts: `accounts add|list|test|reconnect|pause|resume`; others: `connections`, `moving`."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from getpass import getpass
from pathlib import Path
from shlex import quote
from typing import Any, TextIO
from urllib.parse import unquote

from core.accounts.model import KnownAccount, Status
from core.connect.scopes import lacks
from core.errors import AppError, UsageError
from core.report import SENTENCES, Reason
from core.secret import Secret
from core.sellers import closed, why_closed
from core.sync.model import Environment
from handlers import opening, wiring
from handlers.account_views import account_json, missing_scopes
from handlers.cli import connections, moving
from handlers.cli.ready import opened
from handlers.cli.text import PROGRAM, as_typed, moment, table
from handlers.parameters import read_since

LONGEST_FILE = 64 * 1024
SOON = timedelta(days=30)
UNTOLD = (
    "eBay does not tell whose token this is, so that no other one can take its place when it ends;"
    " `accounts connect` asks for a consent that tells"
)


def register(commands: Any) -> None:
    accounts = commands.add_parser(
        "accounts", help="connect, list, test, pause, resume and disconnect accounts"
    )
    actions = accounts.add_subparsers(title="actions", metavar="ACTION", required=True)
    connections.register(actions)
    _register_add(actions)
    _register_reconnect(actions)
    moving.register(actions)
    listing = actions.add_parser("list", help="every account, and what it needs")
    listing.add_argument("--json", action="store_true", help="one JSON object on stdout")
    listing.set_defaults(run=_list)
    ones = (
        ("test", _test, "one call to eBay with the account's token, and its last refreshes"),
        ("pause", _pause, "read nothing of it; a run that is at it stops at its next page"),
        ("resume", _resume, "read it again, all its streams at once"),
    )
    for action, run, what in ones:
        one = actions.add_parser(action, help=what, description=what)
        one.add_argument("name", metavar="NAME", help="as `accounts list` shows it")
        one.set_defaults(run=run)


def _register_add(actions: Any) -> None:
    what = "import a refresh token that you already have"
    add = actions.add_parser("add", help=what, description=what)
    add.add_argument("--name", required=True, help="what you want to call the account")
    add.add_argument(
        "--environment",
        required=True,
        choices=[each.value for each in Environment],
        help="where the token was made; `simulator` is for development",
    )
    _token_options(add)
    add.add_argument(
        "--marketplace", action="append", default=[], metavar="EBAY_DE",
        help="may be given more than once; default: where the seller is registered",
    )  # fmt: skip
    add.add_argument(
        "--replace", action="store_true", help="a new token for the account that has this name"
    )
    add.set_defaults(run=_add)


def _register_reconnect(actions: Any) -> None:
    what = "a new refresh token of the same seller, for an account that has lost its own or will"
    reconnect = actions.add_parser("reconnect", help=what, description=what)
    reconnect.add_argument("name", metavar="NAME", help="as `accounts list` shows it")
    _token_options(reconnect)
    reconnect.set_defaults(run=_reconnect)


def _token_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--refresh-token-file", required=True, metavar="FILE",
        help="holds the token on one line; - reads it from stdin",
    )  # fmt: skip
    command.add_argument(
        "--consent-ends", type=_date, metavar="2028-05-22",
        help="when the owner's consent ends, 18 months after it was given: eBay tells it only"
        " then, and without it nobody can warn you",
    )  # fmt: skip


def _date(text: str) -> datetime:
    """A day is its midnight in UTC."""
    try:
        at = read_since(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no date like 2028-05-22") from error
    if isinstance(at, timedelta):
        raise argparse.ArgumentTypeError(f"{text!r} is no date like 2028-05-22")
    return at


def _lasts(consent_ends: datetime | None) -> timedelta | None:
    if consent_ends is None:
        return None
    left = consent_ends - opening.WallClock().now()
    if left <= timedelta(0):
        raise UsageError("--consent-ends: that day is over; ask for a new consent")
    return left


def _token(file: str) -> Secret:
    """Never repeats what was given: it may be the token itself."""
    if _like_a_token(file):
        raise UsageError(
            "--refresh-token-file: this is a token, not a file; the command line is visible to"
            " everybody on the machine, so put it into a file, or give - and type it in"
        )
    token = _text(file).strip()
    if "%" in token and _like_a_token(unquote(token)):
        raise UsageError("the token is URL-encoded (%5E for ^); decode it first")
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError(f"--refresh-token-file: {file} does not hold one token on one line")
    return Secret(token)


def _like_a_token(text: str) -> bool:
    return unquote(text).startswith("v^1.1#")


def _text(file: str) -> str:
    try:
        if file == "-":
            return _typed()
        with Path(file).open("rb") as text:
            return text.read(LONGEST_FILE).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"--refresh-token-file: {file} is no text") from None
    except OSError as error:
        raise UsageError(f"--refresh-token-file: {file}: {error.strerror}") from error


def _typed() -> str:
    """At a terminal it is asked for, and not shown."""
    if sys.stdin is None:
        raise UsageError("--refresh-token-file: - reads stdin, which is closed")
    if sys.stdin.isatty():
        return getpass("refresh token (it is not shown): ")
    return sys.stdin.buffer.read(LONGEST_FILE).decode("utf-8-sig")


def _add(options: argparse.Namespace) -> int:
    token = _token(options.refresh_token_file)
    with opened() as ready, wiring.manage_accounts(ready) as manage:
        added = manage.add(
            options.name,
            options.environment,
            token,
            marketplace_ids=options.marketplace,
            replace=options.replace,
            consent_lasts=_lasts(options.consent_ends),
        )
    _welcome(added)
    return 0


def _reconnect(options: argparse.Namespace) -> int:
    token = _token(options.refresh_token_file)
    with opened() as ready, wiring.manage_accounts(ready) as manage:
        added = manage.reconnect(options.name, token, consent_lasts=_lasts(options.consent_ends))
    _welcome(added)
    return 0


def _welcome(added: KnownAccount) -> None:
    who = added.username or "a seller whose name the consent does not show"
    if closed(added) is not None:
        print(f"{added.name}: {UNTOLD}", file=sys.stderr)
    if added.status is Status.PAUSED:
        resume = as_typed(f"{PROGRAM} accounts resume {quote(added.name)}")
        print(f"{added.name}: {added.environment}, {who}; still paused, `{resume}` ends that")
        return
    print(f"{added.name}: {added.environment}, {who}; every stream is due now")
    print(as_typed(f"next: {PROGRAM} ebay --account {quote(added.name)}"))


def _test(options: argparse.Namespace) -> int:
    with opened() as ready, wiring.manage_accounts(ready) as manage:
        refreshes = wiring.last_refreshes(ready, options.name)
        try:
            identity = manage.test(options.name)
            known = manage.get(options.name)
        except AppError:
            # That is when people want to know; what is refused leaves nothing on stdout.
            _tell_refreshes(refreshes, sys.stderr)
            raise
    _tell_refreshes(refreshes, sys.stdout)
    if identity is None:
        who = "who the seller is, the consent does not let us ask"
    else:
        who = f"the seller is {identity.username or identity.ebay_user_id}"
    print(f"{options.name}: eBay accepts the token; {who}")
    print(f"{options.name}: message signatures: {_signatures(known)}")
    return 0


def _signatures(known: KnownAccount) -> str:
    where = known.country or known.registration_marketplace_id
    match known.signed_because:
        case "domicile":
            return f"yes, the seller is domiciled in the EU or the UK ({where})"
        case "demanded":
            return "yes, eBay demanded them"
        case _ if where is not None:
            return f"no, the seller is domiciled elsewhere ({where})"
        case _:
            return "not so far; eBay does not say where the seller lives, and will demand them"


def _tell_refreshes(refreshes: Sequence[Mapping[str, Any]], where: TextIO) -> None:
    if not refreshes:
        return
    head = ("last refreshes", "by", "how it ended", "good until")
    rows = [
        (
            moment(each["started_at"]),
            each["triggered_by"],
            "refreshed" if each["success"] else f"{each['error_code']}: {each['error_message']}",
            "" if each["new_expires_at"] is None else moment(each["new_expires_at"]),
        )
        for each in refreshes
    ]
    print(table(head, rows), file=where)


def _pause(options: argparse.Namespace) -> int:
    _switched(options.name, active=False)
    undo = as_typed(f"{PROGRAM} accounts resume {quote(options.name)}")
    print(f"{options.name}: paused; `{undo}` undoes it")
    return 0


def _resume(options: argparse.Namespace) -> int:
    _switched(options.name, active=True)
    undo = as_typed(f"{PROGRAM} accounts pause {quote(options.name)}")
    print(f"{options.name}: active, every stream is due now; `{undo}` undoes it")
    return 0


def _switched(name: str, *, active: bool) -> KnownAccount:
    with opened() as ready, wiring.manage_accounts(ready) as manage:
        return manage.resume(name) if active else manage.pause(name)


def _list(options: argparse.Namespace) -> int:
    with opened() as ready:
        known = wiring.account_store(ready).list()
    if options.json:
        print(json.dumps({"accounts": [account_json(account) for account in known]}))
        return 0
    head = (
        "id", "name", "environment", "status", "seller", "last success", "failing streams",
        "consent ends",
    )  # fmt: skip
    rows = [
        (
            account.id,
            account.name,
            account.environment,
            account.status,
            account.username or account.ebay_user_id or "not told",
            moment(account.last_success_at),
            account.failing or "none",
            _consent(account),
        )
        for account in known
    ]
    print(table(head, rows) if rows else SENTENCES[Reason.NO_ACCOUNTS])
    for account in known:
        told = _trouble(account)
        if told is not None:
            print(as_typed(f"{account.name}: {told}"))
    return 0


def _trouble(account: KnownAccount) -> str | None:
    """What its owner should know, with the way out."""
    name = quote(account.name)
    connect = f"`{PROGRAM} accounts connect --name {name}`"
    reconnect = f"`{PROGRAM} accounts reconnect {name} --refresh-token-file FILE`"
    ends_at = account.refresh_expires_at
    lacking = missing_scopes(account)
    unreachable = closed(account)
    if unreachable is not None and account.status not in {Status.ACTIVE, Status.PAUSED}:
        return why_closed(account, unreachable)
    if account.status is Status.NEEDS_RECONNECT:
        why = account.status_reason
        return f"{why}; {connect} asks its owner again, {reconnect} imports a token"
    if account.status is Status.DISCONNECTED:
        return f"{account.status_reason or 'disconnected'}; {connect} brings it back"
    if ends_at is not None and _left(ends_at) <= SOON:
        return f"the owner's consent ends soon; {connect} renews it, or {reconnect} with a token"
    if lacking:
        return f"the consent lacks scopes: {lacks(lacking)}; {connect} asks for them"
    return None


def _consent(account: KnownAccount) -> str:
    ends_at = account.refresh_expires_at
    if ends_at is None:
        return "not told"
    return f"{ends_at.date()} ({max(_left(ends_at).days, 0)} days)"


def _left(ends_at: datetime) -> timedelta:
    return ends_at - opening.WallClock().now()
