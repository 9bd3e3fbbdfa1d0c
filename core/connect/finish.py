"""Finishing a consent: state, code, identity, and only then anything is stored."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from shlex import quote
from typing import TypeVar

from core.clock import Monotonic
from core.connect import scopes
from core.connect.begin import digest
from core.connect.model import (
    Attempt,
    Connected,
    ConnectRefusedError,
    Consent,
    KnownSeller,
    Refusal,
    Reply,
    Step,
    Via,
)
from core.connect.ports import ConnectStore, Consents
from core.connect.reply import CODE, STATE
from core.errors import (
    AppError,
    ApplicationRefusedError,
    ConfigurationError,
    RateLimitedError,
    ReauthorizationRequiredError,
    StoreUnavailableError,
    UpstreamUnavailableError,
)
from core.grants import Sealer, SealFor, seal_for
from core.secret import Secret
from core.sellers import Seller, Sellers, closed, is_of, why_closed

T = TypeVar("T")

ONE_TRY_S = 8.0
PAUSES_S = (0.5, 1.5)
AGAIN = "begin again with `python -m core.run accounts connect --name {}`"
STRAY = "begin again, and use the newest link only"
TOLD: Mapping[Refusal, str] = {
    Refusal.STATE_MISSING: (
        "this is not the whole address of the page where the seller ended up, for it has no"
        " `state`; copy all of it, to its last character, or"
    ),
    Refusal.STATE_UNPARSEABLE: (
        "this address was changed on its way, for its `state` is none of ours; copy all of it, to"
        " its last character, or"
    ),
    Refusal.STATE_UNKNOWN: "nobody here began this connection, or it was long ago;",
    Refusal.STATE_EXPIRED: "this connection was begun more than ten minutes ago;",
    Refusal.STATE_REPLAYED: (
        "this answer of eBay's was used already: see `accounts list` whether the account is"
        " connected, and if it is not,"
    ),
    Refusal.STATE_FOREIGN: (
        "this connection was begun elsewhere: in another browser, or for another account; finish"
        " it there, or"
    ),
    Refusal.DECLINED: "the consent was declined at eBay, so nothing is connected; to change that,",
    Refusal.EBAY_REFUSED: (
        "eBay did not ask for the consent but refused; if the keyset lacks a scope,"
        " `--without-scope` leaves it out, else"
    ),
    Refusal.CODE_MISSING: "this address has no `code`;",
    Refusal.CODE_UNUSABLE: "what stands there is no code of eBay's;",
}
REASONS: tuple[tuple[type[AppError], Refusal], ...] = (
    (ReauthorizationRequiredError, Refusal.CODE_REFUSED),
    (ApplicationRefusedError, Refusal.KEYS_REFUSED),
    (RateLimitedError, Refusal.RATE_LIMITED),
    (UpstreamUnavailableError, Refusal.UPSTREAM),
    (StoreUnavailableError, Refusal.DATABASE),
    (ConfigurationError, Refusal.CONFIG),
)


def refused(reason: Refusal, name: str | None = None) -> ConnectRefusedError:
    way_out = STRAY if name is None else AGAIN.format(quote(name))
    return ConnectRefusedError(reason, f"{TOLD[reason]} {way_out}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishConsent:
    """`needs`: the scope that each stream needs. `limit_s`: what eBay may take of our time."""

    store: ConnectStore
    consents: Consents
    sellers: Sellers
    sealer: Sealer
    needs: Mapping[str, str]
    ticks: Monotonic
    sleep: Callable[[float], None]
    limit_s: float = 22.0

    def run(
        self, reply: Reply, *, via: Via, browser: Secret | None = None, name: str | None = None
    ) -> Connected:
        """1. State. 2. Code. 3. Exchange. 4. Whose it is. 5. Store all of it, at once.

        `name`: the account that is meant, where somebody says so. Raises ConnectRefusedError, and
        what eBay's endpoints raise; nothing is stored then but the note why. A state is used up
        whatever comes of it.
        """
        attempt = self._take(reply, via, browser, name)
        try:
            return self._connect(attempt, reply)
        except AppError as error:
            with suppress(StoreUnavailableError):
                self.store.note(attempt, Step.REFUSED, reason=_reason(error), detail=str(error))
            raise

    def was_finished(self, state: Secret) -> bool:
        """Somebody else has brought eBay's answer: the seller's browser, at our callback."""
        return self.store.is_connected(digest(state))

    def _take(self, reply: Reply, via: Via, browser: Secret | None, name: str | None) -> Attempt:
        broken = _broken(reply)
        if broken is not None:
            self.store.note_stray(via, broken)
            raise refused(broken, name)
        assert reply.state is not None
        taken = self.store.take(
            digest(reply.state),
            via=via,
            browser_digest=None if browser is None else digest(browser),
            name=name,
        )
        if isinstance(taken, Refusal):
            raise refused(taken, name)
        return taken

    def _connect(self, attempt: Attempt, reply: Reply) -> Connected:
        code = _code(attempt, reply)
        ends = self.ticks() + self.limit_s
        consent = self._exchange(attempt, code, ends)
        self.store.note(attempt, Step.CODE_EXCHANGED)
        seller = self._seller(attempt, consent, ends)
        self.store.note(attempt, Step.IDENTITY_LOOKED_UP)
        known = self._known(attempt, seller)
        granted = attempt.scopes if consent.scopes is None else consent.scopes
        status = self.store.save(
            attempt,
            seller,
            None if known is None else known.id,
            self._seal(consent),
            marketplace_ids=attempt.marketplace_ids or _home(seller),
            scopes=granted,
            scopes_told=consent.scopes is not None,
        )
        return Connected(
            name=attempt.name,
            environment=attempt.environment,
            username=seller.username,
            status=status,
            renewed=known is not None,
            scopes=granted,
            scopes_told=consent.scopes is not None,
            missing=scopes.missing(granted, self.needs),
        )

    def _exchange(self, attempt: Attempt, code: Secret, ends: float) -> Consent:
        """A second try after no answer: eBay may have used the code up and only failed to say."""
        unanswered: list[UpstreamUnavailableError] = []

        def ask(timeout: float) -> Consent:
            try:
                return self.consents.exchange(attempt.environment, code, timeout=timeout)
            except UpstreamUnavailableError as error:
                unanswered.append(error)
                raise

        try:
            return self._patiently(ask, ends)
        except (UpstreamUnavailableError, ReauthorizationRequiredError) as error:
            told = unanswered[0] if unanswered else error
            raise type(told)(f"{told}; {AGAIN.format(quote(attempt.name))}") from error

    def _seller(self, attempt: Attempt, consent: Consent, ends: float) -> Seller:
        seller = self._patiently(
            lambda timeout: self.sellers.who(
                attempt.environment, consent.access_token, timeout=timeout
            ),
            ends,
        )
        if seller is None:
            raise ConnectRefusedError(
                Refusal.IDENTITY_UNKNOWN,
                "eBay does not say whose consent this is, so nothing was stored: enable"
                f" {scopes.short(scopes.IDENTITY)} for the keyset (developer.ebay.com, Application"
                f" keys, OAuth scopes), then {AGAIN.format(quote(attempt.name))}",
            )
        return seller

    def _patiently(self, ask: Callable[[float], T], ends: float) -> T:
        """Three tries, as far as the time goes."""
        for pause in PAUSES_S:
            try:
                return ask(self._left(ends))
            except UpstreamUnavailableError:
                if self.ticks() + pause >= ends:
                    raise
            self.sleep(pause)
        return ask(self._left(ends))

    def _left(self, ends: float) -> float:
        return max(min(ONE_TRY_S, ends - self.ticks()), 0.0)

    def _known(self, attempt: Attempt, seller: Seller) -> KnownSeller | None:
        """The account that this consent renews. A second seller under a name would mix rows."""
        owner = self.store.owner(attempt.environment, seller.ebay_user_id)
        if owner is not None and owner.name != attempt.name:
            raise ConnectRefusedError(
                Refusal.SELLER_TAKEN,
                f"this seller ({seller.username or 'eBay tells no name'}) is the account"
                f" {owner.name!r} already: to renew it,"
                f" `python -m core.run accounts connect --name {quote(owner.name)}`; for another"
                " seller, begin again and sign in at eBay as that one",
            )
        known = self.store.find(attempt.name)
        if known is None:
            return None
        if known.environment != attempt.environment:
            raise ConnectRefusedError(
                Refusal.SELLER_TAKEN,
                f"an account {attempt.name!r} of {known.environment} was added meanwhile: begin"
                " again, and give this one a name of its own",
            )
        reason = closed(known)
        if reason is not None:
            raise ConnectRefusedError(Refusal(reason.value), why_closed(known, reason))
        if not is_of(known, seller):
            raise ConnectRefusedError(
                Refusal.OTHER_SELLER,
                f"the account {attempt.name!r} is {known.username or 'another seller'}, and this"
                f" consent is {seller.username or 'of another one'}'s, so nothing was changed:"
                " begin again and sign in at eBay as the right seller, or give the new one a name"
                " of its own",
            )
        return known

    def _seal(self, consent: Consent) -> SealFor:
        return seal_for(
            self.sealer,
            refresh_token=consent.refresh_token,
            refresh_expires_in=consent.refresh_token_expires_in,
            access_token=consent.access_token,
            access_expires_in=consent.expires_in,
        )


def _broken(reply: Reply) -> Refusal | None:
    """What is wrong with it whoever began."""
    if reply.malformed:
        return Refusal.STATE_UNPARSEABLE
    if reply.state is None:
        return Refusal.STATE_MISSING
    if not STATE.fullmatch(reply.state.reveal()):
        return Refusal.STATE_UNPARSEABLE
    return None


def _code(attempt: Attempt, reply: Reply) -> Secret:
    if reply.error is not None:
        declined = reply.error == "access_denied"
        raise refused(Refusal.DECLINED if declined else Refusal.EBAY_REFUSED, attempt.name)
    if reply.code is None:
        raise refused(Refusal.CODE_MISSING, attempt.name)
    if not CODE.fullmatch(reply.code.reveal()):
        raise refused(Refusal.CODE_UNUSABLE, attempt.name)
    return reply.code


def _home(seller: Seller) -> Sequence[str]:
    return () if seller.marketplace_id is None else (seller.marketplace_id,)


def _reason(error: AppError) -> Refusal:
    if isinstance(error, ConnectRefusedError):
        return error.reason
    return next((reason for kind, reason in REASONS if isinstance(error, kind)), Refusal.BAD_ANSWER)
