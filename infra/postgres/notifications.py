"""Notifications and what they cause, in PostgreSQL."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from core.notifications.model import (
    AskOwner,
    Effect,
    Erase,
    Ignore,
    MakeDue,
    Notification,
    Outcome,
    Taken,
)
from infra.postgres.erasure import erase
from infra.postgres.queries import load
from infra.postgres.transaction import Database

LONGEST_MS = 25_000
WITHDRAWN = "eBay says that the consent was withdrawn (AUTHORIZATION_REVOCATION)"
DELETED = "eBay says that this seller's account was deleted (MARKETPLACE_ACCOUNT_DELETION)"


@dataclass(frozen=True, slots=True)
class _Done:
    outcome: Outcome
    effects: Mapping[str, object]
    account_ids: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class PostgresNotifications:
    """The `NotificationStore` port. `environment`: whose accounts these notifications are about."""

    database: Database
    environment: str

    def take(self, notification: Notification) -> Taken:
        """A deadlock's victim, for a page of the same rows was being stored, tries again.

        Taking a person with thousands of rows out goes on when eBay has ceased to wait: what it
        sends again finds it done.
        """
        return self.database.run(
            lambda connection: self._take(connection, notification), longest_ms=LONGEST_MS
        )

    def _take(self, connection: sa.Connection, notification: Notification) -> Taken:
        noted = {
            "notification_id": notification.id,
            "topic": notification.topic,
            "event_at": notification.event_at,
            "publish_attempt_count": notification.attempt,
        }
        if not run(connection, "note", noted).scalar_one():
            return Taken(is_new=False)
        done = self._act(connection, notification, notification.effect)
        settled = {
            "notification_id": notification.id,
            "outcome": done.outcome.value,
            "account_ids": list(done.account_ids),
            "effects": json.dumps(done.effects),
        }
        run(connection, "settle", settled)
        run(connection, "forget_old", {})
        return Taken(is_new=True, outcome=done.outcome, effects=done.effects)

    def _act(self, connection: sa.Connection, told: Notification, effect: Effect) -> _Done:
        match effect:
            case Ignore():
                return _Done(Outcome.IGNORED, {})
            case Erase(words=words):
                return _erased(connection, self._accounts(connection, told), words)
            case AskOwner():
                return _asked(connection, self._accounts(connection, told), told.event_at)
            case MakeDue(streams=streams):
                return _made_due(connection, self._accounts(connection, told), streams)

    def _accounts(self, connection: sa.Connection, told: Notification) -> list[int]:
        values = {
            "environment": self.environment,
            "ids": list(told.ids),
            "names": list(told.names),
        }
        return [row.id for row in run(connection, "accounts", values)]


def _made_due(connection: sa.Connection, accounts: list[int], streams: Sequence[str]) -> _Done:
    if not accounts:
        return _Done(Outcome.UNKNOWN_ACCOUNT, {})
    values = {"account_ids": accounts, "streams": list(streams)}
    due = run(connection, "make_due", values)
    units = sorted(f"{row.account_id}/{row.stream}/{getattr(row, 'pass')}" for row in due)
    return _Done(Outcome.DUE, {"units": units}, accounts)


def _asked(connection: sa.Connection, accounts: list[int], event_at: datetime | None) -> _Done:
    if not accounts:
        return _Done(Outcome.UNKNOWN_ACCOUNT, {})
    values = {"account_ids": accounts, "reason": WITHDRAWN, "event_at": event_at}
    run(connection, "lock_accounts", {"account_ids": accounts})
    stopped = [row.id for row in run(connection, "ask_owners", values)]
    outcome = Outcome.NEEDS_RECONNECT if stopped else Outcome.IGNORED
    return _Done(outcome, {"stopped": stopped}, accounts)


def _erased(connection: sa.Connection, own: list[int], words: Sequence[str]) -> _Done:
    """A seller of ours is cut off before the rows of others are looked at: accounts come first."""
    closed: dict[str, object] = {}
    if own:
        run(connection, "lock_accounts", {"account_ids": own})
        row = run(connection, "close_accounts", {"account_ids": own, "reason": DELETED}).one()
        closed = {"accounts": row.accounts, "tokens": row.tokens}
    rows = erase(connection, words, own)
    known = bool(rows or own)
    outcome = Outcome.ERASED if known else Outcome.UNKNOWN_PERSON
    return _Done(outcome, closed | rows, own)


def run(connection: sa.Connection, name: str, values: Mapping[str, object]) -> sa.CursorResult[Any]:
    return connection.execute(load("notifications")[name], dict(values))
