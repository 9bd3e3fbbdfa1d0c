"""Every stream that can be read, the most important first."""

from collections.abc import Mapping

from core.sync.model import Stream
from infra.ebay.stream_api import StreamApi
from infra.ebay.streams.active_inventory import ACTIVE_INVENTORY
from infra.ebay.streams.best_offers import BEST_OFFERS
from infra.ebay.streams.buyer import BUYER
from infra.ebay.streams.cancellations import CANCELLATIONS
from infra.ebay.streams.cases import CASES
from infra.ebay.streams.disputes import DISPUTES
from infra.ebay.streams.inquiries import INQUIRIES
from infra.ebay.streams.inventory_offers import INVENTORY_OFFERS
from infra.ebay.streams.messages import MESSAGES
from infra.ebay.streams.orders import ORDERS
from infra.ebay.streams.payouts import PAYOUTS
from infra.ebay.streams.returns import RETURNS
from infra.ebay.streams.transactions import TRANSACTIONS

STREAM_APIS: Mapping[str, StreamApi] = {
    api.stream.name: api
    for api in (
        ORDERS,
        TRANSACTIONS,
        MESSAGES,
        CASES,
        INQUIRIES,
        RETURNS,
        CANCELLATIONS,
        PAYOUTS,
        DISPUTES,
        BEST_OFFERS,
        ACTIVE_INVENTORY,
        BUYER,
        INVENTORY_OFFERS,
    )
}
STREAMS: tuple[Stream, ...] = tuple(api.stream for api in STREAM_APIS.values())
STREAM_ALIASES: Mapping[str, tuple[str, ...]] = {"offers": ("best_offers", "inventory_offers")}
"""What people call several streams by."""
