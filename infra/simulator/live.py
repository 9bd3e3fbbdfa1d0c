"""A source that changes while it is read: orders move, new ones come, money is paid out."""

from infra.simulator import disputes, finances, inventory
from infra.simulator.accounts import Account
from infra.simulator.claims import Claim, Kind
from infra.simulator.clock import SimulatorClock
from infra.simulator.finances import Payout
from infra.simulator.orders import Order, new_order, refund, ship

_MOST_PAID_AT_ONCE = 300


class Life:
    """Changes one account; the caller holds the world's lock.

    What is changed is the seed's choice; when it changed is the clock's. A changed order's
    `lastModifiedDate` becomes the present, so that it leaves every closed window; transactions and
    payouts change without moving.
    """

    def __init__(self, clock: SimulatorClock) -> None:
        self._clock = clock

    def mutate(self, account: Account, count: int = 1) -> None:
        for _ in range(count):
            chance = account.rng.random()
            if chance < 0.7 and account.ledger.orders:
                self.modify_any(account)
            elif chance < 0.9:
                self.sell(account)
            else:
                self.pay_out(account)

    def modify_any(self, account: Account) -> Order:
        orders = account.ledger.orders
        order = orders[int(account.rng.random() * len(orders))]
        self.modify(account, order)
        return order

    def modify(self, account: Account, order: Order) -> None:
        """Ship it, refund it or note something on it; it always differs from before."""
        now = self._clock.now_ms()
        order.modified = max(now, order.modified + 1)
        order.revision += 1
        if order.fulfillment_status != "FULFILLED":
            ship(order, at_once=order.fulfillment_status == "IN_PROGRESS" or order.variety % 4 > 0)
        elif order.is_paid and order.refunded < order.total and order.revision % 3 == 0:
            entry = refund(order, order.total // 10 + 1, order.modified)
            if entry.status != "FAILED":
                row = finances.refund(order, entry, account.rng.getrandbits(32))
                account.ledger.add_transaction(row)
        account.ledger.changed(order)

    def sell(self, account: Account) -> Order:
        """A new order, created now, with what it causes at once."""
        order = new_order(
            account.rng,
            account.shop,
            order_id=account.next_order_id(),
            number=account.next_number,
            created=self._clock.now_ms(),
        )
        account.next_number += 1
        order.modified = order.created
        account.ledger.add_order(order)
        if order.is_paid:
            row = finances.sale(order, account.rng.getrandbits(32))
            row.date = order.created
            account.ledger.add_transaction(row)
        return order

    def dispute(self, account: Account, count: int = 1) -> None:
        """Disputes are opened, ask for an action and are closed; `count` changes."""
        now, ledger, rng = self._clock.now_ms(), account.ledger, account.rng
        for _ in range(count):
            if ledger.disputes and rng.random() < 0.7:
                disputes.move_on(rng.choice(ledger.disputes), now)
            elif ledger.orders:
                number, order = len(ledger.disputes), rng.choice(ledger.orders)
                new = disputes.open_new(order, number, now, rng.getrandbits(32))
                ledger.disputes.append(new)

    def restock(self, account: Account, count: int = 1) -> None:
        """Prices change, SKUs come, offers go; `count` changes."""
        stock, rng = account.ledger.inventory, account.rng
        for _ in range(count):
            chance = rng.random()
            if chance < 0.1 or not stock:
                stock.append(inventory.add(stock, account.shop, rng))
            elif chance < 0.2:
                rng.choice(stock).offers.clear()
            else:
                inventory.change(rng.choice(stock), rng)

    def pay_out(self, account: Account) -> list[Payout]:
        """Settle the payouts under way, then pay out what is ready, one payout per currency."""
        now, ledger = self._clock.now_ms(), account.ledger
        for payout in ledger.payouts[-10:]:
            if payout.status == "INITIATED":
                payout.status = finances.settled_status(payout)
                ledger.changed(payout)
        made = [self._pay_out(account, currency, now) for currency in sorted(ledger.unpaid)]
        return [payout for payout in made if payout]

    def _pay_out(self, account: Account, currency: str, now: int) -> Payout | None:
        rows = account.ledger.unpaid[currency]
        for row in rows:
            status = finances.status_at(row, now)
            if row.status != status:
                row.becomes(status)
                account.ledger.version += 1
        ready = [row for row in rows if row.status == "FUNDS_AVAILABLE_FOR_PAYOUT"]
        payout = finances.pay_out(account.rng, ready[:_MOST_PAID_AT_ONCE], now) if ready else None
        if payout:
            account.ledger.add_payout(payout)
        return payout

    def argue(self, account: Account) -> Claim | None:
        """An open claim moves on to its next stage, or there is a new one."""
        claims, now = account.claims, self._clock.now_ms()
        unfinished = claims.unfinished()
        if unfinished and claims.rng.random() < 0.7:
            claim = claims.rng.choice(unfinished)
            claim.move_on(now)
            return claim
        if not account.ledger.orders:
            return None
        order = claims.rng.choice(account.ledger.orders)
        return claims.open(claims.rng.choice(list(Kind)), order, now)
