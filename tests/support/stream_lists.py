"""The streams by the family of their API."""

from collections.abc import Mapping

from infra.ebay.post_order import PostOrderList
from infra.ebay.rest import RestList
from infra.ebay.streams.registry import STREAM_APIS
from infra.ebay.trading import TradingList

REST_LISTS: Mapping[str, RestList] = {
    name: api for name, api in STREAM_APIS.items() if isinstance(api, RestList)
}
TRADING_LISTS: Mapping[str, TradingList] = {
    name: api for name, api in STREAM_APIS.items() if isinstance(api, TradingList)
}
POST_ORDER_LISTS: Mapping[str, PostOrderList] = {
    name: api for name, api in STREAM_APIS.items() if isinstance(api, PostOrderList)
}
