"""What a report means to its caller: an HTTP status, an exit code (design.md §5)."""

from core.report import Outcome, Reason, RunReport

EX_DATAERR, EX_UNAVAILABLE, EX_SOFTWARE = 65, 69, 70
EX_TEMPFAIL, EX_NOPERM, EX_CONFIG = 75, 77, 78
"""sysexits.h; 75 tells cron wrappers and systemd that it is no failure of ours."""


USUAL_WAIT_S = 60


def http_status(report: RunReport, *, strict: bool) -> int:
    """Non-2xx is for our own side: cron services switch a job off after some failures."""
    if report.reason is Reason.BUG:
        return 500
    if report.reason in {Reason.DATABASE, Reason.CONFIG}:
        return 503
    if strict and report.outcome is Outcome.SKIPPED and report.reason is Reason.ALREADY_RUNNING:
        return 409
    if strict and report.outcome is Outcome.FAILED:
        return 503
    return 200


def retry_after(report: RunReport) -> int | None:
    """Whole seconds until another call makes sense, for 409 and 503."""
    if report.holder is not None and report.holder.until is not None:
        left = (report.holder.until - report.finished_at).total_seconds()
        return max(round(left), 1)
    if report.reason in {Reason.BUG, Reason.CONFIG}:
        return None
    return USUAL_WAIT_S if report.outcome in {Outcome.SKIPPED, Outcome.FAILED} else None


def exit_code(report: RunReport, *, ok_if_running: bool = False) -> int:
    if report.tripped:
        return 1
    if report.outcome is Outcome.SKIPPED and report.reason is Reason.ALREADY_RUNNING:
        return 0 if ok_if_running else EX_TEMPFAIL
    if report.reason is Reason.LEASE_LOST:
        return EX_TEMPFAIL
    if report.reason is Reason.ALL_NEED_RECONNECT:
        return EX_NOPERM
    if report.outcome is Outcome.FAILED:
        return _failed(report.reason)
    return 1 if report.outcome is Outcome.DEGRADED else 0


def _failed(reason: Reason | None) -> int:
    codes = {
        Reason.UPSTREAM: EX_UNAVAILABLE,
        Reason.DATABASE: EX_UNAVAILABLE,
        Reason.CONFIG: EX_CONFIG,
        Reason.BUG: EX_SOFTWARE,
    }
    return codes.get(reason, 1) if reason is not None else 1
