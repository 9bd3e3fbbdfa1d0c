"""What a stream's module says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from core.clock import Clock
from core.secret import Secret
from core.sync.model import Account, Page, PageQuery, Stream
from infra.ebay.answer import Answer
from infra.ebay.client import EbayHttp
from infra.ebay.hosts import EbayHosts
from infra.ebay.signed_calls import SIGNED_OPERATIONS, Signatures

SCOPE = "https://api.ebay.com/oauth/api_scope"
DEFAULT_MARKETPLACE = "EBAY_US"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ebay:
    """How eBay is reached; threads may share it. Without `signatures` no call is signed."""

    http: EbayHttp
    hosts: EbayHosts
    clock: Clock
    signatures: Signatures | None = None

    def request(
        self,
        account: Account,
        operation: str,
        method: str,
        url: str,
        *,
        timeout: float,
        query: str = "",
        headers: Mapping[str, str],
        content: bytes | None = None,
    ) -> Answer:
        """As `EbayHttp.request`, signed where eBay wants that of this seller and operation.

        Anew for each call: a signature is good for some minutes from its instant on.
        """
        signed: Mapping[str, str] = {}
        if self.signatures is not None and self.signs(account, operation):
            signed = self.signatures.headers(account.environment, method, url, content or b"")
        return self.http.request(
            method,
            url,
            timeout=timeout,
            query=query,
            headers={**headers, **signed},
            content=content,
        )

    @staticmethod
    def signs(account: Account, operation: str) -> bool:
        return account.signs and operation in SIGNED_OPERATIONS

    def prepare(self, account: Account, operation: str, *, timeout: float) -> None:
        """As `PageSource.prepare`."""
        if self.signatures is not None and self.signs(account, operation):
            self.signatures.prepare(account.environment, timeout=timeout)


class StreamApi(Protocol):
    """One list of eBay's. `scope` is what a consent must hold, named when it does not."""

    @property
    def stream(self) -> Stream: ...

    @property
    def operation(self) -> str: ...

    @property
    def scope(self) -> str: ...

    def fetch(
        self, ebay: Ebay, account: Account, query: PageQuery, token: Secret, *, timeout: float
    ) -> Page:
        """As `PageSource.fetch`."""
        ...


class DetailedApi(StreamApi, Protocol):
    """A list that says too little of its rows."""

    def details(
        self, ebay: Ebay, account: Account, keys: Sequence[str], token: Secret, *, timeout: float
    ) -> Mapping[str, bytes]:
        """As `PageSource.details`."""
        ...


class FoldedApi(StreamApi, Protocol):
    """A list whose entries only name rows."""

    def unfold(
        self, ebay: Ebay, account: Account, key: str, token: Secret, *, timeout: float
    ) -> Page:
        """As `PageSource.unfold`."""
        ...


def marketplace_of(account: Account) -> str:
    return next(iter(account.marketplace_ids), DEFAULT_MARKETPLACE)
