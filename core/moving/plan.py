"""What is to become of each account, decided before anything is written."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from core.errors import UsageError
from core.moving.cursors import StreamHere, plan_streams, unknown_families
from core.moving.environment import decide_environment
from core.moving.model import (
    USABLE,
    Fate,
    HereAccount,
    OldAccount,
    OldConnector,
    OldToken,
    Planned,
    PlannedStream,
    TokenState,
)
from core.moving.naming import clean, name_for, seller_names, seller_shown, shown
from core.moving.tokens import BEFORE, Opener, find_token, none_opens

ANEW = "connect it anew here, with `accounts connect`"
LACKING = {
    TokenState.EXPIRED: f"its owner's consent is over: {ANEW}",
    TokenState.MISSING: f"it has no refresh token there: {ANEW}",
    TokenState.NOT_OPENED: f"its token does not open with this secret, though others do: {ANEW}",
    TokenState.NO_TOKEN: f"what lies there as its token is none of eBay's: {ANEW}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """`accounts`: by label, seller or id there; none: all that are active there."""

    environment: str | None = None
    accounts: tuple[str, ...] = ()
    with_history: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Planner:
    opener: Opener
    streams: Sequence[StreamHere]
    here: Sequence[HereAccount]
    now: datetime
    wishes: Wishes

    def plan(self, old: OldConnector) -> tuple[Planned, ...]:
        """1. Those asked for. 2. The secret opens a token. 3. Each by itself. 4. A seller of two
        users comes once. 5. Who comes gets a name that is free.

        Raises UsageError where nothing of it can be right.
        """
        chosen = _chosen(old.accounts, self.wishes.accounts)
        if none_opens(_tokens(chosen), self.opener):
            raise UsageError(
                "the secret opens none of the old connector's tokens, so they were not sealed with"
                " it: it is JWT_SECRET of its web process, or SECRET_KEY where that has none;"
                " nothing was moved"
            )
        planned = _each_seller_once([self._planned(account) for account in chosen])
        return tuple(_named(planned, {account.name for account in self.here}))

    def _planned(self, account: OldAccount) -> Planned:
        environment, decided_by = decide_environment(account, self.wishes.environment)
        streams = plan_streams(
            account.states, self.streams, self.now, with_history=self.wishes.with_history
        )
        planned = Planned(
            old=account,
            fate=Fate.NEW,
            name=shown(account.label),
            seller=seller_shown(account),
            environment=environment,
            decided_by=decided_by,
            token=find_token(account.tokens, self.opener, self.now),
            streams=streams,
            notes=(),
        )
        here = self._here(planned)
        if here is None:
            return self._coming(planned)
        return self._met(replace(planned, here=here, name=here.name), here)

    def _here(self, planned: Planned) -> HereAccount | None:
        """The account that it became, or another one of the same seller."""
        moved = (each for each in self.here if each.old_id == planned.old.id)
        names = seller_names(planned.old)
        same = (
            each
            for each in self.here
            if each.environment == planned.environment and _is_called(each, names)
        )
        return next(moved, None) or next(same, None)

    def _met(self, planned: Planned, here: HereAccount) -> Planned:
        if here.old_id != planned.old.id:
            return _left(planned, f"its seller is the account {here.name!r} here, which stays")
        if self.wishes.environment not in {None, here.environment}:
            return _left(planned, f"it was moved over already, to {here.environment}")
        planned = replace(planned, environment=here.environment, decided_by="moved over already")
        if not here.untouched:
            return _left(planned, "it was moved over already and used since: it stays as it is")
        planned = replace(planned, streams=_switched_as(here, planned.streams))
        changed = set(planned.states) != set(here.states)
        return replace(planned, fate=Fate.RENEWED if changed else Fate.SAME)

    def _coming(self, planned: Planned) -> Planned:
        if not planned.old.active and not self.wishes.accounts:
            return _left(planned, "it is deactivated there; named with --account it comes as well")
        if planned.environment is None:
            return _left(planned, f"{planned.decided_by}: say which with --environment")
        if planned.token.state not in USABLE:
            return _left(planned, LACKING[planned.token.state])
        return planned


def _switched_as(here: HereAccount, streams: Sequence[PlannedStream]) -> tuple[PlannedStream, ...]:
    """Switches stay as they came: to go on here, people turn every one of them off there."""
    came = {each.stream: each.enabled for each in here.states}
    return tuple(
        replace(each, state=replace(each.state, enabled=came.get(each.state.stream, True)))
        for each in streams
    )


def _left(planned: Planned, reason: str) -> Planned:
    return replace(planned, fate=Fate.LEFT, reason=reason)


def _is_called(account: HereAccount, names: frozenset[str]) -> bool:
    known = (account.ebay_user_id, account.username)
    return any(clean(name).casefold() in names for name in known if name is not None)


def _all_off(account: OldAccount) -> bool:
    return bool(account.states) and not any(state.enabled for state in account.states)


def _chosen(accounts: Sequence[OldAccount], wanted: Sequence[str]) -> list[OldAccount]:
    for name in wanted:
        if not any(_called(account, [name]) for account in accounts):
            raise UsageError(f"the old connector has no account {name!r}")
    return [account for account in accounts if not wanted or _called(account, wanted)]


def _called(account: OldAccount, names: Sequence[str]) -> bool:
    known = (account.id, account.label, account.seller, account.username)
    return bool({clean(each) for each in known if each} & {clean(name) for name in names})


def _tokens(accounts: Sequence[OldAccount]) -> list[OldToken]:
    return [token for account in accounts for token in account.tokens]


def _each_seller_once(planned: Sequence[Planned]) -> list[Planned]:
    """Of one seller's accounts of two users the better one comes."""
    sellers: dict[tuple[str | None, str], list[Planned]] = defaultdict(list)
    for each in planned:
        for seller in _sellers(each):
            sellers[seller].append(each)
    return [_against(each, [sellers[seller] for seller in _sellers(each)]) for each in planned]


def _sellers(planned: Planned) -> list[tuple[str | None, str]]:
    """Under each of its names; none of one that does not come."""
    if planned.fate is Fate.LEFT:
        return []
    return [(planned.environment, name) for name in seller_names(planned.old)]


def _against(planned: Planned, sellers: Sequence[Sequence[Planned]]) -> Planned:
    best = min((each for same in sellers for each in same), key=_worth, default=planned)
    if planned.fate is not Fate.NEW or best is planned:
        return planned
    return _left(planned, "another user there has connected the same seller: that account comes")


def _worth(planned: Planned) -> tuple[object, ...]:
    """The smallest comes: what is here already, then the active one, then the newest token."""
    stored_at = planned.token.stored_at or BEFORE
    coming = planned.fate is Fate.NEW
    return coming, not planned.old.active, BEFORE - stored_at, planned.old.id


def _named(planned: Sequence[Planned], taken: set[str]) -> Iterator[Planned]:
    for each in planned:
        name = name_for(each.old, taken) if each.fate is Fate.NEW else each.name
        if each.fate is Fate.NEW:
            taken.add(name)
        yield replace(each, name=name, notes=tuple(_notes(each, name)))


def _notes(planned: Planned, name: str) -> Iterator[str]:
    account = planned.old
    yield from planned.token.notes
    if planned.fate is Fate.NEW and name != account.label:
        yield f"its name there was {shown(account.label)!r}, which is taken or cannot be used here"
    if not account.active:
        yield "it is deactivated there"
    if planned.fate is Fate.NEW and _all_off(account):
        yield "all of it is switched off there, and comes so: `streams resume` switches it on"
    if not seller_names(account):
        yield "the old connector never learned who its seller is; eBay is asked when it moves"
    if clean(account.purpose).upper() == "BUYING":
        yield "it only buys, says the old connector; here all its streams are read"
    for family in unknown_families(account.states):
        yield f"{shown(family)!r} there is nothing that is read here: left out"
