"""getInventoryItems and getOffers of the simulator, against eBay's contract."""

from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from infra.simulator.clock import SimulatorClock
from infra.simulator.server import Simulator
from infra.simulator.world import World
from tests.support.ebay_shared import contract, sample
from tests.support.simulated import Caller

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
ITEMS, OFFERS = "/sell/inventory/v1/inventory_item", "/sell/inventory/v1/offer"


@pytest.fixture(scope="module")
def caller() -> Iterator[Caller]:
    """Nothing here changes it; time stands still."""
    world = World(seed=4, orders=1600, clock=SimulatorClock(source=lambda: NOW))
    with Simulator(world) as simulator, Caller(simulator) as caller:
        caller.http.headers["Accept-Language"] = "en-US"
        yield caller


@pytest.fixture(scope="module")
def items(caller: Caller) -> list[dict[str, Any]]:
    return caller.pages(ITEMS, "inventoryItems", limit=200)


@pytest.fixture(scope="module")
def offers(caller: Caller, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of every SKU that has some."""
    answers = [caller.get(OFFERS, sku=item["sku"]) for item in items]
    return [offer for answer in answers if answer.status_code == 200 for offer in shown(answer)]


def shown(answer: httpx.Response) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = answer.json()["offers"]
    return found


def validator(schema: str) -> Draft202012Validator:
    components = deepcopy(contract("sell_inventory_v1")["components"])
    return Draft202012Validator(
        {"$ref": f"#/components/schemas/{schema}", "components": components}
    )


def test_answers_keep_the_contract(caller: Caller, items: list[dict[str, Any]]) -> None:
    listed = caller.get(ITEMS, limit=50, offset=1).json()
    offered = caller.get(OFFERS, sku=items[1]["sku"]).json()

    assert list(validator("InventoryItems").iter_errors(listed)) == []
    assert list(validator("Offers").iter_errors(offered)) == []
    assert listed["total"] == len(items)
    assert listed["size"] == -(-len(items) // 50)


def test_every_offer_keeps_the_contract_and_every_value_turns_up(
    offers: list[dict[str, Any]],
) -> None:
    checker = validator("EbayOfferDetailsWithAll")
    enums = contract("ENUMS")["sell_inventory_v1"]["enums"]
    fields = contract("sell_inventory_v1")["components"]["schemas"]["EbayOfferDetailsWithAll"]

    broken = [error.message for offer in offers for error in checker.iter_errors(offer)]

    assert broken == []
    assert {offer["format"] for offer in offers} == set(enums["FormatTypeEnum"])
    assert {offer["status"] for offer in offers} == set(enums["OfferStatusEnum"])
    listed = {offer["listing"]["listingStatus"] for offer in offers if "listing" in offer}
    assert listed == {"UNDER_REVIEW", *enums["ListingStatusEnum"]} - {"NOT_LISTED"}
    assert {name for offer in offers for name in offer} == {
        *fields["properties"], "promotedListing",
    }  # fmt: skip


def test_offset_is_the_number_of_a_page(caller: Caller, items: list[dict[str, Any]]) -> None:
    second = caller.get(ITEMS, limit=10, offset=2).json()
    behind = caller.get(ITEMS, limit=10, offset=999).json()

    assert second["inventoryItems"] == items[20:30]
    assert "offset=3" in second["next"]
    assert "offset=1" in second["prev"]
    assert (behind["inventoryItems"], behind["total"]) == ([], len(items))
    assert len(caller.get(ITEMS).json()["inventoryItems"]) == 25


def test_skus_have_several_offers_or_none(
    caller: Caller, items: list[dict[str, Any]], offers: list[dict[str, Any]]
) -> None:
    counts = {item["sku"]: 0 for item in items}
    for offer in offers:
        counts[offer["sku"]] += 1

    nothing = next(sku for sku, count in counts.items() if count == 0)

    assert set(counts.values()) == {0, 1, 2}
    assert caller.error_id(OFFERS, sku=nothing) == (404, 25713)
    assert caller.error_id(OFFERS, sku="unknown") == (404, 25713)


def test_offers_can_be_narrowed(caller: Caller, offers: list[dict[str, Any]]) -> None:
    auction = next(offer for offer in offers if offer["format"] == "AUCTION")
    abroad = next(offer for offer in offers if offer["marketplaceId"] == "EBAY_US")

    by_format = caller.get(OFFERS, sku=auction["sku"], format="AUCTION")
    by_market = caller.get(OFFERS, sku=abroad["sku"], marketplace_id="EBAY_US")

    assert shown(by_format) == [auction]
    assert shown(by_market) == [abroad]


@pytest.mark.parametrize(
    ("path", "parameters", "error"),
    [
        (ITEMS, {"limit": 201}, 25706),
        (ITEMS, {"limit": 0}, 25706),
        (ITEMS, {"offset": -1}, 25706),
        (OFFERS, {"sku": "x", "offset": "x"}, 25706),
        (OFFERS, {}, 25707),
        (OFFERS, {"sku": "two words"}, 25707),
        (OFFERS, {"sku": "x" * 51}, 25707),
    ],
)
def test_what_ebay_does_not_take_is_refused(
    caller: Caller, path: str, parameters: dict[str, Any], error: int
) -> None:
    assert caller.error_id(path, **parameters) == (400, error)


@pytest.mark.parametrize("language", ["", "*", "7"])
def test_without_a_language_it_is_refused_as_in_the_sample(caller: Caller, language: str) -> None:
    wanted = sample("error_400_25709_accept_language")
    headers = {"Authorization": f"Bearer {caller.refresh()}", "Accept-Language": language}

    answer = caller.http.get(caller.simulator.api_url + OFFERS, headers=headers)

    assert (answer.status_code, answer.json()) == (wanted["status"], wanted["body"])


def test_the_same_seed_makes_the_same_inventory() -> None:
    worlds = [World(seed=8, orders=50, now=NOW) for _ in range(2)]

    first, second = ([account.ledger.inventory for account in world.accounts] for world in worlds)

    assert first == second
    assert first[0] != first[1]
