"""The source as it is now, for the oracle: what a perfect reader would have stored."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from infra.simulator import finance_json, order_json
from infra.simulator.accounts import Account
from infra.simulator.clock import iso
from infra.simulator.world import World

KINDS = ("orders", "transactions", "payouts")


def digest(value: Any) -> str:
    """SHA-256 of `value` as JSON with sorted keys and no spaces: equal values, equal digests."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def rows(world: World, account: Account, kind: str) -> list[tuple[tuple[str, ...], str, bytes]]:
    """(key, version, JSON as lists give it) of every row; raises ValueError for another kind.

    Keys: (orderId), (transactionId, transactionType), (payoutId). Version: the row's
    lastModifiedDate, transactionDate or payoutDate.
    """
    with world.lock:
        return list(_rows(world, account, kind))


def _rows(
    world: World, account: Account, kind: str
) -> Iterator[tuple[tuple[str, ...], str, bytes]]:
    ledger, behaviour = account.ledger, world.behaviour
    match kind:
        case "orders":
            for order in ledger.orders:
                text = order_json.render(order, account.username, behaviour)
                yield (order.order_id,), iso(order.modified), text
        case "transactions":
            for row in ledger.transactions:
                text = finance_json.render_transaction(row, behaviour)
                yield (row.transaction_id, row.kind), iso(row.date), text
        case "payouts":
            for payout in ledger.payouts:
                text = finance_json.render_payout(payout, behaviour)
                yield (payout.payout_id,), iso(payout.date), text
        case _:
            raise ValueError(f"no kind {kind!r}; there are {KINDS}")


def lines(world: World, account: Account, kind: str, *, digests: bool) -> Iterator[bytes]:
    """One JSON object per line: {"key": [...], "version": …, "row": {…}} or "sha256" for "row"."""
    for key, version, text in rows(world, account, kind):
        opening = json.dumps({"key": key, "version": version}).encode()[:-1]
        if digests:
            yield opening + b',"sha256":"%b"}\n' % digest(json.loads(text)).encode()
        else:
            yield opening + b',"row":%b}\n' % text
