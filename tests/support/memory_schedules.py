"""An in-memory ScheduleStore and FiringStore, kept honest by the contract suite."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from core.errors import UsageError
from core.schedules.due import next_of, plan
from core.schedules.model import (
    Batch,
    Definition,
    Due,
    Ended,
    Page,
    Reason,
    Saved,
    Schedule,
    ScheduleId,
    Wanted,
)
from core.schedules.ports import Allow, Make

NOW = datetime(2026, 11, 22, 12, 0, 30, tzinfo=UTC)
QUEUES: Mapping[str, str] = {"test": "default", "report": "reports"}


def a_definition(name: str = "nightly", **changes: Any) -> Definition:
    return replace(Definition(name=name, kind="test", cron="0 3 * * *"), **changes)


def a_schedule(**changes: Any) -> Schedule:
    """One that is due at 12:00 of the day."""
    known: dict[str, Any] = {
        "definition": a_definition(cron="0 12 * * *"),
        "next_fire_at": NOW.replace(second=0),
    } | changes
    return Schedule(id=ScheduleId(uuid4()), created_at=NOW, updated_at=NOW, **known)


def a_due(*, queue_enabled: bool = True, busy: bool = False, refused: Reason | None = None,
          **changes: Any) -> Due:  # fmt: skip
    return Due(
        schedule=a_schedule(**changes), queue_enabled=queue_enabled, busy=busy, refused=refused
    )


@dataclass
class Kinds:
    """The `Targets` port: `test` and `report` are there, and want `text` to be a text."""

    queues: Mapping[str, str] = field(default_factory=lambda: dict(QUEUES))

    def check(self, definition: Definition) -> None:
        if definition.kind not in self.queues:
            raise UsageError(f"there is no kind of job {definition.kind!r}")
        if not isinstance(definition.payload.get("text", ""), str):
            raise UsageError("text: should be a text")

    def queue_of(self, definition: Definition) -> str | None:
        return definition.queue or self.queues.get(definition.kind)


@dataclass
class MemorySchedules:
    """`ended`: jobs that have."""

    at: datetime = NOW
    rows: dict[str, Schedule] = field(default_factory=dict)
    targets: Kinds = field(default_factory=Kinds)
    disabled: set[str] = field(default_factory=set)
    jobs: dict[str, UUID] = field(default_factory=dict)
    ended: set[UUID] = field(default_factory=set)

    def now(self) -> datetime:
        return self.at

    def list(self, wanted: Wanted) -> Page:
        found = [
            row
            for _, row in sorted(self.rows.items())
            if wanted.kind in {None, row.definition.kind}
            and wanted.enabled in {None, row.definition.enabled}
        ]
        shown = [row for row in found if wanted.after is None or row.definition.name > wanted.after]
        page = shown[: wanted.limit]
        more = len(shown) > wanted.limit
        return Page(
            schedules=page, total=len(found), after=page[-1].definition.name if more else None
        )

    def find(self, name: str) -> Schedule | None:
        return self.rows.get(name)

    def save(self, name: str, make: Make) -> Saved:
        current = self.rows.get(name)
        wanted = make(current)
        if current is not None and current.definition == wanted:
            return Saved(schedule=current, changed=False)
        next_fire_at = next_of(current, wanted, self.at)
        if current is None:
            made = a_schedule(definition=wanted, next_fire_at=next_fire_at)
        else:
            made = replace(current, definition=wanted, next_fire_at=next_fire_at)
        self.rows[name] = replace(made, updated_at=self.at)
        return Saved(schedule=self.rows[name], changed=True)

    def remove(self, name: str) -> bool:
        return self.rows.pop(name, None) is not None

    def run_now(self, name: str, allow: Allow, key: str | None) -> UUID | None:
        schedule = self.rows.get(name)
        if schedule is None:
            return None
        named = f"sched:{schedule.id}:run:{key or uuid4()}"
        if named in self.jobs:
            return self.jobs[named]
        allow(self._due(schedule))
        self.jobs[named] = uuid4()
        self.rows[name] = replace(
            schedule,
            last_fire_at=self.at,
            last_outcome=Ended.FIRED,
            last_reason=None,
            last_job_id=self.jobs[named],
        )
        return self.jobs[named]

    def fire(self, now: datetime, limit: int) -> Batch:
        due = sorted(
            (row for row in self.rows.values() if row.next_fire_at and row.next_fire_at <= now),
            key=lambda row: (row.next_fire_at, row.id),
        )[:limit]
        done = [self._fired(row, now) for row in due]
        return Batch(
            schedules=len(due),
            jobs=sum(jobs for jobs, _ in done),
            skipped=[
                (row.definition.name, reason)
                for row, (_, reason) in zip(due, done, strict=True)
                if reason is not None
            ],
            more=len(due) == limit,
        )

    def _fired(self, schedule: Schedule, now: datetime) -> tuple[int, Reason | None]:
        planned = plan(self._due(schedule), now)
        keys = [f"sched:{schedule.id}:{each:%Y-%m-%dT%H:%M:%SZ}" for each in planned.instants]
        new = [key for key in keys if key not in self.jobs]
        self.jobs |= {key: uuid4() for key in new}
        self.rows[schedule.definition.name] = replace(
            schedule,
            next_fire_at=planned.next_fire_at,
            last_fire_at=planned.last_fire_at,
            last_outcome=Ended.SKIPPED if planned.skipped else Ended.FIRED,
            last_reason=planned.skipped,
            last_job_id=self.jobs[keys[-1]] if keys else schedule.last_job_id,
        )
        return len(new), planned.skipped

    def _due(self, schedule: Schedule) -> Due:
        definition = schedule.definition
        refused = None
        try:
            self.targets.check(definition)
        except UsageError:
            known = definition.kind in self.targets.queues
            refused = Reason.BAD_PAYLOAD if known else Reason.UNKNOWN_KIND
        last = schedule.last_job_id
        return Due(
            schedule=schedule,
            queue_enabled=self.targets.queue_of(definition) not in self.disabled,
            busy=last is not None and last not in self.ended,
            refused=refused,
        )
