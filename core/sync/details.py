"""What a list leaves out of its rows, or all of them: asked for by calls of their own."""

import json
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType

from core.errors import AppError, OutOfTimeError
from core.sync.fetch import Fetched, UnitPages
from core.sync.model import Page, Stream, Window
from core.sync.ports import OpenRow
from core.sync.walk import Step

INSTANT = timedelta(microseconds=1)
"""The smallest step of the database's clock."""


def with_details(
    fetched: Fetched, stream: Stream, wanted: AbstractSet[str], pages: UnitPages
) -> Fetched:
    """Rows become `{"summary": …, "detail": …}`, with one call for each batch of `wanted` keys.

    `detail` is null where what is stored still holds, or eBay has none. When time runs out or eBay
    fails in between, the rows still without are left out: the others are worth keeping, or a page
    that takes longer than a run, or more calls than eBay allows at once, would never be done.
    """
    missing = [key for key in dict.fromkeys(fetched.page.keys) if key in wanted]
    asked = _ask(missing, stream, pages)
    page = joined(fetched.page, stream.list_field, asked.found, left_out=set(asked.left))
    return replace(fetched, page=page, cut_short=bool(asked.left), failure=asked.failure)


def unfolded(fetched: Fetched, stream: Stream, pages: UnitPages) -> Fetched:
    """The page of the rows that the entries of a folded list name, with one call for each.

    An entry that names nothing is passed on to the store, which puts it into quarantine. When time
    runs out or eBay fails in between, what was found is worth keeping, as in `with_details`.
    """
    found: list[Page] = []
    failure: AppError | None = None
    entries = list(zip(fetched.page.keys, fetched.page.rows, strict=True))
    while entries and pages.may_go_on():
        try:
            found.append(_named_by(*entries[0], pages))
        except OutOfTimeError:
            break
        except AppError as error:
            if not found:
                raise
            failure = error
            break
        del entries[0]
    page = _together(fetched.page, stream.list_field, found)
    return replace(fetched, page=page, cut_short=bool(entries), failure=failure)


def _named_by(key: str, entry: bytes, pages: UnitPages) -> Page:
    if key:
        return pages.unfold(key)
    return Page(text="", rows=(entry,), total=None, next_offset=None, keys=(key,))


def _together(page: Page, list_field: str, parts: Sequence[Page]) -> Page:
    rows = tuple(row for part in parts for row in part.rows)
    keys = tuple(key for part in parts for key in part.keys)
    text = b'{"%b":[%b]}' % (list_field.encode(), b",".join(rows))
    return replace(page, text=text.decode(), rows=rows, keys=keys)


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
    keys = tuple(key for key, _ in kept)
    return replace(page, text=_listed(list_field, rows), rows=rows, keys=keys)


def read_again(
    rows: Sequence[OpenRow], window: Window, stream: Stream, pages: UnitPages, read_at: datetime
) -> Fetched:
    """A page of `{"key": …, "detail": …}`, for rows that are stored; one call for each batch.

    Rows that eBay has no details of are left out. When time runs out or eBay fails in between, the
    window begins at the first row that is still to be read: what was had is kept.
    """
    asked = _ask([row.key for row in rows], stream, pages)
    texts = tuple(
        b'{"key":%b,"detail":%b}' % (json.dumps(key).encode(), detail)
        for key, detail in asked.found.items()
    )
    page = Page(
        text=_listed(stream.list_field, texts),
        rows=texts,
        total=None,
        next_offset=None,
        keys=tuple(asked.found),
    )
    rest = _rest(rows, len(asked.left), window)
    step = Step(store=True, window=rest, failure=asked.failure)
    return Fetched(page=page, read_at=read_at, offset=0, step=step)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What eBay said of rows. `left`: the keys still to be asked for, because of the `failure`.

    Where that is None, there was no more time.
    """

    found: Mapping[str, bytes]
    left: Sequence[str]
    failure: AppError | None = None


def _ask(keys: Sequence[str], stream: Stream, pages: UnitPages) -> _Asked:
    """Raises what the first call raises; what a later one does is told beside what was had."""
    found: dict[str, bytes] = {}
    while keys and pages.may_go_on():
        try:
            found |= pages.details(keys[: stream.details_per_call])
        except OutOfTimeError:
            break
        except AppError as failure:
            if not found:
                raise
            return _Asked(found=found, left=keys, failure=failure)
        keys = keys[stream.details_per_call :]
    return _Asked(found=found, left=keys)


def _rest(rows: Sequence[OpenRow], left: int, window: Window) -> Window | None:
    """Rows of one instant are never on two pages, so the next one begins right after it."""
    if not left and len(rows) < window.limit:
        return None
    after = rows[-left].at if left else rows[-1].at + INSTANT
    return replace(window, from_=after, to=window.goal) if after <= window.goal else None


def _listed(list_field: str, rows: Sequence[bytes]) -> str:
    return (b'{"%b":[%b]}' % (list_field.encode(), b",".join(rows))).decode()
