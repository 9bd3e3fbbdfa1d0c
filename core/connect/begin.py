"""Beginning a consent: everything that can be wrong is said before the seller goes to eBay."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.connect import scopes
from core.connect.model import STATE_LASTS, Begun, KnownSeller, NewAttempt, Via, Wish
from core.connect.ports import ConnectStore, Consents
from core.errors import UsageError
from core.naming import check_marketplaces, check_name
from core.secret import Secret
from core.sellers import closed, why_closed

USUAL_ENVIRONMENT = "production"
ENVIRONMENTS = ("production", "sandbox", "simulator")


def digest(secret: Secret) -> str:
    """What is kept of a secret that only has to be recognised."""
    return hashlib.sha256(secret.reveal().encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginConsent:
    """`usual_scopes`: what a consent is asked for. `new_state`: 43 characters nobody can guess."""

    store: ConnectStore
    consents: Consents
    usual_scopes: Sequence[str]
    new_state: Callable[[], str]
    test_keys: Callable[[], None]

    def run(self, wish: Wish, via: Via, browser: Secret | None = None) -> Begun:
        """Raises UsageError for what cannot be meant, ConfigurationError for what is not set."""
        check_name(wish.name)
        check_marketplaces(wish.marketplace_ids)
        environment = self._environment(wish, self.store.find(wish.name))
        wanted = scopes.asked(self.usual_scopes, wish.more_scopes, wish.without_scopes)
        self.consents.check(environment)
        self.test_keys()
        state = Secret(self.new_state())
        link = self.consents.link(environment, wanted, state)
        expires_at = self.store.begin(
            NewAttempt(
                state_digest=digest(state),
                browser_digest=None if browser is None else digest(browser),
                via=via,
                name=wish.name,
                environment=environment,
                marketplace_ids=wish.marketplace_ids,
                scopes=wanted,
            ),
            STATE_LASTS,
        )
        return Begun(
            name=wish.name, environment=environment, link=link, state=state, expires_at=expires_at
        )

    def _environment(self, wish: Wish, known: KnownSeller | None) -> str:
        if known is None:
            return _checked(wish.environment or USUAL_ENVIRONMENT)
        if wish.environment not in {None, known.environment}:
            raise UsageError(
                f"the account {wish.name!r} belongs to {known.environment}; an account of"
                f" {wish.environment} needs another name"
            )
        if wish.marketplace_ids:
            raise UsageError(
                f"there is an account {wish.name!r} already, and connecting it again changes its"
                " token only; leave the marketplace out"
            )
        reason = closed(known)
        if reason is not None:
            raise UsageError(why_closed(known, reason))
        return known.environment


def _checked(environment: str) -> str:
    if environment not in ENVIRONMENTS:
        raise UsageError(
            f"there is no environment {environment!r}; there are: {', '.join(ENVIRONMENTS)}"
        )
    return environment
