"""Mailboxes and Best Offers from the simulator into PostgreSQL, row by row."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Self
from xml.sax.saxutils import escape

import pytest

from core.report import Outcome, Reason, RunReport
from infra.simulator.answers import Request
from infra.simulator.faults import Rule
from infra.simulator.mailbox import INBOX, SENT, SHARED_MESSAGE_ID, Message
from infra.simulator.server import Simulator
from infra.simulator.trading import NAMESPACE
from tests.support.postgres import Server
from tests.support.site import Gate, Site, site_of

MESSAGES, OFFERS = "messages", "best_offers"
MINUTE_MS = 60_000
DAY_MS = 1_440 * MINUTE_MS


@pytest.fixture
def site(postgres_server: Server, database_name: str) -> Iterator[Site]:
    # What is written now is old enough to be read now.
    with Simulator(seed=5, accounts=2, orders=600, clock_offset=-timedelta(minutes=3)) as simulator:
        url = postgres_server.client.with_database(database_name).reveal()
        admin = postgres_server.admin.with_database(database_name).reveal()
        yield site_of(url, admin, simulator)


class Asked:
    """Which texts were asked for, and how many calls there were; for `with`."""

    def __init__(self, simulator: Simulator) -> None:
        self._faults = simulator.faults
        self._pick = simulator.faults.pick
        self.batches: list[list[str]] = []
        self.calls: Counter[str] = Counter()

    def __enter__(self) -> Self:
        self._faults.pick = self._noted  # type: ignore[method-assign]  # the simulator tells
        return self

    def __exit__(self, *_: object) -> None:
        self._faults.pick = self._pick  # type: ignore[method-assign]  # as it was

    def _noted(self, operation: str, request: Request) -> Rule | None:
        text = request.body.decode()
        level = re.search(r"<DetailLevel>(\w+)<", text)
        self.calls[level[1] if level else operation] += 1
        if level and level[1] == "ReturnMessages":
            self.batches.append(re.findall(r"<MessageID>([^<]*)<", text))
        return self._pick(operation, request)

    @property
    def ids(self) -> Counter[str]:
        return Counter(each for batch in self.batches for each in batch)


class GateOfTexts(Gate):
    """Holds the first request for texts."""

    def _held(self, operation: str, request: Request) -> Rule | None:
        if b"ReturnMessages" in request.body:
            return super()._held(operation, request)
        return self._pick(operation, request)


def truth(site: Site, kind: str) -> dict[tuple[str, ...], Any]:
    return {
        (account.name, *key): row
        for account in site.simulator.world.accounts
        for key, (_, row) in site.simulator.truth(account.name, kind).items()
    }


def stored_messages(site: Site) -> dict[tuple[str, ...], Any]:
    rows = site.sql(
        "SELECT name, message_id, raw, detail FROM ebay.messages"
        " JOIN ebay.accounts ON accounts.id = account_id"
    )
    return {(name, key): {"summary": raw, "detail": detail} for name, key, raw, detail in rows}


def stored_offers(site: Site, *, alive: bool = True) -> dict[tuple[str, ...], Any]:
    rows = site.sql(
        "SELECT name, item_id, best_offer_id, raw FROM ebay.best_offers"
        f" JOIN ebay.accounts ON accounts.id = account_id WHERE (ended_at IS NULL) = {alive}"
    )
    return {(name, item, offer): raw for name, item, offer, raw in rows}


def read(site: Site, stream: str = MESSAGES) -> RunReport:
    """As the next call of the cron would, an interval later."""
    site.all_due()
    return site.run(streams=(stream,))


def the_unit(report: RunReport) -> Any:
    [unit] = report.units
    return unit


def recent(site: Site, folder: int = INBOX) -> Message:
    """A message of ten minutes ago: what is read again covers it."""
    box = site.simulator.world.accounts[0].mailbox
    message = box.add(site.simulator.clock.now_ms() - 10 * MINUTE_MS, folder)
    message.is_gone = False
    return message


def trouble(code: int, ack: str = "Failure") -> str:
    return (
        f'<GetMyMessagesResponse xmlns="{NAMESPACE}"><Ack>{ack}</Ack><Errors>'
        f"<LongMessage>{escape('Not today.')}</LongMessage><ErrorCode>{code}</ErrorCode>"
        "<SeverityCode>Error</SeverityCode></Errors><Messages/></GetMyMessagesResponse>"
    )


def test_r17_r55_every_message_of_every_account_arrives_as_it_is(site: Site) -> None:
    site.connect(2, streams=(MESSAGES,))

    report = read(site)

    assert report.outcome is Outcome.DONE
    assert stored_messages(site) == truth(site, MESSAGES)
    assert ("seller-1", SHARED_MESSAGE_ID) in stored_messages(site)
    assert ("seller-2", SHARED_MESSAGE_ID) in stored_messages(site)


def test_r55_what_was_sent_is_outgoing_and_all_else_incoming(site: Site) -> None:
    site.connect(streams=(MESSAGES,))

    read(site)

    account = site.simulator.world.accounts[0]
    stored = site.sql("SELECT message_id, direction FROM ebay.messages")
    assert sorted(map(tuple, stored)) == sorted(
        (each.message_id, "OUTGOING" if each.folder == SENT else "INCOMING")
        for each in account.mailbox.messages
    )
    assert site.sql(
        "SELECT count(*) FROM ebay.messages WHERE (direction = 'OUTGOING')"
        f" <> (sender = '{account.username}')"
    ) == [[0]]


def test_r52_texts_are_asked_for_once_ten_at_a_time(site: Site) -> None:
    site.connect(streams=(MESSAGES,))

    with Asked(site.simulator) as asked:
        read(site)
        read(site)

    box = site.simulator.world.accounts[0].mailbox
    assert all(0 < len(batch) <= 10 for batch in asked.batches)
    lasting = {each.message_id for each in box.messages if not each.is_gone}
    assert {key: asked.ids[key] for key in lasting} == dict.fromkeys(lasting, 1)
    assert sum(len(batch) for batch in asked.batches) < 2 * len(box.messages)


def test_a_flag_that_changes_is_read_without_a_second_text(site: Site) -> None:
    site.connect(streams=(MESSAGES,))
    message = recent(site)
    read(site)
    message.read, message.flagged, message.replied = not message.read, True, True

    with Asked(site.simulator) as asked:
        report = read(site)

    assert the_unit(report).updated == 1
    assert asked.ids[message.message_id] == 0
    assert site.sql(
        "SELECT read, flagged, replied, detail IS NOT NULL FROM ebay.messages"
        f" WHERE message_id = '{message.message_id}'"
    ) == [[message.read, True, True, True]]


def test_a_flag_that_changes_days_later_is_read_within_six_hours(site: Site) -> None:
    site.connect(streams=(MESSAGES,))
    read(site)
    box = site.simulator.world.accounts[0].mailbox
    now_ms = site.simulator.world.clock.now_ms()
    message = next(each for each in box.messages if 2 < (now_ms - each.sent) / DAY_MS < 5)
    message.read = not message.read
    # Just before an hour divisible by six, the last that has gone by.
    site.sql(
        "UPDATE ebay.sync_states SET cursor_at = date_bin('6 hours', now() - interval '5 minutes',"
        " 'epoch') - interval '1 minute'"
    )

    with Asked(site.simulator) as asked:
        report = read(site)
        again = read(site)

    assert (the_unit(report).updated, the_unit(report).reason) == (1, None)
    assert the_unit(again).fetched < the_unit(report).fetched
    assert asked.ids[message.message_id] == 0
    assert site.sql(
        f"SELECT read FROM ebay.messages WHERE message_id = '{message.message_id}'"
    ) == [[message.read]]


def test_a_kill_between_headers_and_texts_loses_nothing(site: Site) -> None:
    site.connect(2, streams=(MESSAGES,))
    with GateOfTexts(site.simulator, "GetMyMessages") as gate:
        process = site.start("ebay", "--json")
        gate.wait()
        process.kill()
        process.communicate(timeout=30)

    report = site.run(take_over=True)
    site.sql("UPDATE ebay.sync_states SET leased_by = NULL, leased_until = NULL")
    report = read(site)

    assert report.outcome is Outcome.DONE
    assert stored_messages(site) == truth(site, MESSAGES)


def test_r55_a_batch_that_fails_is_asked_for_again_not_skipped(site: Site) -> None:
    site.connect(streams=(MESSAGES,))
    site.simulator.faults.add("server_error", operation="GetMyMessages", after=12, times=2)

    report = read(site)

    assert report.outcome is Outcome.DONE
    mine = {key: row for key, row in truth(site, MESSAGES).items() if key[0] == "seller-1"}
    assert stored_messages(site) == mine


@pytest.mark.parametrize(
    ("code", "ack", "reason"),
    [
        (20118, "Failure", Reason.BAD_DATA),
        (20118, "PartialFailure", Reason.BAD_DATA),
        (21916984, "Failure", Reason.TOKEN_REFUSED),
        (518, "Failure", Reason.RATE_LIMITED),
    ],
)
def test_r7_r28_a_failure_told_with_status_200_leaves_the_cursor(
    site: Site, code: int, ack: str, reason: Reason
) -> None:
    site.connect(streams=(MESSAGES,))
    body = trouble(code, ack)
    site.simulator.faults.add("status", status=200, body=body, operation="GetMyMessages", after=12)

    report = read(site)

    assert the_unit(report).reason is reason
    [[cursor]] = site.sql("SELECT cursor_at FROM ebay.sync_states WHERE stream = 'messages'")
    newest = site.simulator.world.accounts[0].mailbox.messages[-1].sent
    assert cursor is None or cursor.timestamp() * 1000 < newest
    site.simulator.faults.clear()
    site.sql("UPDATE ebay.api_budgets SET blocked_until = NULL")
    read(site)
    mine = {key: row for key, row in truth(site, MESSAGES).items() if key[0] == "seller-1"}
    assert stored_messages(site) == mine


@pytest.mark.parametrize("per_page", [0, 25, 7])
def test_pages_may_be_shorter_than_was_asked_for(site: Site, per_page: int) -> None:
    site.connect(2, streams=(MESSAGES,))
    site.simulator.world.behaviour.message_headers_per_page = per_page
    site.simulator.world.behaviour.summary_names_inbox = True

    read(site)

    assert stored_messages(site) == truth(site, MESSAGES)


@pytest.mark.parametrize("count", [199, 200, 201, 450])
def test_a_crowded_window_is_halved_until_it_fits(site: Site, count: int) -> None:
    site.connect(streams=(MESSAGES,))
    box = site.simulator.world.accounts[0].mailbox
    box.messages.clear()
    start = site.simulator.clock.now_ms() - 20 * 60 * MINUTE_MS
    for number in range(count):
        box.add(start + number * 7_000, INBOX)

    report = read(site)

    mine = {key: row for key, row in truth(site, MESSAGES).items() if key[0] == "seller-1"}
    assert report.outcome is Outcome.DONE
    assert len(mine) == count
    assert stored_messages(site) == mine


def test_a_mailbox_that_changes_while_it_is_read_loses_nothing(site: Site) -> None:
    site.connect(2, streams=(MESSAGES,))
    site.simulator.world.behaviour.mail_changes_per_request = 2
    read(site)
    site.simulator.world.behaviour.mail_changes_per_request = 0

    report = read(site)

    assert report.outcome is Outcome.DONE
    there, stored = truth(site, MESSAGES), stored_messages(site)
    assert there.keys() <= stored.keys()
    texts = {
        key: (row["detail"] or {}).get("Content") for key, row in there.items() if row["detail"]
    }
    assert {key: stored[key]["detail"]["Content"] for key in texts} == texts


def test_an_empty_mailbox_is_read_to_its_end(site: Site) -> None:
    site.connect(streams=(MESSAGES,))
    site.simulator.world.accounts[0].mailbox.messages.clear()

    report = read(site)

    assert report.outcome is Outcome.DONE
    assert the_unit(report).fetched == 0
    assert site.one("SELECT cursor_at IS NOT NULL FROM ebay.sync_states")


def test_what_is_old_news_costs_few_calls(site: Site) -> None:
    site.connect(streams=(MESSAGES,))
    read(site)
    read(site)

    with Asked(site.simulator) as asked:
        report = read(site)

    assert the_unit(report).inserted == 0
    assert asked.calls["ReturnSummary"] == 1
    # Inbox, Sent and two more folders: one call each, one more for each with new messages.
    assert asked.calls["ReturnHeaders"] <= 8


def test_r17_every_best_offer_of_every_account_arrives_as_it_is(site: Site) -> None:
    site.connect(2, streams=(OFFERS,))

    report = read(site, OFFERS)

    assert report.outcome is Outcome.DONE
    assert stored_offers(site) == truth(site, OFFERS)
    assert site.sql("SELECT DISTINCT role FROM ebay.best_offers ORDER BY 1") == [
        ["Buyer"],
        ["Seller"],
    ]


def test_r11_an_offer_ends_after_two_snapshots_without_it(site: Site) -> None:
    site.connect(streams=(OFFERS,))
    read(site, OFFERS)
    book = site.simulator.world.accounts[0].offers
    gone = book.offers[0]
    book.end(gone.offer_id)

    key = ("seller-1", gone.item.item_id, gone.offer_id)

    endings = []
    for _ in range(3):
        read(site, OFFERS)
        endings.append(key in stored_offers(site, alive=False))

    assert endings == [False, True, True]


@pytest.mark.parametrize("per_page", [2, 5])
def test_offers_come_in_several_pages_whatever_eBay_counts(  # noqa: N802  (its name)
    site: Site, per_page: int
) -> None:
    site.connect(2, streams=(OFFERS,))
    site.simulator.world.behaviour.best_offers_per_page = per_page

    report = read(site, OFFERS)

    assert report.outcome is Outcome.DONE
    assert stored_offers(site) == truth(site, OFFERS)


def test_offers_that_change_while_they_are_read_are_right_in_the_end(site: Site) -> None:
    site.connect(2, streams=(OFFERS,))
    behaviour = site.simulator.world.behaviour
    behaviour.best_offers_per_page, behaviour.offer_changes_per_request = 2, 1
    read(site, OFFERS)
    behaviour.offer_changes_per_request = 0

    for _ in range(3):
        read(site, OFFERS)

    assert stored_offers(site) == truth(site, OFFERS)


def test_no_offers_are_none(site: Site) -> None:
    site.connect(streams=(OFFERS,))
    site.simulator.world.accounts[0].offers.offers.clear()

    report = read(site, OFFERS)

    assert report.outcome is Outcome.DONE
    assert stored_offers(site) == {}


def test_the_days_calls_of_one_call_name_stop_that_stream_only(site: Site) -> None:
    site.connect(streams=(MESSAGES, OFFERS))
    site.simulator.quotas.set_count("GetMyMessages", 5000)
    site.all_due()

    report = site.run()

    reasons = {unit.stream: unit.reason for unit in report.units}
    assert reasons == {MESSAGES: Reason.QUOTA, OFFERS: None}
    assert len(stored_offers(site)) > 0


def test_the_word_offers_means_both_kinds(site: Site) -> None:
    site.connect(streams=(MESSAGES, OFFERS, "inventory_offers"))

    done = site.cli("ebay", "--stream", "offers", "--json")

    assert done.returncode == 0, done.stderr
    read_now = {unit["stream"] for unit in json.loads(done.stdout)["units"]}
    assert read_now == {OFFERS, "inventory_offers"}
    assert stored_messages(site) == {}
