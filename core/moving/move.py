"""Bring an account over: eBay says whose its token is, then one transaction stores it, paused."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from core.errors import (
    AccessTokenRefusedError,
    PermanentError,
    ReauthorizationRequiredError,
    UsageError,
)
from core.grants import Grant, Refresher, Sealer, seal_for
from core.moving.model import Arrival, Fate, HereAccount, Planned
from core.moving.naming import clean, seller_names
from core.moving.ports import Destination
from core.secret import Secret
from core.sellers import Seller, Sellers

ASK_S = 20.0
MARKETPLACE = re.compile(r"EBAY_[A-Z_]{2,30}", re.ASCII)
REFUSED = (
    "eBay refuses its token ({error}): it was withdrawn, or belongs to another environment"
    " (--environment) or to another application's keys than those set here"
)
RENEW_FAILED = "somebody began to use it here meanwhile: it stays as it is"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """How it went. `refused`: eBay did not take its token, though it was to come."""

    planned: Planned
    seller: str
    refused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveAccount:
    """`test_keys` raises ConfigurationError where ours are not those of this database."""

    destination: Destination
    refresher: Refresher
    sellers: Sellers
    sealer: Sealer
    test_keys: Callable[[], None]

    def move(self, planned: Planned) -> Moved:
        """Done again, or by two at once, it changes nothing more.

        Raises what a refresh raises where eBay is out of reach or our application refused; nothing
        of this account is stored then.
        """
        if planned.fate is Fate.RENEWED:
            return self._renew(planned)
        if planned.fate is not Fate.NEW:
            return _moved(planned)
        self.test_keys()
        try:
            return self._bring(planned)
        except (ReauthorizationRequiredError, AccessTokenRefusedError, PermanentError) as error:
            left = _left(planned, REFUSED.format(error=error))
            return replace(left, refused=True)

    def _renew(self, planned: Planned) -> Moved:
        assert planned.here is not None
        if self.destination.renew(planned.here, planned.states):
            return _moved(planned)
        return _left(planned, RENEW_FAILED)

    def _bring(self, planned: Planned) -> Moved:
        token, environment = planned.token.token, planned.environment
        assert token is not None
        assert environment is not None
        grant = self.refresher.refresh(environment, token, timeout=ASK_S)
        seller = self.sellers.who(environment, grant.access_token, timeout=ASK_S)
        if seller is None and not seller_names(planned.old):
            return _left(planned, "neither eBay nor the old connector tells who its seller is")
        other = self._already(planned, seller)
        if other is not None:
            return _met(planned, other)
        return self._store(planned, token, grant, seller)

    def _already(self, planned: Planned, seller: Seller | None) -> HereAccount | None:
        for account in self.destination.accounts():
            same = seller is not None and (account.environment, account.ebay_user_id) == (
                planned.environment,
                seller.ebay_user_id,
            )
            if same or account.old_id == planned.old.id:
                return account
        return None

    def _store(self, planned: Planned, token: Secret, grant: Grant, seller: Seller | None) -> Moved:
        seal = seal_for(
            self.sealer,
            refresh_token=grant.refresh_token or token,
            refresh_expires_in=grant.refresh_token_expires_in or self._consent_left(planned),
            access_token=grant.access_token,
            access_expires_in=grant.expires_in,
        )
        arrival = _arrival(planned, seller)
        if self.destination.add(arrival, seal):
            return Moved(planned=planned, seller=arrival.username or planned.seller)
        other = self._already(planned, seller)
        if other is None:
            raise UsageError(
                f"somebody has just taken the name {planned.name!r}; nothing of this account was"
                " stored: import again"
            )
        return _met(planned, other)

    def _consent_left(self, planned: Planned) -> timedelta | None:
        """As the old connector knew it; eBay tells it only when the consent is given."""
        ends_at = planned.token.consent_ends_at
        return None if ends_at is None else ends_at - self.destination.now()


def _arrival(planned: Planned, seller: Seller | None) -> Arrival:
    """What eBay says wins over what the old connector remembers: it took names for ids."""
    old = planned.old
    assert planned.environment is not None
    home = clean(old.marketplace_id)
    told = None if seller is None else seller.marketplace_id
    marketplace_id = told or (home if MARKETPLACE.fullmatch(home) else None)
    return Arrival(
        old_id=old.id,
        name=planned.name,
        environment=planned.environment,
        ebay_user_id=None if seller is None else seller.ebay_user_id,
        username=planned.seller if seller is None else seller.username,
        marketplace_ids=() if marketplace_id is None else (marketplace_id,),
        states=planned.states,
    )


def _met(planned: Planned, other: HereAccount) -> Moved:
    if other.old_id == planned.old.id:
        return _moved(replace(planned, fate=Fate.SAME, name=other.name, here=other))
    return _left(planned, f"its seller is the account {other.name!r} here, which stays")


def _moved(planned: Planned) -> Moved:
    return Moved(planned=planned, seller=planned.seller)


def _left(planned: Planned, reason: str) -> Moved:
    return _moved(replace(planned, fate=Fate.LEFT, reason=reason))
