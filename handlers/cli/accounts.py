"""Accounts: `accounts add|test|reconnect|pause|resume`; each other action has its own module."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from shlex import quote
from typing import Any, TextIO
from urllib.parse import unquote

from core.accounts.model import KnownAccount, Status
from core.errors import AppError, UsageError
from core.secret import Secret
from core.sellers import closed
from core.sync.model import Environment
from handlers import opening, selling
from handlers.cli import account_list, connections, disconnect, moving
from handlers.cli.given import read_file, read_stdin
from handlers.cli.ready import opened
from handlers.cli.text import PROGRAM, as_typed, moment, table
from handlers.parameters import read_since

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
    disconnect.register(actions)
    _register_add(actions)
    _register_reconnect(actions)
    moving.register(actions)
    account_list.register(actions)
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
    option = "--refresh-token-file"
    read = read_stdin(option, hidden="refresh token") if file == "-" else read_file(option, file)
    token = read.strip()
    if "%" in token and _like_a_token(unquote(token)):
        raise UsageError("the token is URL-encoded (%5E for ^); decode it first")
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError(f"--refresh-token-file: {file} does not hold one token on one line")
    return Secret(token)


def _like_a_token(text: str) -> bool:
    return unquote(text).startswith("v^1.1#")


def _add(options: argparse.Namespace) -> int:
    token = _token(options.refresh_token_file)
    with opened() as ready, selling.manage_accounts(ready) as manage:
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
    with opened() as ready, selling.manage_accounts(ready) as manage:
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
    with opened() as ready, selling.manage_accounts(ready) as manage:
        refreshes = selling.last_refreshes(ready, options.name)
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
    with opened() as ready, selling.manage_accounts(ready) as manage:
        return manage.resume(name) if active else manage.pause(name)
