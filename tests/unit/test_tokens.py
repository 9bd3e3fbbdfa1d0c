"""An access token when one is needed, and never more than one refresh for it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Barrier, Event, Thread

import pytest

from core.errors import (
    ApplicationRefusedError,
    DecryptError,
    NoTokenError,
    RateLimitedError,
    ReauthorizationRequiredError,
    StoreUnavailableError,
    UpstreamFacts,
    UpstreamUnavailableError,
)
from core.ids import AccountId
from core.secret import Secret
from core.tokens import ours
from core.tokens.keep import BeingRefreshedError, KeepTokens
from core.tokens.model import Grant, StoredToken
from tests.support.log import ListLog
from tests.support.memory_tokens import BEGINNING, Endpoint, MemoryTokens, PlainCipher, Row, granted

ONE, TWO, THREE = AccountId(1), AccountId(2), AccountId(3)
PATIENCE_S = 20.0
REFUSED = ApplicationRefusedError("eBay refuses the application's keys")
REVOKED = ReauthorizationRequiredError("eBay no longer accepts the account's refresh token")


@dataclass
class Keeping:
    """Time goes on only when somebody sleeps, and where a test says so."""

    store: MemoryTokens = field(default_factory=MemoryTokens)
    endpoint: Endpoint = field(default_factory=Endpoint)
    log: ListLog = field(default_factory=ListLog)
    at: float = 100.0
    slept: int = 0
    on_sleep: Callable[[int], None] = lambda times: None

    def __post_init__(self) -> None:
        for account in (ONE, TWO, THREE):
            self.store.rows[account] = Row()
        self.tokens = self.another()

    def another(self) -> KeepTokens:
        """As another process has it: the same store, no memory."""
        return KeepTokens(
            store=self.store,
            endpoint=self.endpoint,
            cipher=PlainCipher(),
            ticks=lambda: self.at,
            sleep=self.sleep,
            triggered_by="run",
            log=self.log,
        )

    def sleep(self, seconds: float) -> None:
        self.pass_time(seconds)
        self.slept += 1
        self.on_sleep(self.slept)

    def pass_time(self, seconds: float) -> None:
        self.at += seconds
        self.store.now += timedelta(seconds=seconds)

    def get(
        self,
        account: AccountId = ONE,
        *,
        rejected: str | None = None,
        timeout: float = 25.0,
        environment: str = "production",
    ) -> str:
        given = None if rejected is None else Secret(rejected)
        return self.tokens.get(account, environment, rejected=given, timeout=timeout).reveal()


def stored(account: Row, access: str, minutes: float, *, refreshed_ago: float = 0.0) -> None:
    account.access_token = f"sealed({access})"
    account.access_expires_at = BEGINNING + timedelta(minutes=minutes)
    account.refreshed_at = BEGINNING - timedelta(minutes=refreshed_ago)


def test_a_token_that_lasts_is_read_once_and_costs_no_call() -> None:
    keeping = Keeping()
    stored(keeping.store.rows[ONE], "good", 120)

    given = [keeping.get(), keeping.get()]

    assert given == ["good", "good"]
    assert keeping.endpoint.asked == []


def test_an_account_without_access_token_gets_one_by_one_refresh() -> None:
    keeping = Keeping()

    given = [keeping.get(), keeping.get()]

    assert given == ["access-1", "access-1"]
    assert keeping.endpoint.asked == [("production", "refresh", 20.0)]
    row = keeping.store.rows[ONE]
    assert (row.access_token, row.version, row.leased_until) == ("sealed(access-1)", 1, None)
    assert row.refresh_token == "sealed(refresh)"
    assert [(each.success, each.triggered_by) for each in keeping.store.log] == [(True, "run")]


@pytest.mark.parametrize(
    ("life_min", "left_min", "fresh"),
    [(120, 15.1, True), (120, 14.9, False), (10, 2.1, True), (10, 1.9, False), (120, -1, False)],
)
def test_a_token_is_due_with_15_minutes_or_a_fifth_of_its_life_left(
    life_min: float, left_min: float, *, fresh: bool
) -> None:
    keeping = Keeping()
    stored(keeping.store.rows[ONE], "old", left_min, refreshed_ago=life_min - left_min)

    assert keeping.get() == ("old" if fresh else "access-1")


def test_a_token_whose_age_is_unknown_is_judged_by_what_is_left() -> None:
    token = StoredToken(
        needs_reconnect=False,
        version=1,
        refresh_token="r",
        access_token="a",
        access_expires_at=BEGINNING + timedelta(minutes=10),
        refreshed_at=None,
        retry_at=None,
        read_at=BEGINNING,
    )

    assert token.left() == timedelta(minutes=8)


def test_a_token_held_in_memory_is_replaced_in_time() -> None:
    keeping = Keeping()
    first = keeping.get()
    keeping.pass_time(7200 - 900)

    second = keeping.get()

    assert (first, second) == ("access-1", "access-2")


def test_a_rejected_token_is_refreshed_though_it_looks_good() -> None:
    keeping = Keeping()
    stored(keeping.store.rows[ONE], "good", 120)
    keeping.get()

    given = keeping.get(rejected="good")

    assert given == "access-1"


def test_a_newer_token_of_another_process_is_used_instead_of_a_refresh() -> None:
    keeping = Keeping()
    stored(keeping.store.rows[ONE], "old", 120)
    keeping.get()
    stored(keeping.store.rows[ONE], "newer", 120)
    keeping.store.rows[ONE].version += 1

    given = keeping.get(rejected="old")

    assert given == "newer"
    assert keeping.endpoint.asked == []


def test_a_refresh_token_that_comes_with_the_answer_replaces_ours() -> None:
    keeping = Keeping()
    keeping.endpoint.answers = [granted("access", refresh="rotated")]

    keeping.get()

    assert keeping.store.rows[ONE].refresh_token == "sealed(rotated)"


def test_an_account_without_token_says_so() -> None:
    keeping = Keeping()

    with pytest.raises(NoTokenError, match="accounts reconnect"):
        keeping.get(AccountId(9))


@pytest.mark.parametrize("which", ["refresh_token", "access_token"])
def test_r41_what_does_not_open_leaves_no_request_and_no_lease(which: str) -> None:
    keeping = Keeping()
    if which == "access_token":
        stored(keeping.store.rows[ONE], "good", 120)
    setattr(keeping.store.rows[ONE], which, "garbage")

    with pytest.raises(DecryptError):
        keeping.get()

    assert keeping.endpoint.asked == []
    assert keeping.store.rows[ONE].leased_until is None


def test_a_withdrawn_consent_stops_the_account_with_one_call() -> None:
    keeping = Keeping()
    keeping.endpoint.answers = [REVOKED]

    for _ in range(2):
        with pytest.raises(ReauthorizationRequiredError):
            keeping.get()

    assert len(keeping.endpoint.asked) == 1
    row = keeping.store.rows[ONE]
    assert (row.status, row.due, row.leased_until) == ("needs_reconnect", [None, None], None)
    assert [each.error_code for each in keeping.store.log] == ["invalid_grant"]
    assert keeping.log.events() == ["account.reauthorization_required"]
    assert keeping.get(TWO) == "access-2"


def test_wrong_keys_of_ours_cost_one_call_for_all_accounts_and_harm_none() -> None:
    keeping = Keeping()
    keeping.endpoint.answers = [REFUSED]

    for account in (ONE, ONE, TWO, THREE):
        with pytest.raises(ApplicationRefusedError):
            keeping.get(account)

    assert len(keeping.endpoint.asked) == 1
    assert {row.status for row in keeping.store.rows.values()} == {"active"}
    assert all(row.leased_until is None for row in keeping.store.rows.values())
    assert [each.error_code for each in keeping.store.log] == ["invalid_client"]


def test_wrong_keys_of_one_environment_leave_the_others_alone() -> None:
    keeping = Keeping()
    keeping.endpoint.answers = [REFUSED]

    with pytest.raises(ApplicationRefusedError):
        keeping.get(ONE, environment="sandbox")

    assert keeping.get(TWO, environment="production") == "access-2"


def test_a_refresh_that_fails_gives_the_right_back_and_may_be_tried_again() -> None:
    keeping = Keeping()
    keeping.endpoint.answers = [UpstreamUnavailableError("503")]

    with pytest.raises(UpstreamUnavailableError):
        keeping.get()

    assert keeping.store.rows[ONE].leased_until is None
    assert [each.error_code for each in keeping.store.log] == ["UpstreamUnavailableError"]
    assert keeping.log.events() == ["token.refresh_failed"]
    assert keeping.get() == "access-2"


def test_a_refresh_is_given_at_most_what_is_left_of_the_callers_time() -> None:
    keeping = Keeping()

    keeping.get(timeout=7.0)

    assert keeping.endpoint.asked == [("production", "refresh", 7.0)]


def test_who_finds_another_process_at_it_waits_and_uses_its_token() -> None:
    keeping = Keeping()
    rival = keeping.store.start(ONE, 0, timedelta(seconds=30), "run")
    assert rival is not None

    def finish(times: int) -> None:
        if times == 3:
            grant = granted("theirs")
            keeping.store.save(ONE, rival, keeping.another()._seal(ONE, grant))

    keeping.on_sleep = finish

    assert keeping.get() == "theirs"
    assert keeping.endpoint.asked == []


def test_a_refresh_whose_process_died_is_followed_when_its_lease_ends() -> None:
    keeping = Keeping()
    keeping.store.start(ONE, 0, timedelta(seconds=30), "run")

    with pytest.raises(UpstreamUnavailableError, match="another process"):
        keeping.get(timeout=25.0)
    given = keeping.get(timeout=25.0)

    assert given == "access-1"
    assert len(keeping.endpoint.asked) == 1


def test_a_rival_between_our_look_and_our_start_is_noticed() -> None:
    keeping = Keeping()

    def rival() -> None:
        keeping.store.before_start = lambda: None
        keeping.another().get(ONE, "production", rejected=None, timeout=25.0)

    keeping.store.before_start = rival

    assert keeping.get() == "access-1"
    assert len(keeping.endpoint.asked) == 1


def test_a_refresher_that_was_frozen_past_its_lease_writes_nothing_and_uses_the_newer_token() -> (
    None
):
    keeping = Keeping()

    def late() -> Grant:
        keeping.pass_time(31)
        keeping.another().get(ONE, "production", rejected=None, timeout=25.0)
        return granted("late")

    keeping.endpoint.answers = [late]

    assert keeping.get(timeout=100.0) == "access-2"
    assert keeping.store.rows[ONE].access_token == "sealed(access-2)"
    assert [each.success for each in keeping.store.log] == [True]


def test_a_failure_that_comes_after_the_lease_is_not_written() -> None:
    keeping = Keeping()

    def late() -> Grant:
        keeping.pass_time(31)
        keeping.another().get(ONE, "production", rejected=None, timeout=25.0)
        raise REVOKED

    keeping.endpoint.answers = [late]

    with pytest.raises(ReauthorizationRequiredError):
        keeping.get(timeout=100.0)

    assert keeping.store.rows[ONE].status == "active"
    assert [each.success for each in keeping.store.log] == [True]


def test_a_database_that_is_gone_is_told_as_it_is() -> None:
    keeping = Keeping()

    def gone() -> None:
        raise StoreUnavailableError("the database did not answer")

    keeping.store.before_start = gone

    with pytest.raises(StoreUnavailableError):
        keeping.get()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_new_refresh_token_is_saved_though_the_connection_breaks(when: str) -> None:
    keeping = Keeping()
    keeping.endpoint.answers = [granted("new", refresh="rotated")]
    keeping.store.cut_off = [when]

    assert keeping.get() == "new"

    row = keeping.store.rows[ONE]
    assert (row.refresh_token, row.access_token, row.version) == (
        "sealed(rotated)",
        "sealed(new)",
        1,
    )
    assert len(keeping.endpoint.asked) == len(keeping.store.log) == 1


def test_a_database_that_stays_away_when_a_token_is_saved_is_told() -> None:
    keeping = Keeping()
    keeping.store.cut_off = ["before"] * 3

    with pytest.raises(StoreUnavailableError):
        keeping.get()

    assert len(keeping.endpoint.asked) == 1


def test_a_token_is_not_saved_again_when_the_callers_time_is_over() -> None:
    """Each try of a network that swallows everything would take the run further past its end."""
    keeping = Keeping()
    keeping.store.cut_off = ["before"] * 3

    def slow() -> Grant:
        keeping.pass_time(24.9)
        return granted("new")

    keeping.endpoint.answers = [slow]

    with pytest.raises(StoreUnavailableError):
        keeping.get(timeout=25)

    assert (keeping.slept, len(keeping.store.cut_off)) == (0, 2)


def test_the_units_of_one_account_share_one_refresh() -> None:
    keeping = Keeping()
    arrived, go_on = Event(), Event()

    def slow() -> Grant:
        arrived.set()
        assert go_on.wait(PATIENCE_S)
        return granted("shared")

    keeping.endpoint.answers = [slow]
    given: list[str] = []
    threads = [Thread(target=lambda: given.append(keeping.get())) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert arrived.wait(PATIENCE_S)
    go_on.set()
    for thread in threads:
        thread.join(PATIENCE_S)

    assert given == ["shared"] * 4
    assert len(keeping.endpoint.asked) == 1


def test_the_wait_for_another_unit_is_part_of_the_callers_time() -> None:
    keeping = Keeping()
    arrived, go_on = Event(), Event()

    def slow() -> Grant:
        arrived.set()
        assert go_on.wait(PATIENCE_S)
        return granted("slow")

    keeping.endpoint.answers = [slow]
    first = Thread(target=keeping.get)
    first.start()
    assert arrived.wait(PATIENCE_S)

    with pytest.raises(UpstreamUnavailableError, match="another unit"):
        keeping.get(timeout=0.0)

    go_on.set()
    first.join(PATIENCE_S)


def test_two_accounts_do_not_wait_for_each_others_refresh() -> None:
    """Each of them is answered only when both have asked."""
    keeping = Keeping()
    keeping.get(THREE)
    both = Barrier(2, timeout=PATIENCE_S)

    def meet() -> Grant:
        both.wait()
        return granted("met")

    keeping.endpoint.answers = [meet, meet]
    given: list[str] = []
    threads = [
        Thread(target=lambda account=account: given.append(keeping.get(account)))
        for account in (ONE, TWO)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)

    assert given == ["met", "met"]


def test_a_first_refresh_that_hangs_holds_the_others_up_for_a_moment_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ours, "VOUCHED_S", 0.05)
    keeping = Keeping()
    arrived, go_on = Event(), Event()

    def hang() -> Grant:
        arrived.set()
        assert go_on.wait(PATIENCE_S)
        return granted("late")

    keeping.endpoint.answers = [hang]
    first = Thread(target=keeping.get)
    first.start()
    assert arrived.wait(PATIENCE_S)

    given = keeping.get(TWO)

    assert given == "access-2"
    go_on.set()
    first.join(PATIENCE_S)


def test_keys_that_are_refused_while_others_wait_for_the_verdict_are_not_tried_again() -> None:
    keeping = Keeping()
    arrived, go_on = Event(), Event()

    def refuse() -> Grant:
        arrived.set()
        assert go_on.wait(PATIENCE_S)
        raise REFUSED

    keeping.endpoint.answers = [refuse]
    told: list[str] = []

    def ask(account: AccountId) -> None:
        try:
            keeping.get(account)
        except ApplicationRefusedError as error:
            told.append(str(error))

    threads = [Thread(target=ask, args=(account,)) for account in (ONE, TWO, THREE)]
    threads[0].start()
    assert arrived.wait(PATIENCE_S)
    for thread in threads[1:]:
        thread.start()
    go_on.set()
    for thread in threads:
        thread.join(PATIENCE_S)

    assert told == [str(REFUSED)] * 3
    assert len(keeping.endpoint.asked) == 1


def limited(retry_at: datetime | None) -> RateLimitedError:
    return RateLimitedError("429", retry_at=retry_at, quota=False, facts=UpstreamFacts(status=429))


@pytest.mark.parametrize("error", [UpstreamUnavailableError("503"), limited(None)])
def test_r40_an_old_token_is_used_while_it_is_good_and_no_new_one_comes(error: Exception) -> None:
    keeping = Keeping()
    stored(keeping.store.rows[ONE], "old", 10, refreshed_ago=110)
    keeping.endpoint.answers = [error, error]

    first = keeping.get()
    again = keeping.get()
    keeping.pass_time(61)
    later = keeping.get()

    assert (first, again, later) == ("old", "old", "old")
    assert len(keeping.endpoint.asked) == 2
    assert keeping.log.events().count("token.used_longer") == 2


@pytest.mark.parametrize(("minutes", "rejected"), [(0.9, None), (-5, None), (10, "old")])
def test_r40_a_token_in_its_last_minute_or_refused_is_not_used(
    minutes: float, rejected: str | None
) -> None:
    keeping = Keeping()
    stored(keeping.store.rows[ONE], "old", minutes, refreshed_ago=110)
    keeping.endpoint.answers = [UpstreamUnavailableError("503")]

    with pytest.raises(UpstreamUnavailableError, match="503"):
        keeping.get(rejected=rejected)


def test_r40_a_consent_that_is_gone_uses_no_old_token() -> None:
    keeping = Keeping()
    stored(keeping.store.rows[ONE], "old", 10, refreshed_ago=110)
    keeping.endpoint.answers = [REVOKED]

    with pytest.raises(ReauthorizationRequiredError):
        keeping.get()


def test_r40_nobody_asks_before_the_instant_that_ebay_named() -> None:
    keeping = Keeping()
    keeping.endpoint.answers = [limited(BEGINNING + timedelta(minutes=5))]

    with pytest.raises(RateLimitedError):
        keeping.get()
    keeping.tokens = keeping.another()
    with pytest.raises(RateLimitedError) as caught:
        keeping.get()
    keeping.pass_time(301)

    assert caught.value.retry_at == BEGINNING + timedelta(minutes=5)
    assert keeping.get() == "access-2"
    assert keeping.store.rows[ONE].retry_at is None


def test_a_renewal_refreshes_a_token_that_is_still_good() -> None:
    keeping = Keeping()
    stored(keeping.store.rows[ONE], "good", 100)

    keeping.tokens.renew(ONE, "production", 0, timeout=25.0)

    assert keeping.store.rows[ONE].access_token == "sealed(access-1)"
    assert (keeping.tokens.asked(ONE), keeping.tokens.asked(TWO)) == (1, 0)


def test_r39_a_renewal_is_content_with_another_ones_new_pair() -> None:
    keeping = Keeping()

    def rival() -> None:
        keeping.store.before_start = lambda: None
        keeping.another().renew(ONE, "production", 0, timeout=25.0)

    keeping.store.before_start = rival

    keeping.tokens.renew(ONE, "production", 0, timeout=25.0)
    keeping.tokens.renew(ONE, "production", 0, timeout=25.0)

    assert len(keeping.endpoint.asked) == 1
    assert keeping.tokens.asked(ONE) == 0


def test_a_renewal_that_another_holds_all_the_time_says_so() -> None:
    keeping = Keeping()
    keeping.store.rows[ONE].leased_until = BEGINNING + timedelta(hours=1)

    with pytest.raises(BeingRefreshedError):
        keeping.tokens.renew(ONE, "production", 0, timeout=5.0)
