"""Finances API: getTransactions, getPayouts, getPayout.

What an unknown filter name is answered is documented nowhere: here it is the error of the date
filter (135008, 135004).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.simulator import finance_json
from infra.simulator.answers import NO_CONTENT, Answer, RefusedError, Request, error
from infra.simulator.filters import DateError, Range, criteria, parse_range, parse_set
from infra.simulator.finances import Payout, Transaction
from infra.simulator.orders import DAY_MS
from infra.simulator.paging import Place, answer_page, read_number
from infra.simulator.world import World

_FLOOR_MS = 5 * 365 * DAY_MS
_WIDEST_MS = 36 * 31 * DAY_MS
_TYPES = frozenset({
    "SALE", "REFUND", "CREDIT", "DISPUTE", "SHIPPING_LABEL", "TRANSFER", "NON_SALE_CHARGE",
    "ADJUSTMENT", "WITHDRAWAL", "LOAN_REPAYMENT", "PURCHASE",
})  # fmt: skip
_STATUSES = frozenset({
    "FUNDS_ON_HOLD", "FUNDS_PROCESSING", "FUNDS_AVAILABLE_FOR_PAYOUT", "PAYOUT", "COMPLETED",
    "FAILED",
})  # fmt: skip
_PAYOUT_STATUSES = frozenset({
    "INITIATED", "SUCCEEDED", "REVERSED", "RETRYABLE_FAILED", "TERMINAL_FAILED",
})  # fmt: skip
_TEXTS = {
    135001: "The payout id was not found.",
    135002: "The value of payout status filter is invalid.",
    135003: "The value of pagination is invalid.",
    135004: "The value of payout date filter is invalid.",
    135005: "The value of sort is invalid.",
    135006: "The value of transaction type filter is invalid.",
    135007: "The value of transaction status filter is invalid.",
    135008: "The value of transaction date filter is invalid.",
    135009: "Transaction type filter is missing.",
    135013: (
        "The supplied start date is invalid, as payouts older than five years cannot be retrieved."
        " Please update the start date and resubmit the request."
    ),
    135014: (
        "The supplied date range is invalid, as the date range cannot exceed 36 months."
        " Please update the date range and resubmit the request."
    ),
    135015: (
        "The supplied start date is invalid, as transactions older than five years cannot be"
        " retrieved. Please update the start date and resubmit the request."
    ),
    135016: (
        "The supplied date range is invalid, as the date range cannot exceed 36 months."
        " Please update the date range and resubmit the request."
    ),
}

# Filter -> attribute of a transaction, known values (None: any), error.
_ATTRIBUTES: dict[str, tuple[str, frozenset[str] | None, int]] = {
    "transactionType": ("kind", _TYPES, 135006),
    "transactionStatus": ("status", _STATUSES, 135007),
    "payoutId": ("payout_id", None, 135008),
    "transactionId": ("transaction_id", None, 135008),
}

Row = Transaction | Payout
Test = Callable[[Any], bool]


@dataclass(slots=True)
class _Wanted:
    """`tests` must all hold; `named` are the criteria that were given."""

    dates: Range | None = None
    tests: list[Test] = field(default_factory=list)
    named: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _DateRules:
    bad: int
    too_old: int
    too_wide: int


_TRANSACTION_DATES = _DateRules(135008, 135015, 135016)
_PAYOUT_DATES = _DateRules(135004, 135013, 135014)


def refuse(error_id: int, status: int = 400) -> RefusedError:
    return RefusedError(error(status, error_id, "API_FINANCES", _TEXTS[error_id]))


def get_transactions(world: World, request: Request) -> Answer:
    place = _place(request, world, most=1000)
    ascending = _ascending(request, "transactionDate")
    wanted = _read_transaction_filters(request, world)
    account = request.seller
    world.life.mutate(account, world.behaviour.mutations_per_request)
    rows = _matching(request, account.ledger.transactions, wanted, ascending=ascending)
    if not rows[place.offset : place.offset + 1]:
        return NO_CONTENT
    return answer_page(
        request,
        "transactions",
        rows,
        place,
        lambda row: finance_json.render_transaction(row, world.behaviour),
        with_total=world.behaviour.finances_total,
    )


def get_payouts(world: World, request: Request) -> Answer:
    place = _place(request, world, most=200)
    ascending = _ascending(request, "payoutDate", "lastAttemptedPayoutDate")
    wanted = _read_payout_filters(request, world)
    account = request.seller
    world.life.mutate(account, world.behaviour.mutations_per_request)
    rows = _matching(request, account.ledger.payouts, wanted, ascending=ascending)
    if not rows[place.offset : place.offset + 1]:
        return NO_CONTENT
    return answer_page(
        request,
        "payouts",
        rows,
        place,
        lambda row: finance_json.render_payout(row, world.behaviour),
        with_total=world.behaviour.finances_total,
    )


def get_payout(world: World, request: Request) -> Answer:
    payout_id = request.path.rpartition("/")[2]
    for payout in request.seller.ledger.payouts:
        if payout.payout_id == payout_id:
            return Answer(200, finance_json.render_payout(payout, world.behaviour))
    raise refuse(135001, 404)


def _place(request: Request, world: World, *, most: int) -> Place:
    limit, offset = read_number(request, "limit", 20), read_number(request, "offset", 0)
    ceiling = world.behaviour.offset_ceiling
    if limit is None or offset is None or not 1 <= limit <= most:
        raise refuse(135003)
    if ceiling is not None and offset >= ceiling:
        raise refuse(135003)
    return Place(limit, offset)


def _ascending(request: Request, *fields: str) -> bool:
    sort = request.get("sort")
    if sort is not None and sort.removeprefix("-") not in fields:
        raise refuse(135005)
    return sort in fields


def _read_transaction_filters(request: Request, world: World) -> _Wanted:
    wanted = _Wanted()
    for name, value in _all_criteria(request):
        wanted.named[name] = value
        if name == "transactionDate":
            wanted.dates = _read_range(value, world, _TRANSACTION_DATES)
        elif name in _ATTRIBUTES:
            wanted.tests.append(_one_of(value, *_ATTRIBUTES[name]))
        elif name in {"orderId", "buyerUsername"}:
            wanted.tests.append(_of_order(name, value))
        else:
            raise refuse(135008)
    if "transactionId" in wanted.named and "transactionType" not in wanted.named:
        raise refuse(135009)
    return wanted


def _read_payout_filters(request: Request, world: World) -> _Wanted:
    wanted = _Wanted()
    for name, value in _all_criteria(request):
        wanted.named[name] = value
        match name:
            case "payoutDate":
                wanted.dates = _read_range(value, world, _PAYOUT_DATES)
            case "lastAttemptedPayoutDate":
                attempted = _read_range(value, world, _PAYOUT_DATES)
                wanted.tests.append(_attempted_within(attempted))
            case "payoutStatus":
                wanted.tests.append(_one_of(value, "status", _PAYOUT_STATUSES, 135002))
            case _:
                raise refuse(135004)
    attempts = "lastAttemptedPayoutDate" in wanted.named
    if attempts and wanted.named.get("payoutStatus") != "{RETRYABLE_FAILED}":
        raise refuse(135004)
    return wanted


def _all_criteria(request: Request) -> list[tuple[str, str]]:
    return [each for text in request.get_all("filter") if text for each in criteria(text)]


def _one_of(value: str, attribute: str, known: frozenset[str] | None, error_id: int) -> Test:
    values = parse_set(value)
    if not values or (known is not None and not values <= known):
        raise refuse(error_id)
    return lambda row: getattr(row, attribute) in values


def _of_order(name: str, value: str) -> Test:
    values = parse_set(value)
    if not values:
        raise refuse(135008)
    if name == "orderId":
        return lambda row: row.order is not None and row.order.order_id in values
    return lambda row: row.order is not None and row.order.buyer.username in values


def _attempted_within(dates: Range) -> Test:
    low, high = dates.start or 0, dates.end or 2**62
    return lambda row: low <= row.date + DAY_MS <= high


def _read_range(value: str, world: World, rules: _DateRules) -> Range:
    try:
        given = parse_range(value)
    except DateError:
        raise refuse(rules.bad) from None
    now = world.clock.now_ms()
    end = now if given.end is None else given.end
    if given.start is None or given.start > end:
        raise refuse(rules.bad)
    if given.start < now - _FLOOR_MS:
        raise refuse(rules.too_old)
    if end - given.start > _WIDEST_MS:
        raise refuse(rules.too_wide)
    return given


def _matching(
    request: Request, rows: Sequence[Row], wanted: _Wanted, *, ascending: bool
) -> list[Any]:
    """Newest first unless asked; computed once per filter and state of the account."""
    ledger = request.seller.ledger
    key = (request.path, ascending, *request.get_all("filter"))
    known = ledger.lists.get(key)
    if known and known[0] == ledger.version:
        return known[1]
    found = _select(rows, wanted)
    if not ascending:
        found.reverse()
    if len(ledger.lists) > 16:
        ledger.lists.clear()
    ledger.lists[key] = (ledger.version, found)
    return found


def _select(rows: Sequence[Row], wanted: _Wanted) -> list[Any]:
    low, high = 0, len(rows)
    if wanted.dates and wanted.dates.start is not None:
        low = bisect_left(rows, wanted.dates.start, key=lambda row: row.date)
    if wanted.dates and wanted.dates.end is not None:
        high = bisect_right(rows, wanted.dates.end, key=lambda row: row.date)
    return [row for row in rows[low:high] if all(test(row) for test in wanted.tests)]
