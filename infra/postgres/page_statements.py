"""A stream's statements, made from the template that all pages without children share.

A stream's SQL file says which table its rows go to, and what their columns are:

    -- list: items, table: ebay.listings, key: item_id sku, ends
    -- name: rows
    SELECT raw ->> 'ItemID' AS item_id,
           COALESCE(raw ->> 'SKU', '') AS sku

`list` is the member of the page that holds its rows. One column a line. `version: column` where
eBay gives one; `ends`: rows end when snapshots no longer show them (`ended_at`); `details`: a row
is `raw`, what one more call said of it is `detail`, kept in the column of that name. A row of the
page is then `{"summary", "detail"}`, or `{"key", "detail"}` where its `raw` is the one stored.
"""

import re
from dataclasses import dataclass

_HEADER = re.compile(
    r"^-- list: (?P<list_field>\w+), table: (?P<table>[\w.]+), key: (?P<key>[\w ]+?)"
    r"(?:, version: (?P<version>\w+))?"
    r"(?P<ends>, ends)?(?P<details>, details)?$",
    re.MULTILINE,
)
_COLUMN = re.compile(r"^.* AS (\w+),?$", re.MULTILINE)
_NOTHING = "CAST(NULL AS jsonb)"
_PLACEHOLDER = re.compile(r"<<(\w+)>>")


@dataclass(frozen=True, slots=True, kw_only=True)
class PageTable:
    """Where a page's rows go. `columns` without `detail` and those that every table has."""

    list_field: str
    table: str
    key: tuple[str, ...]
    version: str | None
    ends: bool
    details: bool
    columns: tuple[str, ...]
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
            *(("end_unseen",) if self.ends else ()),
        )

    def _names(self) -> dict[str, str]:
        return {
            "table": self.table,
            "list_field": self.list_field,
            "key": ", ".join(self.key),
            "key_text": _joined(self.key),
            "stored_key_text": self._stored_key(),
            "same_key": " AND ".join(f"stored.{name} = entry.{name}" for name in self.key),
            "columns": ", ".join([*self.columns, *(["detail"] if self.details else [])]),
            "rows": self.rows,
        }

    def _parts(self) -> dict[str, str]:
        version = self.version
        return {
            "detailed": "true" if self.details else "false",
            "detail": "NULLIF(entry -> 'detail', 'null')"
            if self.details
            else "CAST(NULL AS jsonb)",
            "newest": f"{version} DESC NULLS LAST," if version else "",
            "not_older": f"stored.{version} <= EXCLUDED.{version}" if version else "true",
            "alive": "stored.ended_at IS NULL" if self.ends else "true",
            "differs": " OR ".join(self._differences()) or "false",
            "settings": ", ".join(self._settings()),
        }

    def _stored_key(self) -> str:
        return _joined(tuple(f"stored.{name}" for name in self.key))

    def _differences(self) -> list[str]:
        ended = ["stored.ended_at IS NOT NULL"] if self.ends else []
        detail = "EXCLUDED.detail IS NOT NULL AND stored.detail IS DISTINCT FROM EXCLUDED.detail"
        return ended + ([f"({detail})"] if self.details else [])

    def _settings(self) -> list[str]:
        """What is read from details stays where a page brings none."""
        new = "EXCLUDED.{0}"
        if self.details:
            kept = "THEN COALESCE(EXCLUDED.{0}, stored.{0}) ELSE EXCLUDED.{0}"
            new = f"CASE WHEN EXCLUDED.detail IS NULL {kept} END"
        names = [name for name in self.columns if name not in self.key]
        names += ["detail"] if self.details else []
        ended = ["ended_at = NULL"] if self.ends else []
        return [f"{name} = {new.format(name)}" for name in names] + ended


def page_table(source: str, rows: str) -> PageTable:
    """What the header of a stream's SQL and its `rows` say. Raises ValueError."""
    header = _HEADER.search(source)
    columns = tuple(_COLUMN.findall(rows))
    if header is None or len(columns) < 1:
        raise ValueError("a file with `rows` needs a line `-- list: …, table: …, key: …`")
    return PageTable(
        list_field=header["list_field"],
        table=header["table"],
        key=tuple(header["key"].split()),
        version=header["version"],
        ends=header["ends"] is not None,
        details=header["details"] is not None,
        columns=columns,
        rows=rows,
    )


def _joined(names: tuple[str, ...]) -> str:
    return " || '|' || ".join(names)
