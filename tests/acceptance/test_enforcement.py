"""Plans of judgments: one for each, however often it is planned, whatever happens in between."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from core.jobs.model import NewJob
from handlers import job_desk, opening
from infra.postgres.enforcement import PostgresJudgments
from tests.support.postgres import Server
from tests.support.site import DRAIN, Site, new_site

JUDGMENT = "11111111-2222-4333-8444-555555555555"
OTHER = "99999999-2222-4333-8444-555555555555"
CLEAR = "TRUNCATE ops.jobs, ops.job_keys, ops.queues, intake.judgments CASCADE"
PLANS = "SELECT count(*) FROM enforcement.plans"
ACTIONS = "SELECT type || ' ' || status FROM enforcement.actions ORDER BY created_at, type"


@pytest.fixture(scope="module")
def _module_site(_session_server: Server, _template: str) -> Iterator[Site]:
    with new_site(_session_server, _template, seed=9, accounts=1, orders=1) as site:
        yield site


@pytest.fixture
def site(_module_site: Site, postgres_server: Server) -> Site:
    _module_site.sql(CLEAR)
    judge(_module_site, JUDGMENT, "2026-CV-1")
    return _module_site


def judge(site: Site, judgment_id: str, case: str) -> None:
    site.sql(
        "INSERT INTO intake.judgments (id, case_number, plaintiff, defendant, created_at,"
        f" updated_at) VALUES ('{judgment_id}', '{case}', 'A', 'B', now(), now())"
    )


def ask(site: Site, *kinds: str, judgment_id: str = JUDGMENT) -> None:
    jobs = [NewJob(kind=kind, payload={"judgment_id": judgment_id}) for kind in kinds]
    with opened(site) as ready:
        job_desk.store(ready).enqueue(jobs)


def opened(site: Site) -> AbstractContextManager[opening.Opened]:
    settings = site.settings()
    return opening.opened(settings, opening.log_for(settings))


def planned(site: Site, *kinds: str, judgment_id: str = JUDGMENT) -> list[Any]:
    """Outcome and result of each, in their order."""
    ask(site, *kinds, judgment_id=judgment_id)
    report = site.run(worker=DRAIN)
    assert report.counts["completed"] == len(kinds), report
    told = site.sql("SELECT outcome, result FROM ops.jobs ORDER BY created_at DESC, seq DESC")
    return [tuple(row) for row in told[: len(kinds)]][::-1]


def column(site: Site, sql: str) -> list[Any]:
    return [row[0] for row in site.sql(sql)]


def test_df7_an_enforcement_job_run_twice_makes_one_plan(site: Site) -> None:
    first, second = planned(site, "enforcement_action", "enforcement_action")
    [third] = planned(site, "enforcement_action")

    searched = ["asset_search", "information_subpoena"]
    assert first == ("planned", {"planned": searched, "skipped": []})
    assert second == third == ("already_planned", {"planned": [], "skipped": searched})
    assert column(site, PLANS) == [1]
    assert column(site, ACTIONS) == [f"{each} planned" for each in searched]


def test_df7_a_job_that_dies_before_it_settles_leaves_no_half_of_a_plan(site: Site) -> None:
    site.sql(
        "CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'cut off'; END $$;"
        " CREATE TRIGGER stop BEFORE UPDATE ON ops.jobs FOR EACH ROW"
        " WHEN (NEW.status = 'completed') EXECUTE FUNCTION stop()"
    )
    try:
        ask(site, "enforcement_action")
        site.run(worker=DRAIN)
        assert column(site, PLANS) == [0]
    finally:
        site.sql("DROP TRIGGER stop ON ops.jobs; DROP FUNCTION stop")
    with opened(site) as ready:
        job_desk.control(ready).run_now(site.one("SELECT id FROM ops.jobs"))

    site.run(worker=DRAIN)

    assert column(site, "SELECT status FROM ops.jobs") == ["completed"]
    assert column(site, PLANS) == [1]
    assert len(column(site, ACTIONS)) == 2


def test_what_becomes_known_later_joins_the_same_plan(site: Site) -> None:
    planned(site, "enforcement_action")
    site.sql(
        "INSERT INTO enforcement.intelligence (judgment_id, employer, income, bank, confidence)"
        f" VALUES ('{JUDGMENT}', 'ACME', 'HIGH', 'First', 60);"
        " UPDATE enforcement.actions SET status = 'completed' WHERE type = 'asset_search'"
    )

    [(outcome, result)] = planned(site, "enforcement_action")

    assert outcome == "planned"
    assert result == {
        "planned": ["demand_letter", "income_execution", "bank_levy"],
        "skipped": ["information_subpoena"],
    }
    assert column(site, PLANS) == [1]
    signed = column(site, "SELECT type FROM enforcement.actions WHERE needs_signature ORDER BY 1")
    assert signed == ["bank_levy", "income_execution", "information_subpoena"]


def test_plans_of_two_judgments_are_two(site: Site) -> None:
    judge(site, OTHER, "2026-CV-2")

    planned(site, "enforcement_action")
    planned(site, "enforcement_action", judgment_id=OTHER)

    assert column(site, PLANS) == [2]


def test_a_judgment_that_is_not_there_is_told_and_nothing_is_planned(site: Site) -> None:
    assert planned(site, "enforcement_action", judgment_id=OTHER) == [("no_judgment", None)]
    assert column(site, PLANS) == [0]


def test_the_strategy_is_one_plan_s_with_the_actions(site: Site) -> None:
    outcomes = planned(site, "enforcement_strategy", "enforcement_action", "enforcement_strategy")

    assert outcomes[0] == outcomes[2] == ("planned", {"strategy": "surveillance"})
    assert column(site, "SELECT strategy FROM enforcement.plans") == ["surveillance"]


def test_who_deletes_a_judgment_deletes_what_was_planned_for_it(site: Site) -> None:
    planned(site, "enforcement_action")

    site.sql("DELETE FROM intake.judgments")

    assert column(site, PLANS) + column(site, ACTIONS) == [0]


def test_a_judgment_deleted_between_the_look_and_the_writing_is_no_fault(site: Site) -> None:
    real = PostgresJudgments.standing

    def standing(self: PostgresJudgments, judgment_id: Any) -> Any:
        found = real(self, judgment_id)
        site.sql("DELETE FROM intake.judgments")
        return found

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(PostgresJudgments, "standing", standing)
        planned(site, "enforcement_action")

    assert column(site, PLANS) == [0]
