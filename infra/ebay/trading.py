"""The Trading API: one address, the call's name in a header, errors in answers with status 200."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

import msgspec

from core.errors import (
    AccessTokenRefusedError,
    AppError,
    BadAnswerError,
    RateLimitedError,
    UpstreamUnavailableError,
)
from core.retry import retry_after
from core.secret import Secret
from core.sync.model import Account, Page, PageQuery, Stream
from infra.ebay.answer import Answer
from infra.ebay.errors import bad_answer, facts_of, refusal, scrubbed, unreadable
from infra.ebay.stream_api import SCOPE, Ebay, marketplace_of
from infra.ebay.trading_xml import (
    Complaint,
    Fields,
    Json,
    Reading,
    Shape,
    XmlError,
    read_answer,
    text_at,
    write_request,
)

PATH = "/ws/api.dll"
# eBay supports a level for years; with a fixed one its answers keep their shape.
LEVEL = 1423

# https://developer.ebay.com/devzone/merchandising/docs/concepts/SiteIDToGlobalID.html, under the
# names that the REST APIs give marketplaces (MarketplaceIdEnum). Belgium and Canada have two sites
# each, which differ in the language of messages.
SITE_IDS: Mapping[str, int] = MappingProxyType(
    {
        "EBAY_US": 0,
        "EBAY_CA": 2,
        "EBAY_GB": 3,
        "EBAY_AU": 15,
        "EBAY_AT": 16,
        "EBAY_FR": 71,
        "EBAY_DE": 77,
        "EBAY_MOTORS_US": 100,
        "EBAY_IT": 101,
        "EBAY_BE": 123,
        "EBAY_NL": 146,
        "EBAY_ES": 186,
        "EBAY_CH": 193,
        "EBAY_HK": 201,
        "EBAY_IN": 203,
        "EBAY_IE": 205,
        "EBAY_MY": 207,
        "EBAY_PH": 211,
        "EBAY_PL": 212,
        "EBAY_SG": 216,
    }
)
_DEFAULT_SITE = 0

_OK = 200
_MAX_TEXT = 300
_MAX_COUNT = 2**31 - 1
# Invalid, hard expired, revoked by the user, revoked by eBay, invalid IAF, expired IAF. Whether the
# consent is gone for good is for the token endpoint to say: a refresh is tried, by the one path
# that also marks the account.
_TOKEN_CODES = frozenset({931, 932, 16110, 17470, 21916984, 21917053})
_QUOTA_CODE = 518
_INTERNAL_CODE = 10007
_GOOD_ACKS = frozenset({"Success", "Warning"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingCall:
    """A call by its name, and what is kept of its answer."""

    name: str
    shape: Shape

    def ask(
        self, ebay: Ebay, account: Account, fields: Fields, token: Secret, *, timeout: float
    ) -> Reading:
        """The answer of a call that succeeded, warnings included.

        Raises what `PageSource.fetch` raises; a PartialFailure is a failure.
        """
        answer = ebay.http.request(
            "POST",
            ebay.hosts.of(account.environment).api + PATH,
            headers=self._headers(account, token),
            content=write_request(self.name, fields),
            timeout=timeout,
        )
        secrets, now = (token.reveal(),), ebay.clock.now()
        if answer.status != _OK:
            raise refusal(answer, scope=SCOPE, now=now, secrets=secrets)
        return self._succeeded(answer, now, secrets)

    def _headers(self, account: Account, token: Secret) -> dict[str, str]:
        """An OAuth token goes into this header, and then nothing else authorizes the call."""
        return {
            "X-EBAY-API-CALL-NAME": self.name,
            "X-EBAY-API-SITEID": str(SITE_IDS.get(marketplace_of(account), _DEFAULT_SITE)),
            "X-EBAY-API-COMPATIBILITY-LEVEL": str(LEVEL),
            "X-EBAY-API-IAF-TOKEN": token.reveal(),
            "Content-Type": "text/xml",
            "Accept": "text/xml",
        }

    def _succeeded(self, answer: Answer, now: datetime, secrets: Sequence[str]) -> Reading:
        try:
            reading = read_answer(answer.body, self.shape)
        except XmlError as error:
            raise unreadable(answer, str(error), secrets) from error
        if reading.root == "html":
            raise unreadable(answer, "it is a page for people", secrets)
        # What an error means does not depend on the name of the answer that it came in.
        if reading.ack not in _GOOD_ACKS and reading.complaints:
            raise failure(answer, reading, now, secrets)
        if reading.root != f"{self.name}Response":
            raise bad_answer(answer, f"it is a `{reading.root}`", secrets)
        if reading.ack not in _GOOD_ACKS:
            raise bad_answer(answer, f"`Ack` is {reading.ack!r}, without a reason", secrets)
        return reading


def failure(
    answer: Answer, reading: Reading, now: datetime, secrets: Iterable[str] = ()
) -> AppError:
    """What the `Errors` of a Failure or PartialFailure mean."""
    secrets = tuple(secrets)
    errors = [each for each in reading.complaints if not each.is_warning] or reading.complaints
    codes = {each.code for each in errors}
    said = f"eBay answered {_said(reading.ack, errors[0], secrets)} ({answer.place})"
    facts = replace(facts_of(answer, secrets), error_id=errors[0].code)
    if codes & _TOKEN_CODES:
        return AccessTokenRefusedError(said, facts)
    if _QUOTA_CODE in codes:
        at = retry_after(answer.headers.get("retry-after"), now)
        return RateLimitedError(said, retry_at=at, quota=True, facts=facts)
    if _INTERNAL_CODE in codes or any(each.is_system for each in errors):
        return UpstreamUnavailableError(said, facts)
    return BadAnswerError(said, facts)


def _said(ack: str, complaint: Complaint, secrets: Sequence[str]) -> str:
    code = "without a code" if complaint.code is None else str(complaint.code)
    return f"{ack}, error {code}: {scrubbed(complaint.text, secrets, _MAX_TEXT)}".rstrip()


def one_row(element: Json) -> Sequence[Json]:
    return (element,)


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingList:
    """A list of one of My eBay's calls, read page by page as a whole: `ActiveList`, `WonList`.

    `rows` is the path of its elements below the list. `options` are the list's own fields in a
    request, `fields` the call's. `apart` makes an element the rows that are stored, in the list
    `stream.list_field`; `key` is a row's, its columns joined by `|`.
    """

    stream: Stream
    operation: str
    container: str
    rows: str
    key: Callable[[Json], str]
    apart: Callable[[Json], Sequence[Json]] = one_row
    options: Fields = field(default_factory=dict)
    fields: Fields = field(default_factory=dict)
    scope: str = SCOPE

    def fetch(
        self, ebay: Ebay, account: Account, query: PageQuery, token: Secret, *, timeout: float
    ) -> Page:
        fields = self._asked(query)
        reading = self._call.ask(ebay, account, fields, token, timeout=timeout)
        rows = [row for element in reading.rows for row in self.apart(element)]
        return page_of(self.stream.list_field, rows, self.key, self._total(reading, query))

    def _total(self, reading: Reading, query: PageQuery) -> int:
        """A list that is not there is empty.

        Raises BadAnswerError where the list does not say how long it is: since pages may be
        shorter than was asked for, nothing else tells its end.
        """
        if not reading.rows and self._pages_path not in reading.values:
            return 0
        total = total_of(reading.values.get(self._pages_path), query.limit)
        if total is None:
            raise BadAnswerError(f"{self.operation}: {self.container} does not say how long it is")
        return total

    @property
    def _pages_path(self) -> str:
        return f"{self.container}/PaginationResult"

    @property
    def _call(self) -> TradingCall:
        shape = Shape(rows=f"{self.container}/{self.rows}", values=(self._pages_path,))
        return TradingCall(name=self.operation, shape=shape)

    def _asked(self, query: PageQuery) -> Fields:
        return {
            self.container: {"Include": True, **self.options, "Pagination": pagination(query)},
            **self.fields,
        }


def pagination(query: PageQuery) -> Fields:
    """Pages count from 1; `offset` is a multiple of `limit`."""
    return {"EntriesPerPage": query.limit, "PageNumber": query.offset // query.limit + 1}


def total_of(result: Json, limit: int) -> int | None:
    """How many entries a `PaginationResult` tells of; None where it does not say.

    A page may be shorter than was asked for: then there are more pages than the entries would
    fill, and the pages decide. Otherwise the last ones would never be asked for.
    """
    entries = count_of(text_at(result, "TotalNumberOfEntries"))
    pages = count_of(text_at(result, "TotalNumberOfPages"))
    if pages is None or (entries is not None and entries > (pages - 1) * limit):
        return entries
    return max(0, (pages - 1) * limit + 1)


def count_of(text: str) -> int | None:
    """A number that is one, and fits PostgreSQL's integer."""
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(_MAX_COUNT))):
        return None
    return int(text) if int(text) <= _MAX_COUNT else None


def page_of(
    list_field: str, rows: Sequence[Json], key: Callable[[Json], str], total: int | None
) -> Page:
    """Rows that were made from XML as a page like those that come as JSON."""
    texts = tuple(msgspec.json.encode(row) for row in rows)
    return Page(
        text=(b'{"%b":[%b]}' % (list_field.encode(), b",".join(texts))).decode(),
        rows=texts,
        total=total,
        next_offset=None,
        keys=tuple(key(row) for row in rows),
    )
