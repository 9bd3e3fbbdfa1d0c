"""eBay's schema of the Trading API: which elements an answer may have, and where."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.support.ebay_shared import FOLDER

_XS = "{http://www.w3.org/2001/XMLSchema}"
Children = Mapping[str, ET.Element]


@cache
def _schema() -> tuple[dict[str, ET.Element], dict[str, ET.Element]]:
    """Global elements and types, by their names."""
    file = FOLDER / "trading" / "eBayTrading_v1423_reconstructed.xsd"
    if not file.is_file():
        pytest.skip(f"{file} is not there")
    root = ET.parse(file).getroot()
    elements = {each.get("name", ""): each for each in root.findall(f"{_XS}element")}
    types = {each.get("name", ""): each for each in root.findall(f"{_XS}complexType")}
    return elements, types


def unknown(document: bytes) -> Iterator[str]:
    """The paths of all elements that the schema does not have at their place."""
    root = ET.fromstring(document)
    declared = _schema()[0].get(_local(root))
    assert declared is not None, f"{_local(root)} is no message of the schema"
    yield from _unknown(root, declared, _local(root))


def in_order(document: bytes) -> bool:
    """Whether the elements of a request follow each other as the schema lists them."""
    root = ET.fromstring(document)
    return _in_order(root, _schema()[0][_local(root)])


def _in_order(element: ET.Element, declared: ET.Element) -> bool:
    allowed = _children(declared)
    names = [_local(child) for child in element]
    places = [list(allowed).index(name) for name in names]
    return places == sorted(places) and all(
        _in_order(child, allowed[_local(child)]) for child in element
    )


def _unknown(element: ET.Element, declared: ET.Element, path: str) -> Iterator[str]:
    allowed = _children(declared)
    for child in element:
        name = _local(child)
        if name not in allowed:
            yield f"{path}/{name}"
        else:
            yield from _unknown(child, allowed[name], f"{path}/{name}")


def _children(declared: ET.Element) -> dict[str, ET.Element]:
    """In the schema's order, those that a type inherits first."""
    kind = declared.get("type", "").rpartition(":")[2]
    types = _schema()[1]
    holder = types.get(kind) if kind else declared
    return {} if holder is None else _listed(holder)


def _listed(holder: ET.Element) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for extension in holder.iter(f"{_XS}extension"):
        base = _schema()[1].get(extension.get("base", "").rpartition(":")[2])
        found |= {} if base is None else _listed(base)
    return found | {each.get("name", ""): each for each in _own(holder)}


def _own(holder: ET.Element) -> Iterator[ET.Element]:
    """The nearest elements below: what stands inside those is theirs."""
    for child in holder:
        if child.tag == f"{_XS}element":
            yield child
        else:
            yield from _own(child)


def _local(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]
