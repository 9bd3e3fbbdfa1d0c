"""`/docs`: the schema as a page of ours; nothing of it is fetched from elsewhere."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from starlette.responses import HTMLResponse, Response

STYLE = """
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 0 auto; padding: 1rem }
code, pre { font-family: ui-monospace, monospace; font-size: .9rem }
code { overflow-wrap: anywhere }
pre { overflow-x: auto; padding: .5rem; border: 1px solid }
h2 { margin-top: 2.5rem; border-bottom: 1px solid }
dt { font-weight: 600 }
"""
HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
FIRST_ERROR = "400"
_COMMAND, CODE = re.compile(r"`([^`]*)`"), r"<code>\1</code>"
_ODD = re.compile(r"[^A-Za-z0-9]+")
HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{HASH}'; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def page(schema: Mapping[str, Any], prefix: str) -> Response:
    """Every operation with what it takes and gives."""
    title = escape(schema["info"]["title"])
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>{title}</title><style>{STYLE}</style></head><body><main><h1>{title}</h1>",
        f"<p>{_COMMAND.sub(CODE, escape(schema['info']['description']))}</p>",
        f'<p>For programs: <a href="{escape(prefix)}/openapi.json">openapi.json</a></p>',
        _contents(schema, prefix),
        *_operations(schema, prefix),
        "</main></body></html>",
    ]
    return HTMLResponse("".join(parts), headers=HEADERS)


def _contents(schema: Mapping[str, Any], prefix: str) -> str:
    """Of fifty operations one is looked for."""
    lines = [
        f'<li><a href="#{_mark(method, path)}"><code>{_name(method, prefix + path)}</code></a></li>'
        for path, methods in schema["paths"].items()
        for method in methods
    ]
    return f"<ul>{''.join(lines)}</ul>"


def _mark(method: str, path: str) -> str:
    return escape(f"{method}{_ODD.sub('-', path)}")


def _name(method: str, path: str) -> str:
    return f"{method.upper()} {escape(path)}"


def _operations(schema: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            name = _name(method, prefix + path)
            yield f'<h2 id="{_mark(method, path)}"><code>{name}</code></h2>'
            yield f"<p>{escape(operation.get('description', ''))}</p>"
            yield _taken(operation)
            yield _shape("Body", operation.get("requestBody", {}), schema)
            yield _shape("Answer", operation["responses"]["200"], schema)
            yield _others(operation["responses"])


def _others(responses: Mapping[str, Any]) -> str:
    """Two lines at most: other answers of the same form, and errors."""
    also = [
        f"{escape(status)}: {escape(told['description'])}"
        for status, told in sorted(responses.items())
        if "200" < status < FIRST_ERROR
    ]
    errors = ", ".join(sorted(status for status in responses if status >= FIRST_ERROR))
    same = f"<p>In the same form: {'; '.join(also)}.</p>" if also else ""
    return f"{same}<p>Errors (application/problem+json): {escape(errors)}</p>"


def _taken(operation: Mapping[str, Any]) -> str:
    lines = [
        f"<dt><code>{escape(each['name'])}</code> ({escape(each['in'])})</dt>"
        f"<dd>{escape(each.get('description', ''))}</dd>"
        for each in operation.get("parameters", ())
    ]
    return f"<dl>{''.join(lines)}</dl>" if lines else ""


def _shape(title: str, part: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    forms = part.get("content", {})
    content = forms.get("application/json")
    if content is None:
        told = f"{part.get('description', '')} ({', '.join(forms)})"
        return f"<h3>{title}</h3><p>{escape(told)}</p>" if forms else ""
    shown = json.dumps(_example(content["schema"], schema), indent=2, ensure_ascii=False)
    return f"<h3>{title}</h3><pre>{escape(shown)}</pre>"


def _example(kind: Mapping[str, Any], schema: Mapping[str, Any]) -> Any:
    """A type in the form of what has it, with a field's description in place of its value."""
    if "$ref" in kind:
        return _example(schema["components"]["schemas"][kind["$ref"].rpartition("/")[2]], schema)
    if "anyOf" in kind:
        first = dict(kind["anyOf"][0]) | {k: v for k, v in kind.items() if k == "description"}
        shown = _example(first, schema)
        return f"{shown} or null" if isinstance(shown, str) else shown
    if "properties" in kind:
        return {name: _example(each, schema) for name, each in kind["properties"].items()}
    if kind.get("type") == "array":
        return [_example(kind["items"], schema)]
    told = kind.get("description")
    return f"{kind.get('type', 'any')}: {told}" if told else kind.get("type", "any")
