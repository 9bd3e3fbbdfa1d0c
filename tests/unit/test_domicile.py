"""Whose calls eBay wants signed, by what it says of the seller."""

import pytest

from core.accounts.domicile import EUROPEAN_UNION, must_sign
from core.sellers import Seller
from tests.support.ebay_shared import contract


@pytest.mark.parametrize(
    ("country", "marketplace", "signs"),
    [
        ("DE", "EBAY_DE", True),
        ("GB", "EBAY_GB", True),
        ("US", "EBAY_US", False),
        # Where it is told, the country decides: a seller from China may be registered in Germany.
        ("CN", "EBAY_DE", False),
        ("FR", "EBAY_US", True),
        ("CH", "EBAY_DE", False),
        ("NO", None, False),
        (None, "EBAY_IE", True),
        (None, "EBAY_GB", True),
        (None, "EBAY_US", False),
        (None, "EBAY_CH", False),
        (None, "EBAY_HALF_US", False),
        (None, "EBAY_MOTORS_US", False),
        (None, None, False),
    ],
)
def test_the_country_decides_or_else_the_registration(
    country: str | None, marketplace: str | None, signs: bool
) -> None:
    identity = Seller(ebay_user_id="u", username=None, marketplace_id=marketplace, country=country)

    assert must_sign(identity) is signs


def test_the_union_has_27_members() -> None:
    assert len(EUROPEAN_UNION) == 27
    assert "GB" not in EUROPEAN_UNION


def test_ebay_names_its_european_marketplaces_by_their_country() -> None:
    described = contract("ENUMS")["commerce_identity_v1"]["enums"]["MarketplaceIdEnum"]
    names = {name.removeprefix("EBAY_") for name in described}

    assert {"AT", "BE", "DE", "ES", "FR", "GB", "IE", "IT", "NL", "PL"} <= names
