"""One simulated seller: who it is, what its tokens may do, and what it has sold."""

from bisect import insort
from dataclasses import dataclass, field
from random import Random
from typing import Any

from infra.simulator.catalog import Market
from infra.simulator.claims import Claims
from infra.simulator.disputes import Dispute
from infra.simulator.finances import Payout, Transaction
from infra.simulator.inventory import Stock
from infra.simulator.mailbox import Mailbox
from infra.simulator.offers import OfferBook
from infra.simulator.orders import Order, Shop

SHARED_ORDER_ID = "10-00000-00001"
SCOPE = "https://api.ebay.com/oauth/api_scope"
USER_SCOPES = (
    SCOPE,
    f"{SCOPE}/sell.fulfillment",
    f"{SCOPE}/sell.fulfillment.readonly",
    f"{SCOPE}/sell.finances",
    f"{SCOPE}/sell.inventory",
    f"{SCOPE}/sell.inventory.readonly",
    f"{SCOPE}/sell.account",
    f"{SCOPE}/sell.account.readonly",
    f"{SCOPE}/sell.payment.dispute",
    f"{SCOPE}/commerce.identity.readonly",
    f"{SCOPE}/commerce.message",
    f"{SCOPE}/commerce.notification.subscription",
)


@dataclass(slots=True)
class Ledger:
    """Everything that the lists of one account show, each kept in the order of its instant.

    `version` rises with every change; lists computed from it are good while it stands.
    """

    orders: list[Order] = field(default_factory=list)
    transactions: list[Transaction] = field(default_factory=list)
    payouts: list[Payout] = field(default_factory=list)
    disputes: list[Dispute] = field(default_factory=list)
    inventory: list[Stock] = field(default_factory=list)
    by_id: dict[str, Order] = field(default_factory=dict)
    unpaid: dict[str, list[Transaction]] = field(default_factory=dict)
    version: int = 0
    lists: dict[Any, tuple[int, list[Any]]] = field(default_factory=dict)

    def add_order(self, order: Order) -> None:
        insort(self.orders, order, key=_created)
        self.by_id[order.order_id] = order
        self.version += 1

    def add_transaction(self, row: Transaction) -> None:
        insort(self.transactions, row, key=_date)
        if row.status != "PAYOUT":
            self.unpaid.setdefault(row.currency, []).append(row)
        self.version += 1

    def add_payout(self, payout: Payout) -> None:
        insort(self.payouts, payout, key=_date)
        left = self.unpaid[payout.currency]
        self.unpaid[payout.currency] = [row for row in left if row.status != "PAYOUT"]
        self.version += 1

    def changed(self, row: Order | Transaction | Payout) -> None:
        row.text = None
        self.version += 1

    def redraw(self) -> None:
        """Forget every rendered row, after a change of what rows look like."""
        for rows in (self.orders, self.transactions, self.payouts):
            for row in rows:
                row.text = None
        self.version += 1


def _created(order: Order) -> int:
    return order.created


def _date(row: Transaction | Payout) -> int:
    return row.date


@dataclass(frozen=True, slots=True)
class Grant:
    """What came of one consent. `until` in ms."""

    scopes: frozenset[str]
    until: int


@dataclass(slots=True, kw_only=True)
class Account:
    """`refresh_token` is the one to import; `refresh_tokens` are all that are good.

    `scopes` is what the seller has consented to: taking one away makes its calls answer 403/1100.
    `oldest_serial`: access tokens with a smaller serial have ended before their time. `grants`:
    those of the refresh tokens that came from a consent. `ended_grants`: fingerprints of refresh
    tokens that were revoked, and with them the access tokens that came of them. `country` is where
    the seller lives, which decides whether eBay wants signatures.
    """

    name: str
    index: int
    user_id: str
    username: str
    market: Market
    country: str
    refresh_token: str
    shop: Shop
    rng: Random
    refresh_tokens: set[str] = field(default_factory=set)
    scopes: set[str] = field(default_factory=lambda: set(USER_SCOPES))
    grants: dict[str, Grant] = field(default_factory=dict)
    ended_grants: set[str] = field(default_factory=set)
    revoked: bool = False
    oldest_serial: int = 0
    ledger: Ledger = field(default_factory=Ledger)
    next_number: int = 1
    mailbox: Mailbox = field(init=False)
    offers: OfferBook = field(init=False)
    claims: Claims = field(init=False)

    def granted(self, refresh_token: str) -> frozenset[str]:
        """What a refresh token may do: no more than its own consent, nor than is left of it."""
        grant = self.grants.get(refresh_token)
        held = frozenset(self.scopes)
        return held if grant is None else held & grant.scopes

    def next_order_id(self) -> str:
        if self.next_number == 1:
            return SHARED_ORDER_ID
        # An odd factor that 5 does not divide permutes the 12-digit numbers: no id comes twice.
        value = (self.next_number * 618_033_988_749 + self.index * 271_828_182_845) % 10**12
        digits = f"{value:012d}"
        return f"{digits[:2]}-{digits[2:7]}-{digits[7:]}"
