"""What goes on after history ends, a step a minute: the same steps whenever they are taken."""

from datetime import datetime, timedelta

from infra.simulator.accounts import Account
from infra.simulator.clock import SimulatorClock, to_ms
from infra.simulator.live import Life
from infra.simulator.world import World

STEP = timedelta(minutes=1)
_OTHERS_EVERY = 3


def age(world: World, until: datetime) -> None:
    """Every account's orders and money change each minute since `world.now`, at that minute.

    Its other lists every third one: nobody is sued each minute, not even here.
    """
    at, steps = world.now, 0
    life = Life(SimulatorClock(lambda: at))
    with world.lock:
        while at + STEP <= until:
            at, steps = at + STEP, steps + 1
            for account in world.accounts:
                life.mutate(account)
                if steps % _OTHERS_EVERY == 0:
                    change_others(world, account, life, to_ms(at))


def change_others(world: World, account: Account, life: Life, now: int) -> None:
    """One change in each list beside orders and money; `life` has the same present.

    The caller holds the world's lock.
    """
    life.argue(account)
    life.dispute(account)
    life.restock(account)
    for each in (world.stock(account), world.basket(account), account.mailbox, account.offers):
        each.mutate(now)
