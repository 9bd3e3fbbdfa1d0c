"""Fulfillment API: getPaymentDisputeSummaries.

Which closed disputes are recent, and what `open_date_to` alone means, is documented nowhere: here
it is 90 days for both.
"""

from infra.simulator import disputes
from infra.simulator.answers import Answer, RefusedError, Request, error
from infra.simulator.disputes import CLOSED, Dispute
from infra.simulator.filters import DateError, Range, parse_range
from infra.simulator.orders import DAY_MS
from infra.simulator.paging import Place, answer_page, read_number
from infra.simulator.world import World

_FLOOR_MS = 18 * 31 * DAY_MS
_WIDEST_MS = 90 * DAY_MS
_MOST_ROWS = 200
_STATUSES = frozenset({"OPEN", "ACTION_NEEDED", "CLOSED"})
_DATES = ("open_date_from", "open_date_to")


def get_payment_dispute_summaries(world: World, request: Request) -> Answer:
    place = _place(request)
    account = request.seller
    world.life.dispute(account, world.behaviour.mutations_per_request)
    rows = _matching(world, request)
    return answer_page(
        request,
        "paymentDisputeSummaries",
        rows,
        place,
        lambda row: disputes.render(row, world.behaviour),
        with_total=True,
    )


def _refuse(parameter: str) -> RefusedError:
    return RefusedError(
        error(
            400,
            33001,
            "API_FULFILLMENT",
            "Invalid input request",
            parameters={"parameter": parameter},
        )
    )


def _place(request: Request) -> Place:
    limit, offset = read_number(request, "limit", _MOST_ROWS), read_number(request, "offset", 0)
    if limit is None or not 1 <= limit <= _MOST_ROWS:
        raise _refuse("limit")
    if offset is None:
        raise _refuse("offset")
    return Place(limit, offset)


def _matching(world: World, request: Request) -> list[Dispute]:
    """Newest first. With `order_id` every other filter is ignored."""
    rows = reversed(request.seller.ledger.disputes)
    order_id = request.get("order_id")
    if order_id is not None:
        return [row for row in rows if row.order_id == order_id]
    dates, statuses = _dates(world, request), _statuses(request)
    buyer = request.get("buyer_username")
    return [
        row
        for row in rows
        if _within(row, dates, world.clock.now_ms())
        and (not statuses or row.status in statuses)
        and buyer in {None, row.buyer}
    ]


def _within(row: Dispute, dates: Range | None, now: int) -> bool:
    if dates is None:
        return row.status != CLOSED or (row.closed or 0) > now - _WIDEST_MS
    return (dates.start or 0) <= row.opened <= (dates.end or now)


def _dates(world: World, request: Request) -> Range | None:
    given = [request.get(name) for name in _DATES]
    if given == [None, None]:
        return None
    try:
        asked = parse_range(f"[{given[0] or ''}..{given[1] or ''}]")
    except DateError:
        raise _refuse("open_date_from") from None
    return _checked(_filled(asked, world.clock.now_ms()), world.clock.now_ms())


def _filled(asked: Range, now: int) -> Range:
    if asked.start is None:
        return Range((asked.end or now) - _WIDEST_MS, asked.end)
    return Range(
        asked.start, min(asked.start + _WIDEST_MS, now) if asked.end is None else asked.end
    )


def _checked(dates: Range, now: int) -> Range:
    start, end = dates.start or 0, dates.end or now
    if start < now - _FLOOR_MS or start > end or end - start > _WIDEST_MS:
        raise _refuse("open_date_from")
    return dates


def _statuses(request: Request) -> frozenset[str]:
    given = frozenset(request.get_all("payment_dispute_status"))
    if given - _STATUSES:
        raise _refuse("payment_dispute_status")
    return given
