"""Who owns a token, as accounts want to know it."""

from dataclasses import dataclass

from core.errors import MissingScopeError
from core.secret import Secret
from core.sellers import Seller
from core.sync.model import Environment
from infra.ebay.identity import Identity


@dataclass(frozen=True, slots=True)
class TokenOwners:
    """The `Sellers` port."""

    ebay: Identity

    def who(self, environment: str, token: Secret, *, timeout: float) -> Seller | None:
        try:
            user = self.ebay.user(Environment(environment), token, timeout=timeout)
        except MissingScopeError:
            return None
        return Seller(
            ebay_user_id=user.user_id,
            username=user.username,
            marketplace_id=user.registration_marketplace_id,
            country=user.country,
        )
