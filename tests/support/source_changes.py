"""A source that changes: of every stream, what we promise to follow.

Not what nobody could: a flag of an old message, or a closed dispute that is opened again.
"""

from collections.abc import Callable, Mapping, Sequence

from infra.simulator import disputes
from infra.simulator.accounts import Account
from infra.simulator.disputes import CLOSED
from infra.simulator.mailbox import INBOX
from infra.simulator.world import World

RECENTLY_MS = 10 * 60_000
"""Read again each time: half an hour before the cursor is."""


def change(world: World, account: Account, streams: Sequence[str]) -> None:
    """Each of these streams a little; the caller holds the world's lock."""
    for each in dict.fromkeys(CHANGES[stream] for stream in streams):
        each(world, account)


def _trade(world: World, account: Account) -> None:
    world.life.mutate(account, 3)
    world.life.sell(account)


def _dispute(world: World, account: Account) -> None:
    now, ledger = world.clock.now_ms(), account.ledger
    unsettled = [each for each in ledger.disputes if each.status != CLOSED]
    if unsettled:
        disputes.move_on(account.rng.choice(unsettled), now)
    number, order = len(ledger.disputes), account.rng.choice(ledger.orders)
    ledger.disputes.append(disputes.open_new(order, number, now, account.rng.getrandbits(32)))


def _write(world: World, account: Account) -> None:
    now = world.clock.now_ms()
    last = account.mailbox.messages[-1]
    if last.sent > now - RECENTLY_MS:
        last.flagged = not last.flagged
    account.mailbox.add(now, INBOX)


def _haggle(world: World, account: Account) -> None:
    account.offers.mutate(world.clock.now_ms())


def _list(world: World, account: Account) -> None:
    world.stock(account).mutate(world.clock.now_ms())


def _buy(world: World, account: Account) -> None:
    world.basket(account).mutate(world.clock.now_ms())


def _argue(world: World, account: Account) -> None:
    world.life.argue(account)


def _restock(world: World, account: Account) -> None:
    world.life.restock(account)


CHANGES: Mapping[str, Callable[[World, Account], None]] = {
    "orders": _trade,
    "transactions": _trade,
    "payouts": _trade,
    "disputes": _dispute,
    "messages": _write,
    "best_offers": _haggle,
    "inventory_offers": _restock,
    "active_inventory": _list,
    "buyer": _buy,
    "cases": _argue,
    "inquiries": _argue,
    "returns": _argue,
    "cancellations": _argue,
}
