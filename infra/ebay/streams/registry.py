"""Every stream that can be read, the most important first."""

from collections.abc import Mapping

from core.sync.model import Stream
from infra.ebay.streams.definition import StreamApi
from infra.ebay.streams.orders import ORDERS
from infra.ebay.streams.payouts import PAYOUTS
from infra.ebay.streams.transactions import TRANSACTIONS

STREAM_APIS: Mapping[str, StreamApi] = {
    api.stream.name: api for api in (ORDERS, TRANSACTIONS, PAYOUTS)
}
STREAMS: tuple[Stream, ...] = tuple(api.stream for api in STREAM_APIS.values())
