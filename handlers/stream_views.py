"""Streams as JSON: the same numbers on the command line and over HTTP."""

from collections.abc import Sequence

from core.report import instant
from core.streams.estimate import estimate
from core.streams.model import Overview, PassState, Rewind, RewindPlan, StreamState
from core.streams.standing import Judge, Standing


def listing(overview: Overview, judge: Judge) -> list[dict[str, object]]:
    return [each for each, _ in judged(overview, judge)]


def judged(overview: Overview, judge: Judge) -> Sequence[tuple[dict[str, object], Standing]]:
    standings = [(state, _standing(state, overview, judge)) for state in overview.states]
    return [(stream_json(state, standing), standing) for state, standing in standings]


def _standing(state: StreamState, overview: Overview, judge: Judge) -> Standing:
    return judge.standing(state, overview.worker, overview.at)


def stream_json(state: StreamState, standing: Standing) -> dict[str, object]:
    new = state.new
    return {
        "account": state.account,
        "environment": state.environment,
        "stream": state.stream,
        "state": standing.word,
        "label": standing.label,
        "sentence": standing.sentence,
        "enabled": new.enabled,
        "interval_s": round(new.interval.total_seconds()),
        "cursor": instant(new.cursor_at),
        "behind_s": None if standing.behind is None else round(standing.behind.total_seconds()),
        "progress_percent": standing.percent,
        "due_at": instant(new.due_at),
        "last_attempt_at": instant(new.last_attempt_at),
        "last_success_at": instant(new.last_success_at),
        "failures": new.failures,
        "last_reason": new.last_reason,
        "last_error": standing.error,
        "switched_at": instant(new.switched_at),
        "switched_via": new.switched_via,
        "open_pass": None if state.open is None else _open(state.open),
        "rewind": _rewind(state.rewinds[0]) if state.rewinds else None,
    }


def _open(state: PassState) -> dict[str, object]:
    return {
        "due_at": instant(state.due_at),
        "last_success_at": instant(state.last_success_at),
        "failures": state.failures,
        "last_reason": state.last_reason,
    }


def _rewind(rewind: Rewind) -> dict[str, object]:
    return {
        "id": rewind.id,
        "at": instant(rewind.at),
        "via": rewind.via,
        "reason": rewind.reason,
        "old_cursor": instant(rewind.old_cursor_at),
        "new_cursor": instant(rewind.new_cursor_at),
        "undone_at": instant(rewind.undone_at),
    }


def plan_json(plan: RewindPlan) -> dict[str, object]:
    return {
        "account": plan.account,
        "stream": plan.stream,
        "from": instant(plan.from_),
        "to": instant(plan.to),
        "rows": plan.rows,
        "rows_stored": plan.stored,
        "rows_a_day": None if plan.a_day is None else round(plan.a_day, 1),
        "windows": plan.cost.windows,
        "pages": plan.cost.pages,
        "calls": plan.cost.calls,
        "api": plan.api,
        "calls_left": plan.calls_left,
        "call_limit": plan.limit,
        "calls_reset_at": instant(plan.reset_at),
        "affordable": plan.affordable,
        "estimate": "; ".join(estimate(plan)),
    }
