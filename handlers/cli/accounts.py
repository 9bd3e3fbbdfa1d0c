"""Accounts: `accounts add|list|test|pause|resume`."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from core.accounts.model import KnownAccount
from core.errors import UsageError
from core.report import instant
from core.secret import Secret
from core.sync.model import Environment
from handlers import wiring
from handlers.cli.text import moment, table
from handlers.cli.workers import announce


def register(commands: Any) -> None:
    accounts = commands.add_parser("accounts", help="add, list, test, pause and resume accounts")
    actions = accounts.add_subparsers(metavar="ACTION", required=True)
    add = actions.add_parser("add", help="import a refresh token that you already have")
    add.add_argument("--name", required=True)
    add.add_argument("--environment", required=True, choices=[each.value for each in Environment])
    add.add_argument("--refresh-token-file", required=True, metavar="FILE", help="- is stdin")
    add.add_argument("--marketplace", action="append", default=[], metavar="EBAY_DE")
    add.add_argument("--replace", action="store_true", help="a new token for a known account")
    add.set_defaults(run=_add)
    listing = actions.add_parser("list")
    listing.add_argument("--json", action="store_true")
    listing.set_defaults(run=_list)
    for action, run in (("test", _test), ("pause", _pause), ("resume", _resume)):
        one = actions.add_parser(action)
        one.add_argument("name", metavar="NAME")
        one.set_defaults(run=run)


def _token(file: str) -> Secret:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--refresh-token-file: {file} cannot be read: {error}") from error
    token = text.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError(f"--refresh-token-file: {file} does not hold one token on one line")
    return Secret(token)


def _add(options: argparse.Namespace) -> int:
    token = _token(options.refresh_token_file)
    settings = wiring.load_settings()
    with (
        wiring.opened(settings, wiring.log_for(settings), announce=announce) as ready,
        wiring.manage_accounts(ready) as manage,
    ):
        added = manage.add(
            options.name,
            options.environment,
            token,
            marketplace_ids=options.marketplace,
            replace=options.replace,
        )
    who = added.username or "a seller whose name the consent does not show"
    print(f"{added.name}: {added.environment}, {who}; every stream is due now")
    print(f"next: python -m core.run ebay --account {added.name}")
    return 0


def _test(options: argparse.Namespace) -> int:
    settings = wiring.load_settings()
    with (
        wiring.opened(settings, wiring.log_for(settings), announce=announce) as ready,
        wiring.manage_accounts(ready) as manage,
    ):
        identity = manage.test(options.name)
    who = "the consent does not allow to ask who it is" if identity is None else identity.username
    print(f"{options.name}: eBay answers ({who})")
    return 0


def _pause(options: argparse.Namespace) -> int:
    _switched(options.name, active=False)
    print(f"{options.name}: paused; `python -m core.run accounts resume {options.name}` undoes it")
    return 0


def _resume(options: argparse.Namespace) -> int:
    _switched(options.name, active=True)
    print(f"{options.name}: active, every stream is due now;"
          f" `python -m core.run accounts pause {options.name}` undoes it")  # fmt: skip
    return 0


def _switched(name: str, *, active: bool) -> KnownAccount:
    settings = wiring.load_settings()
    with (
        wiring.opened(settings, wiring.log_for(settings), announce=announce) as ready,
        wiring.manage_accounts(ready) as manage,
    ):
        return manage.resume(name) if active else manage.pause(name)


def _list(options: argparse.Namespace) -> int:
    settings = wiring.load_settings()
    with wiring.opened(settings, wiring.log_for(settings), announce=announce) as ready:
        known = wiring.account_store(ready).list()
    if options.json:
        print(json.dumps({"accounts": [_as_json(account) for account in known]}))
        return 0
    head = ("id", "name", "environment", "status", "seller", "last success", "failing streams")
    rows = [
        (
            account.id,
            account.name,
            account.environment,
            account.status,
            account.username,
            moment(account.last_success_at),
            account.failing or "",
        )
        for account in known
    ]
    print(table(head, rows))
    return 0


def _as_json(account: KnownAccount) -> dict[str, object]:
    return {
        "id": account.id,
        "name": account.name,
        "environment": account.environment,
        "status": account.status,
        "status_reason": account.status_reason,
        "ebay_user_id": account.ebay_user_id,
        "username": account.username,
        "marketplace_ids": list(account.marketplace_ids),
        "access_expires_at": instant(account.access_expires_at),
        "refresh_expires_at": instant(account.refresh_expires_at),
        "last_success_at": instant(account.last_success_at),
        "failing_streams": account.failing,
    }
