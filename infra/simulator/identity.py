"""Identity API: getUser."""

from typing import Any

from infra.simulator.answers import Answer, Request, json_answer
from infra.simulator.world import World


def get_user(world: World, request: Request) -> Answer:
    """The address of a business is public; a person's needs a scope of its own."""
    account = request.seller
    is_business = account.index % 2 == 0
    told: dict[str, Any] = {
        "userId": account.user_id,
        "username": account.username,
        "accountType": "BUSINESS" if is_business else "INDIVIDUAL",
        "registrationMarketplaceId": account.market.marketplace_id,
    }
    if is_business and world.behaviour.business_addresses:
        told["businessAccount"] = {"address": {"country": account.country}}
    return json_answer(200, told)
