"""What the assistant asks of the stored data. A method is one transaction, and changes nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from core.accounts.model import Status
from core.ids import AccountId
from core.jobs.model import Transaction
from core.runs.model import WorkerState


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From `since`, before `until`, both midnights in UTC; `name` is how people say it."""

    since: datetime
    until: datetime
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSeen:
    """`failing`: how many of its streams; `consent_ends_at`: None where eBay has not said."""

    id: AccountId
    name: str
    environment: str
    status: Status
    status_reason: str | None = None
    last_success_at: datetime | None = None
    failing: int = 0
    consent_ends_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountsSeen:
    """Those that need their owner first. `by_status` counts all of them."""

    accounts: Sequence[AccountSeen]
    by_status: Mapping[Status, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspects:
    """Streams of active accounts of which not all is well by a first look; `read`: how many."""

    units: Sequence[tuple[str, str]]
    suspects: int
    read: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSum:
    """Of one account and currency; the cancelled are among the others."""

    account: str
    currency: str | None
    orders: int
    total: Decimal | None
    cancelled: int
    cancelled_total: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSeen:
    """`title` of its first line, cut; `lines`: how many it has."""

    account: str
    order_id: str
    at: datetime
    total: Decimal | None
    currency: str | None
    payment: str | None
    fulfillment: str | None
    cancel_state: str | None
    title: str | None = field(repr=False)
    lines: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdersSeen:
    """Latest first. `too_many`: more than are ever read for a reply, so no sum is true."""

    sums: Sequence[OrderSum]
    latest: Sequence[OrderSeen]
    too_many: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneySum:
    """Of one account and currency, by the instants of its transactions and payouts.

    As `ebay.order_money` reckons: net = gross - fees - refunds - shipping_labels - disputes +
    other. `paid_out` by payouts that have arrived, `coming` by those that have not yet.
    """

    account: str
    currency: str | None
    transactions: int
    gross: Decimal
    fees: Decimal
    refunds: Decimal
    shipping_labels: Decimal
    disputes: Decimal
    other: Decimal
    net: Decimal
    payouts: int
    paid_out: Decimal
    coming: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneySeen:
    """`too_many`: as of OrdersSeen."""

    sums: Sequence[MoneySum]
    too_many: bool = False


class Facts(Protocol):
    """Raises StoreUnavailableError. What is read is bounded, however much is stored."""

    def accounts(self, soon: datetime, most: int) -> AccountsSeen:
        """`soon`: a consent that ends by then is its owner's business now."""
        ...

    def named(self, names: Sequence[str], beginning: str, most: int) -> Sequence[AccountSeen]:
        """Accounts called like one of these, whatever the case, or that begin like that."""
        ...

    def suspects(self, now: datetime, most: int) -> Suspects: ...

    def orders(self, period: Period, account_id: AccountId | None, most: int) -> OrdersSeen: ...

    def money(self, period: Period, account_id: AccountId | None, most: int) -> MoneySeen: ...


class Workers(Protocol):
    def workers(self) -> Sequence[WorkerState]: ...


class Switches(Protocol):
    """Switches that are written where a task settles: with its reply, or not at all."""

    def worker(self, name: str, *, enabled: bool) -> Callable[[Transaction], None]: ...

    def queue(self, name: str, *, enabled: bool) -> Callable[[Transaction], None]: ...
