"""JSON as Trading answers tell it: elements, attributes, padding."""

from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape, quoteattr

_PADDING = "\n      "


def elements(fields: Mapping[str, Any], *, padded: bool = False) -> str:
    """Each member an element; `{"value": text, name: …}` has attributes, a list repeats.

    `padded`: texts stand in white space, as some of eBay's do.
    """
    return "".join(
        _element(name, each, padded=padded)
        for name, value in fields.items()
        for each in (value if isinstance(value, list) else [value])
    )


def _element(name: str, value: Any, *, padded: bool) -> str:
    if isinstance(value, Mapping) and "value" in value:
        others = [(key, text) for key, text in value.items() if key != "value"]
        attributes = "".join(f" {key}={quoteattr(text)}" for key, text in others)
        return f"<{name}{attributes}>{_text(value['value'], padded=padded)}</{name}>"
    if isinstance(value, Mapping):
        return f"<{name}>{elements(value, padded=padded)}</{name}>"
    return f"<{name}>{_text(value, padded=padded)}</{name}>"


def _text(value: str, *, padded: bool) -> str:
    text = escape(value)
    return f"{_PADDING}{text} \t" if padded else text
