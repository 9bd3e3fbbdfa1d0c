"""Best Offers that wait for an answer, those that the seller made to others included.

Asked for without an item, eBay shows the active ones only: what is answered, withdrawn or expired
is no longer there, and ends. It shows at most 10,000 that a seller has received.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from core.secret import Secret
from core.sync.model import Account, Page, PageQuery, Stream, Walk
from infra.ebay.stream_api import SCOPE, Ebay
from infra.ebay.trading import TradingCall, page_of, pagination, total_of
from infra.ebay.trading_xml import Fields, Json, Shape, as_list, dig, text_at

_RESULT = "PaginationResult"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveOffers:
    stream: Stream
    operation: str = "GetBestOffers"
    scope: str = SCOPE

    def fetch(
        self, ebay: Ebay, account: Account, query: PageQuery, token: Secret, *, timeout: float
    ) -> Page:
        # Its places in an answer: by item, or of the one item that has any.
        shape = Shape(
            rows="ItemBestOffersArray/ItemBestOffers", values=("BestOfferArray", "Item", _RESULT)
        )
        call = TradingCall(name=self.operation, shape=shape)
        fields: Fields = {
            "DetailLevel": "ReturnAll",
            "BestOfferStatus": "Active",
            "Pagination": pagination(query),
        }
        reading = call.ask(ebay, account, fields, token, timeout=timeout)
        rows = [row for group in (*reading.rows, reading.values) for row in _offers(group)]
        total = None if rows else 0
        if _RESULT in reading.values:
            total = _total(reading.values[_RESULT], query.limit)
        return page_of(self.stream.list_field, rows, _key, total)


def _total(result: Json, limit: int) -> int | None:
    """By the pages, where it tells them: the entries need not be the offers that are shown."""
    pages = text_at(result, "TotalNumberOfPages")
    return total_of({"TotalNumberOfPages": pages} if pages else result, limit)


def _offers(group: Json) -> Sequence[Json]:
    """The offers of one item, each with its item and the seller's role in it."""
    about = {name: group[name] for name in ("Role", "Item") if name in group}
    offers = as_list(dig(group, "BestOfferArray/BestOffer"))
    return [(offer if isinstance(offer, dict) else {}) | about for offer in offers]


def _key(row: Json) -> str:
    return f"{text_at(row, 'Item/ItemID')}|{text_at(row, 'BestOfferID')}"


BEST_OFFERS = ActiveOffers(
    stream=Stream(
        name="best_offers",
        list_field="best_offers",
        api="GetBestOffers",
        interval=timedelta(minutes=10),
        walk=Walk.SNAPSHOT,
        page_size=100,
        offset_ceiling=10_000,
        ends_unseen=True,
    )
)
