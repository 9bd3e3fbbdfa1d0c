"""The kinds of `core/enforcement`, put together; imported with the first job of them."""

from core.enforcement.kinds import PlanEnforcement
from core.jobs.kinds import JobKind
from handlers.opening import Opened
from infra.postgres.enforcement import PostgresJudgments


def enforcement_kinds(ready: Opened) -> tuple[JobKind, ...]:
    return PlanEnforcement(judgments=PostgresJudgments(ready.database)).kinds()
