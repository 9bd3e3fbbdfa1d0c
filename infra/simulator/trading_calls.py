"""The Trading calls that are served, by their names."""

from collections.abc import Mapping

from infra.simulator.messages_api import get_my_messages
from infra.simulator.offers_api import get_best_offers
from infra.simulator.trading import Call

CALLS: Mapping[str, Call] = {
    "GetMyMessages": get_my_messages,
    "GetBestOffers": get_best_offers,
}
