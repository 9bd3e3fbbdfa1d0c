"""Adding, testing, pausing and resuming accounts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from core.accounts.model import Identity, KnownAccount, NewAccount, Status
from core.accounts.ports import AccountStore, IdentityService, SealedPair
from core.errors import UsageError
from core.ids import AccountId
from core.secret import Secret

ASK_S = 20.0


class FirstGrant(Protocol):
    """What a refresh with an imported token answered."""

    @property
    def access_token(self) -> Secret: ...

    @property
    def expires_in(self) -> timedelta: ...


class Refresher(Protocol):
    def refresh(self, environment: str, refresh_token: Secret, *, timeout: float) -> FirstGrant: ...


class Sealer(Protocol):
    def seal(self, secret: Secret, *, account_id: AccountId, field: str) -> str: ...


class TokenSource(Protocol):
    def get(
        self, account_id: AccountId, environment: str, *, rejected: Secret | None, timeout: float
    ) -> Secret: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    refresh_token: str
    refresh_expires_in: timedelta | None
    access_token: str | None
    access_expires_in: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ManageAccounts:
    store: AccountStore
    refresher: Refresher
    identities: IdentityService
    sealer: Sealer
    tokens: TokenSource

    def add(
        self,
        name: str,
        environment: str,
        refresh_token: Secret,
        *,
        marketplace_ids: Sequence[str],
        replace: bool,
    ) -> KnownAccount:
        """Import a refresh token: it is used once, so that a wrong one is refused here and now.

        Raises UsageError, and what a refresh raises; nothing is stored then.
        """
        known = self.store.find(name)
        if known is not None and not replace:
            raise UsageError(f"there is an account {name!r} already; --replace changes its token")
        grant = self.refresher.refresh(environment, refresh_token, timeout=ASK_S)
        identity = self.identities.who(environment, grant.access_token, timeout=ASK_S)

        def seal(account_id: AccountId) -> SealedPair:
            return self._sealed(account_id, refresh_token, grant)

        if known is None:
            marketplaces = tuple(marketplace_ids) or _home(identity)
            self.store.add(
                NewAccount(
                    name=name,
                    environment=environment,
                    marketplace_ids=marketplaces,
                    identity=identity,
                ),
                seal,
            )
        else:
            _same_seller(known, environment, identity)
            self.store.replace_token(known.id, identity, seal)
        return self.get(name)

    def get(self, name: str) -> KnownAccount:
        known = self.store.find(name)
        if known is None:
            raise UsageError(f"there is no account {name!r}; see `accounts list`")
        return known

    def test(self, name: str) -> Identity | None:
        """One authenticated call; None where the consent does not allow to ask who it is."""
        known = self.get(name)
        token = self.tokens.get(known.id, known.environment, rejected=None, timeout=ASK_S)
        return self.identities.who(known.environment, token, timeout=ASK_S)

    def pause(self, name: str) -> KnownAccount:
        known = self.get(name)
        if known.status not in {Status.ACTIVE, Status.PAUSED}:
            raise UsageError(f"the account {name!r} is {known.status}; only an active one pauses")
        self.store.switch(known.id, active=False)
        return self.get(name)

    def resume(self, name: str) -> KnownAccount:
        known = self.get(name)
        if known.status not in {Status.ACTIVE, Status.PAUSED}:
            raise UsageError(
                f"the account {name!r} is {known.status}: eBay wants its owner's consent again;"
                f" import a new token with `accounts add --name {name} --replace`"
            )
        self.store.switch(known.id, active=True)
        return self.get(name)

    def _sealed(self, account_id: AccountId, refresh_token: Secret, grant: FirstGrant) -> Pair:
        return Pair(
            refresh_token=self.sealer.seal(
                refresh_token, account_id=account_id, field="refresh_token"
            ),
            refresh_expires_in=None,
            access_token=self.sealer.seal(
                grant.access_token, account_id=account_id, field="access_token"
            ),
            access_expires_in=grant.expires_in,
        )


def _home(identity: Identity | None) -> tuple[str, ...]:
    if identity is None or identity.marketplace_id is None:
        return ()
    return (identity.marketplace_id,)


def _same_seller(known: KnownAccount, environment: str, identity: Identity | None) -> None:
    """A token of another seller would mix two sellers' rows under one account."""
    if known.environment != environment:
        raise UsageError(f"the account {known.name!r} belongs to {known.environment}")
    if identity is None or known.ebay_user_id is None:
        return
    if identity.ebay_user_id != known.ebay_user_id:
        raise UsageError(
            f"this token is another seller's ({identity.username}), not {known.username}'s"
        )
