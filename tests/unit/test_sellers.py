"""Whose an account is, by what is known of its seller."""

from dataclasses import dataclass

import pytest

from core.sellers import Closed, Seller, closed, is_of


@dataclass(frozen=True)
class Account:
    ebay_user_id: str | None
    username: str | None
    seller_gone: bool = False
    name: str = "shop"


ANNA = Seller(ebay_user_id="anna-id", username="Anna", marketplace_id=None)
NAMELESS = Seller(ebay_user_id="anna-id", username=None, marketplace_id=None)


@pytest.mark.parametrize(
    ("account", "seller", "is_his"),
    [
        (Account("anna-id", "anna"), ANNA, True),
        (Account("anna-id", "renamed"), ANNA, True),
        (Account("anna-id", None), NAMELESS, True),
        (Account("bert-id", "anna"), ANNA, False),
        (Account(None, "anna"), ANNA, True),
        (Account(None, "ANNA-ID"), NAMELESS, True),
        (Account(None, "anna"), NAMELESS, False),
        (Account(None, "bert"), ANNA, False),
        (Account(None, None), ANNA, False),
        (Account(None, None, seller_gone=True), ANNA, False),
        (Account("anna-id", "anna", seller_gone=True), ANNA, False),
    ],
)
def test_the_id_decides_and_a_name_only_where_no_id_is_known(
    account: Account, seller: Seller, is_his: bool
) -> None:
    assert is_of(account, seller) is is_his


@pytest.mark.parametrize(
    ("account", "reason"),
    [
        (Account("anna-id", None), None),
        (Account(None, "anna"), None),
        (Account(None, None), Closed.UNKNOWN),
        (Account(None, None, seller_gone=True), Closed.GONE),
    ],
)
def test_an_account_is_closed_where_nobody_can_be_known_to_be_its_seller(
    account: Account, reason: Closed | None
) -> None:
    assert closed(account) is reason
