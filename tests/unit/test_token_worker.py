"""The token worker: who is refreshed, in which order, and what is said of it."""

from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from core.errors import (
    ApplicationRefusedError,
    DecryptError,
    RateLimitedError,
    ReauthorizationRequiredError,
    StoreUnavailableError,
    UpstreamFacts,
    UpstreamUnavailableError,
    UsageError,
)
from core.ids import AccountId
from core.outcome import NONE_ACTIVE
from core.report import Outcome, Reason, WorkReport
from core.tokens.keep import BeingRefreshedError
from core.tokens.model import Keeping
from core.tokens.worker import DRY_RUN, RefreshTokens
from tests.support.memory_roster import MemoryRoster, Renewals
from tests.support.sync_fakes import NOW, Run

ANNA, BERT, CARL = AccountId(1), AccountId(2), AccountId(3)
NAMES = {"anna": ANNA, "bert": BERT, "carl": CARL}
AWAY = UpstreamUnavailableError("eBay is away")


@dataclass
class Scene:
    run: Run = field(default_factory=Run)
    roster: MemoryRoster = field(default_factory=MemoryRoster)
    renewals: Renewals = field(default_factory=Renewals)
    slept: list[float] = field(default_factory=list)
    parallel: int = 1

    def has(self, name: str, age_min: float = 61, status: str = "active", **more: object) -> None:
        given = {
            "account_id": NAMES[name],
            "account": name,
            "environment": "production",
            "status": status,
            "version": 3,
            "refreshed_at": NOW - timedelta(minutes=age_min),
            "access_expires_at": NOW + timedelta(minutes=120 - age_min),
        } | more
        self.roster.keepings[name] = Keeping(**given)  # type: ignore[arg-type]  # as above

    def worker(self) -> RefreshTokens:
        return RefreshTokens(
            roster=self.roster, tokens=self.renewals, sleep=self.sleep, parallel=self.parallel
        )

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.run.clock.advance(seconds)

    def refresh(self, *accounts: str) -> WorkReport:
        return self.worker().run_once(self.run.context(), accounts)


def ends(report: WorkReport) -> dict[str, tuple[Outcome, Reason | None]]:
    return {unit.account: (unit.outcome, unit.reason) for unit in report.units}


def test_what_is_due_is_refreshed_the_nearest_end_first() -> None:
    scene = Scene()
    scene.has("anna", 61)
    scene.has("bert", 110)
    scene.has("carl", 10)

    report = scene.refresh()

    assert scene.renewals.calls == [(BERT, "production", 3), (ANNA, "production", 3)]
    assert (report.outcome, report.counts["written"], report.counts["calls"]) == ("done", 2, 2)
    assert [unit.account for unit in scene.roster.reports] == ["bert", "anna"]
    assert report.next_due_at is not None


def test_r20_who_failed_is_tried_behind_those_who_did_not_the_latest_last() -> None:
    scene = Scene()
    scene.has("anna", 119, failed_at=NOW - timedelta(minutes=10))
    scene.has("bert", 118, failed_at=NOW - timedelta(minutes=20))
    scene.has("carl", 61)

    scene.refresh()

    assert [account for account, _, _ in scene.renewals.calls] == [CARL, BERT, ANNA]


def test_a_token_that_another_refreshed_is_done_and_nothing_of_ours() -> None:
    scene = Scene()
    scene.has("anna")
    scene.renewals.by_another = True

    report = scene.refresh()

    assert (report.outcome, report.counts["written"]) == ("done", 0)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("paused", Reason.ACCOUNT_INACTIVE),
        ("disconnected", Reason.ACCOUNT_INACTIVE),
        ("needs_reconnect", Reason.NEEDS_RECONNECT),
    ],
)
def test_a_named_account_that_is_not_active_says_so(status: str, reason: Reason) -> None:
    scene = Scene()
    scene.has("anna", 1, status)
    scene.has("bert", 1)

    report = scene.refresh("anna")

    assert ends(report) == {"anna": (Outcome.SKIPPED, reason)}
    assert scene.renewals.calls == []


def test_an_account_without_token_says_so_at_each_run() -> None:
    scene = Scene()
    scene.has("anna", version=None, refreshed_at=None, access_expires_at=None)

    assert ends(scene.refresh()) == {"anna": (Outcome.SKIPPED, Reason.NO_TOKEN)}


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="'nobody'"):
        Scene().refresh("nobody")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (None, ("skipped", "no_accounts")),
        ("paused", ("skipped", "paused")),
        ("needs_reconnect", ("degraded", "all_need_reconnect")),
    ],
)
def test_nobody_to_refresh(status: str | None, expected: tuple[str, str]) -> None:
    scene = Scene()
    if status is not None:
        scene.has("anna", 61, status)

    report = scene.refresh()

    assert (report.outcome, report.reason) == expected


@pytest.mark.parametrize(
    ("error", "expected", "detail"),
    [
        (
            ReauthorizationRequiredError("gone"),
            (Outcome.SKIPPED, Reason.NEEDS_RECONNECT),
            "gone",
        ),
        (DecryptError("shut"), (Outcome.SKIPPED, Reason.DECRYPT_FAILED), "shut"),
        (
            RateLimitedError("slow", retry_at=None, quota=False, facts=UpstreamFacts()),
            (Outcome.FAILED, Reason.RATE_LIMITED),
            "slow",
        ),
        (ValueError("canary"), (Outcome.FAILED, Reason.INTERNAL), "ValueError"),
    ],
)
def test_one_account_that_fails_does_not_stop_the_others(
    error: Exception, expected: tuple[Outcome, Reason], detail: str
) -> None:
    scene = Scene()
    scene.has("anna", 100)
    scene.has("bert")
    scene.renewals.errors = {ANNA: [error]}

    report = scene.refresh()

    assert ends(report) == {"anna": expected, "bert": (Outcome.DONE, None)}
    assert report.outcome == "degraded"
    assert [unit.detail for unit in report.units if unit.account == "anna"] == [detail]
    assert scene.renewals.asked(ANNA) == 1


def test_keys_that_ebay_refuses_stop_everything() -> None:
    scene = Scene()
    for name in NAMES:
        scene.has(name)
    scene.renewals.errors = {each: [ApplicationRefusedError("no")] for each in NAMES.values()}

    report = scene.refresh()

    assert len(scene.renewals.calls) == 1
    assert (report.outcome, report.reason) == ("failed", "units_failed")


def test_an_ebay_that_is_away_is_asked_again_with_jitter_for_25_seconds() -> None:
    scene = Scene()
    scene.has("anna")
    scene.renewals.errors = {ANNA: [AWAY] * 100}

    report = scene.refresh()

    assert ends(report) == {"anna": (Outcome.FAILED, Reason.UPSTREAM)}
    assert (report.outcome, report.reason) == ("failed", "upstream")
    assert len(scene.slept) > 2
    assert sum(scene.slept) < 25


def test_an_ebay_that_comes_back_is_no_failure() -> None:
    scene = Scene()
    scene.has("anna")
    scene.renewals.errors = {ANNA: [AWAY, AWAY]}

    report = scene.refresh()

    assert report.outcome == "done"
    assert scene.renewals.asked(ANNA) == 3


def test_a_refresh_that_another_holds_all_the_time_is_already_running() -> None:
    scene = Scene(run=Run(limit_s=10))
    scene.has("anna")

    def wait() -> None:
        scene.run.clock.advance(9.9)

    scene.renewals.during = wait
    scene.renewals.errors = {ANNA: [BeingRefreshedError("held")]}

    report = scene.refresh()

    assert (report.outcome, report.reason) == ("skipped", "already_running")


def test_a_run_that_is_asked_to_stop_says_that_there_is_more() -> None:
    scene = Scene()
    scene.has("anna", 100)
    scene.has("bert")

    def stop() -> None:
        scene.run.stop = True

    scene.renewals.during = stop
    scene.renewals.errors = {ANNA: [AWAY]}

    report = scene.refresh()

    assert ends(report) == {"anna": (Outcome.PARTIAL, Reason.DEADLINE)}
    assert (report.outcome, report.reason, report.more) == ("partial", "deadline", True)


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [(Reason.GLOBALLY_OFF, Outcome.SKIPPED), (Reason.LEASE_LOST, Outcome.FAILED)],
)
def test_an_account_is_looked_at_before_it_is_refreshed(reason: Reason, outcome: Outcome) -> None:
    scene = Scene()
    scene.has("anna")
    scene.roster.off = {ANNA: reason}

    report = scene.refresh()

    assert ends(report) == {"anna": (outcome, reason)}
    assert scene.renewals.calls == []
    # Another run owns the work: nothing more is written.
    assert bool(scene.roster.reports) is (reason is Reason.GLOBALLY_OFF)


def test_a_run_that_lost_its_lease_starts_nothing_more() -> None:
    scene = Scene(run=Run(owned=False))
    scene.has("anna", 100)
    scene.has("bert")
    scene.roster.off = {ANNA: Reason.LEASE_LOST}

    report = scene.refresh()

    assert (report.outcome, report.reason) == ("partial", "lease_lost")
    assert scene.renewals.calls == []


def test_the_lease_is_renewed_while_accounts_are_waited_for() -> None:
    scene = Scene(run=Run(renew_every_s=0.0))
    scene.has("anna")

    assert scene.refresh().outcome == "done"
    assert scene.run.renewals > 0


@pytest.mark.parametrize("place", ["standing", "renew"])
def test_a_database_that_goes_away_ends_the_run_and_hides_nothing_that_was_done(
    place: str,
) -> None:
    scene = Scene()
    scene.has("anna", 110)
    scene.has("bert", 100)
    scene.has("carl", 90)
    if place == "standing":
        scene.roster.away = {("standing", 2)}
    else:
        scene.renewals.errors = {BERT: [StoreUnavailableError("gone")]}

    report = scene.refresh()

    assert ends(report) == {
        "anna": (Outcome.DONE, None),
        "bert": (Outcome.FAILED, Reason.DATABASE),
    }
    assert (report.outcome, report.reason, report.detail) == ("failed", "database", "gone")
    assert report.counts["written"] == 1
    # Nothing is written to a database that is away.
    assert [unit.account for unit in scene.roster.reports] == ["anna"]


def test_a_database_that_goes_away_after_a_refresh_hides_it_not() -> None:
    scene = Scene()
    scene.has("anna")
    scene.roster.away = {("record", 1)}

    report = scene.refresh()

    assert ends(report) == {"anna": (Outcome.FAILED, Reason.DATABASE)}
    assert (report.counts["written"], report.counts["calls"]) == (1, 1)


def test_a_database_that_goes_away_at_the_end_is_told_beside_the_warnings() -> None:
    scene = Scene()
    scene.has("anna", consent_ends_at=NOW + timedelta(days=3))
    scene.roster.away = {("look", 2)}

    report = scene.refresh()

    assert ends(report) == {"anna": (Outcome.DONE, None)}
    assert (report.outcome, report.reason) == ("failed", "database")
    assert report.detail is not None
    assert report.detail.startswith("gone; anna: the owner's consent ends on")


def test_a_database_that_is_away_from_the_beginning_is_raised() -> None:
    scene = Scene()
    scene.roster.away = {("look", 1)}

    with pytest.raises(StoreUnavailableError):
        scene.refresh()


def test_a_dry_run_names_what_is_due_and_refreshes_nothing() -> None:
    scene = Scene()
    scene.has("anna")
    scene.has("bert", 1)

    report = scene.worker().preview(scene.run.context(), ())

    assert ends(report) == {"anna": (Outcome.DONE, None)}
    assert (report.detail, report.counts["written"]) == (DRY_RUN, 0)
    assert scene.renewals.calls == []


@pytest.mark.parametrize(
    ("days", "warned", "step"),
    [
        (31, None, None),
        (30, None, 30),
        (29, 30, None),
        (7, 30, 7),
        (6, 7, None),
        (1, 7, 1),
        (0.5, 1, None),
        (0.5, None, 1),
        (-3, 7, 1),
        (20, 7, None),
    ],
)
def test_r46_each_step_to_the_end_of_a_consent_is_told_once(
    days: float, warned: int | None, step: int | None
) -> None:
    scene = Scene()
    scene.has("anna", 1, consent_ends_at=NOW + timedelta(days=days), warned_days=warned)

    first, second = scene.refresh(), scene.refresh()

    said = [facts for _, event, facts in scene.run.log.lines if event == "token.expires_soon"]
    assert [facts["within_days"] for facts in said] == ([] if step is None else [step])
    assert (first.detail is None) == (step is None)
    assert second.detail is None


def test_r46_a_rival_that_told_it_first_tells_it_alone() -> None:
    scene = Scene()
    scene.has("anna", 1, consent_ends_at=NOW + timedelta(days=3))
    scene.roster.rival = True

    assert scene.refresh().detail is None
    assert scene.run.log.lines == []


def test_r46_a_paused_account_is_not_warned_of() -> None:
    scene = Scene()
    scene.has("anna", 1, "paused", consent_ends_at=NOW + timedelta(days=3))

    assert scene.refresh().detail == NONE_ACTIVE
    assert scene.run.log.lines == []
