"""What a run and its units say at the end: outcomes, reasons and their sentences."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from core.ids import AccountId, RunId

MAX_UNITS = 20
MAX_BYTES = 3600
"""Under 4 KB, with room for what a problem answer adds."""
MAX_DETAIL = 300


class Outcome(StrEnum):
    DONE = "done"
    PARTIAL = "partial"
    DEGRADED = "degraded"
    SKIPPED = "skipped"
    FAILED = "failed"


class Reason(StrEnum):
    """Why a run or a unit ended as it did. People script against these words."""

    NOTHING_DUE = "nothing_due"
    DEADLINE = "deadline"
    BUDGET = "budget"
    LEASE_LOST = "lease_lost"
    ALL_NEED_RECONNECT = "all_need_reconnect"
    ALREADY_RUNNING = "already_running"
    PAUSED = "paused"
    TRIPPED = "tripped"
    NO_ACCOUNTS = "no_accounts"
    UPSTREAM = "upstream"
    UNITS_FAILED = "units_failed"
    DATABASE = "database"
    CONFIG = "config"
    BUG = "bug"
    DISABLED = "disabled"
    GLOBALLY_OFF = "globally_off"
    ACCOUNT_INACTIVE = "account_inactive"
    NEEDS_RECONNECT = "needs_reconnect"
    NOT_DUE = "not_due"
    NO_TOKEN = "no_token"  # noqa: S105  (a reason, not a credential)
    DECRYPT_FAILED = "decrypt_failed"
    CIRCUIT_OPEN = "circuit_open"
    UNSUPPORTED = "unsupported"
    MISSING_SCOPE = "missing_scope"
    SIGNATURE_REQUIRED = "signature_required"
    QUOTA = "quota"
    RATE_LIMITED = "rate_limited"
    BAD_DATA = "bad_data"
    TOO_MANY = "too_many"
    QUARANTINE_LIMIT = "quarantine_limit"
    TOKEN_REFUSED = "token_refused"  # noqa: S105  (a reason, not a credential)
    INTERNAL = "internal"


SENTENCES: Mapping[Reason, str] = {
    Reason.NOTHING_DUE: "Nothing was due; the next call will look again.",
    Reason.DEADLINE: "The time for this run was used up; what was read is saved.",
    Reason.BUDGET: "The day's eBay calls for this API are used up; it goes on after the reset.",
    Reason.LEASE_LOST: "Another run took this work over; nothing more was written here.",
    Reason.ALL_NEED_RECONNECT: (
        "No account can be read: eBay wants each owner's consent again. `accounts connect` asks for"
        " it, `accounts reconnect` imports a refresh token that you have."
    ),
    Reason.ALREADY_RUNNING: "Another run is at it; wait for it to end, or use --take-over.",
    Reason.PAUSED: (
        "It is paused: the worker (`workers resume`), all of them (`workers resume --all`), every"
        " account (`accounts resume`) or every queue (`queues resume`)."
    ),
    Reason.TRIPPED: (
        "It failed ten times in a row and stopped itself: the worker (`workers resume`), or every"
        " queue (`queues resume`)."
    ),
    Reason.NO_ACCOUNTS: (
        "There is no account yet; `accounts connect` asks a seller for his consent,"
        " `accounts add` imports a refresh token that you have."
    ),
    Reason.UPSTREAM: "eBay did not give a usable answer; it is tried again by itself.",
    Reason.UNITS_FAILED: "Every unit failed; the units say why.",
    Reason.DATABASE: (
        "The database did not answer; check the server that DATABASE_URL names, or what keeps the"
        " embedded one from starting."
    ),
    Reason.CONFIG: "A setting is missing or wrong; the message names it.",
    Reason.BUG: "Cronshot made a mistake; the log has the traceback, please report it.",
    Reason.DISABLED: (
        "This stream is switched off for this account; `streams resume` starts it, or"
        " `streams every` where its interval is 0."
    ),
    Reason.GLOBALLY_OFF: "All workers are switched off; `workers resume --all` starts them again.",
    Reason.ACCOUNT_INACTIVE: (
        "The account is paused or disconnected; `accounts resume` starts it, `accounts connect`"
        " brings a disconnected one back."
    ),
    Reason.NEEDS_RECONNECT: (
        "eBay no longer accepts the account's refresh token; `accounts connect` asks its owner"
        " again, `accounts reconnect` imports a new token."
    ),
    Reason.NOT_DUE: "It was read a moment ago and is not due yet.",
    Reason.NO_TOKEN: (
        "The account has no refresh token; `accounts connect` asks its owner for one,"
        " `accounts reconnect` imports one."
    ),
    Reason.DECRYPT_FAILED: (
        "The stored token does not open with ENCRYPTION_KEYS; put the old key back beside the new."
    ),
    Reason.CIRCUIT_OPEN: "eBay failed repeatedly; one probe is let through before the rest.",
    Reason.UNSUPPORTED: "eBay's sandbox does not have this list; there is nothing to read.",
    Reason.MISSING_SCOPE: (
        "The account's consent lacks the scope that this stream needs; `accounts connect` asks its"
        " owner for it, or import a refresh token that has it with `accounts add --replace`."
    ),
    Reason.SIGNATURE_REQUIRED: (
        "eBay wants this seller's calls signed (EU and UK), and refused a signature, or there is no"
        " key to sign with; the unit's error says which, `signing-key show` shows the key."
    ),
    Reason.QUOTA: "eBay's daily limit for this API is used up; it goes on after the reset.",
    Reason.RATE_LIMITED: "eBay asked us to slow down; it goes on at the instant that it named.",
    Reason.TOO_MANY: (
        "The list is longer than eBay shows; what it shows is stored, nothing is marked ended."
    ),
    Reason.BAD_DATA: (
        "eBay refused the request, or its answer is not what its contract says; the unit's error"
        " shows which."
    ),
    Reason.QUARANTINE_LIMIT: (
        "Too many rows of one page could not be stored; the unit's error names the first reason."
    ),
    Reason.TOKEN_REFUSED: (
        "eBay refused the access token even after a refresh, or refused our own client id and"
        " secret; check the application's keys."
    ),
    Reason.INTERNAL: "Cronshot made a mistake with this unit; the log has the traceback.",
}
UNITS_HELD = (
    "Other runs are at every unit asked for; wait for them. If they are dead, a run of all that is"
    " due, with --take-over and without names, ends them."
)


Counts = Mapping[str, int | Mapping[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitReport:
    """How one unit ended. `fetched` = inserted + updated + unchanged + quarantined.

    `go_on_since`: from where an extra window, cut short, is still to be read. `stops_all`: what
    stopped it stands in the way of every account.
    """

    account_id: AccountId
    account: str
    stream: str
    pass_: str = "new"  # noqa: S105  (a pass over the data)
    outcome: Outcome
    reason: Reason | None = None
    detail: str | None = None
    fetched: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    quarantined: int = 0
    pages: int = 0
    calls: int = 0
    window_from: datetime | None = None
    window_to: datetime | None = None
    cursor_before: datetime | None = None
    cursor_after: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    more: bool = False
    go_on_since: datetime | None = None
    stops_all: bool = False

    def __post_init__(self) -> None:
        assert self.fetched == (self.inserted + self.updated + self.unchanged + self.quarantined), (
            "every fetched row is accounted for"
        )

    @property
    def written(self) -> int:
        return self.inserted + self.updated

    def as_json(self) -> dict[str, object]:
        return {
            "account": self.account,
            "stream": self.stream,
            "outcome": self.outcome,
            "reason": self.reason,
            "fetched": self.fetched,
            "written": self.written,
            "cursor": instant(self.cursor_after),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds the lease that stood in the way; all None where nobody could be named."""

    run_id: RunId | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """Who called: `via` is `cli`, `http`, `schedule`, `rule`, `sqs` or `lambda`."""

    via: str
    delivery_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkReport:
    """What a worker says of its own work; the run adds ids and instants."""

    outcome: Outcome
    reason: Reason | None = None
    detail: str | None = None
    more: bool = False
    counts: Counts = field(default_factory=dict)
    units: tuple[UnitReport, ...] = ()
    next_due_at: datetime | None = None
    holder: Holder | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """A run as its caller sees it.

    `tripped`: this run was the one too many, the worker is stopped. `stored`: the same delivery
    was worked before and this is its report.
    """

    run_id: RunId
    worker: str
    trigger: Trigger
    outcome: Outcome
    reason: Reason | None = None
    detail: str | None = None
    more: bool = False
    started_at: datetime
    finished_at: datetime
    duration_ms: int
    counts: Counts = field(default_factory=dict)
    units: tuple[UnitReport, ...] = ()
    next_due_at: datetime | None = None
    holder: Holder | None = None
    tripped: bool = False
    stored: Mapping[str, object] | None = None

    @property
    def message(self) -> str | None:
        """The reason in a sentence."""
        if self.reason is Reason.ALREADY_RUNNING and self.units:
            return UNITS_HELD
        return None if self.reason is None else SENTENCES[self.reason]

    def as_json(self) -> dict[str, object]:
        """The report as people and programs read it: under 4 KB, at most 20 units.

        cron-job.org counts an answer over 8,192 bytes, headers included, as a failed run.
        """
        if self.stored is not None:
            return dict(self.stored)
        body = self._envelope()
        # What went wrong first: the rest may be left out.
        telling = sorted(self.units, key=lambda unit: unit.outcome is Outcome.DONE)
        units = [unit.as_json() for unit in telling[:MAX_UNITS]]
        while True:
            body["units"] = units
            body["omitted"] = len(self.units) - len(units)
            if not units or _size(body) < MAX_BYTES:
                return body
            units = units[:-1]

    def _envelope(self) -> dict[str, object]:
        body: dict[str, object] = {
            "run_id": str(self.run_id),
            "worker": self.worker,
            "outcome": self.outcome,
            "reason": self.reason,
            "message": self.message,
            "detail": None if self.detail is None else self.detail[:MAX_DETAIL],
            "more": self.more,
            "started_at": instant(self.started_at),
            "finished_at": instant(self.finished_at),
            "duration_ms": self.duration_ms,
            "counts": dict(self.counts),
            "next_due_at": instant(self.next_due_at),
            "trigger": {"via": self.trigger.via, "delivery_id": self.trigger.delivery_id},
        }
        if self.holder is not None:
            body["holder"] = {
                "run_id": None if self.holder.run_id is None else str(self.holder.run_id),
                "since": instant(self.holder.since),
                "until": instant(self.holder.until),
            }
        return body


def _size(body: Mapping[str, object]) -> int:
    return len(json.dumps(body, ensure_ascii=False).encode(errors="surrogatepass"))


def instant(at: datetime | None) -> str | None:
    """RFC 3339 in UTC with milliseconds, as eBay writes instants."""
    if at is None:
        return None
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
