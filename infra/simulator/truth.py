"""The source as it is now, for the oracle: what a perfect reader would have stored."""

import hashlib
import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from infra.simulator import (
    disputes,
    finance_json,
    inventory,
    listings,
    mailbox,
    offers,
    order_json,
    purchases,
)
from infra.simulator.accounts import Account
from infra.simulator.behaviour import Behaviour
from infra.simulator.claim_json import render, render_detail
from infra.simulator.claims import Claim, Kind
from infra.simulator.clock import iso
from infra.simulator.world import World

KINDS = ("orders", "transactions", "payouts")
"""What storms are compared by; `rows` knows more."""
_WON_DAYS = 30
Row = tuple[tuple[str, ...], str, bytes]


def digest(value: Any) -> str:
    """SHA-256 of `value` as JSON with sorted keys and no spaces: equal values, equal digests."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def rows(world: World, account: Account, kind: str) -> list[Row]:
    """(key, version, JSON as lists give it) of every row; raises ValueError for another kind.

    Keys: (orderId), (transactionId, transactionType), (payoutId), (paymentDisputeId), (MessageID),
    (ItemID, BestOfferID), (offerId), a claim's id. Version: the row's lastModifiedDate,
    transactionDate, payoutDate, openDate, ReceiveDate or ExpirationTime, or when a claim was made;
    none of an inventory's offer. A message is {"summary", "detail"}: its header, and itself with
    its text. "active_inventory": (item, SKU) and "buyer": (item, transaction) of 30 days are as a
    reader of their XML writes them. Beside each kind of claims stands `<kind>.details`; claims that
    no search has ever shown are left out.
    """
    with world.lock:
        if kind in _OF_NOW:
            return list(_OF_NOW[kind](world, account))
        if kind in _KINDS:
            return list(_KINDS[kind](account, world.behaviour))
    raise ValueError(f"no kind {kind!r}; there are {[*_KINDS, *_OF_NOW]}")


def _orders(account: Account, behaviour: Behaviour) -> Iterator[Row]:
    for order in account.ledger.orders:
        text = order_json.render(order, account.username, behaviour)
        yield (order.order_id,), iso(order.modified), text


def _transactions(account: Account, behaviour: Behaviour) -> Iterator[Row]:
    for row in account.ledger.transactions:
        text = finance_json.render_transaction(row, behaviour)
        yield (row.transaction_id, row.kind), iso(row.date), text


def _payouts(account: Account, behaviour: Behaviour) -> Iterator[Row]:
    for payout in account.ledger.payouts:
        yield (payout.payout_id,), iso(payout.date), finance_json.render_payout(payout, behaviour)


def _disputes(account: Account, behaviour: Behaviour) -> Iterator[Row]:
    for dispute in account.ledger.disputes:
        yield (dispute.dispute_id,), iso(dispute.opened), disputes.render(dispute, behaviour)


def _messages(account: Account, behaviour: Behaviour) -> Iterator[Row]:
    box, unknown = account.mailbox, behaviour.unknown_fields
    for message in box.messages:
        row = {
            "summary": mailbox.header(message, box.owner, unknown=unknown),
            "detail": mailbox.whole(message, box.owner, unknown=unknown),
        }
        yield (message.message_id,), iso(message.sent), json.dumps(row).encode()


def _best_offers(account: Account, behaviour: Behaviour) -> Iterator[Row]:
    book, unknown = account.offers, behaviour.unknown_fields
    for offer in book.offers:
        row = offers.row(offer, book.currency, unknown=unknown)
        yield (offer.item.item_id, offer.offer_id), iso(offer.expires), json.dumps(row).encode()


def _claims(
    kind: Kind,
    write: Callable[[Claim, Account, Behaviour], bytes],
    account: Account,
    behaviour: Behaviour,
) -> Iterator[Row]:
    for claim in account.claims.by_kind[kind]:
        if not claim.hidden_from_the_start:
            text = write(claim, account, behaviour)
            yield (str(claim.claim_id),), iso(claim.created), text


def _offers(account: Account, behaviour: Behaviour) -> Iterator[Row]:
    for stock in account.ledger.inventory:
        for offer in stock.offers:
            yield (offer.offer_id,), "", inventory.render_offer(offer, behaviour)


_KINDS: dict[str, Callable[[Account, Behaviour], Iterator[Row]]] = {
    "orders": _orders,
    "transactions": _transactions,
    "payouts": _payouts,
    "disputes": _disputes,
    "messages": _messages,
    "best_offers": _best_offers,
    **{kind.value: partial(_claims, kind, render) for kind in Kind},
    **{f"{kind}.details": partial(_claims, kind, render_detail) for kind in Kind},
    "inventory_offers": _offers,
}


def _listed(world: World, account: Account) -> Iterator[Row]:
    for listing in world.stock(account).active:
        for sku, row in listings.rows_of(listing, unknown=world.behaviour.unknown_fields):
            yield (listing.item_id, sku), iso(listing.started), json.dumps(row).encode()


def _bought(world: World, account: Account) -> Iterator[Row]:
    for entry in world.basket(account).won(world.clock.now_ms(), _WON_DAYS):
        for each, row in purchases.rows_of(entry, unknown=world.behaviour.unknown_fields):
            key = (each.item_id, each.transaction_id)
            yield key, iso(each.bought), json.dumps(row).encode()


_OF_NOW: dict[str, Callable[[World, Account], Iterator[Row]]] = {
    "active_inventory": _listed,
    "buyer": _bought,
}


def lines(world: World, account: Account, kind: str, *, digests: bool) -> Iterator[bytes]:
    """One JSON object per line: {"key": [...], "version": …, "row": {…}} or "sha256" for "row"."""
    for key, version, text in rows(world, account, kind):
        opening = json.dumps({"key": key, "version": version}).encode()[:-1]
        if digests:
            yield opening + b',"sha256":"%b"}\n' % digest(json.loads(text)).encode()
        else:
            yield opening + b',"row":%b}\n' % text
