"""Killed anywhere between a mailbox's headers, its texts and the tables: nothing is lost."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import pytest

from tests.support.caused import Caused
from tests.support.ground import Ground, ground
from tests.support.postgres import Server
from tests.support.sweep import wait_for_silence

MESSAGES, DAY_MS = 25, 24 * 3600 * 1000
LONG_LEASE_S = 60.0
SAMPLE = 6
AS_NEW = """
DELETE FROM ebay.messages; DELETE FROM ebay.best_offers; DELETE FROM ebay.snapshot_seen;
DELETE FROM ebay.sync_states;
-- Kills after the last unit leave idle runs to follow, which forgive none.
UPDATE ops.workers SET faults = 0, tripped_at = NULL, probe_at = NULL;
-- Each killed run keeps the calls that it had set aside; hundreds of them use up a day.
UPDATE ebay.api_budgets SET used = 0, used_open = 0, blocked_until = NULL; DELETE FROM ebay.api_breakers;
INSERT INTO ebay.sync_states (account_id, stream, interval_s, due_at, cursor_at)
SELECT id, stream, 600, clock_timestamp(), CASE stream WHEN 'messages' THEN clock_timestamp() - interval '3 days' END
  FROM ebay.accounts CROSS JOIN (VALUES ('messages'), ('best_offers')) AS own (stream)
"""  # noqa: E501 -- a table is read across


@pytest.fixture
def talk(postgres_server: Server, _template: str) -> Iterator[Ground]:
    """Two sellers with some messages of the last days, and offers; nothing is read yet."""
    with ExitStack() as stack:
        name = postgres_server.create_database(_template)
        stack.callback(postgres_server.drop_database, name)
        client, admin = (
            each.with_database(name) for each in (postgres_server.client, postgres_server.admin)
        )
        made = stack.enter_context(ground(client, admin, orders=20, lease_s=LONG_LEASE_S))
        now = made.simulator.clock.now_ms()
        for account in made.simulator.world.accounts:
            account.mailbox.messages.clear()
            for nth in range(MESSAGES):
                account.mailbox.add(now - nth * DAY_MS // MESSAGES).is_gone = False
        yield made


def stored(each: Ground) -> dict[str, dict[tuple[str, ...], object]]:
    messages = each.sql(
        "SELECT name, message_id, raw, detail FROM ebay.messages"
        " JOIN ebay.accounts ON accounts.id = account_id"
    )
    offers = each.sql(
        "SELECT name, item_id, best_offer_id, raw FROM ebay.best_offers"
        " JOIN ebay.accounts ON accounts.id = account_id"
    )
    return {
        "messages": {
            (name, key): {"summary": raw, "detail": detail} for name, key, raw, detail in messages
        },
        "best_offers": {(name, item, offer): raw for name, item, offer, raw in offers},
    }


def truth(each: Ground) -> dict[str, dict[tuple[str, ...], object]]:
    return {
        kind: {
            (account.name, *key): row
            for account in each.simulator.world.accounts
            for key, (_, row) in each.simulator.truth(account.name, kind).items()
        }
        for kind in ("messages", "best_offers")
    }


def points_of(each: Ground) -> list[str]:
    each.wait_until_visible()
    each.sql(AS_NEW)
    # The limits of eBay's calls are asked for once a day: the runs to come do not.
    assert each.run("ebay").status == 0
    each.sql(AS_NEW)
    record = each.folder / "points"
    assert each.run("ebay", record=record).status == 0
    assert stored(each) == truth(each)
    return record.read_text().splitlines()


def sweep(each: Ground, points: Sequence[str]) -> None:
    for point in points:
        each.sql(AS_NEW)
        for resource in each.simulator.quotas.counts():
            each.simulator.quotas.set_count(resource, 0)
        killed = each.run("ebay", at=point)
        assert killed.killed, f"{point} was not reached: {killed.err}"
        # A row that PostgreSQL still holds for the killed one would be left to the run after.
        wait_for_silence(each)
        following = each.run("ebay", "--take-over", "--json")

        assert following.status == 0, following.err
        assert stored(each) == truth(each), point


@pytest.mark.timeout(180)
def test_killed_at_some_points_of_reading_a_mailbox_nothing_is_lost(talk: Ground) -> None:
    points = points_of(talk)
    assert len(points) > SAMPLE

    sweep(talk, points[:: len(points) // SAMPLE])


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_killed_at_every_point_of_reading_a_mailbox_nothing_is_lost(
    talk: Ground, caused: Caused
) -> None:
    points = points_of(talk)

    sweep(talk, points)

    caused(f"crash points of messages and offers: N = {len(points)}")
