"""Offers of the Inventory API, which eBay lists for one SKU a call.

https://developer.ebay.com/api-docs/sell/inventory/resources/offer/methods/getOffers
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import quote

import msgspec

from core.secret import Secret
from core.sync.model import Account, Page, PageQuery, Stream, Walk
from infra.ebay.answer import Answer
from infra.ebay.errors import MAX_FACTS, complaint_of, refusal, scrubbed, unreadable
from infra.ebay.hosts import Host
from infra.ebay.pages import EMPTY_PAGE, key_of, read_rows
from infra.ebay.stream_api import SCOPE, Ebay

_OK = 200
_BAD_REQUEST = 400
_NOT_FOUND = 404
# The offer, the SKU or the resource is not there: the SKU has no offers, or was deleted meanwhile.
_NOTHING_THERE = frozenset({25702, 25710, 25713})
# Trading listings may have SKUs that this API cannot be asked for.
_NO_SKU_OF_ITS = 25707
# eBay's largest page, and four times what a SKU can have.
_OFFERS = 100


class _Entry(msgspec.Struct):
    sku: str | int


_ENTRY = msgspec.json.Decoder(_Entry)


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryOffers:
    """The inventory's SKUs, each of which is asked for its offers, in all marketplaces at once."""

    stream: Stream
    operation: str
    host: Host
    path: str
    offers_path: str
    scope: str

    def fetch(
        self, ebay: Ebay, account: Account, query: PageQuery, token: Secret, *, timeout: float
    ) -> Page:
        ask = self._asking(ebay, account, token, timeout)
        answer = ask(self.path, page_text(query))
        if answer.status != _OK:
            raise self._refusal(ebay, answer, token)
        rows, total = read_rows(answer, "inventoryItems", secrets=(token.reveal(),))
        keys = tuple(_sku_of(row) for row in rows)
        return Page(text="", rows=rows, total=total, next_offset=None, keys=keys)

    def unfold(
        self, ebay: Ebay, account: Account, key: str, token: Secret, *, timeout: float
    ) -> Page:
        """The offers of one SKU. One that eBay cannot be asked for goes to quarantine."""
        ask = self._asking(ebay, account, token, timeout)
        answer = ask(self.offers_path, offers_text(key))
        ids = frozenset(complaint_of(answer.body).ids)
        if answer.status == _OK:
            return _offers(answer, token.reveal())
        if answer.status == _NOT_FOUND and ids & _NOTHING_THERE:
            return EMPTY_PAGE
        if answer.status == _BAD_REQUEST and _NO_SKU_OF_ITS in ids:
            return _rows_of((_not_askable(key, answer, token.reveal()),))
        raise self._refusal(ebay, answer, token)

    def _asking(
        self, ebay: Ebay, account: Account, token: Secret, timeout: float
    ) -> Callable[[str, str], Answer]:
        headers = {
            "Authorization": f"Bearer {token.reveal()}",
            "Accept": "application/json",
            # Without it eBay answers 400 (error 25709).
            "Accept-Language": "en-US",
        }
        base = ebay.hosts.of(account.environment).base(self.host)

        def ask(path: str, query: str) -> Answer:
            return ebay.http.request(
                "GET", base + path, query=query, headers=headers, timeout=timeout
            )

        return ask

    def _refusal(self, ebay: Ebay, answer: Answer, token: Secret) -> Exception:
        now, secrets = ebay.clock.now(), (token.reveal(),)
        return refusal(answer, scope=self.scope, now=now, secrets=secrets)


def page_text(query: PageQuery) -> str:
    """Here eBay's `offset` counts pages, from 0."""
    return f"limit={query.limit}&offset={query.offset // query.limit}"


def offers_text(sku: str) -> str:
    return f"sku={quote(sku, safe='')}&limit={_OFFERS}&offset=0"


def _offers(answer: Answer, token: str) -> Page:
    rows, total = read_rows(answer, "offers", secrets=(token,))
    if len(rows) < total:
        why = f"it holds {len(rows)} offers of {total}"
        raise unreadable(answer, why, (token,))
    return _rows_of(rows)


def _rows_of(rows: tuple[bytes, ...]) -> Page:
    keys = tuple(key_of(row, ("offerId",)) for row in rows)
    return Page(text="", rows=rows, total=len(rows), next_offset=None, keys=keys)


def _sku_of(entry: bytes) -> str:
    try:
        return str(_ENTRY.decode(entry).sku)
    except (msgspec.DecodeError, RecursionError):
        return ""


def _not_askable(sku: str, answer: Answer, token: str) -> bytes:
    """What the store cannot take for an offer, and keeps aside for people to see."""
    said = scrubbed(complaint_of(answer.body).text, (token,), MAX_FACTS)
    return json.dumps({"sku": sku, "errorId": _NO_SKU_OF_ITS, "message": said}).encode()


INVENTORY_OFFERS = InventoryOffers(
    stream=Stream(
        name="inventory_offers",
        list_field="offers",
        api="sell.inventory",
        interval=timedelta(minutes=360),
        walk=Walk.SNAPSHOT,
        # Of 200 that eBay allows: a page is done when each of its SKUs has been asked for, and the
        # shortest run must get through one.
        page_size=5,
        folded=True,
        ends_unseen=True,
    ),
    operation="getInventoryItems",
    host=Host.API,
    path="/sell/inventory/v1/inventory_item",
    offers_path="/sell/inventory/v1/offer",
    scope=f"{SCOPE}/sell.inventory.readonly",
)
