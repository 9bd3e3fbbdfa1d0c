"""The SQL of a feature, read from `sql/<feature>.sql`."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType

from sqlalchemy import TextClause, text

from infra.postgres.page_statements import page_table

_NAME = re.compile(r"^-- name: *(\w+) *$", re.MULTILINE)

# What may hold a `--`, a `:` or a `%` that is not SQL's: literals, identifiers, comments.
_OPAQUE = re.compile(
    r"(?P<quoted>'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)"
    r"|(?P<comment>--[^\n]*|/\*.*?\*/)",
    re.DOTALL,
)


@cache
def load(feature: str) -> Mapping[str, TextClause]:
    """The statements of `feature`, by the name in the `-- name: …` line above each.

    Parameters are `:name`. Raises ValueError for a file that is not written like that.
    """
    return MappingProxyType(statements(_read(f"{feature}.sql")))


def statements(source: str) -> dict[str, TextClause]:
    """Those of one file; where it has `rows`, with the ones made from the template."""
    found = dict(split(source))
    if "rows" in found:
        found = _stored_like_others(source, found)
    return {name: text(sql) for name, sql in found.items()}


def _stored_like_others(source: str, own: dict[str, str]) -> dict[str, str]:
    """With the template's statements in place of `rows`; its own of the same name win."""
    table = page_table(source, own.pop("rows"))
    template = dict(split(_read("template/page.sql")))
    return {name: table.fill(template[name]) for name in table.statements} | own


def _read(path: str) -> str:
    return (resources.files("infra.postgres") / "sql" / path).read_text("utf-8")


def split(source: str) -> Iterator[tuple[str, str]]:
    """Name and text of each statement, without comments: a `:name` in one would be a parameter."""
    head, *parts = _NAME.split(source)
    if without_comments(head).strip():
        raise ValueError("SQL stands before the first `-- name:` line")
    seen: set[str] = set()
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        sql = without_comments(body).strip().removesuffix(";").strip()
        if not sql or name in seen:
            raise ValueError(f"the statement {name!r} is empty or stands there twice")
        seen.add(name)
        yield name, _with_driver_percents(sql)


def without_comments(sql: str) -> str:
    stripped = _OPAQUE.sub(lambda found: found["quoted"] or " ", sql)
    return "\n".join(line.rstrip() for line in stripped.splitlines() if line.strip())


def _with_driver_percents(sql: str) -> str:
    """pg8000 wants `%%` outside literals in a statement with parameters, and `%` in one without."""
    if not parameters(sql):
        return sql
    doubled = re.compile(f"{_OPAQUE.pattern}|(?P<percent>%)", re.DOTALL)
    return doubled.sub(lambda found: "%%" if found["percent"] else found[0], sql)


def parameters(sql: str) -> list[str]:
    """The names of the parameters, in the order in which they first appear."""
    return list(text(sql).compile().params)
