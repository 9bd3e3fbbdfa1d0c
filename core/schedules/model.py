"""A schedule: what is enqueued, by which clock, and what becomes of instants that were missed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType
from uuid import UUID

ScheduleId = NewType("ScheduleId", UUID)

LONGEST_NAME = 100
LONGEST_CRON = 100
MOST_AT_ONCE = 100
"""Jobs that one schedule may catch up on in one firing."""
USUAL_GRACE = timedelta(minutes=5)
SHORTEST_GRACE, LONGEST_GRACE = timedelta(minutes=1), timedelta(days=7)


class Misfire(StrEnum):
    """What becomes of instants that went by while nobody drained.

    COALESCE makes one job for all of them, SKIP none once they are later than the grace, CATCH_UP
    one for each, the latest so many.
    """

    COALESCE = "coalesce"
    SKIP = "skip"
    CATCH_UP = "catch_up"


class Ended(StrEnum):
    """What became of the last instant that was due."""

    FIRED = "fired"
    SKIPPED = "skipped"


class Reason(StrEnum):
    """Why an instant was passed over. People script against these words."""

    UNKNOWN_KIND = "unknown_kind"
    BAD_PAYLOAD = "bad_payload"
    QUEUE_DISABLED = "queue_disabled"
    MISSED = "missed"
    OVERLAP = "overlap"
    REFUSED = "refused"
    BAD_DEFINITION = "bad_definition"
    INTERNAL = "internal"


SENTENCES: Mapping[Reason, str] = {
    Reason.UNKNOWN_KIND: "No job kind of this name is installed; put it right with --replace.",
    Reason.BAD_PAYLOAD: "Its kind no longer takes this payload; put it right with --replace.",
    Reason.QUEUE_DISABLED: "Its queue is paused; `queues resume` opens it.",
    Reason.MISSED: "Nobody drained within its grace; is `queue` called every minute?",
    Reason.OVERLAP: "The job before has not ended yet.",
    Reason.REFUSED: "Its queue did not take the job: too many of its ordering key have not ended.",
    Reason.BAD_DEFINITION: "Its expression or zone is not understood here; it is tried hourly.",
    Reason.INTERNAL: "A mistake of ours stopped it, the log says which; it is tried hourly.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What a person says of a schedule; `queue` None is the kind's own.

    `catch_up` is how many at most with Misfire.CATCH_UP, else None. `grace`: by how much an instant
    may be late and still fire, with Misfire.SKIP. `overlap` False: nothing is enqueued while the
    job before has not ended.
    """

    name: str
    kind: str
    cron: str
    zone: str = "UTC"
    queue: str | None = None
    payload: Mapping[str, object] = field(default_factory=dict, repr=False)
    ordering_key: str | None = None
    priority: int = 5
    enabled: bool = True
    misfire: Misfire = Misfire.COALESCE
    catch_up: int | None = None
    grace: timedelta = USUAL_GRACE
    overlap: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """`next_fire_at` is None while it is paused. `last_reason`: a Reason, or a newer release's."""

    id: ScheduleId
    definition: Definition
    next_fire_at: datetime | None
    last_fire_at: datetime | None = None
    last_outcome: Ended | None = None
    last_reason: str | None = None
    last_job_id: UUID | None = None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A schedule whose instant has come, locked. `refused`: its kind does not take it.

    `busy`: the job that it made before has not ended.
    """

    schedule: Schedule
    queue_enabled: bool
    busy: bool
    refused: Reason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a due schedule comes to: jobs for these instants, oldest first, or a reason for none."""

    instants: Sequence[datetime]
    skipped: Reason | None
    last_fire_at: datetime
    next_fire_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One transaction's firing: how many schedules, and whether others are due.

    `broken`: those that a mistake of ours stopped, with its traceback.
    """

    schedules: int = 0
    jobs: int = 0
    skipped: Sequence[tuple[str, Reason]] = ()
    broken: Sequence[tuple[str, str]] = ()
    more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fired:
    jobs: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)
    more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    schedule: Schedule
    changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which schedules to list, by name, after this one."""

    kind: str | None = None
    queue: str | None = None
    enabled: bool | None = None
    after: str | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """`total`: of all that are wanted. `after`: where the next page begins, None at the end."""

    schedules: Sequence[Schedule]
    total: int
    after: str | None = None
