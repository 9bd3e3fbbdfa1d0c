"""What a rewind costs, in the words of every door."""

from datetime import datetime

from core.streams.model import RewindPlan


def estimate(plan: RewindPlan) -> list[str]:
    """What it costs, how that was reckoned, and whether today's calls suffice."""
    pages, calls = _count(plan.cost.pages, "page"), _count(plan.cost.calls, "call")
    return [
        f"about {plan.rows:,} rows, {pages} and {calls} in {_count(plan.cost.windows, 'window')}",
        f"an estimate: {_stored(plan)}{_pace(plan)}",
        _budget(plan),
    ]


def _stored(plan: RewindPlan) -> str:
    if plan.stored is None:
        return "the rows of that time are too many to count"
    return f"{plan.stored:,} rows of that time are stored"


def _pace(plan: RewindPlan) -> str:
    if plan.a_day is None:
        return ", and nothing tells how many there are at eBay"
    return f", the last readings brought {plan.a_day:,.1f} a day"


def _budget(plan: RewindPlan) -> str:
    left = f"{plan.calls_left:,} of the day's {plan.limit:,} calls of {plan.api} are left"
    if plan.affordable:
        return left
    at = "the next day of eBay's" if plan.reset_at is None else _minute(plan.reset_at)
    return f"only {left}: it goes on after {at}, and other streams of that API wait as well"


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}Z"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
