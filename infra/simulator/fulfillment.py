"""Fulfillment API: getOrders and getOrder."""

from dataclasses import dataclass
from typing import assert_never

from infra.simulator import order_json
from infra.simulator.accounts import Account
from infra.simulator.answers import Answer, RefusedError, Request, error
from infra.simulator.behaviour import OrderSort
from infra.simulator.filters import DateError, Range, criteria, parse_range, parse_set
from infra.simulator.orders import DAY_MS, Order
from infra.simulator.paging import Place, answer_page, read_number
from infra.simulator.world import World

_YEARS = 2
_FLOOR_MS = _YEARS * 365 * DAY_MS
_DEFAULT_SPAN_MS = 90 * DAY_MS
_FULFILLMENT_SETS = (
    frozenset({"NOT_STARTED", "IN_PROGRESS"}),
    frozenset({"FULFILLED", "IN_PROGRESS"}),
)
_MOST_IDS = 50
_MOST_ROWS = 200
_TAX = "TAX_BREAKDOWN"


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """`created` and `modified` are never both set."""

    created: Range | None = None
    modified: Range | None = None
    statuses: frozenset[str] | None = None


def refuse(error_id: int, message: str, **parameters: str) -> RefusedError:
    return RefusedError(error(400, error_id, "API_FULFILLMENT", message, parameters=parameters))


def get_orders(world: World, request: Request) -> Answer:
    taxed = _check_field_groups(request)
    account = request.seller
    world.life.mutate(account, world.behaviour.mutations_per_request)
    if request.get("orderIds") is not None:
        rows = _by_ids(account, request.get("orderIds") or "")
        place = Place(max(len(rows), 1), 0)
    else:
        place = _place(request)
        rows = _matching(world, account, _parse_filter(request.get("filter"), world))

    def render(order: Order) -> bytes:
        if taxed:
            return order_json.render_with_taxes(order, account.username, world.behaviour)
        return order_json.render(order, account.username, world.behaviour)

    return answer_page(request, "orders", rows, place, render, with_total=True)


def get_order(world: World, request: Request) -> Answer:
    taxed = _check_field_groups(request)
    order_id = request.path.rpartition("/")[2]
    order = request.seller.ledger.by_id.get(order_id)
    if order is None:
        raise refuse(32100, f"Invalid order ID: {order_id}", orderId=order_id)
    seller = request.seller.username
    return Answer(200, order_json.render_in_full(order, seller, world.behaviour, tax=taxed))


def _check_field_groups(request: Request) -> bool:
    groups = request.get("fieldGroups")
    if groups not in {None, "", _TAX}:
        raise refuse(32800, f"Invalid field group: {groups}", fieldGroup=str(groups))
    return groups == _TAX


def _place(request: Request) -> Place:
    limit, offset = read_number(request, "limit", 50), read_number(request, "offset", 0)
    if limit is None or not 1 <= limit <= _MOST_ROWS:
        value = request.get("limit") or ""
        raise refuse(31100, f"Invalid limit: {value}", limitvalue=value)
    if offset is None:
        value = request.get("offset") or ""
        raise refuse(31000, f"Invalid offset: {value}", offsetvalue=value)
    return Place(limit, offset)


def _by_ids(account: Account, text: str) -> list[Order]:
    ids = [each for each in text.split(",") if each]
    if len(ids) > _MOST_IDS:
        raise refuse(
            30900, f"Exceeded maximum number of order IDs (the current limit is {_MOST_IDS})"
        )
    found = {each: account.ledger.by_id[each] for each in ids if each in account.ledger.by_id}
    return sorted(found.values(), key=lambda order: -order.created)


def _parse_filter(text: str | None, world: World) -> OrderFilter:
    if not text:
        return OrderFilter()
    created = modified = statuses = None
    for name, value in criteria(text):
        match name:
            case "creationdate":
                created = _read_range(name, value, world)
            case "lastmodifieddate":
                modified = _read_range(name, value, world)
            case "orderfulfillmentstatus":
                statuses = _read_statuses(value)
            case _:
                raise refuse(30700, f"Invalid filter name: {name}", fieldname=name)
    return OrderFilter(created, None if created else modified, statuses)


def _read_range(name: str, value: str, world: World) -> Range:
    """The checks come in this order: brackets, format, start, future, order, length."""
    if not (value.startswith("[") and value.endswith("]") and ".." in value):
        raise _bad_value(name, value)
    try:
        given = parse_range(value)
    except DateError:
        raise refuse(30810, "Invalid date format") from None
    if given.start is None:
        raise refuse(30820, "Start date is missing")
    now = world.clock.now_ms()
    if given.start > now or (given.end or 0) > now:
        raise refuse(30850, "Start and end dates can't be in the future")
    if given.end is not None and given.start >= given.end:
        raise refuse(30840, "Start date should be before end date")
    if (given.end or now) - given.start > _FLOOR_MS:
        message = f"Time range between start date and end date must be within '{_YEARS}' years."
        raise refuse(30830, message, allowedTime=str(_YEARS))
    return given


def _read_statuses(value: str) -> frozenset[str]:
    statuses = parse_set(value)
    if statuses not in _FULFILLMENT_SETS:
        raise _bad_value("orderfulfillmentstatus", value)
    return statuses


def _bad_value(name: str, value: str) -> RefusedError:
    message = f"Invalid filter value '{value}' for filter '{name}'"
    return refuse(30800, message, fieldvalue=value, fieldname=name)


def _matching(world: World, account: Account, wanted: OrderFilter) -> list[Order]:
    """Computed once per filter and state of the account."""
    ledger, sort, now = account.ledger, world.behaviour.order_sort, world.clock.now_ms()
    # Without bounds from the caller the answer moves with the day only as far as minutes go.
    key = (wanted, sort, None if wanted.created or wanted.modified else now // 60_000)
    known = ledger.lists.get(key)
    if known and known[0] == ledger.version:
        return known[1]
    rows = _sort(_select(ledger.orders, wanted, now), sort)
    if len(ledger.lists) > 16:
        ledger.lists.clear()
    ledger.lists[key] = (ledger.version, rows)
    return rows


def _select(orders: list[Order], wanted: OrderFilter, now: int) -> list[Order]:
    floor = now - _FLOOR_MS
    if wanted.modified:
        low, high = wanted.modified.start or 0, wanted.modified.end or now
        rows = [order for order in orders if low <= order.modified <= high]
    else:
        low, high = now - _DEFAULT_SPAN_MS, now
        if wanted.created:
            low, high = wanted.created.start or 0, wanted.created.end or now
        rows = [order for order in orders if low <= order.created <= high]
    return [
        order
        for order in rows
        if order.created >= floor
        and (wanted.statuses is None or order.fulfillment_status in wanted.statuses)
    ]


def _sort(rows: list[Order], sort: OrderSort) -> list[Order]:
    """`rows` come oldest created first."""
    match sort:
        case OrderSort.CREATED_ASC:
            return rows
        case OrderSort.CREATED_DESC:
            return rows[::-1]
        case OrderSort.MODIFIED_ASC:
            return sorted(rows, key=lambda order: order.modified)
        case OrderSort.MODIFIED_DESC:
            return sorted(rows, key=lambda order: -order.modified)
        case _:
            assert_never(sort)
