"""Making, changing, pausing, running and removing schedules."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from uuid import UUID

from core.errors import UsageError
from core.schedules.check import checked, is_name
from core.schedules.cron import Cron
from core.schedules.due import coming
from core.schedules.model import Definition, Due, Page, Saved, Schedule, Wanted
from core.schedules.ports import Make, ScheduleStore, Targets
from core.schedules.zones import check_zone

MOST_SHOWN, MOST_LISTED = 100, 1000


class NoSuchScheduleError(UsageError):
    """There is none of this name."""


class RefusedError(UsageError):
    """As the schedule stands now, this would overwrite it, or overlap, or go nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlSchedules:
    store: ScheduleStore
    targets: Targets

    def list(self, wanted: Wanted) -> Page:
        """Raises UsageError."""
        if not 1 <= wanted.limit <= MOST_LISTED:
            raise UsageError(f"limit: {wanted.limit} is not from 1 to {MOST_LISTED}")
        return self.store.list(wanted)

    def one(self, name: str) -> Schedule:
        """Raises NoSuchScheduleError."""
        found = self.store.find(name) if is_name(name) else None
        if found is None:
            raise _no_such(name)
        return found

    def queue_of(self, schedule: Schedule) -> str | None:
        return self.targets.queue_of(schedule.definition)

    def add(
        self, definition: Definition, *, enabled: bool | None = None, replaces: bool = False
    ) -> Saved:
        """Done twice it is done once. `enabled` None: as it is; a new one is on.

        Raises RefusedError where another one has the name, unless it `replaces` that.
        """
        wanted = self._checked(definition)

        def make(current: Schedule | None) -> Definition:
            was = current.definition if current is not None else None
            on = enabled if enabled is not None else was is None or was.enabled
            made = replace(wanted, enabled=on)
            if was is not None and was != made and not replaces:
                raise RefusedError(
                    f"there is another schedule {was.name!r} already ({difference(was, made)});"
                    " give this one another name, or --replace that one"
                )
            return made

        return self.store.save(wanted.name, make)

    def change(self, name: str, change: Callable[[Definition], Definition]) -> Saved:
        """Raises NoSuchScheduleError, UsageError."""

        def make(current: Schedule | None) -> Definition:
            if current is None:
                raise _no_such(name)
            return self._checked(change(current.definition))

        return self._save(name, make)

    def switch(self, name: str, *, enabled: bool) -> Saved:
        """Pause or resume; what would have come meanwhile is not made up for.

        Raises NoSuchScheduleError.
        """

        def make(current: Schedule | None) -> Definition:
            if current is None:
                raise _no_such(name)
            return replace(current.definition, enabled=enabled)

        return self._save(name, make)

    def remove(self, name: str) -> None:
        """The jobs that it made stay. Raises NoSuchScheduleError."""
        if not is_name(name) or not self.store.remove(name):
            raise _no_such(name)

    def run(self, name: str, key: str | None = None) -> UUID:
        """A job at once, paused or not; when it comes next stays.

        `key`: a second time with the same one is the first job.
        Raises NoSuchScheduleError, RefusedError, UsageError: its kind does not take it.
        """

        def allow(due: Due) -> None:
            _check_free(due)
            self.targets.check(due.schedule.definition)

        job = self.store.run_now(name, allow, key) if is_name(name) else None
        if job is None:
            raise _no_such(name)
        return job

    def coming(self, name: str, count: int) -> Sequence[datetime]:
        """Its next instants; of a paused one those that it would have.

        Raises NoSuchScheduleError, UsageError.
        """
        schedule = self.one(name)
        definition = schedule.definition
        following = self.preview(definition.cron, definition.zone, count)
        due_at = schedule.next_fire_at
        if due_at is None or due_at in following:
            return following
        return [due_at, *following][:count]

    def preview(self, cron: str, zone: str, count: int) -> Sequence[datetime]:
        """The next instants of an expression. Raises UsageError."""
        if not 1 <= count <= MOST_SHOWN:
            raise UsageError(f"count: {count} is not from 1 to {MOST_SHOWN}")
        check_zone(zone)
        expression = Cron(cron).expression
        return list(islice(coming(expression, zone, self.store.now()), count))

    def _save(self, name: str, make: Make) -> Saved:
        if not is_name(name):
            raise _no_such(name)
        return self.store.save(name, make)

    def _checked(self, definition: Definition) -> Definition:
        wanted = checked(definition)
        self.targets.check(wanted)
        return wanted


def difference(was: Definition, made: Definition) -> str:
    """Which fields are not the same; what a payload holds is told nobody."""
    fields = [each for each in Definition.__slots__ if getattr(was, each) != getattr(made, each)]
    return f"it differs in {', '.join(fields)}"


def _check_free(due: Due) -> None:
    name = due.schedule.definition.name
    if due.busy and not due.schedule.definition.overlap:
        raise RefusedError(
            f"the job before of {name!r} has not ended, and it may not overlap;"
            f" `jobs show {due.schedule.last_job_id}`"
        )
    if not due.queue_enabled:
        raise RefusedError(f"the queue of {name!r} is paused; `queues resume` opens it")


def _no_such(name: str) -> NoSuchScheduleError:
    return NoSuchScheduleError(f"there is no schedule {name!r}; see `schedules list`")
