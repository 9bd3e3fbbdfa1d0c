"""A stream's statements, made from the template that all pages without children share.

A stream's SQL file says which table its rows go to, and what their columns are:

    -- list: items, table: ebay.listings, key: item_id sku, ends
    -- name: rows
    SELECT raw ->> 'ItemID' AS item_id,
           COALESCE(raw ->> 'SKU', '') AS sku

`list` is the member of the page that holds its rows. One column a line. `version: column` where
eBay gives one; `ends`: rows end when snapshots no longer show them (`ended_at`); `details`: a row
is `raw`, what one more call said of it is `detail`, kept in the column of that name; the columns
that are read from it stay where a page brings none. `again`: rows are read again by their keys.
"""

import re
from dataclasses import dataclass

_HEADER = re.compile(
    r"^-- list: (?P<list_field>\w+), table: (?P<table>[\w.]+), key: (?P<key>[\w ]+?)"
    r"(?:, version: (?P<version>\w+))?"
    r"(?P<ends>, ends)?(?P<details>, details(?P<again>, again)?)?$",
    re.MULTILINE,
)
_COLUMN = re.compile(r"^.* AS (\w+),?$", re.MULTILINE)
_PIECE = re.compile(r" AS (\w+),?$", re.MULTILINE)
_WORD = re.compile(r"\w+")
_OF_DETAIL = re.compile(r"\bdetail\b.* AS (\w+)")
_NOTHING = "CAST(NULL AS jsonb)"
_PLACEHOLDER = re.compile(r"<<(\w+)>>")


@dataclass(frozen=True, slots=True, kw_only=True)
class PageTable:
    """Where a page's rows go. `columns` without `detail` and those that every table has.

    `detailed`: the columns that are read from `detail`.
    """

    list_field: str
    table: str
    key: tuple[str, ...]
    version: str | None
    ends: bool
    details: bool
    again: bool
    columns: tuple[str, ...]
    detailed: frozenset[str]
    rows: str

    def fill(self, template: str) -> str:
        """Raises KeyError for a placeholder that does not exist."""
        values = self._names() | self._parts()
        return _PLACEHOLDER.sub(lambda found: values[found[1]], template)

    @property
    def statements(self) -> tuple[str, ...]:
        return (
            "store",
            *(("lacking_details",) if self.details else ()),
            *(("store_again",) if self.again else ()),
            *(("end_unseen",) if self.ends else ()),
        )

    def _names(self) -> dict[str, str]:
        stored = tuple(f"stored.{name}" for name in self.key)
        return {
            "table": self.table,
            "list_field": self.list_field,
            "key": ", ".join(self.key),
            "key_text": _joined(self.key),
            "stored_key": ", ".join(stored),
            "stored_key_text": _joined(stored),
            "same_key": " AND ".join(f"stored.{name} = entry.{name}" for name in self.key),
            "columns": ", ".join([*self.columns, *(["detail"] if self.details else [])]),
            "rows": self.rows,
        }

    def _parts(self) -> dict[str, str]:
        version = self.version
        return {
            "raw": "entry -> 'summary'" if self.details else "entry",
            "detail": "NULLIF(entry -> 'detail', 'null')" if self.details else _NOTHING,
            "stored_detail": "stored.detail" if self.details else _NOTHING,
            "newest": f"{version} DESC NULLS LAST," if version else "",
            "not_older": self._not_older(),
            "alive": "stored.ended_at IS NULL" if self.ends else "true",
            "differs": " OR ".join(self._differences()) or "false",
            "settings": ", ".join(self._settings()),
            "again": ", ".join(f"{name} = entry.{name}" for name in (*self._own(), "detail")),
        }

    def _own(self) -> list[str]:
        return [name for name in self.columns if name not in self.key]

    def _not_older(self) -> str:
        """By the version, then by when it was asked for, which alone decides where one is null.

        What was read by key later says nothing of the list, whose pages come from one unit only.
        """
        if self.again:
            return "true"
        asked_later = "stored.updated_at <= EXCLUDED.updated_at"
        if self.version is None:
            return asked_later
        stored, brought = (
            f"({of}.{self.version}, {of}.updated_at)" for of in ("stored", "EXCLUDED")
        )
        return f"COALESCE({stored} <= {brought}, {asked_later})"

    def _differences(self) -> list[str]:
        ended = ["stored.ended_at IS NOT NULL"] if self.ends else []
        detail = "EXCLUDED.detail IS NOT NULL AND stored.detail IS DISTINCT FROM EXCLUDED.detail"
        return ended + ([f"({detail})"] if self.details else [])

    def _settings(self) -> list[str]:
        plain = "{0} = EXCLUDED.{0}"
        kept = (
            "{0} = CASE WHEN EXCLUDED.detail IS NULL"
            " THEN COALESCE(EXCLUDED.{0}, stored.{0}) ELSE EXCLUDED.{0} END"
        )
        detail = [kept.format("detail")] if self.details else []
        ended = ["ended_at = NULL"] if self.ends else []
        own = [(kept if name in self.detailed else plain).format(name) for name in self._own()]
        return own + detail + ended


def page_table(source: str, rows: str) -> PageTable:
    """What the header of a stream's SQL and its `rows` say. Raises ValueError."""
    header = _HEADER.search(source)
    columns = tuple(_COLUMN.findall(rows))
    if header is None or not columns:
        raise ValueError("a file with `rows` needs a line `-- list: …, table: …, key: …`")
    return PageTable(
        list_field=header["list_field"],
        table=header["table"],
        key=tuple(header["key"].split()),
        version=header["version"],
        ends=header["ends"] is not None,
        details=header["details"] is not None,
        again=header["again"] is not None,
        columns=columns,
        detailed=_read_from_detail(rows),
        rows=rows,
    )


def _read_from_detail(rows: str) -> frozenset[str]:
    """The columns, by way of other names too: `FROM (SELECT detail -> 'x' AS x)`."""
    *columns, tail = _PIECE.split(rows)
    words = {"detail", *_OF_DETAIL.findall(tail)}
    pairs = zip(columns[::2], columns[1::2], strict=True)
    return frozenset(name for read, name in pairs if words & set(_WORD.findall(read)))


def _joined(names: tuple[str, ...]) -> str:
    return " || '|' || ".join(names)
