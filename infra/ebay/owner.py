"""Who owns a token, as accounts want to know it."""

from dataclasses import dataclass

from core.accounts.model import Identity
from core.errors import MissingScopeError
from core.secret import Secret
from core.sync.model import Environment
from infra.ebay.identity import Identity as EbayIdentity


@dataclass(frozen=True, slots=True)
class TokenOwners:
    """The `IdentityService` port."""

    ebay: EbayIdentity

    def who(self, environment: str, token: Secret, *, timeout: float) -> Identity | None:
        try:
            user = self.ebay.user(Environment(environment), token, timeout=timeout)
        except MissingScopeError:
            return None
        return Identity(
            ebay_user_id=user.user_id,
            username=user.username,
            marketplace_id=user.registration_marketplace_id,
            country=user.country,
        )
