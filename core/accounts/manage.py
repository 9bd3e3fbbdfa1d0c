"""Adding, testing, reconnecting, pausing and resuming accounts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from shlex import quote
from typing import Protocol

from core.accounts.model import KnownAccount, NewAccount, Status
from core.accounts.ports import AccountStore
from core.errors import (
    AccessTokenRefusedError,
    ReauthorizationRequiredError,
    TokenRefusedError,
    UsageError,
)
from core.grants import Grant, Refresher, Sealer, seal_for
from core.ids import AccountId
from core.naming import check_marketplaces, check_name
from core.secret import Secret
from core.sellers import Seller, Sellers, closed, is_of, why_closed

ASK_S = 20.0


class TokenSource(Protocol):
    def get(
        self, account_id: AccountId, environment: str, *, rejected: Secret | None, timeout: float
    ) -> Secret: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ManageAccounts:
    """`test_keys` raises ConfigurationError where ours are not those of this database."""

    store: AccountStore
    refresher: Refresher
    sellers: Sellers
    sealer: Sealer
    tokens: TokenSource
    test_keys: Callable[[], None]

    def add(
        self,
        name: str,
        environment: str,
        refresh_token: Secret,
        *,
        marketplace_ids: Sequence[str],
        replace: bool,
        consent_lasts: timedelta | None = None,
    ) -> KnownAccount:
        """Import a refresh token: it is used once, so that a wrong one is refused here and now.

        What can be refused without eBay is refused before the token is sent anywhere.
        `consent_lasts`: as its owner knows, where eBay does not tell. Raises UsageError,
        ConfigurationError, and what a refresh raises; nothing is stored then.
        """
        known = self._known(name, environment, replace=replace)
        _check_marketplaces(marketplace_ids, replace=replace)
        self.test_keys()
        grant = self._first_grant(environment, refresh_token)
        seller = self.sellers.who(environment, grant.access_token, timeout=ASK_S)
        seal = seal_for(
            self.sealer,
            # One that comes with the answer has replaced what was imported.
            refresh_token=grant.refresh_token or refresh_token,
            refresh_expires_in=grant.refresh_token_expires_in or consent_lasts,
            access_token=grant.access_token,
            access_expires_in=grant.expires_in,
        )
        self._refuse_second(known, environment, seller)
        if known is None:
            self.store.add(
                NewAccount(
                    name=name,
                    environment=environment,
                    marketplace_ids=tuple(marketplace_ids) or _home(seller),
                    seller=seller,
                ),
                seal,
            )
        else:
            self.store.replace_token(known.id, _same_seller(known, seller), seal)
        return self.get(name)

    def reconnect(
        self, name: str, refresh_token: Secret, *, consent_lasts: timedelta | None = None
    ) -> KnownAccount:
        """A new token of the same seller; unless it is paused, every stream is due at once."""
        return self.add(
            name,
            self.get(name).environment,
            refresh_token,
            marketplace_ids=(),
            replace=True,
            consent_lasts=consent_lasts,
        )

    def get(self, name: str) -> KnownAccount:
        known = self.store.find(name)
        if known is None:
            raise UsageError(f"there is no account {name!r}; see `accounts list`")
        return known

    def test(self, name: str) -> Seller | None:
        """One authenticated call; None where the consent does not allow to ask who it is.

        What eBay says of the seller is kept: where he lives may have changed.
        """
        known = self.get(name)
        seller = self._ask(known)
        if seller is not None and is_of(known, seller):
            self.store.identify(known.id, seller)
        return seller

    def _ask(self, known: KnownAccount) -> Seller | None:
        self.test_keys()
        token = self.tokens.get(known.id, known.environment, rejected=None, timeout=ASK_S)
        try:
            return self.sellers.who(known.environment, token, timeout=ASK_S)
        except AccessTokenRefusedError:
            token = self.tokens.get(known.id, known.environment, rejected=token, timeout=ASK_S)
        try:
            return self.sellers.who(known.environment, token, timeout=ASK_S)
        except AccessTokenRefusedError as error:
            raise TokenRefusedError(str(error), error.facts) from error

    def pause(self, name: str) -> KnownAccount:
        known = self.get(name)
        if known.status not in {Status.ACTIVE, Status.PAUSED}:
            raise UsageError(f"the account {name!r} is {known.status}; only an active one pauses")
        self.store.switch(known.id, active=False)
        return self.get(name)

    def resume(self, name: str) -> KnownAccount:
        known = self.get(name)
        if known.status not in {Status.ACTIVE, Status.PAUSED}:
            _check_open(known)
            raise UsageError(
                f"the account {name!r} is {known.status}: eBay wants its owner's consent again;"
                f" `python -m core.run accounts connect --name {quote(known.name)}` asks for it,"
                f" {_replacing(known)} imports a token"
            )
        self.store.switch(known.id, active=True)
        return self.get(name)

    def _known(self, name: str, environment: str, *, replace: bool) -> KnownAccount | None:
        if not replace:
            check_name(name)
            taken = self.store.find(name)
            if taken is not None:
                _check_open(taken)
                raise UsageError(
                    f"there is an account {name!r} already; `accounts reconnect` changes its token"
                )
            return None
        known = self.get(name)
        if known.environment != environment:
            raise UsageError(f"the account {name!r} belongs to {known.environment}")
        _check_open(known)
        return known

    def _first_grant(self, environment: str, refresh_token: Secret) -> Grant:
        try:
            return self.refresher.refresh(environment, refresh_token, timeout=ASK_S)
        except ReauthorizationRequiredError as error:
            raise ReauthorizationRequiredError(
                f"{error}; a refresh token works only in the environment ({environment}) and with"
                " the client id that it was made for, until its owner withdraws the consent"
            ) from error

    def _refuse_second(
        self, known: KnownAccount | None, environment: str, seller: Seller | None
    ) -> None:
        """One seller under two names would be read, paid for and counted twice."""
        if seller is None:
            return
        for other in self.store.list():
            same = (other.environment, other.ebay_user_id) == (environment, seller.ebay_user_id)
            if same and (known is None or other.id != known.id):
                raise UsageError(
                    f"this seller is the account {other.name!r} already;"
                    f" {_replacing(other)} changes its token"
                )


def _replacing(known: KnownAccount) -> str:
    """The command, as it can be typed."""
    return f"`python -m core.run accounts reconnect {quote(known.name)} --refresh-token-file FILE`"


def _home(seller: Seller | None) -> tuple[str, ...]:
    if seller is None or seller.marketplace_id is None:
        return ()
    return (seller.marketplace_id,)


def _check_marketplaces(marketplace_ids: Sequence[str], *, replace: bool) -> None:
    if replace and marketplace_ids:
        raise UsageError("--replace changes the token only; leave --marketplace out")
    check_marketplaces(marketplace_ids)


def _check_open(known: KnownAccount) -> None:
    reason = closed(known)
    if reason is not None:
        raise UsageError(why_closed(known, reason))


def _same_seller(known: KnownAccount, seller: Seller | None) -> Seller:
    """A token of another seller would mix two sellers' rows under one account."""
    if seller is None:
        raise UsageError(
            f"eBay does not say whose token this is, so it cannot replace that of {known.name!r}:"
            " its consent lacks the scope commerce.identity.readonly, which"
            f" `python -m core.run accounts connect --name {quote(known.name)}` asks for"
        )
    if not is_of(known, seller):
        raise UsageError(
            f"this token is another seller's ({seller.username or 'eBay tells no name'}),"
            f" not {known.username or known.name}'s"
        )
    return seller
