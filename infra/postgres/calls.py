"""Calls counted, and breakers, in PostgreSQL."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from core.report import instant
from core.sync.calls import Breaker, Claim, Grant, Quota, Scope
from infra.postgres.queries import load
from infra.postgres.transaction import Database

FEATURE = "calls"
STATEMENT_MS, SHORTEST_MS = 4_000, 200
ASKED_API = "developer.analytics"
"""The one that answers getRateLimits; its row says when it was asked."""
FIRST_PROBE = timedelta(minutes=1)


def _for_ever() -> float:
    return math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresCalls:
    """The `CallStore` port. `time_left`: how many seconds a transaction may take."""

    database: Database
    time_left: Callable[[], float] = _for_ever

    def reserve(self, claim: Claim, now: datetime) -> Grant:
        values = {
            "environment": claim.environment,
            "api": claim.api,
            "calls": claim.calls,
            "share": claim.share,
            "open_share": claim.open_share,
            "usual_limit": claim.usual_limit,
            "next_reset": claim.next_reset,
            "now": now,
        }
        with self._transaction() as connection:
            rows = _rows(connection, "reserve", values)
            if not rows:
                _rows(connection, "begin_budget", values)
                rows = _rows(connection, "reserve", values)
            return _grant(rows[0])

    def give_back(self, claim: Claim, calls: int, reset_at: datetime) -> None:
        values = {
            "environment": claim.environment,
            "api": claim.api,
            "calls": calls,
            "open_calls": 0 if claim.open_share is None else calls,
            "reset_at": reset_at,
        }
        with self._transaction() as connection:
            _rows(connection, "give_back", values)

    def may_ask(self, environment: str, now: datetime) -> bool:
        values = {"environment": environment, "api": ASKED_API, "now": now}
        with self._transaction() as connection:
            return bool(_rows(connection, "may_ask", values))

    def learn(self, environment: str, quotas: Mapping[str, Quota], now: datetime) -> None:
        told = [
            {
                "api": api,
                "call_limit": quota.limit,
                "remaining": quota.remaining,
                "reset_at": instant(quota.reset_at),
            }
            for api, quota in quotas.items()
            if quota.limit is not None
        ]
        if told:
            told.append({"api": ASKED_API})
        values = {"environment": environment, "told": json.dumps(told), "now": now}
        with self._transaction() as connection:
            _rows(connection, "learn", values)

    def breakers(self) -> Sequence[Breaker]:
        with self._transaction() as connection:
            return [_breaker(row) for row in _rows(connection, "breakers", {})]

    def count_failure(
        self, scopes: Sequence[Scope], opens_after: int, now: datetime
    ) -> Sequence[Breaker]:
        values = {
            "scopes": _scopes(scopes),
            "opens_after": opens_after,
            "now": now,
            "probe_at": now + FIRST_PROBE,
        }
        with self._transaction() as connection:
            return [_breaker(row) for row in _rows(connection, "count_failure", values)]

    def probe(self, breaker: Breaker, until: datetime) -> bool:
        values = breaker.scope._asdict() | {"until": until, "seen": breaker.probe_at}
        with self._transaction() as connection:
            return bool(_rows(connection, "probe", values))

    def close(self, scopes: Sequence[Scope]) -> None:
        with self._transaction() as connection:
            _rows(connection, "close", {"scopes": _scopes(scopes)})

    def _transaction(self) -> AbstractContextManager[sa.Connection]:
        left_ms = round(min(self.time_left(), STATEMENT_MS / 1000) * 1000)
        limit_ms = max(left_ms, SHORTEST_MS)
        return self.database.transaction(
            statement_timeout_ms=limit_ms, lock_timeout_ms=min(2_000, limit_ms)
        )


def _rows(
    connection: sa.Connection, name: str, values: Mapping[str, object]
) -> Sequence[sa.Row[Any]]:
    return connection.execute(load(FEATURE)[name], dict(values)).all()


def _grant(row: sa.Row[Any]) -> Grant:
    return Grant(
        calls=row.granted,
        used=row.used,
        limit=row.call_limit,
        reset_at=row.reset_at,
        blocked_until=row.blocked_until,
        learned_at=row.learned_at,
    )


def _breaker(row: sa.Row[Any]) -> Breaker:
    scope = Scope(row.environment, row.api, row.account_id)
    return Breaker(scope, row.failures, row.probe_at)


def _scopes(scopes: Sequence[Scope]) -> str:
    return json.dumps([scope._asdict() for scope in scopes])
