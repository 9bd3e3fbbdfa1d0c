"""What the sync's decisions are tested with: a clock that obeys, and an eBay without a network."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from core.context import Observation, RunContext
from core.deadline import Deadline
from core.ids import AccountId, RunId
from core.secret import Secret
from core.sync.calls import Quota
from core.sync.model import Account, Environment, Page, PageQuery, Stream, Walk

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
RUN = RunId(UUID(int=1))
OTHER_RUN = RunId(UUID(int=2))
ACCOUNT = Account(id=AccountId(1), name="shop", environment=Environment.SIMULATOR)
ORDERS = Stream(
    name="orders",
    list_field="orders",
    api="sell.fulfillment",
    interval=timedelta(minutes=5),
    walk=Walk.MOVING,
    page_size=4,
    max_window=timedelta(days=90),
)
TRANSACTIONS = Stream(
    name="transactions",
    list_field="transactions",
    api="sell.finances",
    interval=timedelta(minutes=5),
    walk=Walk.FIXED,
    page_size=5,
    max_window=timedelta(days=1090),
    offset_ceiling=20,
    open_pass=True,
)

RETURNS = Stream(
    name="returns",
    list_field="members",
    api="post-order.return",
    interval=timedelta(minutes=15),
    walk=Walk.HALVED,
    page_size=4,
    max_window=timedelta(days=90),
    open_pass=True,
    details_per_call=1,
)
OFFERS = Stream(
    name="inventory_offers",
    list_field="offers",
    api="sell.inventory",
    interval=timedelta(hours=6),
    walk=Walk.SNAPSHOT,
    page_size=2,
    folded=True,
    ends_unseen=True,
)
LISTINGS = Stream(
    name="active_inventory",
    list_field="items",
    api="trading.GetMyeBaySelling",
    interval=timedelta(hours=1),
    walk=Walk.SNAPSHOT,
    page_size=4,
    offset_ceiling=20,
    ends_unseen=True,
)


@dataclass
class FakeClock:
    """Moves when it is told to, or slept on."""

    at: datetime = NOW
    seconds: float = 1000.0

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds
        self.at += timedelta(seconds=seconds)


@dataclass
class FakeLog:
    lines: list[tuple[str, str, dict[str, object]]] = field(default_factory=list)

    def debug(self, event: str, /, **facts: object) -> None:
        self.lines.append(("debug", event, facts))

    def info(self, event: str, /, **facts: object) -> None:
        self.lines.append(("info", event, facts))

    def warning(self, event: str, /, **facts: object) -> None:
        self.lines.append(("warning", event, facts))

    def error(self, event: str, /, **facts: object) -> None:
        self.lines.append(("error", event, facts))

    def exception(self, event: str, /, **facts: object) -> None:
        self.lines.append(("exception", event, facts))

    def critical(self, event: str, /, **facts: object) -> None:
        self.lines.append(("critical", event, facts))

    def events(self) -> list[str]:
        return [event for level, event, _ in self.lines if level != "debug"]


@dataclass
class Run:
    """A run's context with everything in reach: `stop`, `owned` and `limit_s` are the test's."""

    clock: FakeClock = field(default_factory=FakeClock)
    limit_s: float | None = None
    log: FakeLog = field(default_factory=FakeLog)
    observed: list[Observation] = field(default_factory=list)
    stop: bool = False
    owned: bool = True
    renewals: int = 0
    seed: int = 1
    renew_every_s: float = 20.0

    def context(self) -> RunContext:
        return RunContext(
            run_id=RUN,
            started_at=self.clock.now(),
            worker="ebay-cycle",
            clock=self.clock,
            deadline=Deadline.after(self.limit_s, self.clock.monotonic),
            rng=Random(self.seed),
            log=self.log,
            stop_requested=lambda: self.stop,
            renew=self._renew,
            renew_every_s=self.renew_every_s,
            observe=self.observed.append,
        )

    def _renew(self) -> bool:
        self.renewals += 1
        return self.owned


@dataclass
class FakeTokens:
    """Hands out `access-1`, after a refusal `access-2`, …; an error of `errors` goes first."""

    errors: list[Exception] = field(default_factory=list)
    asked: list[tuple[Secret | None, float]] = field(default_factory=list)
    number: int = 1

    def get(
        self, account_id: AccountId, environment: str, *, rejected: Secret | None, timeout: float
    ) -> Secret:
        self.asked.append((rejected, timeout))
        if self.errors:
            raise self.errors.pop(0)
        if rejected is not None:
            self.number += 1
        return Secret(f"access-{self.number}")


Answer = Page | Exception
Answering = Callable[[Account, Stream, PageQuery, Secret], Answer]


@dataclass
class FakeSource:
    """Answers with what `answer` returns, or raises it; a call takes `takes_s` of the clock."""

    answer: Answering
    clock: FakeClock
    takes_s: float = 0.0
    calls: list[tuple[str, str, PageQuery, float, Secret]] = field(default_factory=list)
    detailed: list[tuple[str, ...]] = field(default_factory=list)
    detail_errors: list[Exception] = field(default_factory=list)
    folds: Mapping[str, Page] = field(default_factory=dict)
    unfolded: list[str] = field(default_factory=list)
    unknown: set[str] = field(default_factory=set)
    prepared: list[tuple[bool, float]] = field(default_factory=list)
    unprepared: list[Exception] = field(default_factory=list)
    signed: list[bool] = field(default_factory=list)
    fails_after: int = 0
    failure: Exception | None = None

    def operation(self, stream: Stream) -> str:
        return f"list {stream.name}"

    def prepare(self, account: Account, stream: Stream, *, timeout: float) -> None:
        """An error of `unprepared` goes first."""
        self.prepared.append((account.signs, timeout))
        if account.signs and self.unprepared:
            raise self.unprepared.pop(0)

    def fetch(
        self, account: Account, stream: Stream, query: PageQuery, token: Secret, *, timeout: float
    ) -> Page:
        self.calls.append((account.name, stream.name, query, timeout, token))
        self.signed.append(account.signs)
        self.clock.advance(min(self.takes_s, timeout))
        answer = self.answer(account, stream, query, token)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def details(
        self,
        account: Account,
        stream: Stream,
        keys: Sequence[str],
        token: Secret,
        *,
        timeout: float,
    ) -> Mapping[str, bytes]:
        """`{"of": key}` for each but the `unknown`; an error of `detail_errors` goes first."""
        self.detailed.append(tuple(keys))
        self.clock.advance(min(self.takes_s, timeout))
        if self.detail_errors:
            raise self.detail_errors.pop(0)
        if self.failure is not None and len(self.detailed) > self.fails_after:
            raise self.failure
        return {key: json.dumps({"of": key}).encode() for key in keys if key not in self.unknown}

    def unfold(
        self, account: Account, stream: Stream, key: str, token: Secret, *, timeout: float
    ) -> Page:
        """What `folds` has for the key, else nothing; an error of `detail_errors` goes first."""
        self.unfolded.append(key)
        self.clock.advance(min(self.takes_s, timeout))
        if self.detail_errors:
            raise self.detail_errors.pop(0)
        if self.failure is not None and len(self.unfolded) > self.fails_after:
            raise self.failure
        return self.folds.get(key, page_of([]))


def scripted(*answers: Answer) -> Answering:
    """One after another; the last one for ever."""
    left = list(answers)

    def answer(*_: object) -> Answer:
        return left.pop(0) if len(left) > 1 else left[0]

    return answer


@dataclass
class FakeQuotas:
    quota: Quota = field(default_factory=lambda: Quota(remaining=None, reset_at=None))
    asked: list[tuple[str, str, float]] = field(default_factory=list)

    def ask(self, environment: str, api: str, *, timeout: float) -> Quota:
        self.asked.append((environment, api, timeout))
        return self.quota


def page_of(
    rows: Sequence[dict[str, Any]],
    *,
    total: int | None = None,
    next_offset: int | None = None,
    keys: Sequence[str] = (),
    instants: Sequence[datetime] = (),
) -> Page:
    texts = tuple(json.dumps(row).encode() for row in rows)
    return Page(
        text="",
        rows=texts,
        total=total,
        next_offset=next_offset,
        keys=tuple(keys),
        instants=tuple(instants),
    )
