"""Pages of eBay's lists, as the sync asks for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from core.secret import Secret
from core.sync.model import Account, Page, PageQuery, Stream
from infra.ebay.stream_api import DetailedApi, Ebay, FoldedApi, StreamApi
from infra.ebay.streams.registry import STREAM_APIS


@dataclass(frozen=True, slots=True, kw_only=True)
class EbayPages:
    """The PageSource of production, sandbox and simulator; threads may share it."""

    ebay: Ebay
    apis: Mapping[str, StreamApi] = field(default_factory=lambda: STREAM_APIS)

    def operation(self, stream: Stream) -> str:
        return self.apis[stream.name].operation

    def prepare(self, account: Account, stream: Stream, *, timeout: float) -> None:
        self.ebay.prepare(account, self.operation(stream), timeout=timeout)

    def fetch(
        self, account: Account, stream: Stream, query: PageQuery, token: Secret, *, timeout: float
    ) -> Page:
        return self.apis[stream.name].fetch(self.ebay, account, query, token, timeout=timeout)

    def details(
        self,
        account: Account,
        stream: Stream,
        keys: Sequence[str],
        token: Secret,
        *,
        timeout: float,
    ) -> Mapping[str, bytes]:
        # Asked for only where `stream.details_per_call` says that there are some.
        api = cast("DetailedApi", self.apis[stream.name])
        return api.details(self.ebay, account, keys, token, timeout=timeout)

    def unfold(
        self, account: Account, stream: Stream, key: str, token: Secret, *, timeout: float
    ) -> Page:
        # Asked for only where the stream is `folded`.
        api = cast("FoldedApi", self.apis[stream.name])
        return api.unfold(self.ebay, account, key, token, timeout=timeout)
