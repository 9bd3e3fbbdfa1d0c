"""Pages of eBay's REST lists, as the sync asks for them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from core.clock import Clock
from core.secret import Secret
from core.sync.model import Account, Page, PageQuery, Stream
from infra.ebay.answer import Answer
from infra.ebay.client import EbayHttp
from infra.ebay.errors import refusal
from infra.ebay.hosts import EbayHosts
from infra.ebay.instants import format_instant
from infra.ebay.pages import EMPTY_PAGE, read_page
from infra.ebay.streams.definition import StreamApi
from infra.ebay.streams.registry import STREAM_APIS

DEFAULT_MARKETPLACE = "EBAY_US"
_OK = 200
_NO_CONTENT = 204


@dataclass(frozen=True, slots=True, kw_only=True)
class EbayPages:
    """The PageSource of production, sandbox and simulator; threads may share it."""

    http: EbayHttp
    hosts: EbayHosts
    clock: Clock
    apis: Mapping[str, StreamApi] = field(default_factory=lambda: STREAM_APIS)

    def fetch(
        self, account: Account, stream: Stream, query: PageQuery, token: Secret, *, timeout: float
    ) -> Page:
        api = self.apis[stream.name]
        answer = self.http.request(
            "GET",
            self.hosts.of(account.environment).base(api.host) + api.path,
            query=query_text(api, query),
            headers=_headers(account, api, token),
            timeout=timeout,
        )
        return self._page(answer, api, query, token.reveal())

    def _page(self, answer: Answer, api: StreamApi, query: PageQuery, token: str) -> Page:
        if answer.status == _OK:
            return read_page(answer, api, query, secrets=(token,))
        if answer.status == _NO_CONTENT and api.none_is_204:
            return EMPTY_PAGE
        raise refusal(answer, scope=api.scope, now=self.clock.now(), secrets=(token,))


def query_text(api: StreamApi, query: PageQuery) -> str:
    """Both ends are sent: an open one ends at eBay's now, which moves while we page.

    Both are cut to milliseconds: an earlier start only reads a row twice, and a later end could
    lie in the future, which eBay refuses (error 30850). The part of a millisecond that the end
    loses is read by the next window, whose start lies before this one's end.
    """
    between = f"{api.filter_name}:[{format_instant(query.from_)}..{format_instant(query.to)}]"
    return f"filter={quote(between, safe=':')}&limit={query.limit}&offset={query.offset}"


def _headers(account: Account, api: StreamApi, token: Secret) -> dict[str, str]:
    headers = {"Authorization": f"Bearer {token.reveal()}", "Accept": "application/json"}
    if api.by_marketplace:
        marketplace = next(iter(account.marketplace_ids), DEFAULT_MARKETPLACE)
        headers["X-EBAY-C-MARKETPLACE-ID"] = marketplace
    return headers
