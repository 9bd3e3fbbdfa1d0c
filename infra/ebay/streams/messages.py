"""Messages of a seller's mailbox, by the instant at which they were sent.

Nothing in an answer says whether it is all of them: it has no pagination node, and how many entries
a page may have is documented nowhere. So a folder is read page after page until one brings nothing
new; a folder without messages costs one call, any other one more.

A window with a page's worth of messages is halved all the same (HALVED), not paged through: what is
deleted or moved meanwhile leaves the list, and all that follows shifts into pages already read.

Inbox and Sent are not in the summary of folders, which tells the others. They are read first, then
the summary is asked for: messages are moved out of the Inbox, so one that is moved while we read is
seen twice, not never.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import msgspec

from core.secret import Secret
from core.sync.model import Account, Page, PageQuery, Stream, Walk
from infra.ebay.instants import format_instant
from infra.ebay.stream_api import SCOPE, Ebay
from infra.ebay.trading import TradingCall, page_of
from infra.ebay.trading_xml import Fields, Json, Reading, Shape, text_at

INBOX, SENT = "0", "1"
# Whether both ends of a window belong to it is documented nowhere, nor whether milliseconds count.
_MARGIN = timedelta(seconds=1)
_SUMMARY = Shape(rows="Summary/FolderSummary")
_MESSAGES = Shape(rows="Messages/Message")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Caller:
    """The calls of one question; they share its time. `made`: a sign for each of them."""

    ebay: Ebay
    account: Account
    token: Secret
    ends: float
    made: list[str] = field(default_factory=list)

    def ask(self, shape: Shape, level: str, fields: Fields) -> Reading:
        self.made.append(level)
        return TradingCall(name="GetMyMessages", shape=shape).ask(
            self.ebay,
            self.account,
            {"DetailLevel": level, **fields},
            self.token,
            timeout=max(self.ends - self.ebay.clock.monotonic(), 0.0),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MyMessages:
    stream: Stream
    operation: str = "GetMyMessages"
    scope: str = SCOPE

    def fetch(
        self, ebay: Ebay, account: Account, query: PageQuery, token: Secret, *, timeout: float
    ) -> Page:
        """The headers of a window; `query.limit` of them or more where there may be others."""
        caller = _caller(ebay, account, token, timeout)
        headers: list[Json] = []
        for folder in _folders(caller):
            headers += _headers(caller, folder, query, most=query.limit - len(headers))
            if len(headers) >= query.limit:
                break
        page = page_of(self.stream.list_field, headers, _key, None)
        return replace(page, calls=len(caller.made))

    def details(
        self,
        ebay: Ebay,
        account: Account,
        keys: Sequence[str],
        token: Secret,
        *,
        timeout: float,
    ) -> Mapping[str, bytes]:
        """The messages with their texts. Of one that is deleted meanwhile there is none."""
        asked: Fields = {"MessageIDs": {"MessageID": keys}}
        reading = _caller(ebay, account, token, timeout).ask(_MESSAGES, "ReturnMessages", asked)
        found = {_key(row): msgspec.json.encode(row) for row in reading.rows}
        return {key: found[key] for key in keys if key in found}


def _caller(ebay: Ebay, account: Account, token: Secret, timeout: float) -> _Caller:
    ends = ebay.clock.monotonic() + timeout
    return _Caller(ebay=ebay, account=account, token=token, ends=ends)


def _folders(caller: _Caller) -> Iterator[str]:
    """One after another; what comes after them is asked for when they are read."""
    yield from (INBOX, SENT)
    for row in caller.ask(_SUMMARY, "ReturnSummary", {}).rows:
        folder = text_at(row, "FolderID")
        if folder not in {"", INBOX, SENT} and text_at(row, "TotalMessageCount") != "0":
            yield folder


def _headers(caller: _Caller, folder: str, query: PageQuery, *, most: int) -> Sequence[Json]:
    """Of one folder: all, or at least `most`."""
    found: dict[str, Json] = {}
    number = 1
    while len(found) < most:
        fields = _asked(folder, query, number)
        rows = caller.ask(_MESSAGES, "ReturnHeaders", fields).rows
        new = {_key(row): _placed(row, folder) for row in rows}
        # Past its end a list is empty, or shows its last page again.
        if new.keys() <= found.keys():
            break
        found |= new
        number += 1
    return list(found.values())


def _asked(folder: str, query: PageQuery, number: int) -> Fields:
    return {
        "FolderID": folder,
        "StartTime": format_instant(query.from_ - _MARGIN),
        "EndTime": format_instant(query.to),
        "Pagination": {"EntriesPerPage": query.limit, "PageNumber": number},
    }


def _placed(row: Json, folder: str) -> Json:
    """With the folder that was asked for, where eBay leaves it out: it decides the direction."""
    if isinstance(row, dict) and not text_at(row, "Folder/FolderID"):
        return row | {"Folder": {"FolderID": folder}}
    return row


def _key(row: Json) -> str:
    """A row without an id is none of eBay's: the store puts it into quarantine."""
    return text_at(row, "MessageID") or str(row)


MESSAGES = MyMessages(
    stream=Stream(
        name="messages",
        list_field="messages",
        api="GetMyMessages",
        interval=timedelta(minutes=10),
        walk=Walk.HALVED,
        page_size=200,
        # No limit is documented. A busy mailbox gets about a page a week; longer windows would
        # be halved again and again, shorter ones cost a quiet mailbox calls.
        max_window=timedelta(days=7),
        details_per_call=10,
        # Inbox and Sent, each until nothing new comes, and the summary. Folders of one's own, and
        # further pages of any, are counted when they were read.
        calls_per_page=5,
        # A year.
        keeps=timedelta(days=365),
        # Read, flagged, replied, moved: at any time, and most of it in the first days.
        rereads=timedelta(days=6),
    )
)
