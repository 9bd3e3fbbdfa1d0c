"""Which sellers' calls eBay wants signed: those domiciled in the EU or the United Kingdom.

https://developer.ebay.com/develop/guides/digital-signatures-for-apis; the members, by ISO 3166-1:
https://european-union.europa.eu/principles-countries-history/eu-countries_en. What this list does
not know eBay says itself, by refusing a call.
"""

from core.sellers import Seller

EUROPEAN_UNION = frozenset(
    {
        "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU",
        "IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
    }
)  # fmt: skip
SIGNING = EUROPEAN_UNION | {"GB"}


def must_sign(seller: Seller) -> bool:
    """The country decides where eBay tells it, else the marketplace of the registration."""
    if seller.country is not None:
        return seller.country in SIGNING
    # `EBAY_DE`: those of the EU and the UK are all named by their country.
    return (seller.marketplace_id or "").removeprefix("EBAY_") in SIGNING
