"""The kinds that reach outside are imported with their first job, and are what was said of them."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from core.enforcement.kinds import PlanEnforcement
from core.enforcement.model import JudgmentId, Standing
from core.intake.ingest import Ingest
from core.jobs.asked_run import AskedRun
from core.jobs.kinds import JobKind
from core.report import RunReport
from handlers import wiring
from handlers.late_kinds import ENFORCEMENT, INTAKE, WATCHING, late_kinds
from handlers.outside_kinds import RUNNABLE, outside_kinds
from infra.settings import Settings
from tests.support.intake_desk import MemoryFiles
from tests.support.memory_folders import watching
from tests.support.outside import NOW, Refusing, context, job

FUNCTIONS = {"check", "perform", "expires", "key"}
ROOT = Path(__file__).parents[2]
NO_BATCHES: Any = None


def never(_: AskedRun) -> RunReport:
    raise AssertionError


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("CRONSHOT_ENV_FILE", "")
    return Settings.load()


@pytest.fixture
def made(settings: Settings) -> Mapping[str, JobKind]:
    kinds = outside_kinds(settings, stopping=lambda: False, run_once=never, blocks=Refusing())
    return {kind.name: kind for kind in kinds}


def test_what_is_said_of_a_kind_before_it_is_made_is_true(made: Mapping[str, JobKind]) -> None:
    told = {kind.name: kind for kind in late_kinds(lambda: made)}

    assert_true(told, made)


def test_what_is_said_of_enforcement_before_it_is_made_is_true() -> None:
    kinds = PlanEnforcement(judgments=NoJudgments()).kinds()
    made = {kind.name: kind for kind in kinds}

    assert_true({kind.name: kind for kind in late_kinds(lambda: made, ENFORCEMENT)}, made)


def test_what_is_said_of_watch_folder_before_it_is_made_is_true() -> None:
    kind = watching().job_kind()
    made = {kind.name: kind}

    assert_true({kind.name: kind for kind in late_kinds(lambda: made, WATCHING)}, made)


def test_what_is_said_of_the_intake_before_it_is_made_is_true() -> None:
    made = {
        kind.name: kind
        for kind in Ingest(files=MemoryFiles(), batches=NO_BATCHES, stopping=bool).kinds()
    }

    assert_true({kind.name: kind for kind in late_kinds(lambda: made, INTAKE)}, made)


class NoJudgments:
    def standing(self, judgment_id: JudgmentId) -> Standing | None:
        raise AssertionError(judgment_id)


def assert_true(told: Mapping[str, JobKind], made: Mapping[str, JobKind]) -> None:
    assert set(told) == set(made)
    for name, kind in told.items():
        for each in fields(JobKind):
            before, after = getattr(kind, each.name), getattr(made[name], each.name)
            if each.name in FUNCTIONS:
                assert (before is None) == (after is None), (name, each.name)
            else:
                assert before == after, (name, each.name)


def test_they_are_made_once_with_the_first_job(made: Mapping[str, JobKind]) -> None:
    times: list[int] = []

    def counted() -> Mapping[str, JobKind]:
        times.append(1)
        return made

    kinds = {kind.name: kind for kind in late_kinds(counted)}
    assert times == []

    telegram = kinds["notify.telegram"]
    payload = {"chat_id": 1, "text": "x", "not_after": NOW.isoformat()}
    telegram.check(payload)
    verdict = telegram.perform(job(payload), context())
    assert telegram.key is not None
    assert telegram.expires is not None

    assert telegram.key(payload) == "telegram:1"
    assert telegram.expires(job(payload)) == NOW
    assert getattr(verdict, "code", None) == "not_configured"
    assert times == [1]


def test_every_worker_but_the_drain_may_be_run_by_a_job() -> None:
    assert set(RUNNABLE) == set(wiring.WORKERS) - {"queue-drain"}


def test_a_worker_does_not_import_what_only_a_job_needs() -> None:
    late = {
        "smtplib", "core.jobs.shipped", "handlers.outside_kinds", "infra.http.outward",
        "core.enforcement", "core.intake", "infra.postgres.enforcement", "infra.intake",
    }  # fmt: skip
    code = f"import sys, handlers.wiring; print(sorted({late} & set(sys.modules)))"

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert (done.stdout.strip(), done.stderr) == ("[]", "")
