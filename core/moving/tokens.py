"""Which of an account's tokens there may be tried."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

from core.errors import DecryptError
from core.moving.model import USABLE, FoundToken, OldToken, TokenState
from core.secret import Secret

BEFORE = datetime.min.replace(tzinfo=UTC)
LIKE_A_TOKEN = "v^"  # noqa: S105  (how each of eBay's begins)
IN_CLEAR = "a token lies there in clear: whoever read that database has it; reconnect it some day"


class Opener(Protocol):
    """The old connector's cipher with its secret."""

    def is_sealed(self, stored: Secret) -> bool: ...

    def open(self, stored: Secret) -> Secret:
        """Raises DecryptError."""
        ...


def find_token(tokens: Sequence[OldToken], opener: Opener, now: datetime) -> FoundToken:
    """The one to try: what is usable first, of several the one stored last."""
    if not tokens:
        return FoundToken(state=TokenState.MISSING)
    found = [_judged(token, opener, now) for token in tokens]
    ranks = list(TokenState)
    return min(found, key=lambda each: (ranks.index(each.state), BEFORE - _stored_at(each)))


def _stored_at(found: FoundToken) -> datetime:
    return found.stored_at or BEFORE


def _judged(token: OldToken, opener: Opener, now: datetime) -> FoundToken:
    state, opened = _opened(token.refresh_token, opener)
    ends_at = token.refresh_expires_at
    if state in USABLE and ends_at is not None and ends_at <= now:
        state, opened = TokenState.EXPIRED, None
    return FoundToken(
        state=state,
        token=opened,
        consent_ends_at=ends_at,
        stored_at=token.stored_at,
        notes=tuple(_notes(token, state)),
    )


def _opened(stored: Secret | None, opener: Opener) -> tuple[TokenState, Secret | None]:
    if stored is None or not stored.reveal().strip():
        return TokenState.MISSING, None
    sealed = opener.is_sealed(stored)
    try:
        token = opener.open(stored) if sealed else stored
    except DecryptError:
        return TokenState.NOT_OPENED, None
    text = token.reveal().strip()
    if not text.startswith(LIKE_A_TOKEN) or not text.isascii() or not text.isprintable():
        return TokenState.NO_TOKEN, None
    return (TokenState.OPENS if sealed else TokenState.IN_CLEAR), Secret(text)


def _notes(token: OldToken, state: TokenState) -> list[str]:
    notes = []
    if state is TokenState.IN_CLEAR or token.access_in_clear:
        notes.append(IN_CLEAR)
    if token.refused and state in USABLE:
        notes.append("eBay refused its token there the last time; it is tried again when it moves")
    return notes


def none_opens(tokens: Sequence[OldToken], opener: Opener) -> bool:
    """Sealed tokens there are, and not one of them opens: the secret is another one."""
    stored = [token.refresh_token for token in tokens if token.refresh_token is not None]
    sealed = [each for each in stored if opener.is_sealed(each)]
    return bool(sealed) and not any(_opens(each, opener) for each in sealed)


def _opens(sealed: Secret, opener: Opener) -> bool:
    try:
        opener.open(sealed)
    except DecryptError:
        return False
    return True
