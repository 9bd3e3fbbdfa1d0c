"""Connections without a database, and an eBay whose answers are set beforehand."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from core.connect.model import (
    Attempt,
    ConnectRefusedError,
    Consent,
    KnownSeller,
    NewAttempt,
    Refusal,
    Step,
    Via,
)
from core.grants import SealFor
from core.ids import AccountId
from core.secret import Secret
from core.sellers import Seller, is_of

BEGINNING = datetime(2026, 11, 1, tzinfo=UTC)
STRAYS = 100


@dataclass(slots=True)
class State:
    id: int
    attempt: NewAttempt
    expires_at: datetime
    used: bool = False


@dataclass(slots=True, kw_only=True)
class MemoryConnections:
    """`events`: what was noted, as (attempt, step, reason)."""

    now: datetime = BEGINNING
    states: dict[str, State] = field(default_factory=dict)
    sellers: dict[str, KnownSeller] = field(default_factory=dict)
    tokens: dict[AccountId, str] = field(default_factory=dict)
    held: dict[AccountId, dict[str, int]] = field(default_factory=dict)
    events: list[tuple[int | None, Step, str | None]] = field(default_factory=list)
    scopes: dict[str, tuple[Sequence[str], bool]] = field(default_factory=dict)
    noting_fails: Exception | None = None

    def find(self, name: str) -> KnownSeller | None:
        return self.sellers.get(name)

    def owner(self, environment: str, ebay_user_id: str) -> KnownSeller | None:
        wanted = (environment, ebay_user_id)
        for each in self.sellers.values():
            if (each.environment, each.ebay_user_id) == wanted:
                return each
        return None

    def begin(self, attempt: NewAttempt, lasts: timedelta) -> datetime:
        state = State(len(self.states) + 1, attempt, self.now + lasts)
        self.states[attempt.state_digest] = state
        self.events.append((state.id, Step.BEGUN, None))
        return state.expires_at

    def take(
        self, state_digest: str, *, via: Via, browser_digest: str | None, name: str | None
    ) -> Attempt | Refusal:
        state = self.states.get(state_digest)
        if state is None:
            self.note_stray(via, Refusal.STATE_UNKNOWN)
            return Refusal.STATE_UNKNOWN
        refusal = self._refusal(state, browser_digest, name)
        if refusal is not None:
            self.events.append((state.id, Step.REFUSED, refusal.value))
            return refusal
        state.used = True
        self.events.append((state.id, Step.CALLBACK_RECEIVED, None))
        begun = state.attempt
        return Attempt(
            id=state.id,
            via=begun.via,
            name=begun.name,
            environment=begun.environment,
            marketplace_ids=begun.marketplace_ids,
            scopes=begun.scopes,
        )

    def is_connected(self, state_digest: str) -> bool:
        state = self.states.get(state_digest)
        return state is not None and (state.id, Step.CONNECTED, None) in self.events

    def note(
        self,
        attempt: Attempt,
        step: Step,
        *,
        reason: Refusal | None = None,
        detail: str | None = None,
    ) -> None:
        if self.noting_fails is not None and step is Step.REFUSED:
            raise self.noting_fails
        self.events.append((attempt.id, step, None if reason is None else reason.value))

    def note_stray(self, via: Via, reason: Refusal) -> None:
        if sum(event[0] is None for event in self.events) < STRAYS:
            self.events.append((None, Step.REFUSED, reason.value))

    def save(
        self,
        attempt: Attempt,
        seller: Seller,
        account_id: AccountId | None,
        seal: SealFor,
        *,
        marketplace_ids: Sequence[str],
        scopes: Sequence[str],
        scopes_told: bool,
    ) -> str:
        known = self.sellers.get(attempt.name)
        owner = self.owner(attempt.environment, seller.ebay_user_id)
        if (known is None) != (account_id is None) or owner not in {None, known}:
            raise ConnectRefusedError(Refusal.SELLER_TAKEN, "taken meanwhile")
        if known is None:
            known = KnownSeller(
                id=AccountId(len(self.sellers) + 1),
                name=attempt.name,
                environment=attempt.environment,
                status="active",
                ebay_user_id=seller.ebay_user_id,
                username=None,
                marketplace_ids=tuple(marketplace_ids),
            )
        if not is_of(known, seller):
            raise ConnectRefusedError(Refusal.SELLER_TAKEN, "taken meanwhile")
        status = "paused" if known.status == "paused" else "active"
        self.sellers[known.name] = replace(
            known,
            status=status,
            ebay_user_id=seller.ebay_user_id,
            username=seller.username or known.username,
        )
        self.tokens[known.id] = seal(known.id).refresh_token
        self.scopes[known.name] = (tuple(scopes), scopes_told)
        self.events.append((attempt.id, Step.CONNECTED, None))
        return status

    def token(self, account_id: AccountId) -> str | None:
        return self.tokens.get(account_id)

    def disconnect(self, seller: KnownSeller, *, revoked: bool | None, detail: str | None) -> None:
        self.tokens.pop(seller.id, None)
        self.sellers[seller.name] = replace(self.sellers[seller.name], status="disconnected")
        if revoked is not None:
            self.events.append((None, Step.REVOKED if revoked else Step.REVOKE_FAILED, None))
        self.events.append((None, Step.DISCONNECTED, None))

    def rows(self, account_id: AccountId) -> Sequence[tuple[str, int]]:
        held = self.held.get(account_id, {})
        names = sorted(held, key=lambda name: (name != "ebay.sync_states", name))
        return [(name, held[name]) for name in names if held[name]]

    def erase(self, account_id: AccountId, table: str, most: int) -> int:
        status = {each.id: each.status for each in self.sellers.values()}[account_id]
        left = self.held.get(account_id, {}).get(table, 0)
        if status != "disconnected" or not left:
            return 0
        gone = min(left, most)
        self.held[account_id][table] = left - gone
        return gone

    def note_erased(self, seller: KnownSeller, detail: str) -> None:
        self.events.append((None, Step.ERASED, None))

    def _refusal(
        self, state: State, browser_digest: str | None, name: str | None
    ) -> Refusal | None:
        if state.used:
            return Refusal.STATE_REPLAYED
        if state.expires_at <= self.now:
            return Refusal.STATE_EXPIRED
        if state.attempt.browser_digest not in {None, browser_digest}:
            return Refusal.STATE_FOREIGN
        return None if name in {None, state.attempt.name} else Refusal.STATE_FOREIGN


def granted(*scopes: str, code: str = "code") -> Consent:
    """`scopes` none: eBay did not tell them."""
    return Consent(
        access_token=Secret(f"access of {code}"),
        expires_in=timedelta(hours=2),
        refresh_token=Secret(f"refresh of {code}"),
        refresh_token_expires_in=timedelta(days=547),
        scopes=scopes or None,
    )


@dataclass(slots=True)
class Ebay:
    """`exchanges` and `revocations`: an exception is raised instead of the usual answer."""

    exchanges: list[Consent | Exception] = field(default_factory=list)
    revocations: list[Exception] = field(default_factory=list)
    not_set: Exception | None = None
    codes: list[str] = field(default_factory=list)
    revoked: list[str] = field(default_factory=list)

    def check(self, environment: str) -> None:
        if self.not_set is not None:
            raise self.not_set

    def link(self, environment: str, scopes: Sequence[str], state: Secret) -> str:
        return f"https://{environment}/{'+'.join(scopes)}?state={state.reveal()}"

    def exchange(self, environment: str, code: Secret, *, timeout: float) -> Consent:
        self.codes.append(code.reveal())
        answer = self.exchanges.pop(0) if self.exchanges else granted(code=code.reveal())
        if isinstance(answer, Exception):
            raise answer
        return answer

    def revoke(self, environment: str, refresh_token: Secret, *, timeout: float) -> None:
        self.revoked.append(refresh_token.reveal())
        if self.revocations:
            raise self.revocations.pop(0)
