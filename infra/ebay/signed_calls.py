"""Which calls eBay wants signed, and who is asked to sign them.

https://developer.ebay.com/develop/guides/digital-signatures-for-apis
"""

import threading
from collections.abc import Callable, Mapping
from typing import Protocol

SIGNED_OPERATIONS = frozenset(
    {
        # All of Finances.
        "getTransactions", "getTransactionSummary", "getTransfer", "getPayout", "getPayouts",
        "getPayoutSummary", "getSellerFundsSummary", "getBillingActivities", "getOrderEarnings",
        "getOrderEarningsById", "getOrderEarningsSummary",
        # Fulfillment and Trading.
        "issueRefund", "GetAccount",
        # Post-Order.
        "issueInquiryRefund", "issueCaseRefund", "issueReturnRefund", "processReturnRequest",
        "approveCancellationRequest", "createCancellationRequest",
    }
)  # fmt: skip
"""Of those sellers; elsewhere eBay ignores signatures."""


class Signatures(Protocol):
    def prepare(self, environment: str, *, timeout: float) -> None:
        """Have the key at hand. Raises SignatureRequiredError, DecryptError, ConfigurationError."""
        ...

    def headers(self, environment: str, method: str, url: str, body: bytes) -> Mapping[str, str]:
        """What makes this call a signed one, now. Raises as `prepare`."""
        ...


class LateSignatures:
    """Made when the first call is to be signed: most runs sign none, and import less."""

    def __init__(self, make: Callable[[], Signatures]) -> None:
        self._make = make
        self._made: Signatures | None = None
        self._lock = threading.Lock()

    def prepare(self, environment: str, *, timeout: float) -> None:
        self._signatures().prepare(environment, timeout=timeout)

    def headers(self, environment: str, method: str, url: str, body: bytes) -> Mapping[str, str]:
        return self._signatures().headers(environment, method, url, body)

    def _signatures(self) -> Signatures:
        with self._lock:
            if self._made is None:
                self._made = self._make()
        return self._made
