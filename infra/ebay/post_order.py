"""Post-Order searches: filtered by the instant of creation, and read without offsets.

What `offset` counts there (rows or pages) is documented both ways, so it is never sent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from typing import Any
from urllib.parse import quote

import msgspec

from core.secret import Secret
from core.sync.model import Account, Page, PageQuery, Stream, Walk
from core.sync.walk import complete
from infra.ebay.answer import Answer
from infra.ebay.errors import bad_answer, complaint_of, refusal, unreadable
from infra.ebay.hosts import Host
from infra.ebay.instants import format_instant
from infra.ebay.pages import MAX_COUNT, ShapeError, check_rows, decoded, key_of
from infra.ebay.stream_api import SCOPE, Ebay, marketplace_of

ROOT = "/post-order/v2"
_OK = 200
_NOT_FOUND = 404
_INTERNAL_ERROR = 2003


def claims(
    name: str,
    resource: str,
    *,
    list_field: str = "members",
    calls_per_page: int = 1,
    details: bool = False,
) -> Stream:
    """The stream of one kind of claims; `details`: one more call for each, also while it is open.

    Where each new row costs a call, a page should fit into a run: eBay would give 200.
    """
    return Stream(
        name=name,
        list_field=list_field,
        api=f"post-order.{resource}",
        interval=timedelta(minutes=15),
        walk=Walk.HALVED,
        page_size=50 if details else 200,
        open_pass=True,
        details_per_call=1 if details else 0,
        open_by_key=details,
        in_sandbox=False,
        calls_per_page=calls_per_page,
        # 18 months.
        keeps=timedelta(days=540),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PostOrderList:
    """`range_name`: the parameters of the window, without `_from` and `_to`.

    `roles`: the search is asked once for each; None: it knows none. `detail_path` is where one row
    is asked for, below which its key stands, and `detail_id` where the answer repeats the key.
    """

    stream: Stream
    operation: str
    path: str
    range_name: str
    key_field: str
    roles: tuple[str | None, ...] = (None,)
    detail_path: str = ""
    detail_id: tuple[str, ...] = ()

    @property
    def scope(self) -> str:
        """eBay's documents name none for Post-Order."""
        return SCOPE

    def fetch(
        self, ebay: Ebay, account: Account, query: PageQuery, token: Secret, *, timeout: float
    ) -> Page:
        ends = ebay.clock.monotonic() + timeout
        parts = []
        for role in self.roles:
            left = max(ends - ebay.clock.monotonic(), 0.0)
            answer = self._ask(
                ebay, account, self.path, self.query_text(query, role), token, timeout=left
            )
            parts.append(self._page(ebay, answer, token.reveal()))
        return parts[0] if len(parts) == 1 else self._together(query, parts)

    def details(
        self, ebay: Ebay, account: Account, keys: Sequence[str], token: Secret, *, timeout: float
    ) -> Mapping[str, bytes]:
        [key] = keys
        path = f"{self.detail_path}/{quote(key, safe='')}"
        answer = self._ask(ebay, account, path, "", token, timeout=timeout)
        if answer.status == _OK:
            return self._detail(answer, key, token.reveal())
        if _knows_nothing(answer):
            return {}
        raise self._refusal(ebay, answer, token.reveal())

    def query_text(self, query: PageQuery, role: str | None = None) -> str:
        """Both ends are sent: `from` alone means the 90 days after it, not up to now."""
        between = {
            f"{self.range_name}_from": format_instant(query.from_),
            f"{self.range_name}_to": format_instant(query.to),
            "limit": str(query.limit),
        }
        if role is not None:
            between["role"] = role
        return "&".join(f"{name}={quote(value, safe=':')}" for name, value in between.items())

    def _ask(
        self, ebay: Ebay, account: Account, path: str, query: str, token: Secret, *, timeout: float
    ) -> Answer:
        return ebay.http.request(
            "GET",
            ebay.hosts.of(account.environment).base(Host.API) + ROOT + path,
            query=query,
            headers={
                # `Bearer` is answered 401 "Bad scheme".
                "Authorization": f"IAF {token.reveal()}",
                "X-EBAY-C-MARKETPLACE-ID": marketplace_of(account),
                "Content-Type": "application/json",
                "Accept": "application/json",
            },
            timeout=timeout,
        )

    def _refusal(self, ebay: Ebay, answer: Answer, token: str) -> Exception:
        return refusal(answer, scope=self.scope, now=ebay.clock.now(), secrets=(token,))

    def _page(self, ebay: Ebay, answer: Answer, token: str) -> Page:
        if answer.status != _OK:
            raise self._refusal(ebay, answer, token)
        try:
            return self._read(answer)
        except (msgspec.ValidationError, RecursionError, ShapeError) as error:
            raise bad_answer(answer, str(error), (token,)) from error
        except msgspec.DecodeError as error:
            raise unreadable(answer, str(error), (token,)) from error

    def _read(self, answer: Answer) -> Page:
        list_field = self.stream.list_field
        text, found = decoded(answer.body, _decoder(list_field))
        rows = tuple(bytes(row) for row in found.rows or ())
        check_rows(rows, list_field)
        total = found.count()
        if found.rows is None and total != 0:
            raise ShapeError(f"`{list_field}` is missing")
        return Page(
            text=text,
            rows=rows,
            total=_believable(total, len(rows)),
            next_offset=None,
            keys=tuple(key_of(row, (self.key_field,)) for row in rows),
        )

    def _together(self, query: PageQuery, parts: Sequence[Page]) -> Page:
        """One page of them all; its `total` is its rows, or more than fit where one has more."""
        whole = [complete(self.stream, query, part) for part in parts]
        rows = {key: row for part in whole for key, row in zip(part.keys, part.rows, strict=True)}
        longest = max(_least_length(part, query.limit) for part in whole)
        text = b'{"%b":[%b]}' % (self.stream.list_field.encode(), b",".join(rows.values()))
        return replace(
            whole[0],
            text=text.decode(),
            rows=tuple(rows.values()),
            keys=tuple(rows),
            total=longest if longest > query.limit else len(rows),
        )

    def _detail(self, answer: Answer, key: str, token: str) -> Mapping[str, bytes]:
        try:
            text, found = decoded(answer.body, _members())
        except (msgspec.ValidationError, RecursionError) as error:
            raise bad_answer(answer, str(error), (token,)) from error
        except msgspec.DecodeError as error:
            raise unreadable(answer, str(error), (token,)) from error
        told = _at(text, self.detail_id)
        if told not in {None, key}:
            raise unreadable(answer, f"it is about {told} where {key} was asked for", (token,))
        return {key: text.encode()} if found else {}


class _Found(msgspec.Struct, kw_only=True):
    """What any of the searches says; of the counts each says two or three."""

    rows: list[msgspec.Raw] | None = None
    page: Any = msgspec.field(name="paginationOutput", default=None)
    total: Any = None
    cases: Any = msgspec.field(name="totalNumberOfCases", default=None)
    inquiries: Any = msgspec.field(name="totalNumberOfInquiries", default=None)

    def count(self) -> int | None:
        """None where no count is given; some are 0 beside one that is true."""
        entries = self.page.get("totalEntries") if isinstance(self.page, dict) else None
        said = (entries, self.total, self.cases, self.inquiries)
        return max((n for n in said if type(n) is int and 0 <= n <= MAX_COUNT), default=None)


def _believable(total: int | None, rows: int) -> int | None:
    """A count that the rows exceed says nothing; no rows and no count are an empty list."""
    if total is None:
        return None if rows else 0
    return total if total >= rows else None


def _least_length(part: Page, limit: int) -> int:
    """Without a count a full page may not be the only one."""
    if part.total is not None:
        return part.total
    return len(part.rows) + 1 if len(part.rows) >= limit else len(part.rows)


def _knows_nothing(answer: Answer) -> bool:
    """Post-Order answers an id that it does not know like a fault of its own."""
    return answer.status == _NOT_FOUND or _INTERNAL_ERROR in complaint_of(answer.body).ids


def _at(text: str, path: Sequence[str]) -> str | None:
    """The id in that place, None where there is none; numbers elsewhere are never looked at."""
    members = msgspec.Raw(text.encode())
    try:
        for name in path:
            members = _members().decode(members)[name]
        return str(msgspec.json.decode(members, type=str | int))
    except (msgspec.DecodeError, KeyError):
        return None


@cache
def _decoder(list_field: str) -> "msgspec.json.Decoder[_Found]":
    rows = ("rows", list[msgspec.Raw] | None, msgspec.field(name=list_field, default=None))
    return msgspec.json.Decoder(msgspec.defstruct("Found", [rows], bases=(_Found,), kw_only=True))


@cache
def _members() -> "msgspec.json.Decoder[dict[str, msgspec.Raw]]":
    return msgspec.json.Decoder(dict[str, msgspec.Raw])
