"""One answer of a list, read: the envelope is taken apart, the rows stay text."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Annotated, Any, TypeVar
from urllib.parse import SplitResult, parse_qs, urlsplit

import msgspec

from core.sync.model import Page, PageQuery, Stream, Walk
from infra.clean import clean_json_text
from infra.ebay.answer import Answer
from infra.ebay.errors import bad_answer, unreadable
from infra.ebay.instants import parse_instant

T = TypeVar("T")

# Beyond it a count is a lie, and does not fit PostgreSQL's integer.
MAX_COUNT = 2**31 - 1
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_MILLISECOND = timedelta(milliseconds=1)

# A 204 has no body; its page's text is still JSON, should somebody read it as such.
EMPTY_PAGE = Page(text="{}", rows=(), total=0, next_offset=None)


class Envelope(msgspec.Struct, kw_only=True):
    """What every list has; `rows` is the one field whose name differs."""

    rows: list[msgspec.Raw] = []
    total: Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)] | None = None
    offset: Any = None
    next: str | None = None


class Counted(msgspec.Struct, kw_only=True):
    """What is left of it where pages have numbers; without any row the member may be missing."""

    rows: list[msgspec.Raw] | None = None
    total: Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListShape:
    """Which fields of a row are its key, and which is the instant that the window filters by."""

    stream: Stream
    key_fields: tuple[str, ...]
    instant_field: str


class ShapeError(Exception):
    """JSON that a contract does not know."""


class OtherPageError(Exception):
    """A page that was not asked for."""


def read_page(
    answer: Answer, shape: ListShape, query: PageQuery, *, secrets: Sequence[str] = ()
) -> Page:
    """The page in a 200.

    Raises UpstreamUnavailableError where the body is no whole JSON text or another page than the
    one asked for, BadAnswerError where the contract does not know its shape. A single odd row
    fails nothing: the store finds it and puts it into quarantine.
    """
    try:
        return _page(answer, shape, query)
    except (msgspec.ValidationError, RecursionError, ShapeError) as error:
        raise bad_answer(answer, str(error), secrets) from error
    except (msgspec.DecodeError, OtherPageError) as error:
        raise unreadable(answer, str(error), secrets) from error


def read_rows(
    answer: Answer, list_field: str, *, secrets: Sequence[str] = ()
) -> tuple[tuple[bytes, ...], int]:
    """Rows and `total` of a list whose pages have numbers.

    Raises as `read_page`, and BadAnswerError where `total` is missing.
    """
    try:
        _, listed = decoded(answer.body, _rows_decoder(list_field))
        return _counted(listed, list_field)
    except (msgspec.ValidationError, RecursionError, ShapeError) as error:
        raise bad_answer(answer, str(error), secrets) from error
    except msgspec.DecodeError as error:
        raise unreadable(answer, str(error), secrets) from error


def _counted(listed: "Counted", list_field: str) -> tuple[tuple[bytes, ...], int]:
    rows = tuple(bytes(row) for row in listed.rows or ())
    if listed.total and listed.rows is None:
        raise ShapeError(f"`{list_field}` is missing")
    check_rows(rows, list_field)
    return rows, listed.total


def _page(answer: Answer, shape: ListShape, query: PageQuery) -> Page:
    text, envelope = decoded(answer.body, _envelope_decoder(shape.stream.list_field))
    rows = tuple(bytes(row) for row in envelope.rows)
    check_rows(rows, shape.stream.list_field)
    if envelope.total is None and shape.stream.walk is Walk.MOVING:
        raise ShapeError("`total` is missing, without which the list has no end to begin at")
    if rows and type(envelope.offset) is int and envelope.offset != query.offset:
        # Taken for the page asked for, it would hide that page's rows for good.
        raise OtherPageError(f"it says offset {envelope.offset} where {query.offset} was asked for")
    keys, instants = _positions(rows, shape, query) if shape.stream.walk is Walk.FIXED else ((), ())
    return Page(
        text=text,
        rows=rows,
        total=envelope.total,
        next_offset=_next_offset(envelope.next, answer.place.partition(" ")[2]),
        keys=keys,
        instants=instants,
    )


def _text(body: bytes) -> tuple[str, bytes]:
    """The body as text and, the same, as bytes that are valid UTF-8."""
    body = body.removeprefix(_BYTE_ORDER_MARK)
    try:
        return body.decode(), body
    except UnicodeDecodeError:
        text = body.decode(errors="replace")
        return text, text.encode()


def decoded(body: bytes, decoder: "msgspec.json.Decoder[T]") -> tuple[str, T]:
    """The text of a body as PostgreSQL takes it, and what it says. Raises msgspec.DecodeError."""
    text, body = _text(body)
    try:
        return text, decoder.decode(body)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        # msgspec refuses half a surrogate pair, and so would PostgreSQL; one title must not cost
        # the page.
        cleaned = clean_json_text(text)
        if cleaned == text:
            raise
        return cleaned, decoder.decode(cleaned.encode())


def check_rows(rows: Sequence[bytes], list_field: str) -> None:
    """Raises ShapeError where none of them can be a row."""
    if rows and not any(row.startswith(b"{") for row in rows):
        raise ShapeError(f"`{list_field}` holds no objects")


def _next_offset(link: str | None, asked: str) -> int | None:
    """The offset that a `next` link names. The link itself is never followed."""
    if not link:
        return None
    try:
        target, source = urlsplit(link), urlsplit(asked)
        foreign = bool(target.netloc) and _origin(target) != _origin(source)
        offset = int(parse_qs(target.query)["offset"][-1])
    except (ValueError, LookupError):
        raise ShapeError("`next` is no link to a page") from None
    if foreign:
        raise ShapeError("`next` leads to another host")
    if not 0 <= offset <= MAX_COUNT:
        raise ShapeError("`next` leads to an impossible offset")
    return offset


def _origin(parts: SplitResult) -> tuple[str | None, int | None]:
    return parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _positions(
    rows: Sequence[bytes], shape: ListShape, query: PageQuery
) -> tuple[tuple[str, ...], tuple[datetime, ...]]:
    """Key and instant of each row of a list whose newest come first.

    A row without a usable key is known by its bytes. One without a usable instant, or with one
    outside the window, takes that of the row before it, the first one the window's end: never
    earlier than its own place in the list, so a window lowered to it leaves nothing out.
    """
    earliest = query.from_ - _MILLISECOND
    keys, instants, last = [], [], query.to
    for row in rows:
        key, instant = _key_and_instant(row, shape.key_fields, shape.instant_field)
        if instant is not None and earliest <= instant <= query.to:
            last = instant
        keys.append(key)
        instants.append(last)
    return tuple(keys), tuple(instants)


def key_of(row: bytes, key_fields: tuple[str, ...]) -> str:
    """A row without a usable key is known by its bytes."""
    return _key_and_instant(row, key_fields, "")[0]


def _key_and_instant(
    row: bytes, key_fields: tuple[str, ...], instant_field: str
) -> tuple[str, datetime | None]:
    try:
        *key, instant = msgspec.structs.astuple(_row_decoder(key_fields, instant_field).decode(row))
    except (msgspec.DecodeError, RecursionError):
        return f"sha256:{hashlib.sha256(row).hexdigest()}", None
    return "|".join(map(str, key)), parse_instant(instant)


@cache
def _envelope_decoder(list_field: str) -> "msgspec.json.Decoder[Envelope]":
    rows = ("rows", list[msgspec.Raw], msgspec.field(name=list_field))
    return msgspec.json.Decoder(
        msgspec.defstruct("Listed", [rows], bases=(Envelope,), kw_only=True)
    )


@cache
def _rows_decoder(list_field: str) -> "msgspec.json.Decoder[Counted]":
    rows = ("rows", list[msgspec.Raw] | None, msgspec.field(name=list_field, default=None))
    return msgspec.json.Decoder(
        msgspec.defstruct("CountedList", [rows], bases=(Counted,), kw_only=True)
    )


@cache
def _row_decoder(key_fields: tuple[str, ...], instant_field: str) -> "msgspec.json.Decoder[Any]":
    """Keys are demanded, the instant is not: an odd one must not cost the key."""
    keys = [(f"key{n}", str | int, msgspec.field(name=name)) for n, name in enumerate(key_fields)]
    instant = ("instant", Any, msgspec.field(name=instant_field, default=None))
    return msgspec.json.Decoder(msgspec.defstruct("Row", [*keys, instant]))
