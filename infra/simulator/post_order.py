"""Post-Order API: four searches and their rows by id.

https://developer.ebay.com/devzone/post-order/
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from infra.simulator.answers import Answer, RefusedError, Request, json_answer
from infra.simulator.behaviour import Counts
from infra.simulator.claim_json import render, render_detail
from infra.simulator.claims import Claim, Kind
from infra.simulator.clock import to_ms
from infra.simulator.orders import DAY_MS
from infra.simulator.paging import read_number
from infra.simulator.refusals import Manners, Refusal
from infra.simulator.world import World

ROOT = "/post-order/v2"
_SPAN_MS = 90 * DAY_MS
_FLOOR_MS = 18 * 31 * DAY_MS
_SCHEME = "iaf"


@dataclass(frozen=True, slots=True)
class Search:
    """`count`: the member that says how many there are, beside `paginationOutput`."""

    kind: Kind
    operation: str
    detail: str
    resource: str
    path: str
    dates: str
    rows: str
    override: str
    count: str
    usual: int
    most: int


SEARCHES = (
    Search(
        Kind.CASES, "searchCases", "getCase", "casemanagement", "/casemanagement",
        "case_creation_date_range", "members", "case_id", "totalNumberOfCases", 25, 200,
    ),
    Search(
        Kind.INQUIRIES, "searchInquiries", "getInquiry", "inquiry", "/inquiry",
        "inquiry_creation_date_range", "members", "inquiry_id", "totalNumberOfInquiries", 25, 200,
    ),
    Search(
        Kind.RETURNS, "searchReturns", "getReturn", "return", "/return",
        "creation_date_range", "members", "return_id", "", 25, 200,
    ),
    Search(
        Kind.CANCELLATIONS, "searchCancellations", "getCancellation", "cancellation",
        "/cancellation", "creation_date_range", "cancellations", "cancel_id", "total", 10, 500,
    ),
)  # fmt: skip

_REFUSALS: Mapping[Refusal, tuple[int, int, str, str]] = {
    Refusal.INVALID_TOKEN: (401, 1001, "OAuth", "Invalid access token"),
    Refusal.EXPIRED_TOKEN: (401, 1001, "OAuth", "Invalid access token"),
    Refusal.ACCESS_DENIED: (403, 1100, "ACCESS", "Access denied"),
    Refusal.TOO_MANY_REQUESTS: (429, 2001, "ACCESS", "Too many requests."),
    Refusal.INTERNAL_ERROR: (500, 2003, "ACCESS", "Internal error"),
}


def _token(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == _SCHEME else ""


def _refuse(request: Request, refusal: Refusal, status: int) -> Answer:
    if refusal in _REFUSALS:
        return _error(request, *_REFUSALS[refusal])
    if request.headers.get("authorization"):
        return _error(request, 401, 1001, "OAuth", "Bad scheme")
    return _error(request, status, 1002, "OAuth", "Missing access token")


def _error(request: Request, status: int, error_id: int, domain: str, message: str) -> Answer:
    """Of eBay's two envelopes the searches use one, calls by id the other."""
    entry = {
        "errorId": error_id,
        "domain": domain,
        "severity": "ERROR",
        "category": "REQUEST",
        "message": message,
        "parameter": [],
    }
    errors = {"error": [entry]}
    return json_answer(status, {"errorMessage": errors} if _is_search(request) else errors)


def _is_search(request: Request) -> bool:
    return request.path.rstrip("/").endswith("/search")


POST_ORDER = Manners(token=_token, refuse=_refuse)


def searching(search: Search) -> Callable[[World, Request], Answer]:
    def answer(world: World, request: Request) -> Answer:
        _check_headers(request)
        limit, offset = _place(request, search)
        account, behaviour = request.seller, world.behaviour
        for _ in range(behaviour.mutations_per_request):
            world.life.argue(account)
        found = _matching(world, request, search)
        first = max(offset - 1, 0) * limit if behaviour.post_order_offset_is_page else offset
        shown = [render(each, account, behaviour) for each in found[first : first + limit]]
        head = _head(search, behaviour.post_order_counts, len(found), limit, offset)
        opening = json_answer(200, head).body or b"{}"
        comma = b"," if head else b""
        rows = b'{"%b":[%b]%b' % (search.rows.encode(), b",".join(shown), comma)
        return Answer(200, rows + opening[1:])

    return answer


def reading(search: Search) -> Callable[[World, Request], Answer]:
    def answer(world: World, request: Request) -> Answer:
        _check_headers(request)
        claim_id = request.path.rstrip("/").rpartition("/")[2]
        claim = request.seller.claims.find(search.kind, claim_id)
        if claim is None or claim.forgotten:
            status = world.behaviour.post_order_unknown_id_status
            error_id = 2003 if status == 500 else 2002
            raise RefusedError(_error(request, status, error_id, "ACCESS", "Internal error"))
        return Answer(200, render_detail(claim, request.seller, world.behaviour))

    return answer


def _check_headers(request: Request) -> None:
    if not request.headers.get("x-ebay-c-marketplace-id"):
        raise _bad(request, "X-EBAY-C-MARKETPLACE-ID is missing")
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise _bad(request, "Content-Type must be application/json")


def _bad(request: Request, why: str) -> RefusedError:
    return RefusedError(_error(request, 400, 1408, "returnErrorDomain", why))


def _place(request: Request, search: Search) -> tuple[int, int]:
    limit = read_number(request, "limit", search.usual)
    offset = read_number(request, "offset", 0)
    if limit is None or offset is None or not 1 <= limit <= search.most:
        raise _bad(request, "limit or offset is out of range")
    return limit, offset


def _matching(world: World, request: Request, search: Search) -> list[Claim]:
    """Newest first. An id overrides every other parameter."""
    claims = request.seller.claims
    wanted = request.get(search.override)
    if wanted is not None:
        found = claims.find(search.kind, wanted)
        return [found] if found else []
    low, high = _range(world, request, search)
    return [
        each
        for each in reversed(claims.by_kind[search.kind])
        if low <= each.created <= high and _is_shown(request, each)
    ]


def _is_shown(request: Request, claim: Claim) -> bool:
    role = request.get("role")
    if role not in {None, "BUYER", "SELLER"}:
        raise _bad(request, f"role cannot be {role}")
    match claim.kind:
        case Kind.CANCELLATIONS:
            # Who asked for it; without a role, the seller.
            return claim.requestor == (role or "SELLER")
        case Kind.RETURNS:
            return role != "BUYER"
        case _:
            return not claim.is_escalated


def _range(world: World, request: Request, search: Search) -> tuple[int, int]:
    """`from` alone is the 90 days after it, `to` alone the 90 days before it."""
    now = world.clock.now_ms()
    start, end = (_instant(request, f"{search.dates}_{which}") for which in ("from", "to"))
    if start is None:
        end = now if end is None else end
        start = end - _SPAN_MS
    elif end is None:
        end = start + _SPAN_MS
    if start > end or start < now - _FLOOR_MS:
        raise _bad(request, "the creation date range is invalid")
    return start, end


def _instant(request: Request, name: str) -> int | None:
    text = request.get(name)
    if text is None:
        return None
    try:
        return to_ms(datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC))
    except ValueError:
        raise _bad(request, f"{name} is no date") from None


def _head(search: Search, counts: Counts, total: int, limit: int, offset: int) -> dict[str, Any]:
    """What stands beside the rows; each search has ways of its own when it found nothing."""
    head: dict[str, Any] = {"countSummary": []} if search.kind is Kind.RETURNS else {}
    page = {
        "limit": limit,
        "offset": offset,
        "totalEntries": total,
        "totalPages": -(-total // limit),
    }
    if counts is Counts.ZERO or (not total and search.kind is Kind.RETURNS):
        page = dict.fromkeys(page, 0)
    nothing = not total and search.kind is Kind.CANCELLATIONS
    if counts in {Counts.USUAL, Counts.ZERO} and not nothing:
        head["paginationOutput"] = page
    if counts is not Counts.NONE and search.count:
        head[search.count] = total
    return head
