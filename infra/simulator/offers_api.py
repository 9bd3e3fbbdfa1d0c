"""GetBestOffers without an item: every active offer, grouped by item, page by page."""

from xml.etree.ElementTree import Element

from infra.simulator.accounts import Account
from infra.simulator.offers import Offer, OfferBook, item_fields, offer_fields, role
from infra.simulator.trading import CallRefusedError, text
from infra.simulator.world import World
from infra.simulator.xml_text import elements

_DEFAULT_ENTRIES = 25


def get_best_offers(world: World, account: Account, asked: Element) -> str:
    """What stands in the answer after its head; raises CallRefusedError.

    Pages count items; `TotalNumberOfEntries` counts offers: eBay says that they need not agree.
    """
    book = account.offers
    for _ in range(world.behaviour.offer_changes_per_request):
        book.mutate(world.clock.now_ms())
    if text(asked, "BestOfferStatus") == "All" and not text(asked, "ItemID"):
        raise CallRefusedError(21550, "BestOfferStatus All needs an ItemID.")
    size = int(text(asked, "Pagination/EntriesPerPage") or _DEFAULT_ENTRIES)
    size = min(size, world.behaviour.best_offers_per_page or size)
    number = int(text(asked, "Pagination/PageNumber") or 1)
    groups = book.by_item()
    shown = groups[(number - 1) * size : number * size]
    pages = -(-len(groups) // size)
    unknown = world.behaviour.unknown_fields
    listed = "".join(_group(each, book, unknown=unknown) for each in shown)
    array = f"<ItemBestOffersArray>{listed}</ItemBestOffersArray>" if groups else ""
    entries = {"TotalNumberOfPages": str(pages), "TotalNumberOfEntries": str(len(book.offers))}
    place = {"PageNumber": str(number), "PaginationResult": entries}
    return array + elements(place)


def _group(offers: list[Offer], book: OfferBook, *, unknown: bool) -> str:
    first = offers[0]
    listed = [offer_fields(offer, book.currency, unknown=unknown) for offer in offers]
    fields = {
        "Role": role(first),
        "BestOfferArray": {"BestOffer": listed},
        "Item": item_fields(first, book.currency),
    }
    return f"<ItemBestOffers>{elements(fields, padded=first.variety % 7 == 1)}</ItemBestOffers>"
