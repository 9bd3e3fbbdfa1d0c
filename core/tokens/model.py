"""What a token is, and when it is due."""

from dataclasses import dataclass
from datetime import timedelta

from core.secret import Secret

FRESH_ENOUGH = timedelta(minutes=15)
FRESH_SHARE = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What the token endpoint answered. eBay sends no new refresh token; others might."""

    access_token: Secret
    expires_in: timedelta
    refresh_token: Secret | None = None
    refresh_token_expires_in: timedelta | None = None
