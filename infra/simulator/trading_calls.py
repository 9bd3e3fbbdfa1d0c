"""The Trading calls that are served, by their names."""

from collections.abc import Mapping
from types import MappingProxyType

from infra.simulator import my_ebay
from infra.simulator.messages_api import get_my_messages
from infra.simulator.offers_api import get_best_offers
from infra.simulator.trading import Call

CALLS: Mapping[str, Call] = MappingProxyType(
    {
        "GetMyMessages": get_my_messages,
        "GetBestOffers": get_best_offers,
        "GetMyeBaySelling": my_ebay.get_selling,
        "GetMyeBayBuying": my_ebay.get_buying,
    }
)
