"""Where schedules are put together: for people, and for each drain."""

from core.jobs.admission import Kinds
from core.schedules.control import ControlSchedules
from core.schedules.fire import FireSchedules
from handlers.job_kinds import job_kinds
from handlers.opening import Opened
from infra.postgres.schedule_firing import PostgresFiring
from infra.postgres.schedule_jobs import KnownKinds
from infra.postgres.schedules import PostgresSchedules


def control_schedules(ready: Opened) -> ControlSchedules:
    kinds = job_kinds(ready)
    return ControlSchedules(
        store=PostgresSchedules(database=ready.database, kinds=kinds), targets=KnownKinds(kinds)
    )


def fire_schedules(ready: Opened, kinds: Kinds) -> FireSchedules:
    """The `Schedules` port of a drain that performs these kinds."""
    return FireSchedules(store=PostgresFiring(database=ready.database, kinds=kinds))
