"""Answers of the Trading API that arrive well and are wrong."""

import re
from collections.abc import Callable

from infra.simulator.answers import Answer
from infra.simulator.faults import Kind, Rule

_CONTENT = "text/xml"
_ROOT = re.compile(rb"<(\w+)Response ")
# The element that is one row in the answer of a call, and what tells its rows apart.
_ROWS = {
    b"GetMyeBaySelling": (b"Item", b"ItemID"),
    b"GetMyeBayBuying": (b"Transaction", b"TransactionID"),
    b"GetMyMessages": (b"Message", b"MessageID"),
    b"GetBestOffers": (b"BestOffer", b"BestOfferID"),
}
_MONEY = re.compile(rb'(<\w+ currencyID="\w+">)[^<]*')
_DATE = re.compile(rb"\d{4}-\d\d-\d\dT[\d:.]+Z")
_TEXT = re.compile(rb"(<(?:Title|Subject|ItemTitle)>)")
_NUMBER = re.compile(rb"(<Quantity\w*>)\s*\d+")
_TOTAL = re.compile(rb"(<TotalNumberOfEntries>)\s*(\d+)")
_RESULT = re.compile(rb"<PaginationResult>.*?</PaginationResult>", re.DOTALL)
_ACK = re.compile(rb"<Ack>\w+</Ack>")
_LAUGHS = b"".join(
    b'<!ENTITY l%d "%b">' % (n, b"&l%d;" % (n - 1) * 10 if n else b"lol" * 10) for n in range(12)
)
_BOMB = b"<!DOCTYPE bomb [%b]>" % _LAUGHS

Change = Callable[[Rule, bytes], bytes]


def is_xml(answer: Answer) -> bool:
    return answer.content_type.startswith(_CONTENT)


def misses(rule: Rule, answer: Answer) -> bool:
    """Whether this rule would change answers, and leaves this one as it is."""
    if rule.kind is Kind.TRUNCATED_JSON or rule.kind not in CHANGES:
        return False
    return damaged(rule, answer) == answer


def damaged(rule: Rule, answer: Answer) -> Answer:
    change = CHANGES.get(rule.kind)
    body = answer.body or b""
    if change is None or b"<Ack>Failure" in body:
        return answer
    return Answer(answer.status, change(rule, body), answer.content_type, answer.headers)


def _each_row(rule: Rule, body: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """The first `rows` of them, or those with the `keys`."""
    found = _ROOT.search(body)
    tag, key = _ROWS.get(found[1] if found else b"", (b"-", b"-"))
    pattern = re.compile(rb"<%b>.*?</%b>" % (tag, tag), re.DOTALL)
    left = rule.rows

    def changed(row: re.Match[bytes]) -> bytes:
        nonlocal left
        if rule.keys:
            wanted = any(re.search(_id(key, each), row[0]) for each in rule.keys)
            return change(row[0]) if wanted else row[0]
        left -= 1
        return change(row[0]) if left >= 0 else row[0]

    # Lists that nobody asked for stand before WonList.
    head, mark, tail = body.rpartition(b"<WonList>")
    return head + mark + pattern.sub(changed, tail)


def _id(name: bytes, key: str) -> bytes:
    return rb"<%b>\s*%b\s*</%b>" % (name, re.escape(key.encode()), name)


def _spoil_rows(rule: Rule, body: bytes) -> bytes:
    def without_id(row: bytes) -> bytes:
        return re.sub(rb"<(ItemID|TransactionID|MessageID|BestOfferID)>.*?</\1>", b"", row)

    changes: dict[str, Callable[[bytes], bytes]] = {
        "date": lambda row: _DATE.sub(b"2026-13-45T99:99:99.000Z", row),
        "null_id": without_id,
        "missing_id": without_id,
        "money": lambda row: _MONEY.sub(rb"\g<1>12,5x", row),
    }
    return _each_row(rule, body, changes[rule.variant or "money"])


def _filled(pattern: re.Pattern[bytes], text: bytes) -> Change:
    def change(rule: Rule, body: bytes) -> bytes:
        return _each_row(rule, body, lambda row: pattern.sub(lambda found: found[1] + text, row))

    return change


def _wrong_total(rule: Rule, body: bytes) -> bytes:
    return _TOTAL.sub(lambda found: b"%b%d" % (found[1], int(found[2]) + rule.value), body)


def _failure(rule: Rule, body: bytes) -> bytes:
    """`value` is the code; a PartialFailure keeps its rows."""
    ack = (rule.variant or "Failure").encode()
    error = (
        b"<Errors><ShortMessage>Failed.</ShortMessage><LongMessage>It failed.</LongMessage>"
        b"<ErrorCode>%d</ErrorCode><SeverityCode>Error</SeverityCode>"
        b"<ErrorClassification>RequestError</ErrorClassification></Errors>" % rule.value
    )
    return _ACK.sub(b"<Ack>%b</Ack>%b" % (ack, error), body)


def _misshape(rule: Rule, body: bytes) -> bytes:
    """`missing`: nothing but the head; else another call's answer."""
    if rule.variant == "missing":
        return re.sub(rb"(</Build>).*(</\w+Response>)", rb"\1\2", body, flags=re.DOTALL)
    return re.sub(rb"(</?)\w+Response", rb"\1GeteBayOfficialTimeResponse", body)


def _after_declaration(text: Callable[[Rule], bytes]) -> Change:
    return lambda rule, body: body.replace(b"?>", b"?>" + text(rule), 1)


CHANGES: dict[Kind, Change] = {
    Kind.TRUNCATED_JSON: lambda _, body: body[: len(body) * 2 // 3],
    Kind.BIG_BODY: _after_declaration(lambda rule: b"<!--%b-->" % (b"A" * rule.size)),
    Kind.XML_BOMB: _after_declaration(lambda _: _BOMB),
    Kind.FAILURE: _failure,
    Kind.SHORT_PAGE: lambda rule, body: _each_row(rule, body, lambda _: b""),
    Kind.BAD_ROW: _spoil_rows,
    Kind.NUL_ESCAPE: _filled(_TEXT, b"&#0;"),
    Kind.LONE_SURROGATE: _filled(_TEXT, b"&#xD83D;"),
    Kind.INVALID_UTF8: _filled(_TEXT, b"\xff\xfe\xc3"),
    Kind.HUGE_NUMBER: _filled(_NUMBER, b"1e400"),
    Kind.HIDE_TOTAL: lambda _, body: _RESULT.sub(b"", body),
    Kind.WRONG_TOTAL: _wrong_total,
    Kind.WRONG_SHAPE: _misshape,
}
