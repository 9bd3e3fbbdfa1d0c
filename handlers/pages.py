"""Small pages for people: a title, some text, at most a form; nothing of it runs or is loaded."""

import base64
import hashlib
import html
import re
from collections.abc import Mapping, Sequence

from starlette.responses import HTMLResponse

from handlers.problem import NO_STORE

STYLE = (
    ":root{color-scheme:light dark;font:1rem/1.5 system-ui,sans-serif}"
    "main{max-width:38rem;margin:3rem auto;padding:0 1rem}"
    "label{display:block;margin-top:1rem}"
    "input,select,button{font:inherit;padding:.4rem;max-width:100%;box-sizing:border-box}"
    "input,select{width:100%}button{margin-top:1.5rem}code{overflow-wrap:anywhere}"
)
_COMMAND = re.compile(r"`([^`]*)`")


def text(value: str) -> str:
    """Whatever it says, it is shown and not obeyed."""
    return html.escape(value, quote=True)


def paragraph(value: str) -> str:
    """What stands between backticks is a command."""
    shown = _COMMAND.sub(r"<code>\1</code>", text(value))
    return f"<p>{shown}</p>"


def link(place: str, label: str) -> str:
    return f'<p><a href="{text(place)}">{text(label)}</a></p>'


def field(name: str, label: str, value: str = "", *, kind: str = "text", hint: str = "") -> str:
    remembered = "current-password" if kind == "password" else "off"
    attributes = {
        "name": name, "type": kind, "value": value, "placeholder": hint, "autocomplete": remembered,
    }  # fmt: skip
    inner = "".join(f' {each}="{text(told)}"' for each, told in attributes.items() if told)
    return f"<label>{text(label)} <input{inner}></label>"


def choice(name: str, label: str, options: Sequence[str], chosen: str) -> str:
    rows = "".join(
        f'<option value="{text(each)}"{" selected" if each == chosen else ""}>{text(each)}</option>'
        for each in options
    )
    return f'<label>{text(label)} <select name="{text(name)}">{rows}</select></label>'


def form(place: str, *fields: str, submit: str) -> str:
    inner = "".join(fields)
    button = f'<button type="submit">{text(submit)}</button>'
    return f'<form method="post" action="{text(place)}">{inner}{button}</form>'


def page(
    status: int,
    title: str,
    *blocks: str,
    headers: Mapping[str, str] | None = None,
    submits_to: Sequence[str] = (),
) -> HTMLResponse:
    """`submits_to`: where its form may lead, redirects included."""
    body = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        # Else browsers look for an icon, which is not there.
        '<link rel="icon" href="data:,">'
        f"<title>{text(title)} · Cronshot</title><style>{STYLE}</style></head>"
        f"<body><main><h1>{text(title)}</h1>{''.join(blocks)}</main></body></html>"
    )
    return HTMLResponse(body, status, {**_guards(submits_to), **(headers or {})})


def _guards(submits_to: Sequence[str]) -> Mapping[str, str]:
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    places = " ".join(submits_to) or "'none'"
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; form-action {places};"
        " frame-ancestors 'none'; base-uri 'none'"
    )
    return {
        **NO_STORE,
        "Content-Security-Policy": policy,
        # Addresses of these pages carry codes.
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
