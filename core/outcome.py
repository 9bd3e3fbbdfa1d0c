"""What the units of a run add up to."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

from core.report import Outcome, Reason, UnitReport, WorkReport

COUNTED = (
    "units", "done", "partial", "skipped", "failed", "fetched", "inserted", "updated", "written",
    "unchanged", "quarantined", "pages", "calls",
)  # fmt: skip
WORKED = {Outcome.DONE, Outcome.PARTIAL}
STANDING_STILL = {Reason.ACCOUNT_INACTIVE, Reason.DISABLED, Reason.GLOBALLY_OFF}
OWNERS = {Reason.NEEDS_RECONNECT, Reason.NO_TOKEN}
"""What only an account's owner can mend: no fault of the worker, nor of the other accounts."""
TROUBLE = {*OWNERS, Reason.DECRYPT_FAILED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """Which kinds of accounts there are at all; read by existence, never counted."""

    active: bool
    paused: bool
    needs_reconnect: bool
    next_due_at: datetime | None


NOT_ASKED = Accounts(active=True, paused=False, needs_reconnect=False, next_due_at=None)
"""Of a database that is away."""
NONE_ACTIVE = "no account is active; `accounts list` shows each, and what to type"
"""Where units were tried, they say it themselves."""


def add_up(
    reports: Sequence[UnitReport],
    accounts: Accounts,
    *,
    lease_lost: bool,
    out_of_time: bool,
    database_away: str | None = None,
) -> WorkReport:
    """1. Another run took over. 2. The database went away. 3. Nothing was tried.

    4. Nobody can be read. 5. All failed. 6. Some failed. 7. Time or calls ran out. 8. Nothing stood
    still but all of it. 9. Done.
    """
    outcome, reason = _decide(reports, accounts, lease_lost=lease_lost, out_of_time=out_of_time)
    if database_away is not None and not lease_lost:
        outcome, reason = Outcome.FAILED, Reason.DATABASE
    left = out_of_time or outcome is Outcome.PARTIAL or any(report.more for report in reports)
    return WorkReport(
        outcome=outcome,
        reason=reason,
        detail=_detail(reports, reason, database_away),
        more=left and not lease_lost,
        counts=_counts(reports),
        units=tuple(reports),
        next_due_at=accounts.next_due_at,
    )


def _decide(
    reports: Sequence[UnitReport], accounts: Accounts, *, lease_lost: bool, out_of_time: bool
) -> tuple[Outcome, Reason | None]:
    if lease_lost:
        return Outcome.PARTIAL, Reason.LEASE_LOST
    if not accounts.active and not _tells_more(reports, accounts):
        return _nobody_active(reports, accounts)
    if not reports:
        return _nothing_tried(out_of_time=out_of_time)
    failed = [report for report in reports if _is_trouble(report)]
    if failed:
        return _some_failed(reports, failed)
    return _none_failed(reports, out_of_time=out_of_time)


def _detail(
    reports: Sequence[UnitReport], reason: Reason | None, database_away: str | None
) -> str | None:
    if reason is Reason.PAUSED and not reports:
        return NONE_ACTIVE
    if reason is Reason.CONFIG:
        return next(report.detail for report in reports if report.reason is reason)
    return database_away if reason is Reason.DATABASE else None


def _something_was_done(reports: Sequence[UnitReport]) -> bool:
    return any(report.pages for report in reports)


def _tells_more(reports: Sequence[UnitReport], accounts: Accounts) -> bool:
    """A failure does, and what was read of accounts that were all paused meanwhile."""
    if any(report.outcome is Outcome.FAILED for report in reports):
        return True
    return _something_was_done(reports) and not accounts.needs_reconnect


def _is_trouble(report: UnitReport) -> bool:
    return report.outcome is Outcome.FAILED or report.reason in TROUBLE


def _nobody_active(
    reports: Sequence[UnitReport], accounts: Accounts
) -> tuple[Outcome, Reason | None]:
    if accounts.needs_reconnect:
        return Outcome.DEGRADED, Reason.ALL_NEED_RECONNECT
    if accounts.paused or reports:
        return Outcome.SKIPPED, Reason.PAUSED
    return Outcome.SKIPPED, Reason.NO_ACCOUNTS


def _nothing_tried(*, out_of_time: bool) -> tuple[Outcome, Reason]:
    if out_of_time:
        return Outcome.PARTIAL, Reason.DEADLINE
    return Outcome.DONE, Reason.NOTHING_DUE


def _some_failed(
    reports: Sequence[UnitReport], failed: Sequence[UnitReport]
) -> tuple[Outcome, Reason | None]:
    # A second pass with nothing to read ends well without having asked eBay anything.
    if any(report.outcome in WORKED and report.calls for report in reports):
        return Outcome.DEGRADED, None
    reasons = {report.reason for report in failed}
    if reasons <= OWNERS:
        return Outcome.DEGRADED, None
    if reasons == {Reason.CONFIG}:
        return Outcome.FAILED, Reason.CONFIG
    # An eBay that is out of reach gives no signing key either.
    if Reason.UPSTREAM in reasons and reasons <= {Reason.UPSTREAM, Reason.SIGNATURE_REQUIRED}:
        return Outcome.FAILED, Reason.UPSTREAM
    return Outcome.FAILED, Reason.UNITS_FAILED


def _none_failed(
    reports: Sequence[UnitReport], *, out_of_time: bool
) -> tuple[Outcome, Reason | None]:
    reasons = {report.reason for report in reports}
    if out_of_time or Reason.DEADLINE in reasons:
        return Outcome.PARTIAL, Reason.DEADLINE
    if Reason.BUDGET in reasons:
        return Outcome.PARTIAL, Reason.BUDGET
    if _something_was_done(reports):
        return Outcome.DONE, None
    return _nothing_done(reasons)


def _nothing_done(reasons: AbstractSet[Reason | None]) -> tuple[Outcome, Reason | None]:
    if reasons == {Reason.UNSUPPORTED}:
        return Outcome.SKIPPED, Reason.UNSUPPORTED
    if reasons <= STANDING_STILL:
        return Outcome.SKIPPED, Reason.PAUSED
    # Beside units held by others, a pass that had nothing to read is no work done.
    if Reason.CIRCUIT_OPEN in reasons:
        return Outcome.FAILED, Reason.UPSTREAM
    if Reason.ALREADY_RUNNING in reasons:
        return Outcome.SKIPPED, Reason.ALREADY_RUNNING
    return Outcome.DONE, None


def _counts(reports: Sequence[UnitReport]) -> dict[str, int]:
    """Every key is always there: people's scripts add them up."""
    counts = dict.fromkeys(COUNTED, 0)
    for report in reports:
        counts["units"] += 1
        counts[report.outcome] += 1
        counts["fetched"] += report.fetched
        counts["inserted"] += report.inserted
        counts["updated"] += report.updated
        counts["written"] += report.written
        counts["unchanged"] += report.unchanged
        counts["quarantined"] += report.quarantined
        counts["pages"] += report.pages
        counts["calls"] += report.calls
    return counts
