"""Switches for what eBay leaves open, and for how awkward the simulator is."""

from dataclasses import dataclass, field
from enum import StrEnum


class OrderSort(StrEnum):
    CREATED_DESC = "created_desc"
    CREATED_ASC = "created_asc"
    MODIFIED_DESC = "modified_desc"
    MODIFIED_ASC = "modified_asc"


class Counts(StrEnum):
    """What Post-Order searches say of their length. ZERO: `paginationOutput` is all zeros."""

    USUAL = "usual"
    ZERO = "zero"
    WITHOUT_PAGE = "without_page"
    NONE = "none"


@dataclass(slots=True, kw_only=True)
class Behaviour:
    """Read at each request, so that a change holds from the next one on.

    `mutations_per_request`: changes made to the account before each page of a list is answered.
    `unknown_fields`, `unknown_enums`: some rows carry what the contracts lack.
    `offset_ceiling`: Finances lists refuse offsets from here on (135003).
    `finances_total`: they tell how many there are.
    `missing_token_status`: eBay's status for 1002 differs between its APIs.
    `stock_changes_per_request`: as `mutations_per_request`, of listings and purchases.
    `my_ebay_page_size`: My eBay's pages are shorter than was asked for. `my_ebay_ceiling`: what
    lies beyond is counted and never shown.
    `signatures`: calls of Finances are refused without a right message signature where the seller
    lives in the EU or the UK; elsewhere, and while it is off, signatures are ignored.
    `signature_window_s`: by how much their instant may differ from ours. `business_addresses`:
    getUser shows where a business is, as its contract says and a recorded answer does not.
    `post_order_offset_is_page`: `offset` counts pages from 1, not entries. `post_order_integers`:
    ids are numbers. `post_order_unknown_id_status`: 404, or 500 with error 2003.
    `trading_warnings`: Trading calls that succeed answer `Warning`, with data.
    `mail_changes_per_request`, `offer_changes_per_request`: like `mutations_per_request`, in a
    mailbox and among Best Offers. `message_headers_per_page`, `best_offers_per_page`: eBay shows no
    more at once, whatever was asked for; 0: it does as it is asked. `summary_names_inbox`: the
    summary of folders lists Inbox and Sent too.
    `accept_url`, `declined_url`: where the RuName sends browsers after a consent, or instead of one
    (None: to eBay's own page, and to the accept URL). `keyset_lacks`: scopes that the application
    was not given; asking for one breaks the whole consent page. `long_codes`: authorization codes
    of 1,024 characters. `grant_tells_scopes`: a code's answer has a `scope`.
    """

    order_sort: OrderSort = OrderSort.CREATED_DESC
    finances_total: bool = True
    unknown_fields: bool = True
    unknown_enums: bool = True
    offset_ceiling: int | None = None
    token_lifetime_s: int = 7200
    missing_token_status: int = 401
    mutations_per_request: int = 0
    stock_changes_per_request: int = 0
    my_ebay_page_size: int | None = None
    my_ebay_ceiling: int = 25_000
    trading_warnings: bool = False
    mail_changes_per_request: int = 0
    offer_changes_per_request: int = 0
    message_headers_per_page: int = 0
    best_offers_per_page: int = 0
    summary_names_inbox: bool = False
    post_order_offset_is_page: bool = False
    post_order_integers: bool = False
    post_order_counts: Counts = Counts.USUAL
    post_order_unknown_id_status: int = 500
    accept_url: str | None = None
    declined_url: str | None = None
    keyset_lacks: list[str] = field(default_factory=list)
    long_codes: bool = False
    grant_tells_scopes: bool = False
    signatures: bool = False
    signature_window_s: int = 300
    business_addresses: bool = False
    quota_limits: dict[str, int] = field(default_factory=dict)
