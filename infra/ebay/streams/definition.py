"""What a stream's module says."""

from dataclasses import dataclass

from core.sync.model import Stream
from infra.ebay.hosts import Host

SCOPE = "https://api.ebay.com/oauth/api_scope"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamApi:
    """One REST list of eBay's that is filtered by a range of instants and paged by offset.

    `key_fields` and `instant_field` name fields of a row; the instant is the one that the window
    filters by. `scope` is what a consent must hold, named when it does not. `by_marketplace`: the
    call wants the header `X-EBAY-C-MARKETPLACE-ID`. `none_is_204`: an empty list is answered by
    204 without a body; elsewhere such an answer is a fault.
    """

    stream: Stream
    operation: str
    host: Host
    path: str
    filter_name: str
    list_field: str
    key_fields: tuple[str, ...]
    instant_field: str
    scope: str
    by_marketplace: bool = False
    none_is_204: bool = False
