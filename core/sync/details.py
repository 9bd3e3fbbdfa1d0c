"""What a list leaves out of its rows, asked for where it changed."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from types import MappingProxyType

from core.errors import OutOfTimeError
from core.sync.fetch import Fetched, UnitPages
from core.sync.model import Page, Stream


def with_details(
    fetched: Fetched, stream: Stream, wanted: AbstractSet[str], pages: UnitPages
) -> Fetched:
    """Rows become `{"summary": …, "detail": …}`, with one call for each batch of `wanted` keys.

    `detail` is null where what is stored still holds, or eBay has none. When time runs out in
    between, the rows still without are left out: the others are worth keeping, or a page that takes
    longer than a run would never be done.
    """
    missing = [key for key in dict.fromkeys(fetched.page.keys) if key in wanted]
    found: dict[str, bytes] = {}
    while missing and pages.may_go_on():
        batch = missing[: stream.details_per_call]
        try:
            found |= pages.details(batch)
        except OutOfTimeError:
            break
        missing = missing[len(batch) :]
    page = joined(fetched.page, stream.list_field, found, left_out=set(missing))
    return replace(fetched, page=page, cut_short=bool(missing))


def joined(
    page: Page,
    list_field: str,
    found: Mapping[str, bytes] = MappingProxyType({}),
    left_out: AbstractSet[str] = frozenset(),
) -> Page:
    """The page with each row's details beside it."""
    kept = [pair for pair in zip(page.keys, page.rows, strict=True) if pair[0] not in left_out]
    rows = tuple(
        b'{"summary":%b,"detail":%b}' % (row, found.get(key, b"null")) for key, row in kept
    )
    text = b'{"%b":[%b]}' % (list_field.encode(), b",".join(rows))
    return replace(page, text=text.decode(), rows=rows, keys=tuple(key for key, _ in kept))
