"""The kinds `enforcement_action` and `enforcement_strategy`: one plan per judgment.

What is planned is written in the transaction in which the job settles, once, however often it runs.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from core.enforcement.model import Action, JudgmentId, Judgments
from core.enforcement.plan import actions, strategy
from core.jobs.kinds import BadPayloadError, Effect, JobContext, JobKind
from core.jobs.model import Completed, Job, Transaction, Verdict

ACTION, STRATEGY = "enforcement_action", "enforcement_strategy"
QUEUE = "enforcement"
JUDGMENT = "judgment_id"
PLANNED, NOTHING_NEW, NO_JUDGMENT = "planned", "already_planned", "no_judgment"
AT_ONCE = 20

Perform = Callable[[Job, JobContext], Verdict]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanEnforcement:
    judgments: Judgments

    def kinds(self) -> tuple[JobKind, ...]:
        return (_kind(ACTION, self._plan), _kind(STRATEGY, self._choose))

    def _plan(self, job: Job, context: JobContext, /) -> Verdict:
        """A judgment that is not there any more is no fault: the outcome says it."""
        judgment_id = _judgment(job.payload)
        standing = self.judgments.standing(judgment_id)
        if standing is None:
            return Completed(outcome=NO_JUDGMENT)
        wanted = actions(standing.intelligence)
        new = [each for each in wanted if each.type not in standing.under_way]
        return Completed(
            outcome=PLANNED if new else NOTHING_NEW,
            result={
                "planned": [each.type for each in new],
                "skipped": [each.type for each in wanted if each not in new],
            },
            effect=_writes(job, judgment_id, context, new),
        )

    def _choose(self, job: Job, context: JobContext, /) -> Verdict:
        judgment_id = _judgment(job.payload)
        standing = self.judgments.standing(judgment_id)
        if standing is None:
            return Completed(outcome=NO_JUDGMENT)
        chosen, now = strategy(standing.intelligence), context.clock.now()

        def write(transaction: Transaction) -> None:
            transaction.execute(
                "enforcement.choose", judgment_id=judgment_id, strategy=chosen, now=now
            )

        return Completed(outcome=PLANNED, result={"strategy": chosen}, effect=write)


def _kind(name: str, perform: Perform) -> JobKind:
    return JobKind(
        name=name,
        queue=QUEUE,
        effect=Effect.DATABASE,
        check=_check,
        perform=perform,
        batch=AT_ONCE,
        # Of one judgment one at a time: the second one sees what the first one has planned.
        key=lambda payload: str(_judgment(payload)),
    )


def _check(payload: Mapping[str, object]) -> None:
    _judgment(payload)


def _judgment(payload: Mapping[str, object]) -> JudgmentId:
    try:
        return JudgmentId(UUID(str(payload.get(JUDGMENT))))
    except ValueError:
        raise BadPayloadError(f"{JUDGMENT} must be the id of a row of intake.judgments") from None


def _writes(
    job: Job, judgment_id: JudgmentId, context: JobContext, new: list[Action]
) -> Callable[[Transaction], None]:
    now = context.clock.now()
    rows = [
        {"type": each.type, "because": each.because, "needs_signature": each.needs_signature}
        for each in new
    ]

    def write(transaction: Transaction) -> None:
        transaction.execute(
            "enforcement.plan",
            judgment_id=judgment_id,
            job_id=job.id,
            actions=json.dumps(rows),
            now=now,
        )

    return write
