"""Every account, and what its owner should know: `accounts list`."""

import argparse
import json
from datetime import datetime, timedelta
from shlex import quote
from typing import Any

from core.accounts.model import KnownAccount, Status
from core.connect.scopes import lacks
from core.report import SENTENCES, Reason
from core.sellers import closed, why_closed
from handlers import opening, selling
from handlers.account_views import account_json, missing_scopes
from handlers.cli.ready import opened
from handlers.cli.text import PROGRAM, as_typed, moment, table

SOON = timedelta(days=30)


def register(actions: Any) -> None:
    listing = actions.add_parser("list", help="every account, and what it needs")
    listing.add_argument("--json", action="store_true", help="one JSON object on stdout")
    listing.set_defaults(run=_list)


def _list(options: argparse.Namespace) -> int:
    with opened() as ready:
        known = selling.account_store(ready).list()
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
