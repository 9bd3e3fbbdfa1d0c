"""An in-memory StreamStore, kept honest by the contract suite."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from core.ids import AccountId
from core.streams.model import (
    Cost,
    Facts,
    Overview,
    PassState,
    Rewind,
    Rewound,
    StreamRule,
    StreamState,
    Switched,
    Terms,
    WorkerSwitch,
)
from core.streams.ports import Step, Undoing

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TERMS = Terms(
    overlap=timedelta(minutes=30),
    lag=timedelta(minutes=2),
    backfill=timedelta(days=90),
    step=timedelta(minutes=28),
)
RULES = {
    name: StreamRule(name=name, api=f"api.{name}", keeps=keeps, share=0.9, usual_limit=5_000)
    for name, keeps in (
        ("orders", timedelta(days=730)),
        ("returns", timedelta(days=540)),
        ("buyer", None),
    )
}
NOTHING_KNOWN = Facts(
    stored=0,
    read=0,
    span=timedelta(),
    used=0,
    limit=None,
    reset_at=None,
    blocked_until=None,
)


def a_pass(**changes: object) -> PassState:
    """Read a minute ago and well."""
    usual = PassState(
        enabled=True,
        interval=timedelta(minutes=5),
        due_at=NOW + timedelta(minutes=4),
        cursor_at=NOW - timedelta(minutes=3),
        running=False,
        failures=0,
        last_attempt_at=NOW - timedelta(minutes=1),
        last_success_at=NOW - timedelta(minutes=1),
    )
    return replace(usual, **changes)  # type: ignore[arg-type]  # the test knows its fields


def a_stream(stream: str = "orders", **changes: object) -> StreamState:
    usual = StreamState(
        account_id=AccountId(1),
        account="shop",
        environment="simulator",
        account_status="active",
        stream=stream,
        new=a_pass(),
    )
    return replace(usual, **changes)  # type: ignore[arg-type]  # the same


@dataclass(slots=True, kw_only=True)
class MemoryStreams:
    states: list[StreamState] = field(default_factory=lambda: [a_stream()])
    worker: WorkerSwitch = field(default_factory=lambda: WorkerSwitch(enabled=True, tripped=False))
    now: datetime = NOW
    known: Facts = NOTHING_KNOWN

    def look(self, accounts: Sequence[str], streams: Sequence[str]) -> Overview:
        chosen = [each for each in self.states if _fits(each, accounts, streams)]
        return Overview(at=self.now, worker=self.worker, states=chosen)

    def switch(
        self, accounts: Sequence[str], streams: Sequence[str], *, enabled: bool, via: str
    ) -> Switched:
        def switched(state: PassState) -> PassState:
            due_at = self.now if enabled and state.interval else None
            return replace(
                state, enabled=enabled, due_at=due_at, switched_at=self.now, switched_via=via
            )

        return self._change(accounts, streams, switched, lambda each: each.new.enabled != enabled)

    def space(
        self, accounts: Sequence[str], streams: Sequence[str], interval: timedelta, *, via: str
    ) -> Switched:
        def spaced(state: PassState) -> PassState:
            due_at = self.now if state.enabled and interval else None
            return replace(
                state, interval=interval, due_at=due_at, switched_at=self.now, switched_via=via
            )

        return self._change(accounts, streams, spaced, lambda each: each.new.interval != interval)

    def facts(self, state: StreamState, api: str, *, since: datetime) -> Facts:
        return self.known

    def rewind(
        self,
        account_id: AccountId,
        stream: str,
        decide: Callable[[StreamState, datetime], Step | None],
    ) -> Rewound:
        before = self._one(account_id, stream)
        step = decide(before, self.now)
        if step is None:
            return Rewound(state=before, changed=False)
        rewind = Rewind(
            id=len(before.rewinds) + 1,
            at=self.now,
            via=step.via,
            reason=step.reason,
            old_cursor_at=before.new.cursor_at,
            old_window_from=before.new.reading_from,
            new_cursor_at=step.to,
        )
        return self._move(before, step.to, (rewind, *before.rewinds))

    def undo(
        self,
        account_id: AccountId,
        stream: str,
        decide: Callable[[StreamState, datetime], Undoing | None],
    ) -> Rewound:
        before = self._one(account_id, stream)
        undoing = decide(before, self.now)
        if undoing is None:
            return Rewound(state=before, changed=False)
        [old] = [each.old_cursor_at for each in before.rewinds if each.id == undoing.restored]
        rewinds = tuple(
            replace(each, undone_at=self.now) if each.id in undoing.undone else each
            for each in before.rewinds
        )
        return self._move(before, old, rewinds)

    def _move(
        self, before: StreamState, to: datetime | None, rewinds: tuple[Rewind, ...]
    ) -> Rewound:
        due_at = self.now if before.new.enabled else None
        new = replace(
            before.new, cursor_at=to, reading_from=None, read_to=None, due_at=due_at, running=False
        )
        after = replace(before, new=new, rewinds=rewinds)
        self.states[self.states.index(before)] = after
        return Rewound(state=after, changed=True, held=before.new.running)

    def _one(self, account_id: AccountId, stream: str) -> StreamState:
        [found] = [
            each for each in self.states if (each.account_id, each.stream) == (account_id, stream)
        ]
        return found

    def _change(
        self,
        accounts: Sequence[str],
        streams: Sequence[str],
        change: Callable[[PassState], PassState],
        differs: Callable[[StreamState], bool],
    ) -> Switched:
        changed = 0
        for place, state in enumerate(self.states):
            if _fits(state, accounts, streams) and differs(state):
                second = None if state.open is None else change(state.open)
                self.states[place] = replace(state, new=change(state.new), open=second)
                changed += 1
        return Switched(states=self.look(accounts, streams).states, changed=changed)


class FlatCosts:
    """A page for each hundred rows."""

    def of(
        self, stream: str, cursor_at: datetime, now: datetime, *, rows: int, missing: int
    ) -> Cost:
        pages = rows // 100 + 1
        return Cost(windows=1, pages=pages, calls=pages + missing)


def _fits(state: StreamState, accounts: Sequence[str], streams: Sequence[str]) -> bool:
    return (not accounts or state.account in accounts) and (not streams or state.stream in streams)
