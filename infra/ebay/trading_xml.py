"""The Trading API's XML: requests written, answers read row by row.

An element becomes JSON like this: one without children its text, trimmed; one with attributes too
`{"value": text, attribute: …}`; one with children an object, in which a child that comes more than
once is an array. What the schema does not know is kept like everything else.
"""

import io
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

NAMESPACE = "urn:ebay:apis:eBLBaseComponents"
MAX_DEPTH = 40
"""Of eBay's own answers none is deeper than 15."""

Value = str | int | bool | Mapping[str, "Value"] | Sequence["Value"]
Fields = Mapping[str, Value]
Json = Any

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*")
# XML 1.0 knows no way to write these, not even as a reference.
_IMPOSSIBLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_REFERENCE = re.compile(r"&#(?:x([0-9a-fA-F]+)|([0-9]+));")
_REPLACEMENT = "\ufffd"
# int() refuses very long numbers.
_MAX_DIGITS = 18


class XmlError(Exception):
    """No XML that could be read to its end: broken, too deep, or with a document type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """One of an answer's `Errors`."""

    code: int | None
    text: str
    is_warning: bool
    is_system: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What to keep of an answer, as paths below its root: `ActiveList/ItemArray/Item`.

    `rows` is the element of which there is one per row; `values` are kept whole, by their paths.
    All the rest is read and let go, so that lists nobody asked for cost no memory.
    """

    rows: str
    values: tuple[str, ...] = ()

    @property
    def wholes(self) -> tuple[str, ...]:
        return (self.rows, *self.values, "Errors")


@dataclass(slots=True, kw_only=True)
class Reading:
    """An answer, read. `root` and all names are without their namespace."""

    root: str = ""
    ack: str = ""
    complaints: list[Complaint] = field(default_factory=list)
    rows: list[Json] = field(default_factory=list)
    values: dict[str, Json] = field(default_factory=dict)


def write_request(call: str, fields: Fields) -> bytes:
    """`<CallRequest>` with these children, in this order; a sequence repeats its element."""
    body = "".join(_elements(fields))
    opening = f'<{call}Request xmlns="{NAMESPACE}">'
    return f'<?xml version="1.0" encoding="utf-8"?>{opening}{body}</{call}Request>'.encode()


def read_answer(body: bytes, shape: Shape) -> Reading:
    """Raises XmlError. Characters that XML has no way to write cost nothing but themselves."""
    try:
        return _read(body, shape)
    except ParseError as error:
        cleaned = _cleaned(body)
        if cleaned == body:
            raise XmlError(f"it is no well-formed XML: {error}") from error
    try:
        return _read(cleaned, shape)
    except ParseError as error:
        raise XmlError(f"it is no well-formed XML: {error}") from error


def as_list(value: Json) -> list[Json]:
    """Children of one name, whether there was none, one or more of them."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def dig(value: Json, path: str) -> Json:
    """What lies at `A/B/C` in a row; None where there is nothing."""
    for name in path.split("/"):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def text_at(value: Json, path: str) -> str:
    """The text at `path`, empty where there is none."""
    found = dig(value, path)
    found = found.get("value") if isinstance(found, dict) else found
    return found if isinstance(found, str) else ""


def _elements(fields: Fields) -> Iterator[str]:
    for name, value in fields.items():
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of an element")
        repeated = isinstance(value, Sequence) and not isinstance(value, str)
        for each in value if repeated else (value,):  # type: ignore[union-attr]  # a sequence then
            yield f"<{name}>{_content(each)}</{name}>"


def _content(value: Value) -> str:
    if isinstance(value, Mapping):
        return "".join(_elements(value))
    if isinstance(value, bool):
        return "true" if value else "false"
    return escape(_IMPOSSIBLE.sub(_REPLACEMENT, str(value)), quote=False)


def _read(body: bytes, shape: Shape) -> Reading:
    reading, place = Reading(), _Place(inside=tuple(f"{each}/" for each in shape.wholes))
    try:
        for event, element in iterparse(io.BytesIO(body), events=("start", "end"), forbid_dtd=True):
            if event == "start":
                place.enter(element)
            elif place.is_inside:
                place.leave()
            else:
                _take(reading, shape, place.path, element)
                place.leave()
                place.let_go(element)
    except DefusedXmlException as error:
        raise XmlError("it declares a document type, which eBay's answers never do") from error
    except (LookupError, ValueError) as error:
        raise XmlError("its encoding is not one that can be read") from error
    reading.root = place.root
    return reading


@dataclass(slots=True)
class _Place:
    """Where the parser is; `inside` are the beginnings of paths within what is kept as a whole."""

    inside: tuple[str, ...]
    paths: list[str] = field(default_factory=list)
    parents: list[Element] = field(default_factory=list)
    root: str = ""

    def enter(self, element: Element) -> None:
        """The root's path is empty, and paths begin below it."""
        if len(self.paths) >= MAX_DEPTH:
            raise XmlError(f"its elements are nested more than {MAX_DEPTH} deep")
        name = _local(element.tag)
        if not self.paths:
            self.root, name = name, ""
        elif self.paths[-1]:
            name = f"{self.paths[-1]}/{name}"
        self.paths.append(name)
        self.parents.append(element)

    @property
    def path(self) -> str:
        return self.paths[-1]

    @property
    def is_inside(self) -> bool:
        return self.paths[-1].startswith(self.inside)

    def leave(self) -> None:
        self.paths.pop()
        self.parents.pop()

    def let_go(self, element: Element) -> None:
        """Or the answer would stay in memory until its end."""
        if self.parents:
            self.parents[-1].remove(element)


def _take(reading: Reading, shape: Shape, here: str, element: Element) -> None:
    if here == shape.rows:
        reading.rows.append(_json(element))
    elif here in shape.values:
        reading.values[here] = _json(element)
    elif here == "Ack":
        reading.ack = (element.text or "").strip()
    elif here == "Errors":
        reading.complaints.append(_complaint(_json(element)))


def _json(element: Element) -> Json:
    attributes = {_local(name): value for name, value in element.attrib.items()}
    if not len(element):
        text = (element.text or "").strip()
        return {"value": text, **attributes} if attributes else text
    children: dict[str, list[Json]] = {}
    for child in element:
        children.setdefault(_local(child.tag), []).append(_json(child))
    found = {name: each if len(each) > 1 else each[0] for name, each in children.items()}
    return attributes | found


def _complaint(raw: Json) -> Complaint:
    code = text_at(raw, "ErrorCode")
    return Complaint(
        code=int(code) if code.isascii() and code.isdigit() and len(code) <= _MAX_DIGITS else None,
        text=text_at(raw, "LongMessage") or text_at(raw, "ShortMessage"),
        is_warning=text_at(raw, "SeverityCode") == "Warning",
        is_system=text_at(raw, "ErrorClassification") == "SystemError",
    )


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _cleaned(body: bytes) -> bytes:
    text = _REFERENCE.sub(_kept_or_replaced, body.decode("utf-8", errors="replace"))
    return _IMPOSSIBLE.sub(_REPLACEMENT, text).encode()


def _kept_or_replaced(found: re.Match[str]) -> str:
    digits, base = (found[1], 16) if found[1] else (found[2], 10)
    number = int(digits, base) if len(digits) <= _MAX_DIGITS else 0
    possible = number <= sys.maxunicode and not _IMPOSSIBLE.match(chr(number))
    return found[0] if possible else _REPLACEMENT
