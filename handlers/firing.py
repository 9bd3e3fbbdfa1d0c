"""How a drain fires schedules: what reads expressions is imported with the first that is due."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from core.context import RunContext
from core.jobs.kinds import JobKind
from core.jobs.ports import Fired
from handlers.opening import Opened
from infra.postgres.schedule_due import anything_due, scheduled


@dataclass(frozen=True, slots=True)
class NothingFired:
    jobs: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)
    more: bool = False


@dataclass(frozen=True, slots=True)
class LateSchedules:
    """The `Schedules` port of a drain. Most find nothing due, and are over before an import is."""

    ready: Opened
    kinds: Mapping[str, JobKind]

    def fire(self, context: RunContext) -> Fired:
        if not anything_due(self.ready.database, context.clock.now()):
            return NothingFired()
        from handlers.schedules import fire_schedules

        return fire_schedules(self.ready, self.kinds).fire(context)


def coming(ready: Opened) -> tuple[int, datetime | None]:
    """How many schedules are on, and when the first of them comes."""
    return scheduled(ready.database)
