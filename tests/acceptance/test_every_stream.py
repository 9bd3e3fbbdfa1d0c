"""The first sync of every stream of five accounts, in one command, is eBay's truth row by row."""

import json

import pytest

from infra.ebay.streams.registry import STREAMS
from infra.simulator.server import Simulator
from tests.support.site import site_of
from tests.support.stored import stored, there

ACCOUNTS = 5


@pytest.mark.timeout(240)
def test_the_first_sync_of_every_stream_of_five_accounts_is_ebays_truth(
    database_url: str, direct_database_url: str
) -> None:
    names = [stream.name for stream in STREAMS]
    with Simulator(seed=8, accounts=ACCOUNTS, orders=120, days=60) as simulator:
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
