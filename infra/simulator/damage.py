"""Answers that arrive well and are wrong."""

import gzip
import json
from collections.abc import Callable
from functools import cache
from typing import Any

from infra.simulator import damage_xml
from infra.simulator.answers import SIGNATURE_MISSING, Answer, Request
from infra.simulator.faults import Kind, Rule
from infra.simulator.refusals import Manners, Refusal

_KEYS = {
    "orders": "orderId",
    "transactions": "transactionId",
    "payouts": "payoutId",
    "paymentDisputeSummaries": "paymentDisputeId",
    "inventoryItems": "sku",
    "offers": "offerId",
}
_ROWS = tuple(_KEYS)
_DATES = {
    "orders": "creationDate",
    "transactions": "transactionDate",
    "payouts": "payoutDate",
    "paymentDisputeSummaries": "openDate",
    "inventoryItems": "locale",
    "offers": "listingStartDate",
}
Path = tuple[str | int, ...]
_TEXTS: dict[str, Path] = {
    "orders": ("lineItems", 0, "title"),
    "transactions": ("transactionMemo",),
    "payouts": ("payoutStatusDescription",),
    "paymentDisputeSummaries": ("buyerUsername",),
    "inventoryItems": ("product", "title"),
    "offers": ("listingDescription",),
}
_NUMBERS: dict[str, Path] = {
    "orders": ("lineItems", 0, "quantity"),
    "transactions": ("amount", "value"),
    "payouts": ("transactionCount",),
    "paymentDisputeSummaries": ("amount", "value"),
    "inventoryItems": ("availability", "shipToLocationAvailability", "quantity"),
    "offers": ("availableQuantity",),
}
_MONEY: dict[str, Path] = {
    "orders": ("pricingSummary", "total"),
    "offers": ("pricingSummary", "price"),
}
_MARK = "@@here@@"
_HTML = (
    b"<!DOCTYPE html><html><head><title>eBay</title></head><body>We'll be right back</body></html>"
)

Body = dict[str, Any]


def instead(rule: Rule, manners: Manners, request: Request) -> Answer | None:
    """The answer of a rule that replaces the work; None where the work is to be done."""
    if rule.kind in _REFUSALS:
        answer = manners.refuse(request, _REFUSALS[rule.kind], 401)
    elif rule.kind in _INSTEAD:
        answer = _INSTEAD[rule.kind](rule)
    else:
        return None
    if rule.retry_after is None:
        return answer
    headers = (*answer.headers, ("Retry-After", rule.retry_after))
    return Answer(answer.status, answer.body, answer.content_type, headers)


def _status(rule: Rule) -> Answer:
    headers = {name.lower(): value for name, value in rule.headers.items()}
    content_type = headers.pop("content-type", "application/json")
    return Answer(rule.status, rule.body.encode(), content_type, tuple(headers.items()))


def _gzip_bomb(rule: Rule) -> Answer:
    headers = (("Content-Encoding", "gzip"),)
    return Answer(200, _squeezed(rule.size), "application/json", headers)


@cache
def _squeezed(size: int) -> bytes:
    opening, closing = b'{"total":1,"orders":[{"orderId":"1","title":"', b'"}]}'
    padding = max(0, size - len(opening) - len(closing))
    return gzip.compress(opening + b"A" * padding + closing, compresslevel=9)


# As the API that is called says it.
_REFUSALS = {
    Kind.SERVER_ERROR: Refusal.INTERNAL_ERROR,
    Kind.RATE_LIMITED: Refusal.TOO_MANY_REQUESTS,
    Kind.UNAUTHORIZED: Refusal.INVALID_TOKEN,
    Kind.MISSING_SCOPE: Refusal.ACCESS_DENIED,
}
_INSTEAD: dict[Kind, Callable[[Rule], Answer]] = {
    Kind.STATUS: _status,
    Kind.UNAVAILABLE: lambda _: Answer(503, b"Service Unavailable", "text/plain"),
    Kind.SIGNATURE_REQUIRED: lambda _: SIGNATURE_MISSING,
    Kind.HTML: lambda _: Answer(200, _HTML, "text/html"),
    Kind.EMPTY_BODY: lambda _: Answer(200, b""),
    Kind.NO_CONTENT: lambda _: Answer(204),
    Kind.GZIP_BOMB: _gzip_bomb,
}


def misses(rule: Rule, answer: Answer) -> bool:
    """Whether this rule damages answers, and could not damage this one: it is not a good page."""
    if damage_xml.is_xml(answer):
        return damage_xml.misses(rule, answer)
    if rule.kind in {Kind.TRUNCATED_JSON, Kind.BIG_BODY}:
        return answer.status != 200
    if rule.kind in {Kind.XML_BOMB, Kind.FAILURE, Kind.SHORT_PAGE}:
        return True
    if rule.kind not in _CHANGES:
        return False
    return answer.status != 200 or _page_of(answer) is None


def damaged(rule: Rule, answer: Answer) -> Answer:
    """`answer` as this rule leaves it."""
    if damage_xml.is_xml(answer):
        return damage_xml.damaged(rule, answer)
    body = answer.body or b""
    if rule.kind is Kind.TRUNCATED_JSON:
        return _with_body(answer, body[: len(body) * 2 // 3])
    if rule.kind is Kind.BIG_BODY:
        padding = b'{"padding":"' + b"A" * rule.size + b'",'
        return _with_body(answer, padding + body[1:])
    change = _CHANGES.get(rule.kind)
    page = _page_of(answer) if change else None
    if change is None or page is None:
        return answer
    changed = change(rule, *page)
    text = json.dumps(page[0] if changed is None else changed, ensure_ascii=False).encode()
    return _with_body(answer, _fill(rule.kind, text))


def _page_of(answer: Answer) -> tuple[Body, str] | None:
    """The body and the member that holds its rows; None where there are no rows."""
    if answer.content_type != "application/json":
        return None
    body = json.loads(answer.body or b"{}")
    kind = next((name for name in _ROWS if body.get(name)), None)
    return (body, kind) if kind else None


def _with_body(answer: Answer, body: bytes) -> Answer:
    return Answer(answer.status, body, answer.content_type, answer.headers)


_FILLINGS = {
    Kind.NUL_ESCAPE: (_MARK.encode(), b"\\u0000"),
    Kind.LONE_SURROGATE: (_MARK.encode(), b"\\ud83d"),
    Kind.INVALID_UTF8: (_MARK.encode(), b"\xff\xfe\xc3"),
    Kind.HUGE_NUMBER: (f'"{_MARK}"'.encode(), b"1e400"),
}


def _fill(kind: Kind, text: bytes) -> bytes:
    if kind not in _FILLINGS:
        return text
    return text.replace(*_FILLINGS[kind])


def _chosen(rule: Rule, body: Body, kind: str) -> list[Body]:
    rows: list[Body] = body[kind]
    if rule.keys:
        return [row for row in rows if row.get(_KEYS[kind]) in rule.keys]
    return rows[: rule.rows]


def _put(row: Body, path: Path, value: Any) -> None:
    inner: Any = row
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value


def _mark_text(rule: Rule, body: Body, kind: str) -> None:
    for row in _chosen(rule, body, kind):
        _put(row, _TEXTS[kind], f"text {_MARK}")


def _mark_number(rule: Rule, body: Body, kind: str) -> None:
    for row in _chosen(rule, body, kind):
        _put(row, _NUMBERS[kind], _MARK)


def _spoil_rows(rule: Rule, body: Body, kind: str) -> None:
    for row in _chosen(rule, body, kind):
        match rule.variant:
            case "date":
                row[_DATES[kind]] = "2026-13-45T99:99:99.000Z"
            case "null_id":
                row[_KEYS[kind]] = None
            case "missing_id":
                del row[_KEYS[kind]]
            case _:
                money = {"value": "12,5x", "currency": "EUR"}
                _put(row, _MONEY.get(kind, ("amount",)), money)


def _foreign_next(_rule: Rule, body: Body, _kind: str) -> None:
    body["next"] = "http://ebay.invalid/sell/fulfillment/v1/order?limit=200&offset=200"


def _hide_total(_rule: Rule, body: Body, _kind: str) -> None:
    body.pop("total", None)


def _wrong_total(rule: Rule, body: Body, _kind: str) -> None:
    body["total"] = body.get("total", 0) + rule.value


def _misshape(rule: Rule, body: Body, kind: str) -> Any:
    """The whole body instead, or None where `body` was changed in place."""
    match rule.variant:
        case "list":
            return body[kind]
        case "null":
            body[kind] = None
        case "string":
            body[kind] = "none"
        case "missing":
            del body[kind]
        case "numbers":
            body[kind] = [1, 2, 3]
        case _:
            body[kind] = {"order": body[kind][:1]}
    return None


_CHANGES: dict[Kind, Callable[[Rule, Body, str], Any]] = {
    Kind.NUL_ESCAPE: _mark_text,
    Kind.LONE_SURROGATE: _mark_text,
    Kind.INVALID_UTF8: _mark_text,
    Kind.HUGE_NUMBER: _mark_number,
    Kind.BAD_ROW: _spoil_rows,
    Kind.FOREIGN_NEXT: _foreign_next,
    Kind.HIDE_TOTAL: _hide_total,
    Kind.WRONG_TOTAL: _wrong_total,
    Kind.WRONG_SHAPE: _misshape,
}
