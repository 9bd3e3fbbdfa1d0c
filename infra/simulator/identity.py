"""Identity API: getUser."""

from infra.simulator.answers import Answer, Request, json_answer
from infra.simulator.world import World


def get_user(_world: World, request: Request) -> Answer:
    account = request.seller
    return json_answer(
        200,
        {
            "userId": account.user_id,
            "username": account.username,
            "accountType": "BUSINESS" if account.index % 2 == 0 else "INDIVIDUAL",
            "registrationMarketplaceId": account.market.marketplace_id,
        },
    )
