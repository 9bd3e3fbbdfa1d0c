"""The sellers and their history: the same for the same seed and present instant."""

import base64
import hashlib
import hmac
import threading
from bisect import bisect_right
from datetime import datetime, timedelta
from random import Random
from typing import Any

from infra.simulator import disputes, finance_json, finances, inventory, mailbox, offers, order_json
from infra.simulator.accounts import Account
from infra.simulator.behaviour import Behaviour
from infra.simulator.catalog import make_buyers, make_items, market
from infra.simulator.claims import make_claims
from infra.simulator.clock import MILLISECOND, SimulatorClock, to_ms
from infra.simulator.finances import Transaction
from infra.simulator.listings import Stock, stock_of
from infra.simulator.live import Life
from infra.simulator.orders import DAY_MS, HOUR_MS, Order, Shop, age_order, new_order
from infra.simulator.purchases import Basket, basket_of

_HOMES = ("EBAY_DE", "EBAY_US")
_FEWEST, _MOST = 20, 400
# History ends here before the present, and begins here after the first day: a reader who leaves
# out the last two minutes and looks back exactly `days` still sees all of it.
_QUIET_END_MS = 3 * 60 * 1000
_QUIET_START_MS = HOUR_MS


class World:
    """Use `lock` around any reading or changing of accounts while a server runs on it.

    `now` is when history ends (default: the clock's present). The first order of every account has
    the same id. A world changes by `life` only, never by the passing of time. `listings`: how many
    each account offers, None: as many as suit its orders.
    """

    def __init__(
        self,
        *,
        seed: int = 1,
        accounts: int = 2,
        orders: int = 3000,
        days: int = 90,
        now: datetime | None = None,
        clock: SimulatorClock | None = None,
        behaviour: Behaviour | None = None,
        listings: int | None = None,
    ) -> None:
        self.seed = seed
        self._listings = listings
        self._stocks: dict[str, Stock] = {}
        self._baskets: dict[str, Basket] = {}
        self.clock = clock or SimulatorClock()
        self.now = now or self.clock.now()
        self.behaviour = behaviour or Behaviour()
        self.lock = threading.RLock()
        # What the Notification API was told; its own.
        self.registered: object = None
        # As `signing_api` has issued them.
        self.signing_keys: list[Any] = []
        self.life = Life(self.clock)
        pool = min(_MOST, max(_FEWEST, orders // 4))
        self.accounts = [self._make_account(index, pool) for index in range(accounts)]
        for account in self.accounts:
            self._make_history(account, orders, days)

    def account(self, name: str) -> Account:
        """Raises KeyError, which names the accounts that there are."""
        for account in self.accounts:
            if account.name == name:
                return account
        raise KeyError(f"no account {name!r}; there are {[each.name for each in self.accounts]}")

    def secret(self, purpose: str) -> bytes:
        """A key that only this seed has."""
        return hmac.digest(f"cronshot-simulator-{self.seed}".encode(), purpose.encode(), "sha256")

    def stock(self, account: Account) -> Stock:
        """What it offers; made when it is first asked for."""
        if account.name not in self._stocks:
            end = to_ms(self.now) - _QUIET_END_MS
            made = stock_of(account, self.seed, end, count=self._listings)
            self._stocks[account.name] = made
        return self._stocks[account.name]

    def basket(self, account: Account) -> Basket:
        """What it has bought; made when it is first asked for."""
        if account.name not in self._baskets:
            end = to_ms(self.now) - _QUIET_END_MS
            self._baskets[account.name] = basket_of(account, self.seed, end)
        return self._baskets[account.name]

    def render_all(self) -> None:
        """Write every row now instead of when it is first asked for (0.1 ms an order)."""
        with self.lock:
            for account in self.accounts:
                for order in account.ledger.orders:
                    order_json.render(order, account.username, self.behaviour)
                for row in account.ledger.transactions:
                    finance_json.render_transaction(row, self.behaviour)

    def redraw(self) -> None:
        with self.lock:
            for account in self.accounts:
                account.ledger.redraw()

    def add_transactions(self, name: str, count: int, start: datetime, end: datetime) -> None:
        """`count` more charges of that account, evenly over the closed interval."""
        account = self.account(name)
        first, span = to_ms(start), (end - start) // MILLISECOND
        with self.lock:
            for nth in range(count):
                date = first + span * nth // max(1, count - 1)
                row = self._occasional(account, nth, date)
                row.becomes(finances.status_at(row, to_ms(self.now)))
                account.ledger.add_transaction(row)

    def _make_account(self, index: int, pool: int) -> Account:
        """`pool`: of how many items, and buyers of each country, its orders are drawn."""
        name = f"seller-{index + 1}"
        rng = Random(f"{self.seed}/{name}")
        home, abroad = (market(_HOMES[(index + turn) % 2]) for turn in (0, 1))
        buyers = {country: make_buyers(rng, pool, country) for country in ("DE", "US")}
        shop = Shop(make_items(rng, pool), buyers, home, abroad)
        tail = base64.b64encode(self.secret(f"refresh/{name}")).decode()
        # Like eBay's own, it holds characters that must be encoded in a form.
        token = f"v^1.1#i^1#r^1#p^3#I^3#f^0#t^{tail}"
        user_id = hashlib.sha256(f"{self.seed}/{name}".encode()).hexdigest()[:22]
        return Account(
            name=name,
            index=index,
            user_id=user_id,
            username=f"simulated_{name.replace('-', '_')}",
            market=home,
            country=home.marketplace_id.removeprefix("EBAY_"),
            refresh_token=token,
            refresh_tokens={token},
            shop=shop,
            rng=rng,
        )

    def _make_history(self, account: Account, count: int, days: int) -> None:
        end = to_ms(self.now) - _QUIET_END_MS
        start = to_ms(self.now - timedelta(days=days)) + _QUIET_START_MS
        ledger, rng = account.ledger, account.rng
        instants = sorted(start + int(rng.random() * (end - start - 10_000)) for _ in range(count))
        ledger.orders = [self._past_order(account, created, end) for created in instants]
        ledger.by_id = {order.order_id: order for order in ledger.orders}
        rows = [row for order in ledger.orders for row in finances.of_order(order, rng, until=end)]
        # About one a day, in the currency of the account's home.
        rows += [
            self._occasional(account, nth, date)
            for nth, date in enumerate(range(start, end, DAY_MS))
        ]
        rows.sort(key=lambda row: row.date)
        for row in rows:
            row.status = finances.status_at(row, end)
        ledger.transactions = rows
        _make_payouts(account, start, end)
        own = Random(f"{self.seed}/{account.name}/disputes")
        ledger.disputes = disputes.of_orders(ledger.orders, own, until=end)
        chance = Random(f"{self.seed}/{account.name}/claims")
        account.claims = make_claims(chance, account.index, ledger.orders, end)
        own = Random(f"{self.seed}/{account.name}/inventory")
        ledger.inventory = inventory.of_shop(account.shop, own)
        self._make_talk(account, start, end)

    def _make_talk(self, account: Account, start: int, end: int) -> None:
        """Messages and Best Offers; with chance of their own, so that they change nothing else."""
        orders, unknown = len(account.ledger.orders), self.behaviour.unknown_enums
        mail, bids = (Random(f"{self.seed}/{account.name}/{what}") for what in ("mail", "offers"))
        account.mailbox = mailbox.Mailbox(
            account.username, account.index, account.shop, mail, unknown
        )
        mailbox.fill(account.mailbox, orders, start, end)
        account.offers = offers.OfferBook(
            account.market.currency, account.index, account.shop, bids, unknown
        )
        offers.fill(account.offers, orders, end)

    def _occasional(self, account: Account, nth: int, date: int) -> Transaction:
        unknown = self.behaviour.unknown_enums
        currency = account.market.currency
        return finances.occasional(account.rng, nth, currency, date, unknown=unknown)

    def _past_order(self, account: Account, created: int, end: int) -> Order:
        order = new_order(
            account.rng,
            account.shop,
            order_id=account.next_order_id(),
            number=account.next_number,
            created=created,
        )
        account.next_number += 1
        age_order(account.rng, order, end)
        return order


def _make_payouts(account: Account, start: int, end: int) -> None:
    """Daily for every other account, weekly for the rest, at 07:00Z, per currency."""
    ledger = account.ledger
    step = DAY_MS if account.index % 2 == 0 else 7 * DAY_MS
    waiting: dict[str, list[Transaction]] = {}
    done = 0
    for at in range(start // DAY_MS * DAY_MS + DAY_MS + 7 * HOUR_MS, end, step):
        due = bisect_right(ledger.transactions, at - finances.HOLD_MS, key=lambda row: row.date)
        for row in ledger.transactions[done:due]:
            waiting.setdefault(row.currency, []).append(row)
        done = max(done, due)
        for currency in list(waiting):
            waiting[currency] = _pay(account, waiting[currency], at, end)
    ledger.unpaid = {"EUR": [], "USD": []}
    for row in ledger.transactions:
        if row.status != "PAYOUT":
            ledger.unpaid[row.currency].append(row)


def _pay(account: Account, rows: list[Transaction], at: int, end: int) -> list[Transaction]:
    """Pay out what can be; the rows that stay."""
    ready = [row for row in rows if finances.can_be_paid_out(row, at)]
    payout = finances.pay_out(account.rng, ready, at) if ready else None
    if payout is None:
        return rows
    if at < end - 2 * DAY_MS:
        payout.status = finances.settled_status(payout)
    account.ledger.payouts.append(payout)
    return [row for row in rows if row.status != "PAYOUT"]
