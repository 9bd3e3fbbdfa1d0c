"""Inventory API: getInventoryItems and getOffers, whose `offset` is the number of a page.

What a page behind the last one is answered, and what an empty inventory looks like, is documented
nowhere: here both are lists without rows.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from infra.simulator import inventory
from infra.simulator.answers import Answer, RefusedError, Request, error, json_answer
from infra.simulator.inventory import Offer
from infra.simulator.paging import read_number
from infra.simulator.world import World

_DOMAIN = "API_INVENTORY"
_LANGUAGE = re.compile(r"[A-Za-z]{2}([-_][A-Za-z]{2})?\b.*")
_SKU = re.compile(r"[^\s\x00-\x1f]{1,50}")
_LANGUAGE_TEXT = "Invalid value for header Accept-Language."


def get_inventory_items(world: World, request: Request) -> Answer:
    _check_language(request)
    limit, number = _place(request, default=25, most=200)
    account = request.seller
    world.life.restock(account, world.behaviour.mutations_per_request)
    return _page(
        request,
        "inventoryItems",
        account.ledger.inventory,
        (limit, number),
        lambda stock: inventory.render_item(stock, world.behaviour),
    )


def get_offers(world: World, request: Request) -> Answer:
    _check_language(request)
    limit, number = _place(request, default=100, most=None)
    sku, account = request.get("sku") or "", request.seller
    if not _SKU.fullmatch(sku):
        raise _refuse(400, 25707, "This is an invalid value for a SKU.")
    world.life.restock(account, world.behaviour.mutations_per_request)
    rows = _matching(request, sku)
    if not rows:
        raise _refuse(404, 25713, "This Offer is not available.")
    return _page(
        request,
        "offers",
        rows,
        (limit, number),
        lambda offer: inventory.render_offer(offer, world.behaviour),
    )


def _matching(request: Request, sku: str) -> list[Offer]:
    market, form = request.get("marketplace_id"), request.get("format")
    return [
        offer
        for stock in request.seller.ledger.inventory
        for offer in stock.offers
        if stock.sku == sku
        if market in {None, offer.market.marketplace_id} and form in {None, offer.form}
    ]


def _refuse(status: int, error_id: int, message: str) -> RefusedError:
    return RefusedError(error(status, error_id, _DOMAIN, message))


def _check_language(request: Request) -> None:
    if _LANGUAGE.fullmatch(request.headers.get("accept-language", "")):
        return
    entry = {
        "errorId": 25709,
        "domain": _DOMAIN,
        "subdomain": "Selling",
        "category": "REQUEST",
        "message": _LANGUAGE_TEXT,
        "parameters": [{"name": "additionalInfo", "value": _LANGUAGE_TEXT}],
    }
    raise RefusedError(json_answer(400, {"errors": [entry]}))


def _place(request: Request, *, default: int, most: int | None) -> tuple[int, int]:
    limit, number = read_number(request, "limit", default), read_number(request, "offset", 0)
    if limit is None or number is None or limit < 1 or (most is not None and limit > most):
        raise _refuse(400, 25706, "You have provided invalid pagination values.")
    return limit, number


def _page(
    request: Request,
    name: str,
    rows: Sequence[Any],
    place: tuple[int, int],
    render: Callable[[Any], bytes],
) -> Answer:
    limit, number = place
    pages = -(-len(rows) // limit)
    head: dict[str, Any] = {"href": _link(request, limit, number), "limit": limit}
    head |= {"size": pages, "total": len(rows)}
    if number + 1 < pages:
        head["next"] = _link(request, limit, number + 1)
    if number > 0:
        head["prev"] = _link(request, limit, number - 1)
    shown = b",".join(render(row) for row in rows[number * limit : (number + 1) * limit])
    opening = msgspec.json.encode(head)[:-1]
    return Answer(200, b'%b,"%b":[%b]}' % (opening, name.encode(), shown))


def _link(request: Request, limit: int, number: int) -> str:
    return f"{request.path}?limit={limit}&offset={number}"
