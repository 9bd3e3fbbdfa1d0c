"""The first sync of every stream of five accounts, in one command, is eBay's truth row by row."""

import json
from datetime import datetime

import pytest

from core.sync.model import Walk
from infra.ebay.streams.registry import STREAMS
from infra.simulator.behaviour import Behaviour
from infra.simulator.server import Simulator
from tests.support.site import site_of
from tests.support.stored import stored, there

ACCOUNTS = 5


@pytest.mark.timeout(240)
def test_the_first_sync_of_every_stream_of_five_accounts_is_ebays_truth(
    database_url: str, direct_database_url: str
) -> None:
    names = [stream.name for stream in STREAMS]
    wanted = Behaviour(signatures=True)
    with Simulator(seed=8, accounts=ACCOUNTS, orders=120, days=60, behaviour=wanted) as simulator:
        site = site_of(database_url, direct_database_url, simulator)
        site.connect(ACCOUNTS, streams=names)

        first = site.cli("ebay", "--json")
        again = site.cli("ebay", "--json")

        assert first.returncode == 0, first.stderr
        assert json.loads(first.stdout)["outcome"] == "done"
        assert json.loads(again.stdout)["reason"] == "nothing_due"
        for account in simulator.world.accounts:
            for stream in names:
                truth = there(simulator, account.name, stream)
                assert truth, f"the simulator has no {stream}"
                assert stored(site, account.name, stream) == truth, (account.name, stream)


WINDOWED = [stream.name for stream in STREAMS if stream.walk is not Walk.SNAPSHOT]


@pytest.mark.timeout(240)
def test_r1_a_new_account_brings_90_days_of_history(
    database_url: str, direct_database_url: str
) -> None:
    """Purchases are a snapshot: eBay shows those of 30 days, and all of them arrive above."""
    with Simulator(seed=3, accounts=1, orders=1200, days=120) as simulator:
        site = site_of(database_url, direct_database_url, simulator)
        site.connect(1, streams=WINDOWED)

        ended = site.cli("ebay", "--json")

        assert json.loads(ended.stdout)["outcome"] == "done", ended.stderr
        now = simulator.world.clock.now()
        for stream in WINDOWED:
            ages = {
                key: (now - datetime.fromisoformat(version)).days
                for key, (version, _) in simulator.truth("seller-1", stream).items()
            }
            arrived = set(stored(site, "seller-1", stream))
            assert arrived >= {key for key, age in ages.items() if age < 90}, stream
            # Something of the third month, and something that is too old, or nothing was shown.
            assert {age // 30 for age in ages.values()} >= {2, 3}, stream
