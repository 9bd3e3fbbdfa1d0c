"""Every stream that can be read, the most important first."""

from collections.abc import Mapping

from core.sync.model import Stream
from infra.ebay.rest import RestList
from infra.ebay.stream_api import StreamApi
from infra.ebay.streams.disputes import DISPUTES
from infra.ebay.streams.orders import ORDERS
from infra.ebay.streams.payouts import PAYOUTS
from infra.ebay.streams.transactions import TRANSACTIONS

REST_LISTS: Mapping[str, RestList] = {
    api.stream.name: api for api in (ORDERS, TRANSACTIONS, PAYOUTS, DISPUTES)
}
STREAM_APIS: Mapping[str, StreamApi] = {**REST_LISTS}
STREAMS: tuple[Stream, ...] = tuple(api.stream for api in STREAM_APIS.values())
