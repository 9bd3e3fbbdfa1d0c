"""Items and transactions, taken apart into the rows that are stored."""

from typing import Any

import pytest

from infra.ebay.streams.active_inventory import ACTIVE_INVENTORY, by_sku, listing_key
from infra.ebay.streams.buyer import BUYER, by_transaction, purchase_key
from infra.ebay.trading_xml import Shape, read_answer
from tests.support.ebay_shared import trading_sample
from tests.support.stream_lists import TRADING_LISTS

EVERY = pytest.mark.parametrize("api", TRADING_LISTS.values(), ids=list(TRADING_LISTS))


def variation(sku: str | None, price: str = "1.0") -> dict[str, Any]:
    named = {} if sku is None else {"SKU": sku}
    return {**named, "StartPrice": {"value": price, "currencyID": "EUR"}}


def varied(*variations: dict[str, Any]) -> dict[str, Any]:
    """As XML is read: one child is itself, several are a list."""
    found: Any = list(variations) if len(variations) > 1 else variations[0]
    return {"ItemID": "7", "Title": "t", "Variations": {"Variation": found, "Pictures": "p"}}


def keys(item: Any) -> list[str]:
    return [listing_key(row) for row in by_sku(item)]


def test_a_listing_is_a_row_by_its_sku() -> None:
    assert keys({"ItemID": "7", "SKU": "a|b"}) == ["7|a|b"]
    assert keys({"ItemID": "7"}) == ["7|"]
    assert keys({"ItemID": "7", "SKU": ""}) == ["7|"]


def test_the_time_that_is_left_is_left_out() -> None:
    assert by_sku({"ItemID": "7", "TimeLeft": "PT5M"}) == ({"ItemID": "7"},)


def test_each_variation_is_a_row_with_the_item_around_it() -> None:
    first, second = by_sku(varied(variation("a", "1.0"), variation("b", "2.0")))

    assert (listing_key(first), listing_key(second)) == ("7|a", "7|b")
    assert first == {
        "ItemID": "7",
        "Title": "t",
        "Variations": {"Variation": variation("a", "1.0"), "Pictures": "p"},
    }
    assert second["Variations"]["Variation"] == variation("b", "2.0")


def test_one_variation_is_a_row_like_any_other() -> None:
    assert keys(varied(variation("a"))) == ["7|a"]
    assert keys(varied(variation(None))) == ["7|"]


def test_variations_without_a_sku_are_one_row_and_none_is_lost() -> None:
    bare = [variation(None, "1.0"), variation(None, "2.0")]

    rows = by_sku(varied(*bare, variation("c")))

    assert [listing_key(row) for row in rows] == ["7|", "7|c"]
    assert rows[0]["Variations"]["Variation"] == bare


def test_the_sku_of_an_item_does_not_count_where_its_variations_have_theirs() -> None:
    item = {**varied(variation("a"), variation("b")), "SKU": "parent"}

    assert keys(item) == ["7|a", "7|b"]


@pytest.mark.parametrize("element", ["", "text"])
def test_an_element_that_is_no_item_is_a_row_for_quarantine(element: str) -> None:
    assert by_sku(element) == ({},)
    assert by_transaction(element) == ({},)
    assert (listing_key({}), purchase_key({})) == ("|", "|")


def line(item: str, transaction: str) -> dict[str, Any]:
    return {"Item": {"ItemID": item, "TimeLeft": "PT0S"}, "TransactionID": transaction}


def test_a_transaction_by_itself_is_a_row() -> None:
    [row] = by_transaction({"Transaction": line("7", "0")})

    assert row == {"Transaction": {"Item": {"ItemID": "7"}, "TransactionID": "0"}}
    assert purchase_key(row) == "7|0"


@pytest.mark.parametrize("count", [1, 3])
def test_r54_an_order_is_a_row_for_each_transaction_in_it(count: int) -> None:
    lines = [line("7", str(number)) for number in range(count)]
    found: Any = lines if count > 1 else lines[0]

    rows = by_transaction({"Order": {"OrderID": "o", "TransactionArray": {"Transaction": found}}})

    assert [purchase_key(row) for row in rows] == [f"7|{number}" for number in range(count)]
    assert all(row["Order"] == {"OrderID": "o"} for row in rows)


@EVERY
def test_the_samples_have_rows_with_keys(api: Any) -> None:
    shape = Shape(rows=f"{api.container}/{api.rows}")

    reading = read_answer(trading_sample(api.operation), shape)

    rows = [row for element in reading.rows for row in api.apart(element)]
    assert [api.key(row) for row in rows] == [
        "500000000001|SKU-1" if api is ACTIVE_INVENTORY else "111222333|987654"
    ]


def test_won_items_are_asked_for_and_nothing_else() -> None:
    """R54: bids and what is watched are no purchases."""
    assert (BUYER.container, BUYER.options, BUYER.fields) == ("WonList", {"DurationInDays": 30}, {})
