"""Listing, pausing, resuming and rewinding streams."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.errors import UsageError
from core.ids import AccountId
from core.report import instant
from core.streams.model import (
    Facts,
    Overview,
    RewindPlan,
    Rewound,
    StreamRule,
    StreamState,
    Switched,
    Terms,
)
from core.streams.ports import Costs, Step, StreamStore, Undoing
from core.streams.standing import still_read_again

ALL = "all"
DAY = timedelta(days=1)
LONGEST_REASON = 500
SHORTEST_INTERVAL, LONGEST_INTERVAL = timedelta(minutes=1), timedelta(days=30)


class NoSuchStreamError(UsageError):
    """There is no such account, or no such stream."""


class RefusedError(UsageError):
    """As the stream stands now, this would lose something or do nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlStreams:
    """`aliases`: words for several streams."""

    store: StreamStore
    costs: Costs
    rules: Mapping[str, StreamRule]
    aliases: Mapping[str, Sequence[str]]
    terms: Terms

    def list(self, accounts: Sequence[str] = (), streams: Sequence[str] = ()) -> Overview:
        """Raises NoSuchStreamError."""
        found = self.store.look(_named(accounts), self._streams(streams))
        _all_found(accounts, found.states)
        return found

    def one(self, account: str, stream: str) -> Overview:
        """Raises NoSuchStreamError."""
        return self._demand([account], [stream])

    def switch(
        self, accounts: Sequence[str], streams: Sequence[str], *, enabled: bool, via: str
    ) -> Switched:
        """Pause or resume. Done twice it is done once. Raises NoSuchStreamError."""
        self._demand(accounts, streams)
        return self.store.switch(_named(accounts), self._streams(streams), enabled=enabled, via=via)

    def every(
        self, accounts: Sequence[str], streams: Sequence[str], interval: timedelta, *, via: str
    ) -> Switched:
        """How often these are read; an interval of 0 switches them off. Raises UsageError."""
        if interval and not SHORTEST_INTERVAL <= interval <= LONGEST_INTERVAL:
            raise UsageError("an interval is 0 (off) or from 1m to 30d; a number alone is seconds")
        self._demand(accounts, streams)
        return self.store.space(_named(accounts), self._streams(streams), interval, via=via)

    def plan(self, account: str, stream: str, to: datetime | timedelta) -> RewindPlan:
        """What a rewind to there would cost; nothing is changed.

        Raises NoSuchStreamError, RefusedError, UsageError.
        """
        return self._planned(account, stream, to)[1]

    def rewind(
        self,
        account: str,
        stream: str,
        to: datetime | timedelta,
        *,
        via: str,
        reason: str | None = None,
    ) -> tuple[RewindPlan, Rewound]:
        """Set the cursor back, so that everything from there on is read again.

        Done twice it is done once: what was rewound to the same instant, or to an earlier one, and
        is still being read again, is left as it is. Raises as `plan`.
        """
        if reason is not None and not (reason.isprintable() and len(reason) <= LONGEST_REASON):
            raise UsageError(f"reason: at most {LONGEST_REASON} printable characters")
        account_id, plan = self._planned(account, stream, to)

        def decide(state: StreamState, now: datetime) -> Step | None:
            if self._check(state, plan.to, now):
                return None
            return Step(to=plan.to, via=via, reason=reason, calls=plan.cost.calls)

        return plan, self.store.rewind(account_id, stream, decide)

    def undo(self, account: str, stream: str, *, via: str) -> Rewound:
        """The cursor where it stood before it was rewound; what was read again meanwhile stays.

        Of several rewinds that followed each other, before the first. Possible as long as the
        reading has not come past that place; then there is nothing left to undo. Done twice it is
        done once. Raises NoSuchStreamError, RefusedError.
        """

        def decide(state: StreamState, _: datetime) -> Undoing | None:
            return self._undoing(state, via)

        state = self._demand([account], [stream]).states[0]
        return self.store.undo(state.account_id, stream, decide)

    def _planned(
        self, account: str, stream: str, to: datetime | timedelta
    ) -> tuple[AccountId, RewindPlan]:
        seen = self._demand([account], [stream])
        state, now = seen.states[0], seen.at
        at = now - to if isinstance(to, timedelta) else to
        self._check(state, at, now)
        return state.account_id, self._plan(state, at, now)

    def _undoing(self, state: StreamState, via: str) -> Undoing | None:
        if not state.rewinds:
            raise RefusedError(f"{_unit(state)} was never rewound, so there is nothing to undo")
        behind = still_read_again(state, self.terms)
        if behind:
            return Undoing(restored=behind[0].id, undone=[each.id for each in behind], via=via)
        if state.rewinds[0].undone_at is not None:
            return None
        raise RefusedError(
            f"{_unit(state)} has been read again past where its cursor stood"
            f" ({instant(state.rewinds[0].old_cursor_at)}); there is nothing left to undo"
        )

    def _check(self, state: StreamState, to: datetime, now: datetime) -> bool:
        """Whether it is being read again from there already. Raises RefusedError, UsageError."""
        self._check_reach(state, to, now)
        if self._on_its_way(state, to):
            return True
        self._check_direction(state, to, now)
        return False

    def _on_its_way(self, state: StreamState, to: datetime) -> bool:
        """Rewound to there already, or further back and not come to there yet."""
        behind, cursor_at = still_read_again(state, self.terms), state.new.cursor_at
        if not behind or cursor_at is None:
            return False
        return cursor_at <= to or state.rewinds[0].new_cursor_at == to

    def _check_reach(self, state: StreamState, to: datetime, now: datetime) -> None:
        keeps = self.rules[state.stream].keeps
        if keeps is None:
            raise RefusedError(
                f"{state.stream} has no past: each reading is of everything that is there now;"
                " `streams resume` makes it due"
            )
        if to >= now:
            raise UsageError(f"to: {instant(to)} lies in the future; a cursor only goes back")
        if to < now - keeps:
            earliest = (now - keeps + DAY).date()
            raise UsageError(
                f"to: eBay shows {state.stream} of the last {keeps.days} days only; the earliest"
                f" is {earliest}"
            )

    def _check_direction(self, state: StreamState, to: datetime, now: datetime) -> None:
        """Ahead of what is known to be stored it would leave a gap that nobody sees."""
        cursor_at = self._believed(state, now)
        if cursor_at is not None and to < cursor_at:
            return
        if cursor_at is not None:
            raise RefusedError(
                f"{_unit(state)} stands at {instant(cursor_at)}, and a rewind only goes back"
            )
        begins = state.new.reading_from or now - self.terms.backfill
        if to >= begins:
            raise RefusedError(
                f"{_unit(state)} has not been read to its end yet: its first reading begins at"
                f" {instant(begins)} anyway; rewind it to before that, or wait"
            )

    def _believed(self, state: StreamState, now: datetime) -> datetime | None:
        """None where the next run begins anew: never read, or a cursor that cannot be true."""
        cursor_at = state.new.cursor_at
        if cursor_at is not None and cursor_at > now + self.terms.step:
            return None
        return cursor_at

    def _plan(self, state: StreamState, to: datetime, now: datetime) -> RewindPlan:
        rule = self.rules[state.stream]
        since = to - self.terms.overlap
        facts = self.store.facts(state, rule.api, since=since)
        a_day = facts.read / (facts.span / DAY) if facts.span else None
        stretch = (now - self.terms.lag - since) / DAY
        # Rows may be missing here, and the last readings may have been of busier days.
        rows = max(facts.stored or 0, round((a_day or 0.0) * stretch))
        missing = 0 if facts.stored is None else rows - facts.stored
        limit = facts.limit or rule.usual_limit
        return RewindPlan(
            account=state.account,
            stream=state.stream,
            from_=state.new.cursor_at,
            to=to,
            rows=rows,
            stored=facts.stored,
            a_day=a_day,
            cost=self.costs.of(state.stream, to, now, rows=rows, missing=missing),
            api=rule.api,
            calls_left=_left(facts, rule, now),
            limit=limit,
            reset_at=facts.reset_at
            if facts.reset_at is not None and facts.reset_at > now
            else None,
        )

    def _demand(self, accounts: Sequence[str], streams: Sequence[str]) -> Overview:
        """Raises NoSuchStreamError where one of them is not there."""
        if not accounts or not streams:
            raise UsageError(f"name accounts and streams, or `{ALL}` of them")
        found = self.list(accounts, streams)
        if not found.states:
            raise NoSuchStreamError("there is no such stream of such an account; `streams list`")
        return found

    def _streams(self, given: Sequence[str]) -> Sequence[str]:
        meant = [name for word in given for name in self.aliases.get(word, (word,))]
        if ALL in meant:
            return ()
        unknown = sorted(set(meant) - set(self.rules))
        if unknown:
            raise NoSuchStreamError(
                f"there is no stream {unknown[0]!r}; there are: {', '.join(self.rules)}"
            )
        return tuple(dict.fromkeys(meant))


def _named(accounts: Sequence[str]) -> Sequence[str]:
    return () if ALL in accounts else tuple(dict.fromkeys(accounts))


def _all_found(accounts: Sequence[str], states: Sequence[StreamState]) -> None:
    missing = sorted(set(_named(accounts)) - {state.account for state in states})
    if missing:
        raise NoSuchStreamError(
            f"there is no account {missing[0]!r} with such a stream; see `streams list`"
        )


def _unit(state: StreamState) -> str:
    return f"{state.account}/{state.stream}"


def _left(facts: Facts, rule: StreamRule, now: datetime) -> int:
    """Of the day's calls for this stream, by what is reserved already."""
    if facts.blocked_until is not None and facts.blocked_until > now:
        return 0
    over = facts.reset_at is None or facts.reset_at <= now
    limit = facts.limit or rule.usual_limit
    return max(int(rule.share * limit) - (0 if over else facts.used), 0)
