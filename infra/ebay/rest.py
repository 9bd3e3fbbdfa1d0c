"""REST lists that are filtered by a range of instants and paged by offset."""

from dataclasses import dataclass
from urllib.parse import quote

from core.secret import Secret
from core.sync.model import Account, Page, PageQuery, Stream
from infra.ebay.errors import refusal
from infra.ebay.hosts import Host
from infra.ebay.instants import format_instant
from infra.ebay.pages import EMPTY_PAGE, ListShape, read_page
from infra.ebay.stream_api import Ebay, marketplace_of

_OK = 200
_NO_CONTENT = 204


@dataclass(frozen=True, slots=True, kw_only=True)
class RestList:
    """`key_fields` and `instant_field` name fields of a row; windows filter by that instant.

    Their ends are sent as `filter=<filter_name>:[from..to]`, or as the two parameters of `ends`.
    `by_marketplace`: the call wants the header `X-EBAY-C-MARKETPLACE-ID`. `none_is_204`: an empty
    list is answered by 204 without a body; elsewhere such an answer is a fault.
    """

    stream: Stream
    operation: str
    host: Host
    path: str
    key_fields: tuple[str, ...]
    instant_field: str
    scope: str
    filter_name: str = ""
    ends: tuple[str, str] | None = None
    by_marketplace: bool = False
    none_is_204: bool = False

    @property
    def shape(self) -> ListShape:
        return ListShape(
            stream=self.stream, key_fields=self.key_fields, instant_field=self.instant_field
        )

    def fetch(
        self, ebay: Ebay, account: Account, query: PageQuery, token: Secret, *, timeout: float
    ) -> Page:
        answer = ebay.request(
            account,
            self.operation,
            "GET",
            ebay.hosts.of(account.environment).base(self.host) + self.path,
            query=self.query_text(query),
            headers=self._headers(account, token),
            timeout=timeout,
        )
        if answer.status == _OK:
            return read_page(answer, self.shape, query, secrets=(token.reveal(),))
        if answer.status == _NO_CONTENT and self.none_is_204:
            return EMPTY_PAGE
        raise refusal(
            answer,
            scope=self.scope,
            now=ebay.clock.now(),
            secrets=(token.reveal(),),
            signed_by=account.environment if ebay.signs(account, self.operation) else None,
        )

    def query_text(self, query: PageQuery) -> str:
        """Both ends are sent: an open one ends at eBay's now, which moves while we page.

        Both are cut to milliseconds: an earlier start only reads a row twice, and a later end could
        lie in the future, which eBay refuses (error 30850). The part of a millisecond that the end
        loses is read by the next window, whose start lies before this one's end.
        """
        window = self._window(format_instant(query.from_), format_instant(query.to))
        return f"{window}&limit={query.limit}&offset={query.offset}"

    def _window(self, from_: str, to: str) -> str:
        if self.ends is not None:
            return f"{self.ends[0]}={from_}&{self.ends[1]}={to}"
        return f"filter={quote(f'{self.filter_name}:[{from_}..{to}]', safe=':')}"

    def _headers(self, account: Account, token: Secret) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {token.reveal()}", "Accept": "application/json"}
        if self.by_marketplace:
            headers["X-EBAY-C-MARKETPLACE-ID"] = marketplace_of(account)
        return headers
