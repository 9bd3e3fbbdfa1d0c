"""The Trading API's envelope: calls told apart by a header, errors in answers with status 200."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from infra.simulator.accounts import Account
from infra.simulator.answers import ACCESS_DENIED, Answer, Request
from infra.simulator.clock import iso
from infra.simulator.refusals import Manners, Refusal
from infra.simulator.world import World

PATH = "/ws/api.dll"
NAMESPACE = "urn:ebay:apis:eBLBaseComponents"
CALL_NAME, IAF_TOKEN = "x-ebay-api-call-name", "x-ebay-api-iaf-token"
_LEVEL, _SITE = "x-ebay-api-compatibility-level", "x-ebay-api-siteid"
_SIZE = re.compile(rb"<EntriesPerPage>(\d{1,9})</EntriesPerPage>")
_NUMBER = re.compile(rb"<PageNumber>(\d{1,9})</PageNumber>")
_BUILD = "E1423_CORE_APIXO_19500000_R1"

Call = Callable[[World, Account, Element], str]
"""What stands in the answer below its head; raises CallRefusedError."""


class CallRefusedError(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Fault:
    code: int
    short: str
    long: str
    kind: str = "RequestError"
    severity: str = "Error"


_REFUSALS = {
    Refusal.MISSING_TOKEN: Fault(
        930, "No XML auth token.", "XML auth token not specified in request."
    ),
    Refusal.INVALID_TOKEN: Fault(
        21916984, "Invalid IAF token.", "IAF token supplied is invalid. "
    ),
    Refusal.EXPIRED_TOKEN: Fault(
        21917053, "Expired IAF token.", "IAF token supplied is expired. "
    ),
    Refusal.TOO_MANY_REQUESTS: Fault(
        518, "Call usage limit has been reached.",
        "Your application has exceeded usage limit on this call, please make call to"
        " Developer's Analytics API to check your call usage.",
    ),
    Refusal.INTERNAL_ERROR: Fault(
        10007, "Sorry, something went wrong.", "Internal error to the application.", "SystemError"
    ),
}  # fmt: skip


def _token(request: Request) -> str:
    return request.headers.get(IAF_TOKEN, "").strip()


def _refuse(request: Request, refusal: Refusal, _status: int) -> Answer:
    # Which code a missing scope has is not known; the gateway's own answer stands in for it.
    fault = _REFUSALS.get(refusal)
    return ACCESS_DENIED if fault is None else failure(request, fault)


TRADING = Manners(token=_token, refuse=_refuse)


def note_place(request: Request) -> None:
    """Limit and offset of the page asked for, as REST lists say them: for log and faults."""
    size, number = (_first(pattern, request.body) for pattern in (_SIZE, _NUMBER))
    if size and number:
        offset = (int(number) - 1) * int(size)
        request.parameters = [("limit", size), ("offset", str(offset))]


def ask_for_first_page(request: Request) -> None:
    request.body = _NUMBER.sub(b"<PageNumber>1</PageNumber>", request.body)


def _first(pattern: re.Pattern[bytes], body: bytes) -> str:
    found = pattern.search(body)
    return found[1].decode() if found else ""


def failure(request: Request, fault: Fault, *, ack: str = "Failure", inner: str = "") -> Answer:
    """Status 200 all the same."""
    return _answer(request, ack, _errors(fault) + inner)


def answering(call: Call) -> Callable[[World, Request], Answer]:
    """A call as an operation: its request is read, its refusals are answers."""

    def answer(world: World, request: Request) -> Answer:
        try:
            inner = call(world, request.seller, _asked(request))
        except CallRefusedError as refused:
            return failure(request, Fault(refused.code, str(refused), str(refused)))
        warning = _errors(_IGNORED) if world.behaviour.trading_warnings else ""
        return _answer(request, "Warning" if warning else "Success", warning + inner, world)

    return answer


_IGNORED = Fault(
    21927,
    "Unrecognized element <Item> in request.",
    "The element <Item> is not a declared element in the schema and will be ignored.",
    severity="Warning",
)


def text(asked: Element, path: str) -> str:
    """What the request says at `A/B`, empty where it says nothing."""
    return next(iter(texts(asked, path)), "")


def texts(asked: Element, path: str) -> list[str]:
    found = asked.findall("/".join(f"{{{NAMESPACE}}}{name}" for name in path.split("/")))
    return [(each.text or "").strip() for each in found]


def place(asked: Element, path: str, default: int, most: int) -> tuple[int, int]:
    """Entries per page and the page's number, from 1, of a `Pagination`.

    Raises CallRefusedError.
    """
    size = _number(text(asked, f"{path}/EntriesPerPage"), default)
    number = _number(text(asked, f"{path}/PageNumber"), 1)
    if not 1 <= size <= most or number < 1:
        raise CallRefusedError(340, f"Page number or entries per page is out of range: {size}.")
    return size, number


def _number(given: str, default: int) -> int:
    return int(given) if given.isascii() and given.isdigit() else default


def _asked(request: Request) -> Element:
    """The request's root; raises CallRefusedError for what eBay would not take."""
    for header in (_LEVEL, _SITE):
        if not request.headers.get(header, "").isdigit():
            raise CallRefusedError(10012, f"Invalid value for header {header!r}.")
    try:
        root: Element = fromstring(request.body, forbid_dtd=True)
    except (ParseError, DefusedXmlException) as cause:
        raise CallRefusedError(5, f"XML Parse error: {cause}.") from cause
    name = request.headers[CALL_NAME]
    if root.tag != f"{{{NAMESPACE}}}{name}Request":
        raise CallRefusedError(5, f"XML Parse error: this is no {name}Request.")
    return root


def _errors(fault: Fault) -> str:
    return (
        f"<Errors><ShortMessage>{escape(fault.short)}</ShortMessage>"
        f"<LongMessage>{escape(fault.long)}</LongMessage><ErrorCode>{fault.code}</ErrorCode>"
        f"<SeverityCode>{fault.severity}</SeverityCode>"
        f"<ErrorClassification>{fault.kind}</ErrorClassification></Errors>"
    )


def _answer(request: Request, ack: str, inner: str, world: World | None = None) -> Answer:
    name = request.headers.get(CALL_NAME, "")
    at = f"<Timestamp>{iso(world.clock.now_ms())}</Timestamp>" if world else ""
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<{name}Response xmlns="{NAMESPACE}">{at}'
        f"<Ack>{ack}</Ack><Version>1423</Version><Build>{_BUILD}</Build>{inner}</{name}Response>"
    )
    return Answer(200, body.encode(), "text/xml;charset=utf-8")
