"""What the assistant of chats works with, in memory: facts as given, switches that are seen."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from core.accounts.model import KnownAccount, NewAccount, Status
from core.chat.assistant import Assistant
from core.chat.assistant_doing import Doing
from core.chat.assistant_names import Names
from core.chat.assistant_pauses import Pauses
from core.chat.assistant_plans import Plans
from core.chat.assistant_ports import (
    AccountSeen,
    AccountsSeen,
    MoneySeen,
    OrdersSeen,
    Period,
    Suspects,
)
from core.chat.assistant_reads import Reads
from core.chat.assistant_rereading import Rereading
from core.chat.assistant_retrying import RetryJobs
from core.chat.assistant_switching import Switching
from core.chat.model import Answer, Chat, Plan, Turn
from core.grants import SealFor
from core.ids import AccountId
from core.jobs.control import (
    DeadFilter,
    DeadGroup,
    JobEvent,
    JobFilter,
    JobMark,
    JobPage,
    NoSuchJobError,
    QueueView,
)
from core.jobs.model import Enqueued, JobId, Transaction
from core.jobs.model import Status as JobStatus
from core.jobs.ports import JobView
from core.runs.model import WorkerState
from core.sellers import Seller
from core.streams.control import ControlStreams
from core.streams.standing import Judge
from tests.support.memory_streams import NOW, RULES, TERMS, FlatCosts, MemoryStreams

CHAT = Chat(source="telegram", chat_id="7")
SOME_JOB = JobId(UUID("0f8fad5b-d9cb-469f-a165-70867728950e"))
NEW_JOB = JobId(UUID("7c9e6679-7425-40de-944b-e07fc1f90ae7"))
RUNNABLE = {"ebay-cycle": "ebay-cycle", "ebay": "ebay-cycle", "token-refresh": "token-refresh"}


def an_account(name: str = "shop", number: int = 1, **changes: Any) -> AccountSeen:
    usual = AccountSeen(
        id=AccountId(number), name=name, environment="simulator", status=Status.ACTIVE
    )
    return replace(usual, **changes)


def a_queue(queue: str = "http", **changes: Any) -> QueueView:
    usual = QueueView(
        queue=queue,
        enabled=True,
        faults=0,
        tripped_at=None,
        probe_at=None,
        due=0,
        later=0,
        processing=0,
        waiting=0,
        dead=0,
        keys=0,
        paused_keys=0,
        oldest_due_at=None,
    )
    return replace(usual, **changes)


def a_worker(worker: str = "ebay-cycle", **changes: Any) -> WorkerState:
    usual = WorkerState(
        worker=worker,
        enabled=True,
        interval=timedelta(minutes=5),
        status="running",
        last_heartbeat_at=NOW,
        outcome="done",
        reason=None,
        finished_at=NOW,
        due=False,
    )
    return replace(usual, **changes)


def a_job(**changes: Any) -> JobView:
    usual = JobView(
        id=SOME_JOB,
        queue="http",
        kind="http_request",
        status=JobStatus.DEAD,
        phase=None,
        ordering_key=None,
        priority=5,
        run_at=NOW,
        attempts=8,
        max_attempts=8,
        outcome=None,
        error_code="upstream",
        error_detail="it said\n500",
        origin=None,
        created_at=NOW,
        updated_at=NOW,
        started_at=NOW,
        finished_at=NOW,
    )
    return replace(usual, **changes)


def a_dead_group(jobs: int = 3, **changes: Any) -> DeadGroup:
    usual = DeadGroup(
        queue="http",
        kind="http_request",
        error_code="upstream",
        jobs=jobs,
        oldest_at=NOW,
        newest_at=NOW,
        newest=SOME_JOB,
        detail=None,
    )
    return replace(usual, **changes)


@dataclass(slots=True)
class Desk:
    """The jobs that people see."""

    lanes: list[QueueView] = field(default_factory=lambda: [a_queue(), a_queue("chat")])
    graves: list[DeadGroup] = field(default_factory=list)
    jobs: list[JobView] = field(default_factory=lambda: [a_job()])

    def queues(self) -> Sequence[QueueView]:
        return self.lanes

    def find(self, given: str) -> JobView:
        for job in self.jobs:
            if str(job.id).startswith(given):
                return job
        raise NoSuchJobError(f"no job's id begins with {given!r}")

    def dead(self, wanted: DeadFilter) -> Sequence[DeadGroup]:
        return self.graves

    def page(self, wanted: JobFilter, after: JobMark | None, most: int) -> JobPage:
        raise NotImplementedError

    def events(self, job_id: JobId) -> Sequence[JobEvent]:
        raise NotImplementedError


@dataclass(slots=True)
class Shop:
    """The other ports of the assistant but the streams'. `fails`: raised by a switch."""

    seen: list[AccountSeen] = field(default_factory=lambda: [an_account()])
    suspected: Suspects = field(default_factory=lambda: Suspects(units=(), suspects=0, read=3))
    sold: OrdersSeen = field(default_factory=lambda: OrdersSeen(sums=(), latest=()))
    earned: MoneySeen = field(default_factory=lambda: MoneySeen(sums=()))
    asked: list[tuple[Period, AccountId | None]] = field(default_factory=list)
    runs: list[WorkerState] = field(
        default_factory=lambda: [a_worker(), a_worker("queue-drain"), a_worker("token-refresh")]
    )
    retried: list[object] = field(default_factory=list)
    retries: list[int | Exception] = field(default_factory=list)
    switched: list[tuple[str, str, bool]] = field(default_factory=list)
    fails: Exception | None = None

    def accounts(self, soon: datetime, most: int) -> AccountsSeen:
        counts: dict[Status, int] = {}
        for each in self.seen:
            counts[each.status] = counts.get(each.status, 0) + 1
        return AccountsSeen(accounts=self.seen[:most], by_status=counts)

    def named(self, names: Sequence[str], beginning: str, most: int) -> Sequence[AccountSeen]:
        low = [name.lower() for name in names]
        return [
            each
            for each in self.seen
            if each.name.lower() in low or each.name.lower().startswith(beginning.lower())
        ][:most]

    def suspects(self, now: datetime, most: int) -> Suspects:
        return self.suspected

    def orders(self, period: Period, account_id: AccountId | None, most: int) -> OrdersSeen:
        self.asked.append((period, account_id))
        return self.sold

    def money(self, period: Period, account_id: AccountId | None, most: int) -> MoneySeen:
        self.asked.append((period, account_id))
        return self.earned

    def workers(self) -> Sequence[WorkerState]:
        return self.runs

    def find(self, name: str) -> KnownAccount | None:
        return next((_known(each) for each in self.seen if each.name == name), None)

    def retry(self, job_id: JobId) -> Enqueued:
        self.retried.append(job_id)
        return Enqueued(id=NEW_JOB, created=self.retried.count(job_id) == 1)

    def retry_dead(self, wanted: DeadFilter, most: int) -> int:
        self.retried.append((wanted, most))
        made = self.retries.pop(0) if self.retries else 0
        if isinstance(made, Exception):
            raise made
        return made

    def switch(self, account_id: AccountId, *, active: bool) -> None:
        if self.fails is not None:
            raise self.fails
        status = Status.ACTIVE if active else Status.PAUSED
        self.seen = [
            replace(each, status=status) if each.id == account_id else each for each in self.seen
        ]

    def worker(self, name: str, *, enabled: bool) -> Callable[[Transaction], None]:
        return lambda _: self.switched.append(("worker", name, enabled))

    def queue(self, name: str, *, enabled: bool) -> Callable[[Transaction], None]:
        return lambda _: self.switched.append(("queue", name, enabled))

    # What these ports have, and the assistant never asks.

    def list(self) -> Sequence[KnownAccount]:
        raise NotImplementedError

    def add(self, account: NewAccount, seal: SealFor) -> AccountId:
        raise NotImplementedError

    def replace_token(self, account_id: AccountId, seller: Seller, seal: SealFor) -> None:
        raise NotImplementedError

    def identify(self, account_id: AccountId, seller: Seller) -> None:
        raise NotImplementedError

    def cancel(self, job_id: JobId) -> JobStatus:
        raise NotImplementedError

    def run_now(self, job_id: JobId) -> JobStatus:
        raise NotImplementedError

    def discard(self, job_id: JobId, reason: str) -> None:
        raise NotImplementedError

    def signal(
        self, job_id: JobId, name: str, data: Mapping[str, object], *, key: str | None = None
    ) -> bool:
        raise NotImplementedError

    def pause_key(self, queue: str, ordering_key: str, *, paused: bool) -> None:
        raise NotImplementedError


def _known(account: AccountSeen) -> KnownAccount:
    return KnownAccount(
        id=account.id,
        name=account.name,
        environment=account.environment,
        status=account.status,
        status_reason=None,
        ebay_user_id=None,
        username=None,
        marketplace_ids=(),
        access_expires_at=None,
        refresh_expires_at=None,
        last_success_at=None,
        failing=0,
    )


@dataclass(slots=True)
class Talk:
    """A chat with the assistant."""

    shop: Shop = field(default_factory=Shop)
    desk: Desk = field(default_factory=Desk)
    store: MemoryStreams = field(default_factory=MemoryStreams)

    def assistant(self) -> Assistant:
        shop = self.shop
        streams = ControlStreams(
            store=self.store, costs=FlatCosts(), rules=RULES, aliases={}, terms=TERMS
        )
        names = Names(facts=shop, streams=list(RULES), aliases={"claims": ("orders", "returns")})
        return Assistant(
            reads=Reads(
                facts=shop,
                names=names,
                streams=self.store,
                judge=Judge(rules=RULES, terms=TERMS),
                jobs=self.desk,
                workers=shop,
            ),
            plans=Plans(names=names, streams=streams, jobs=self.desk, runnable=RUNNABLE),
            pauses=Pauses(
                names=names,
                streams=streams,
                jobs=self.desk,
                workers=shop,
                aliases=RUNNABLE,
                needed_worker="queue-drain",
                needed_queues=("chat", "notify"),
            ),
            doing=Doing(
                switching=Switching(
                    accounts=shop, streams=streams, jobs=self.desk, workers=shop, switches=shop
                ),
                rereading=Rereading(accounts=shop, streams=streams),
                retrying=RetryJobs(control=shop),
            ),
        )

    def say(self, text: str, **more: Any) -> Answer:
        return self.assistant()(Turn(chat=CHAT, text=text, now=NOW, **more))

    def told(self, text: str) -> str:
        answer = self.say(text)
        assert not isinstance(answer, Plan), answer.text
        return answer.text

    def planned(self, text: str) -> Plan:
        answer = self.say(text)
        assert isinstance(answer, Plan), answer.text
        return answer

    def approved(self, text: str, *, again: bool = False) -> Answer:
        return self.say(text, plan=self.planned(text).steps, again=again)
