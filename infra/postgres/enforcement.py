"""What is known of judgments for their enforcement: the `Judgments` port."""

from dataclasses import dataclass

import sqlalchemy as sa

from core.enforcement.model import ActionType, Income, Intelligence, JudgmentId, Standing
from infra.postgres.queries import load
from infra.postgres.transaction import Database


@dataclass(frozen=True, slots=True)
class PostgresJudgments:
    database: Database

    def standing(self, judgment_id: JudgmentId) -> Standing | None:
        with self.database.transaction() as connection:
            found = connection.execute(
                load("enforcement")["standing"], {"judgment_id": judgment_id}
            ).one_or_none()
        if found is None:
            return None
        return Standing(
            intelligence=_intelligence(found),
            under_way=frozenset(ActionType(each) for each in found.under_way),
        )


def _intelligence(found: sa.Row[tuple[object, ...]]) -> Intelligence | None:
    if found.confidence is None:
        return None
    return Intelligence(
        confidence=found.confidence,
        employer=found.employer,
        income=None if found.income is None else Income(found.income),
        bank=found.bank,
        benefits_only=found.benefits_only,
        homeowner=found.homeowner,
    )
