"""Every store of runs keeps the same promises: in memory, and in PostgreSQL."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol
from uuid import uuid4

import pytest
import sqlalchemy as sa

from core.ids import Fence, RunId
from core.report import Holder, Outcome, Reason, RunReport, Trigger
from core.runs.model import (
    Beginning,
    Begun,
    Busy,
    Conduct,
    Ending,
    KeyReused,
    Paused,
    Replayed,
    RunRequest,
    Tripped,
)
from core.runs.ports import RunStore
from infra.postgres.runs import PostgresRuns
from infra.postgres.transaction import Database
from tests.support.memory_runs import MemoryRuns, Row
from tests.support.moments import BEGAN, Moments

WORKER = "ebay-cycle"
LEASE = timedelta(seconds=60)


class Ground(Protocol):
    """A store, and how to bend the world around it."""

    @property
    def store(self) -> RunStore: ...

    def go_by(self, time: timedelta) -> None: ...

    def pause(self, *, everything: bool) -> None: ...

    def hold_a_unit(self, run_id: RunId) -> None: ...

    def begin_while_another_begins(self, asked: RunRequest) -> Busy:
        """Another call writes its row with this delivery after it was looked for."""

    def status(self, run_id: RunId) -> str: ...


@dataclass
class InMemory:
    store: MemoryRuns

    def go_by(self, time: timedelta) -> None:
        self.store.moments.go_by(time)

    def pause(self, *, everything: bool) -> None:
        if everything:
            self.store.all_enabled = False
        else:
            self.store.switch(WORKER).enabled = False

    def hold_a_unit(self, run_id: RunId) -> None:
        self.store.holding.add(run_id)

    def begin_while_another_begins(self, asked: RunRequest) -> Busy:
        now = self.store.moments.now()
        other = Row(request=asked, started_at=now, expires_at=now + LEASE)
        self.store.meanwhile = lambda: self.store.rows.update({new_id(): other})
        found = self.store.begin(new_id(), asked)
        self.store.meanwhile = lambda: None
        assert isinstance(found, Busy)
        return found

    def status(self, run_id: RunId) -> str:
        return self.store.rows[run_id].status


OTHER_CALL = (
    "INSERT INTO ops.runs (id, worker, status, via, delivery_id, request_hash, started_at,"
    " expires_at) VALUES (gen_random_uuid(), 'ebay-cycle', 'running', 'http', :delivery, 'h',"
    " now(), now() + interval '1 minute')"
)
AGED = {
    "ops.runs": ("started_at", "expires_at", "finished_at"),
    "ops.leases": ("acquired_at", "expires_at"),
    "ops.workers": ("tripped_at", "probe_at"),
}


@dataclass
class InPostgres:
    database: Database

    @property
    def store(self) -> PostgresRuns:
        return PostgresRuns(self.database, LEASE)

    def go_by(self, time: timedelta) -> None:
        """The database's clock does not wait for a test, so all that was written grows older."""
        with self.database.transaction() as connection:
            for table, instants in AGED.items():
                older = ", ".join(f"{each} = {each} - CAST(:time AS interval)" for each in instants)
                connection.execute(sa.text(f"UPDATE {table} SET {older}"), {"time": time})

    def pause(self, *, everything: bool) -> None:
        name = "*" if everything else WORKER
        with self.database.transaction() as connection:
            connection.execute(
                sa.text("UPDATE ops.workers SET enabled = false WHERE worker = :name"),
                {"name": name},
            )

    def hold_a_unit(self, run_id: RunId) -> None:
        with self.database.transaction() as connection:
            connection.execute(
                sa.text("WITH account AS (INSERT INTO ebay.accounts (name, environment)"
                        " VALUES ('shop', 'simulator') RETURNING id)"
                        " INSERT INTO ebay.sync_states (account_id, stream, interval_s, fence,"
                        " leased_by, leased_until, due_at) SELECT id, 'orders', 300, 7, :run_id,"
                        " now() + interval '60 s', now() + interval '60 s' FROM account"),
                {"run_id": run_id},
            )  # fmt: skip

    def begin_while_another_begins(self, asked: RunRequest) -> Busy:
        with ThreadPoolExecutor(1) as thread:
            with self.database.transaction() as connection:
                connection.execute(sa.text(OTHER_CALL), {"delivery": asked.trigger.delivery_id})
                beginning = thread.submit(self.store.begin, new_id(), asked)
                while not self._waits():
                    assert not beginning.done()
            found = beginning.result()
        assert isinstance(found, Busy)
        return found

    def _waits(self) -> bool:
        with self.database.transaction() as connection:
            waiting = sa.text(
                "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
                " AND wait_event_type = 'Lock'"
            )
            return connection.execute(waiting).first() is not None

    def status(self, run_id: RunId) -> str:
        with self.database.transaction() as connection:
            found = connection.execute(
                sa.text("SELECT status FROM ops.runs WHERE id = :id"), {"id": run_id}
            )
            return str(found.scalar_one())


@pytest.fixture(params=["memory", "postgres"])
def ground(request: pytest.FixtureRequest) -> Ground:
    if request.param == "memory":
        return InMemory(MemoryRuns(Moments(), LEASE))
    request.node.add_marker("postgres")
    return InPostgres(request.getfixturevalue("database"))


def new_id() -> RunId:
    return RunId(uuid4())


def request(
    delivery_id: str | None = None,
    *,
    request_hash: str = "h",
    exclusive: bool = True,
    keyed: bool = False,
    take_over: bool = False,
) -> RunRequest:
    return RunRequest(
        worker=WORKER,
        trigger=Trigger(via="http", delivery_id=delivery_id),
        request_hash=request_hash,
        exclusive=exclusive,
        keyed=keyed,
        take_over=take_over,
    )


NAMED = request(exclusive=False)


def report_of(
    begun: Begun, outcome: Outcome = Outcome.DONE, reason: Reason | None = None
) -> RunReport:
    return RunReport(
        run_id=begun.run_id,
        worker=WORKER,
        trigger=Trigger(via="http"),
        outcome=outcome,
        reason=reason,
        started_at=BEGAN,
        finished_at=BEGAN,
        duration_ms=0,
    )


def begin(ground: Ground, asked: RunRequest | None = None) -> Beginning:
    return ground.store.begin(new_id(), asked or request())


def begun(ground: Ground, asked: RunRequest | None = None) -> Begun:
    beginning = begin(ground, asked)
    assert isinstance(beginning, Begun), beginning
    return beginning


def finish(
    ground: Ground,
    run: Begun,
    outcome: Outcome = Outcome.DONE,
    conduct: Conduct = Conduct.SILENT,
) -> Ending:
    return ground.store.finish(report_of(run, outcome), run.fence, conduct=conduct)


def renew(ground: Ground, run: Begun) -> bool:
    return ground.store.renew(run.run_id, WORKER, run.fence)


def test_a_free_worker_begins_and_its_row_stands(ground: Ground) -> None:
    run = begun(ground)

    assert run.fence == Fence(1)
    assert run.abandoned == ()
    assert ground.status(run.run_id) == "running"


def test_an_end_releases_the_lease_and_the_fence_rises(ground: Ground) -> None:
    first = begun(ground)

    ending = finish(ground, first)
    second = begun(ground)

    assert ending == Ending(lost=False, tripped=False)
    assert ground.status(first.run_id) == "finished"
    assert second.fence == Fence(2)
    assert second.abandoned == ()


def test_a_held_worker_is_busy_and_names_its_holder(ground: Ground) -> None:
    first = begun(ground)

    second = begin(ground)

    assert isinstance(second, Busy)
    assert second.holder.run_id == first.run_id
    assert second.holder.since is not None
    assert second.holder.until is not None
    assert second.holder.until - second.holder.since == LEASE


def test_a_lease_that_ended_is_followed(ground: Ground) -> None:
    dead = begun(ground)
    ground.go_by(LEASE)

    follower = begun(ground)

    assert follower.abandoned == (dead.run_id,)
    assert follower.fence == Fence(2)
    assert ground.status(dead.run_id) == "abandoned"


def test_who_takes_over_follows_at_once(ground: Ground) -> None:
    first = begun(ground)

    second = begun(ground, request(take_over=True))

    assert second.abandoned == (first.run_id,)
    assert ground.status(first.run_id) == "abandoned"


def test_who_takes_over_ends_the_runs_of_named_units_that_hold_some(ground: Ground) -> None:
    holding, idle = begun(ground, NAMED), begun(ground, NAMED)
    ground.hold_a_unit(holding.run_id)

    follower = begun(ground, request(take_over=True))

    assert follower.abandoned == (holding.run_id,)
    assert ground.status(idle.run_id) == "running"


def test_a_run_that_was_followed_renews_and_ends_nothing(ground: Ground) -> None:
    first = begun(ground)
    second = begun(ground, request(take_over=True))

    renewed, ending = renew(ground, first), finish(ground, first)

    assert not renewed
    assert ending == Ending(lost=True, tripped=False)
    assert ground.status(first.run_id) == "abandoned"
    assert renew(ground, second)
    assert isinstance(begin(ground), Busy)


def test_a_renewal_prolongs_lease_and_row(ground: Ground) -> None:
    run = begun(ground)
    ground.go_by(LEASE / 2)

    renewed = renew(ground, run)
    ground.go_by(LEASE * 0.75)

    assert renewed
    assert isinstance(begin(ground), Busy)
    assert finish(ground, run) == Ending(lost=False, tripped=False)


def test_a_lease_is_renewed_for_the_run_that_holds_it_alone(ground: Ground) -> None:
    run, other = begun(ground), begun(ground, NAMED)

    assert not renew(ground, replace(other, fence=run.fence))
    assert renew(ground, other)
    assert renew(ground, run)


def test_an_end_may_be_written_again_and_counts_once(ground: Ground) -> None:
    """Its COMMIT may have been applied although the connection broke."""
    fail(ground, 8)
    run = begun(ground)
    finish(ground, run, Outcome.FAILED, Conduct.FAULT)

    again = finish(ground, run, Outcome.FAILED, Conduct.FAULT)

    assert again == Ending(lost=False, tripped=False)
    assert not renew(ground, run)
    assert isinstance(begin(ground), Begun)


@pytest.mark.parametrize("everything", [False, True])
def test_r26_a_paused_worker_begins_nothing(ground: Ground, everything: bool) -> None:
    ground.pause(everything=everything)

    assert isinstance(begin(ground), Paused)
    assert isinstance(begin(ground, NAMED), Paused)


def test_runs_of_named_units_begin_beside_a_holder(ground: Ground) -> None:
    holder = begun(ground)

    named = [begun(ground, NAMED) for _ in range(2)]

    assert [run.fence for run in named] == [None, None]
    assert all(renew(ground, run) for run in named)
    assert [finish(ground, run).lost for run in named] == [False, False]
    assert renew(ground, holder)


def test_a_named_run_whose_time_is_over_is_abandoned_by_any_later_one(ground: Ground) -> None:
    dead = begun(ground, NAMED)
    ground.go_by(LEASE)

    later = begun(ground, NAMED)

    assert later.abandoned == (dead.run_id,)
    assert not renew(ground, dead)
    assert finish(ground, dead).lost


@pytest.mark.parametrize("outcome", [Outcome.DONE, Outcome.PARTIAL, Outcome.DEGRADED])
@pytest.mark.parametrize("exclusive", [True, False])
def test_a_worked_delivery_is_replayed_for_a_day(
    ground: Ground, outcome: Outcome, exclusive: bool
) -> None:
    asked = request("d", exclusive=exclusive)
    run = begun(ground, asked)
    finish(ground, run, outcome)

    again = begin(ground, asked)
    ground.go_by(timedelta(hours=23, minutes=59))
    late = begin(ground, asked)
    ground.go_by(timedelta(minutes=2))
    too_late = begin(ground, asked)

    stored = json.loads(json.dumps(report_of(run, outcome).as_json()))
    assert again == Replayed(report=stored)
    assert late == again
    assert isinstance(too_late, Begun)


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.SKIPPED])
def test_a_delivery_that_was_not_worked_runs_again(ground: Ground, outcome: Outcome) -> None:
    finish(ground, begun(ground, request("d")), outcome)

    assert isinstance(begin(ground, request("d")), Begun)


def test_an_abandoned_delivery_runs_again(ground: Ground) -> None:
    dead = begun(ground, request("d"))
    ground.go_by(LEASE)

    again = begun(ground, request("d"))

    assert again.abandoned == (dead.run_id,)


def test_a_replay_is_told_while_somebody_else_works(ground: Ground) -> None:
    finish(ground, begun(ground, request("d")))
    begun(ground)

    assert isinstance(begin(ground, request("d")), Replayed)


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_delivery_that_still_runs_is_busy_with_itself(ground: Ground, exclusive: bool) -> None:
    asked = request("d", exclusive=exclusive)
    first = begun(ground, asked)

    second = begin(ground, asked)

    assert isinstance(second, Busy)
    assert second.holder.run_id == first.run_id


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_delivery_begun_by_another_call_meanwhile_leaves_no_lease_behind(
    ground: Ground, exclusive: bool
) -> None:
    """A named and an exclusive run of one delivery wait for different locks."""
    found = ground.begin_while_another_begins(request("d", exclusive=exclusive))

    assert found == Busy(at=found.at, holder=Holder())
    assert isinstance(begin(ground), Begun)


def test_another_delivery_is_another(ground: Ground) -> None:
    finish(ground, begun(ground, request("d")))

    assert isinstance(begin(ground, request("e")), Begun)


def test_a_callers_key_comes_with_one_request_only(ground: Ground) -> None:
    finish(ground, begun(ground, request("d", keyed=True)))

    other = begin(ground, request("d", request_hash="other", keyed=True))
    same = begin(ground, request("d", keyed=True))
    message = begin(ground, request("d", request_hash="other"))

    assert isinstance(other, KeyReused)
    assert isinstance(same, Replayed)
    assert isinstance(message, Replayed)


def refuse(ground: Ground, asked: RunRequest, reason: Reason) -> RunId:
    run_id = new_id()
    report = RunReport(
        run_id=run_id,
        worker=WORKER,
        trigger=asked.trigger,
        outcome=Outcome.SKIPPED,
        reason=reason,
        started_at=BEGAN,
        finished_at=BEGAN,
        duration_ms=0,
        holder=Holder(),
    )
    ground.store.refuse(report, asked)
    return run_id


def test_a_refused_run_has_a_row_and_stands_in_nobodys_way(ground: Ground) -> None:
    refused = refuse(ground, request("d"), Reason.ALREADY_RUNNING)

    run = begun(ground, request("d"))

    assert ground.status(refused) == "finished"
    assert run.abandoned == ()


def fail(ground: Ground, times: int) -> list[Ending]:
    return [finish(ground, begun(ground), Outcome.FAILED, Conduct.FAULT) for _ in range(times)]


def test_the_tenth_fault_in_a_row_trips(ground: Ground) -> None:
    endings = fail(ground, 10)

    assert [ending.tripped for ending in endings] == [False] * 9 + [True]
    for later in (begin(ground), begin(ground, NAMED)):
        assert isinstance(later, Tripped)
        assert not later.just


def test_sound_work_forgives_and_silence_does_not(ground: Ground) -> None:
    fail(ground, 9)
    finish(ground, begun(ground), Outcome.DONE, Conduct.SOUND)
    forgiven = fail(ground, 9)
    finish(ground, begun(ground), Outcome.DONE, Conduct.SILENT)

    [ending] = fail(ground, 1)

    assert not any(each.tripped for each in forgiven)
    assert ending.tripped


def test_dead_runs_count_as_faults(ground: Ground) -> None:
    fail(ground, 9)
    begun(ground)
    ground.go_by(LEASE)

    found = begin(ground)

    assert isinstance(found, Tripped)
    assert found.just
    ground.go_by(timedelta(hours=1))
    assert begun(ground).abandoned == ()


def test_a_run_called_abandoned_does_not_keep_the_lease_from_others(ground: Ground) -> None:
    frozen = begun(ground)
    ground.go_by(LEASE)
    named = begun(ground, NAMED)

    woken = renew(ground, frozen)

    assert named.abandoned == (frozen.run_id,)
    assert not woken
    assert begun(ground).abandoned == ()


def test_a_named_run_that_trips_leaves_the_holders_lease(ground: Ground) -> None:
    fail(ground, 9)
    begun(ground, NAMED)
    ground.go_by(LEASE / 2)
    holder = begun(ground)
    ground.go_by(LEASE / 2)

    found = begin(ground, NAMED)

    assert isinstance(found, Tripped)
    assert found.just
    assert renew(ground, holder)


def test_one_probe_an_hour(ground: Ground) -> None:
    fail(ground, 10)
    ground.go_by(timedelta(hours=1, seconds=1))

    probe = begun(ground)
    finish(ground, probe, Outcome.DONE, Conduct.SILENT)
    second = begin(ground)

    assert isinstance(second, Tripped)
    assert not second.just


def test_a_probe_that_works_untrips(ground: Ground) -> None:
    fail(ground, 10)
    ground.go_by(timedelta(hours=1, seconds=1))

    finish(ground, begun(ground), Outcome.DONE, Conduct.SOUND)

    assert isinstance(begin(ground), Begun)


def test_a_probe_that_fails_stays_tripped_for_another_hour(ground: Ground) -> None:
    fail(ground, 10)
    ground.go_by(timedelta(hours=1, seconds=1))

    [ending] = fail(ground, 1)

    assert ending.tripped
    assert isinstance(begin(ground), Tripped)
    ground.go_by(timedelta(hours=1, seconds=1))
    assert isinstance(begin(ground), Begun)


def test_a_probe_finds_its_dead_predecessor_and_still_probes(ground: Ground) -> None:
    fail(ground, 10)
    ground.go_by(timedelta(hours=1, seconds=1))
    dead = begun(ground)
    ground.go_by(timedelta(hours=1, seconds=1))

    probe = begun(ground)

    assert probe.abandoned == (dead.run_id,)
