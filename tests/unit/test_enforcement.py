"""What is planned for a judgment, from what is known."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest

from core.enforcement.kinds import PlanEnforcement
from core.enforcement.model import (
    ActionType,
    Income,
    Intelligence,
    JudgmentId,
    Standing,
    Strategy,
)
from core.enforcement.plan import actions, strategy
from core.jobs.kinds import BadPayloadError, JobKind
from core.jobs.model import Completed
from tests.support.outside import NOW, context, job

JUDGMENT = "11111111-2222-4333-8444-555555555555"
PAYLOAD = {"judgment_id": JUDGMENT}
WAGES: dict[str, Any] = {"employer": True, "income": Income.MED}


def known(confidence: int = 90, **facts: Any) -> Intelligence:
    return Intelligence(confidence=confidence, **facts)


def types(intelligence: Intelligence | None) -> list[str]:
    return [each.type for each in actions(intelligence)]


@pytest.mark.parametrize(
    ("intelligence", "planned"),
    [
        (None, ["asset_search", "information_subpoena"]),
        (known(), ["demand_letter", "asset_search"]),
        (known(69), ["demand_letter", "information_subpoena", "asset_search"]),
        (known(70), ["demand_letter", "asset_search"]),
        (known(employer=True, income=Income.HIGH), ["demand_letter", "income_execution"]),
        (known(**WAGES), ["demand_letter", "income_execution"]),
        (known(employer=True, income=Income.LOW), ["demand_letter", "asset_search"]),
        (known(employer=True), ["demand_letter", "asset_search"]),
        (known(income=Income.HIGH), ["demand_letter", "asset_search"]),
        (known(bank=True), ["demand_letter", "bank_levy"]),
        (known(bank=True, benefits_only=True), ["demand_letter", "restraining_notice"]),
        (known(benefits_only=True), ["demand_letter", "restraining_notice"]),
        (known(bank=True, **WAGES), ["demand_letter", "income_execution", "bank_levy"]),
        (
            known(0, bank=True, benefits_only=True, **WAGES),
            ["demand_letter", "information_subpoena", "income_execution", "restraining_notice"],
        ),
    ],
)
def test_the_plan_follows_from_what_is_known(
    intelligence: Intelligence | None, planned: Sequence[str]
) -> None:
    assert types(intelligence) == planned


def test_what_takes_something_away_needs_a_signature() -> None:
    wanted = [*actions(None), *actions(known(0, bank=True, **WAGES))]

    signed = {each.type for each in wanted if each.needs_signature}

    assert signed == {"information_subpoena", "income_execution", "bank_levy"}
    assert {each.type for each in wanted} - signed == {"asset_search", "demand_letter"}
    assert all(each.because for each in wanted)


@pytest.mark.parametrize(
    ("intelligence", "chosen"),
    [
        (None, Strategy.SURVEILLANCE),
        (known(), Strategy.SURVEILLANCE),
        (known(employer=True, bank=True), Strategy.WAGE_GARNISHMENT),
        (known(bank=True, homeowner=True), Strategy.BANK_LEVY),
        (known(bank=True, benefits_only=True), Strategy.SURVEILLANCE),
        (known(bank=True, benefits_only=True, homeowner=True), Strategy.PROPERTY_LIEN),
    ],
)
def test_the_strategy_is_the_first_that_there_is_something_for(
    intelligence: Intelligence | None, chosen: Strategy
) -> None:
    assert strategy(intelligence) == chosen


@dataclass
class Office:
    """Judgments in memory, and what a settling transaction is asked to write."""

    there: Standing | None = field(default_factory=Standing)
    written: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    def standing(self, judgment_id: JudgmentId) -> Standing | None:
        assert judgment_id == UUID(JUDGMENT)
        return self.there

    def execute(self, name: str, /, **values: object) -> list[dict[str, object]]:
        self.written.append((name, values))
        return []


def performed(office: Office, name: str) -> Completed:
    verdict = kind_of(office, name).perform(job(PAYLOAD), context())
    assert isinstance(verdict, Completed)
    if verdict.effect is not None:
        verdict.effect(office)
    return verdict


def kind_of(office: Office, name: str) -> JobKind:
    return {kind.name: kind for kind in PlanEnforcement(judgments=office).kinds()}[name]


def test_what_is_planned_is_written_with_the_verdict_and_told() -> None:
    office = Office()

    verdict = performed(office, "enforcement_action")

    [(statement, values)] = office.written
    assert statement == "enforcement.plan"
    assert (values["judgment_id"], values["now"]) == (UUID(JUDGMENT), NOW)
    assert str(values["actions"]).count('"type"') == 2
    assert verdict.outcome == "planned"
    assert verdict.result == {
        "planned": ["asset_search", "information_subpoena"],
        "skipped": [],
    }


def test_what_is_under_way_is_not_planned_again() -> None:
    office = Office(
        Standing(intelligence=known(bank=True), under_way=frozenset({ActionType.DEMAND_LETTER}))
    )

    verdict = performed(office, "enforcement_action")

    assert verdict.result == {"planned": ["bank_levy"], "skipped": ["demand_letter"]}
    assert "demand_letter" not in str(office.written)


def test_nothing_new_is_told_as_such() -> None:
    office = Office(Standing(under_way=frozenset(ActionType)))

    assert performed(office, "enforcement_action").outcome == "already_planned"


@pytest.mark.parametrize("name", ["enforcement_action", "enforcement_strategy"])
def test_a_judgment_that_is_not_there_is_an_outcome_and_writes_nothing(name: str) -> None:
    office = Office(None)

    verdict = performed(office, name)

    assert (verdict.outcome, verdict.result, office.written) == ("no_judgment", None, [])


def test_the_strategy_is_written_with_the_verdict_and_told() -> None:
    office = Office(Standing(intelligence=known(employer=True)))

    verdict = performed(office, "enforcement_strategy")

    assert verdict.result == {"strategy": "wage_garnishment"}
    assert office.written == [
        (
            "enforcement.choose",
            {"judgment_id": UUID(JUDGMENT), "strategy": "wage_garnishment", "now": NOW},
        )
    ]


@pytest.mark.parametrize("payload", [{}, {"judgment_id": 7}, {"judgment_id": "2026-CV-1"}])
def test_what_names_no_judgment_is_refused(payload: dict[str, object]) -> None:
    kind = kind_of(Office(), "enforcement_action")

    with pytest.raises(BadPayloadError, match="judgment_id must be the id"):
        kind.check(payload)


def test_of_one_judgment_one_is_planned_at_a_time() -> None:
    kind = kind_of(Office(), "enforcement_action")
    assert kind.key is not None

    assert kind.key({"judgment_id": JUDGMENT.upper()}) == JUDGMENT
