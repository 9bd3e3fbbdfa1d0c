"""What goes on after history ends, a step a minute: the same steps whenever they are taken."""

from datetime import datetime, timedelta

from infra.simulator.clock import SimulatorClock
from infra.simulator.live import Life
from infra.simulator.world import World

STEP = timedelta(minutes=1)


def age(world: World, until: datetime) -> None:
    """One change of every account for each minute since `world.now`, at that minute."""
    at = world.now
    life = Life(SimulatorClock(lambda: at))
    with world.lock:
        while at + STEP <= until:
            at += STEP
            for account in world.accounts:
                life.mutate(account)
