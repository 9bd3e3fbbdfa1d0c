"""Pages of a list and the links between them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import msgspec

from infra.simulator.answers import Answer, Request


@dataclass(frozen=True, slots=True)
class Place:
    limit: int
    offset: int


def read_number(request: Request, name: str, default: int) -> int | None:
    """None where the parameter is there and not a plain number."""
    text = request.get(name)
    if text is None:
        return default
    return int(text) if text.isascii() and text.isdigit() else None


def answer_page(
    request: Request,
    name: str,
    rows: Sequence[Any],
    place: Place,
    render: Callable[[Any], bytes],
    *,
    with_total: bool,
) -> Answer:
    """`name` is the member that holds the rows: each is rendered once and joined as bytes."""
    total = len(rows)
    head: dict[str, Any] = {"href": _link(request, place.limit, place.offset)}
    if with_total:
        head["total"] = total
    if place.offset + place.limit < total:
        head["next"] = _link(request, place.limit, place.offset + place.limit)
    if place.offset > 0:
        head["prev"] = _link(request, place.limit, max(0, place.offset - place.limit))
    head |= {"limit": place.limit, "offset": place.offset}
    shown = b",".join(render(row) for row in rows[place.offset : place.offset + place.limit])
    opening = msgspec.json.encode(head)[:-1]
    return Answer(200, b'%b,"%b":[%b]}' % (opening, name.encode(), shown))


def _link(request: Request, limit: int, offset: int) -> str:
    # eBay's links carry neither `fieldGroups` nor an old limit or offset.
    kept = [
        f"{key}={quote(value, safe=':.,')}"
        for key, value in request.parameters
        if key not in {"limit", "offset", "fieldGroups"}
    ]
    query = "&".join([*kept, f"limit={limit}", f"offset={offset}"])
    return f"{request.base_url}{request.path}?{query}"
