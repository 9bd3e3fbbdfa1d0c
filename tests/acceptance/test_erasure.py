"""After an account deletion that person is found nowhere, and does not come back."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import sqlalchemy as sa

from core.notifications.model import Outcome, Taken
from core.notifications.read import read_notification
from infra.ebay.streams.registry import STREAMS
from infra.postgres.notifications import PostgresNotifications
from infra.simulator.catalog import Buyer
from infra.simulator.server import Simulator
from tests.support.people import places_of, words_of
from tests.support.site import Site, beside, site_of

pytestmark = pytest.mark.timeout(240)
ALL = [stream.name for stream in STREAMS]
USER_ID, EIAS = "ma8vp1jySJC", "nY+sHZ2PrBmdj6wVnY+sEZ2PrA2dj6wJnY+gAZGEpwmdj6x9nY+seQ=="
EVERYWHERE = {
    "orders", "order_lines", "transactions", "disputes", "cases", "inquiries", "returns",
    "messages", "best_offers", "purchases",
}  # fmt: skip


@dataclass
class Ground:
    site: Site
    buyer: Buyer

    def delete(
        self, person: Buyer | None = None, notification_id: str = "n-1", user_id: str = USER_ID
    ) -> Taken:
        username = (person or self.buyer).username
        notifier = self.site.simulator.notifier
        body = notifier.body(*notifier.deletion(username, user_id, EIAS), notification_id)
        with self.site.opened() as database:
            return PostgresNotifications(database, "simulator").take(read_notification(body))

    def places(self) -> dict[str, int]:
        return places_of(self.site, [*words_of(self.buyer), USER_ID, EIAS])

    def read_all_again(self) -> None:
        self.site.sql(
            "UPDATE ebay.sync_states SET cursor_at = NULL, window_from = NULL, window_to = NULL,"
            " window_goal = NULL, window_limit = NULL, window_offset = NULL, window_total = NULL,"
            " window_pass = NULL, due_at = now() - interval '1 second'"
        )
        report = self.site.run()
        assert report.outcome == "done", report


def person_of(simulator: Simulator) -> Buyer:
    """One buyer who stands in every kind of row, by a name and a street that nobody else has."""
    account = simulator.world.accounts[0]
    # The first order has a claim of each kind.
    buyer = account.ledger.orders[0].buyer
    for contact in (buyer.ship_to, buyer.buyer["buyerRegistrationAddress"]):
        contact["fullName"] = "Ottokar Einzigartig"
        contact["contactAddress"]["addressLine1"] = "Unverwechselbargasse 17"
        contact["contactAddress"].pop("addressLine2", None)
    account.ledger.disputes[0].buyer = buyer.username
    account.offers.offers[0].other = buyer.username
    for folder in (0, 1):
        written = next(each for each in account.mailbox.messages if each.folder == folder)
        written.other, written.is_gone = buyer.username, False
    simulator.world.basket(account).purchases[0].seller = buyer.username
    return buyer


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(seed=8, accounts=2, orders=40, days=60) as running:
        yield running


@pytest.fixture
def ground(database_url: str, direct_database_url: str, simulator: Simulator) -> Ground:
    simulator.faults.clear()
    buyer = person_of(simulator)
    site = site_of(database_url, direct_database_url, simulator)
    site.connect(1, streams=ALL)
    report = site.run()
    assert report.outcome == "done", report
    return Ground(site, buyer)


def test_after_an_account_deletion_the_person_is_found_nowhere(ground: Ground) -> None:
    site = ground.site
    site.sql(f"UPDATE ebay.disputes SET note = 'call {ground.buyer.username} back'")
    mention_elsewhere(ground)
    before = ground.places()

    taken = ground.delete()

    assert len(before) > 20, before
    assert taken.outcome is Outcome.ERASED
    texts = {"mentions", "notes", "quarantine", "run_events", "run_units", "tasks"}
    assert set(taken.effects) >= EVERYWHERE | texts
    assert ground.places() == {}
    row = site.sql("SELECT outcome, CAST(effects AS text) FROM ebay.notifications")[0]
    assert row[0] == "erased"
    assert json.loads(row[1]) == dict(taken.effects)


def mention_elsewhere(ground: Ground) -> None:
    """In what could not be stored, in what eBay said, in what somebody else wrote."""
    name, mail = ground.buyer.username, ground.buyer.ship_to["email"]
    quarantined = json.dumps({"orderId": "1", "buyer": {"username": name}}, ensure_ascii=False)
    ground.site.sql(
        "INSERT INTO ebay.quarantine (account_id, stream, row_hash, reason, sqlstate, raw, run_id,"
        " first_seen_at, last_seen_at) SELECT id, 'orders', 'hash', 'bad', '22007',"
        f" '{quarantined}', gen_random_uuid(), now(), now() FROM ebay.accounts;"
        "INSERT INTO ops.run_events (run_id, at, level, event, facts) SELECT id, now(), 'warning',"
        f" 'ebay.called', jsonb_build_object('body', 'orders … {mail} …', 'error', 'of {name}')"
        " FROM ops.runs LIMIT 1;"
        "WITH job AS (INSERT INTO ops.jobs (queue, kind, status, max_attempts, payload, run_at,"
        " created_at, updated_at) VALUES ('q', 'test', 'draft', 1, '{}', now(), now(), now())"
        " RETURNING id) INSERT INTO ops.tasks (job_id, domain, description, original_text,"
        " enrichment, drift_score, event_tags, confidence, attributes, redacted, digest,"
        f" created_at, changed_at) SELECT id, '{name}', 'write {name}', 'ask {mail}',"
        f" jsonb_build_object('of', '{name}'), 0, '{{}}', 0.3, '{{}}', '{{}}', '', now(), now()"
        " FROM job;"
        f"UPDATE ops.run_units SET error = 'refused: {name}.';"
        f"UPDATE ebay.sync_states SET last_error = 'refused: {name}.' WHERE stream = 'orders';"
        f"UPDATE ops.runs SET detail = 'refused: {name}.';"
        "UPDATE ebay.messages SET sender = 'eBay', recipient_user_id = 'seller', detail ="
        f" jsonb_build_object('Text', '<p>Sold to {name}, pay soon</p>')"
        f" WHERE message_id = (SELECT message_id FROM ebay.messages WHERE sender <> '{name}'"
        f" AND recipient_user_id <> '{name}' LIMIT 1)"
    )


def test_the_books_stay_and_their_money_with_them(ground: Ground) -> None:
    sums = "SELECT count(*), sum(total_value), sum(total_due_seller_value) FROM ebay.orders"
    money = "SELECT count(*), sum(net), sum(fees) FROM ebay.order_money"
    before = [list(ground.site.sql(sums)[0]), list(ground.site.sql(money)[0])]

    ground.delete()

    assert [list(ground.site.sql(sums)[0]), list(ground.site.sql(money)[0])] == before
    path = "{fulfillmentStartInstructions,0,shippingStep,shipTo,contactAddress,countryCode}"
    country, kept = ground.site.sql(
        f"SELECT raw #>> '{path}', ship_to_country_code FROM ebay.orders"
        " WHERE erased_at IS NOT NULL LIMIT 1"
    )[0]
    assert country == kept == ground.buyer.country


def test_the_same_answers_read_again_change_nothing(ground: Ground) -> None:
    ground.delete()

    ground.read_all_again()

    assert ground.places() == {}
    changed = "SELECT stream, updated FROM ops.run_units WHERE updated > 0 AND pass = 'new'"
    assert ground.site.sql(changed) in ((), [])


def test_what_changes_later_comes_without_the_person(ground: Ground) -> None:
    world = ground.site.simulator.world
    account = world.accounts[0]
    ground.delete()
    order = account.ledger.orders[0]
    with world.lock:
        world.life.modify(account, order)
        # A reader leaves out the last two minutes.
        order.modified -= 600_000
        account.ledger.changed(order)
        message = next(each for each in account.mailbox.messages if each.folder == 1)
        message.read = not message.read

    ground.read_all_again()

    assert ground.places() == {}
    fulfilled = "SELECT raw ->> 'lastModifiedDate' FROM ebay.orders WHERE order_id ="
    stored = ground.site.one(f"{fulfilled} '{order.order_id}'")
    assert stored == json.loads(order.text or b"{}")["lastModifiedDate"]


def test_rows_that_come_for_the_first_time_come_without_the_person(
    database_url: str, direct_database_url: str, simulator: Simulator
) -> None:
    site = site_of(database_url, direct_database_url, simulator)
    ground = Ground(site, person_of(simulator))
    taken = ground.delete()

    site.connect(1, streams=ALL)
    report = site.run()

    assert taken.outcome is Outcome.UNKNOWN_PERSON
    assert report.outcome == "done"
    assert site.one("SELECT count(*) FROM ebay.orders WHERE erased_at IS NOT NULL") > 0
    assert ground.places() == {}


def test_a_page_being_stored_is_waited_for(ground: Ground) -> None:
    """Else its rows would come after the look for them, and before the list tells of the person."""
    with ground.site.opened() as database:
        storing = database.transaction()
        connection = storing.__enter__()
        connection.execute(
            sa.text(
                "INSERT INTO ebay.cases (account_id, case_id, creation_date, buyer, raw,"
                " content_hash, first_seen_at, updated_at) SELECT id, 'late', now(), :name,"
                " jsonb_build_object('buyer', CAST(:name AS text)), 1, now(), now()"
                " FROM ebay.accounts"
            ),
            {"name": ground.buyer.username},
        )
        with beside(lambda: assert_erased(ground)):
            wait_for_the_deletion(ground.site)
            storing.__exit__(None, None, None)

    assert ground.places() == {}
    assert ground.site.one("SELECT buyer FROM ebay.cases WHERE case_id = 'late'") is None


def assert_erased(ground: Ground) -> None:
    assert ground.delete().outcome is Outcome.ERASED


def wait_for_the_deletion(site: Site) -> None:
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    while not site.one(waiting):
        pass


def test_of_a_person_who_is_unknown_here_indexes_alone_are_read(ground: Ground) -> None:
    statements: list[str] = []
    with ground.site.opened() as database:
        sa.event.listen(
            database.engine,
            "before_cursor_execute",
            lambda *given: statements.append(given[2]),
        )
        body = ground.site.simulator.notifier.body(
            *ground.site.simulator.notifier.deletion("nobody_of_ours", "zzUnknownZz"), "n-2"
        )
        taken = PostgresNotifications(database, "simulator").take(read_notification(body))

    assert taken.outcome is Outcome.UNKNOWN_PERSON
    assert taken.effects == {}
    assert len([each for each in statements if "pg_catalog" not in each]) <= 8, statements


def test_a_seller_of_ours_is_cut_off_and_his_books_stay(ground: Ground) -> None:
    account = ground.site.simulator.world.accounts[0]
    seller = Buyer(account.username, "DE", {}, {})
    orders = ground.site.one("SELECT count(*) FROM ebay.orders WHERE erased_at IS NULL")

    taken = ground.delete(seller, user_id=account.user_id)

    assert taken.outcome is Outcome.ERASED
    assert (taken.effects["accounts"], taken.effects["tokens"]) == (1, 1)
    told = ground.site.sql("SELECT status, ebay_user_id, username FROM ebay.accounts")
    assert [list(row) for row in told] == [["disconnected", None, None]]
    assert ground.site.one("SELECT count(*) FROM ebay.tokens") == 0
    assert ground.site.one("SELECT count(*) FROM ebay.sync_states WHERE due_at IS NOT NULL") == 0
    assert ground.site.one("SELECT count(*) FROM ebay.orders WHERE erased_at IS NULL") == orders
