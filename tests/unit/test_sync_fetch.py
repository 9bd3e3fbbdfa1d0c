"""One page: how often eBay is asked, for how long, and what is said when it will not answer."""

from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest

from core.errors import (
    AccessTokenRefusedError,
    AppError,
    BadAnswerError,
    ConfigurationError,
    MissingScopeError,
    OutOfTimeError,
    ReauthorizationRequiredError,
    SignatureRequiredError,
    TokenRefusedError,
    UpstreamFacts,
    UpstreamUnavailableError,
)
from core.secret import Secret
from core.sync.budget import Allowance
from core.sync.fetch import PAGE_S, REQUEST_S, UnitPages
from core.sync.model import Page, PageQuery, Pass
from core.tries import TRIES
from tests.support.memory_calls import MemoryCalls
from tests.support.sync_fakes import (
    ACCOUNT,
    NOW,
    ORDERS,
    Answering,
    FakeSource,
    FakeTokens,
    Run,
    scripted,
)

QUERY = PageQuery(from_=NOW, to=NOW, limit=4, offset=0)
PAGE = Page(text="{}", rows=(b"{}",), total=1, next_offset=None)
AWAY = UpstreamUnavailableError("eBay answered 500")
REFUSED = AccessTokenRefusedError("eBay answered 401")


@dataclass
class Scene:
    answer: Answering
    takes_s: float = 0.0
    limit_s: float | None = None
    tokens: FakeTokens = field(default_factory=FakeTokens)
    slept: list[float] = field(default_factory=list)
    store: MemoryCalls = field(default_factory=MemoryCalls)
    demands: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.run = Run(limit_s=self.limit_s)
        self.source = FakeSource(self.answer, self.run.clock, self.takes_s)
        self.allowance = Allowance(
            store=self.store,
            account=ACCOUNT,
            stream=ORDERS,
            pass_=Pass.NEW,
            context=self.run.context(),
        )
        self.pages = UnitPages(
            source=self.source,
            tokens=self.tokens,
            sleep=self._sleep,
            account=ACCOUNT,
            stream=ORDERS,
            context=self.run.context(),
            allowance=self.allowance,
            sign_from_now_on=lambda: self.demands.append(ACCOUNT.name),
        )

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.run.clock.advance(seconds)


def test_a_page_is_dated_by_the_instant_at_which_it_was_asked_for() -> None:
    scene = Scene(scripted(PAGE), takes_s=3)

    fetched = scene.pages.fetch(QUERY)

    assert (fetched.page, fetched.read_at) == (PAGE, NOW)


def test_r59_an_ebay_that_is_away_is_asked_again_with_growing_waits() -> None:
    scene = Scene(scripted(AWAY, AWAY, PAGE))

    fetched = scene.pages.fetch(QUERY)

    assert fetched.page is PAGE
    assert len(scene.source.calls) == 3
    assert [wait <= TRIES.delay(n) for n, wait in enumerate(scene.slept, 1)] == [True, True]


WANTED = SignatureRequiredError("eBay answered 403, error 215001")


def test_an_account_of_which_ebay_demands_signatures_signs_from_then_on() -> None:
    scene = Scene(scripted(WANTED, PAGE))

    assert scene.pages.fetch(QUERY).page is PAGE
    assert scene.pages.fetch(QUERY).page is PAGE

    assert scene.demands == ["shop"]
    assert scene.source.signed == [False, True, True]
    assert [signs for signs, _ in scene.source.prepared] == [False, True, True]
    assert (scene.slept, scene.pages.calls.made) == ([], 3)
    assert "account.signature_demanded" in scene.run.log.events()


def test_a_signed_call_that_is_refused_is_not_tried_again() -> None:
    scene = Scene(scripted(WANTED, WANTED, PAGE))

    with pytest.raises(SignatureRequiredError):
        scene.pages.fetch(QUERY)

    assert (scene.demands, scene.source.signed) == (["shop"], [False, True])


def test_without_a_key_no_call_is_made() -> None:
    scene = Scene(scripted(WANTED, PAGE))
    scene.source.unprepared = [SignatureRequiredError("no signing key can be had")]

    with pytest.raises(SignatureRequiredError, match="no signing key"):
        scene.pages.fetch(QUERY)

    assert scene.pages.calls.made == 1
    assert scene.source.prepared[-1] == (True, 25.0)


def test_waits_are_spread_over_their_whole_length() -> None:
    scene = Scene(scripted(AWAY))

    with pytest.raises(UpstreamUnavailableError):
        scene.pages.fetch(QUERY)

    shares = [wait / TRIES.delay(n) for n, wait in enumerate(scene.slept, 1)]
    assert min(shares) < 0.4
    assert max(shares) > 0.6


@pytest.mark.parametrize("takes_s", [0.0, 0.3, 4.0, 60.0])
def test_all_tries_for_a_page_take_at_most_25_seconds(takes_s: float) -> None:
    scene = Scene(scripted(AWAY), takes_s=takes_s)
    began = scene.run.clock.monotonic()

    with pytest.raises(UpstreamUnavailableError, match="eBay answered 500"):
        scene.pages.fetch(QUERY)

    assert scene.run.clock.monotonic() - began <= PAGE_S


def test_one_request_takes_at_most_20_seconds() -> None:
    scene = Scene(scripted(AWAY), takes_s=60)

    with pytest.raises(UpstreamUnavailableError):
        scene.pages.fetch(QUERY)

    timeouts = [timeout for *_, timeout, _ in scene.source.calls]
    assert timeouts[0] == REQUEST_S
    assert sum(timeouts) <= PAGE_S


@pytest.mark.parametrize("limit_s", [1.0, 4.0, 22.0])
def test_no_try_passes_the_deadline(limit_s: float) -> None:
    scene = Scene(scripted(AWAY), takes_s=60, limit_s=limit_s)
    deadline = scene.run.clock.monotonic() + limit_s

    with pytest.raises(AppError):
        scene.pages.fetch(QUERY)

    assert scene.run.clock.monotonic() <= deadline


def test_a_deadline_that_cuts_the_only_try_short_is_not_ebays_fault() -> None:
    scene = Scene(scripted(AWAY), takes_s=60, limit_s=4)

    with pytest.raises(OutOfTimeError):
        scene.pages.fetch(QUERY)


def test_an_ebay_that_answers_with_errors_until_the_deadline_is_away() -> None:
    scene = Scene(scripted(AWAY), takes_s=0.1, limit_s=4)

    with pytest.raises(UpstreamUnavailableError):
        scene.pages.fetch(QUERY)

    assert len(scene.source.calls) > 1


def test_nothing_is_tried_again_once_somebody_asked_to_stop() -> None:
    scene = Scene(scripted(AWAY))
    scene.run.stop = True

    with pytest.raises(OutOfTimeError):
        scene.pages.fetch(QUERY)

    assert (len(scene.source.calls), scene.slept) == (1, [])


def test_r47_a_refused_token_is_refreshed_once_and_the_page_asked_again() -> None:
    scene = Scene(scripted(REFUSED, PAGE))

    fetched = scene.pages.fetch(QUERY)

    assert fetched.page is PAGE
    assert [rejected for rejected, _ in scene.tokens.asked] == [None, Secret("access-1")]
    assert [token for *_, token in scene.source.calls] == [Secret("access-1"), Secret("access-2")]


def test_a_token_that_is_refused_after_a_refresh_is_refused_for_good() -> None:
    scene = Scene(scripted(REFUSED))

    with pytest.raises(TokenRefusedError, match="401"):
        scene.pages.fetch(QUERY)

    assert len(scene.source.calls) == 2


def test_a_failure_between_two_refusals_grants_no_second_refresh() -> None:
    scene = Scene(scripted(REFUSED, AWAY, REFUSED))

    with pytest.raises(TokenRefusedError):
        scene.pages.fetch(QUERY)


def test_a_token_endpoint_that_is_away_is_asked_again() -> None:
    scene = Scene(scripted(PAGE), tokens=FakeTokens(errors=[AWAY]))

    fetched = scene.pages.fetch(QUERY)

    assert fetched.page is PAGE
    assert len(scene.tokens.asked) == 2


def test_the_wait_for_a_token_is_part_of_the_pages_time() -> None:
    scene = Scene(scripted(AWAY), takes_s=5)

    with pytest.raises(UpstreamUnavailableError):
        scene.pages.fetch(QUERY)

    timeouts = [timeout for _, timeout in scene.tokens.asked]
    assert timeouts[0] == PAGE_S
    assert all(later <= earlier - 5 for earlier, later in pairwise(timeouts))


@pytest.mark.parametrize(
    "error",
    [
        BadAnswerError("odd"),
        MissingScopeError("no scope"),
        ReauthorizationRequiredError("consent"),
        ZeroDivisionError("ours"),
    ],
)
def test_what_another_try_cannot_mend_is_not_tried_again(error: Exception) -> None:
    scene = Scene(scripted(error))

    with pytest.raises(type(error)):
        scene.pages.fetch(QUERY)

    assert len(scene.source.calls) == 1


def test_a_page_that_contradicts_its_total_is_asked_again() -> None:
    short = Page(text="{}", rows=(), total=1, next_offset=None)
    scene = Scene(scripted(short, PAGE))

    fetched = scene.pages.fetch(QUERY)

    assert fetched.page is PAGE


def test_r34_every_call_is_an_event_with_its_time_and_its_error() -> None:
    scene = Scene(scripted(AWAY, PAGE), takes_s=0.25)

    scene.pages.fetch(QUERY)

    calls = scene.pages.calls
    assert calls.made == 2
    assert [(event.level, event.event) for event in calls.events] == [
        ("warning", "ebay.called"),
        ("info", "ebay.called"),
    ]
    assert calls.events[0].facts == {
        "operation": "list orders",
        "offset": 0,
        "limit": 4,
        "took_ms": 250,
        "error": "eBay answered 500",
    }
    assert (calls.events[0].account_id, calls.events[0].stream) == (1, "orders")


def test_a_page_that_took_more_calls_than_usual_is_counted_as_it_was_made() -> None:
    scene = Scene(scripted(replace(PAGE, calls=7)))

    scene.pages.fetch(QUERY)
    scene.allowance.close()

    assert scene.pages.calls.made == 7
    assert scene.store.days["simulator", "sell.fulfillment"].used == 7


def test_r32_what_ebay_said_is_kept_with_the_call() -> None:
    facts = UpstreamFacts(status=400, error_id=30830, correlation_id="r-1", body="{odd}")
    scene = Scene(scripted(BadAnswerError("odd", facts)))

    with pytest.raises(BadAnswerError):
        scene.pages.fetch(QUERY)

    [called] = scene.pages.calls.events
    told = {name: called.facts[name] for name in ("status", "error_id", "correlation_id", "body")}
    assert told == {"status": 400, "error_id": 30830, "correlation_id": "r-1", "body": "{odd}"}


def test_a_missing_setting_is_no_call() -> None:
    scene = Scene(scripted(ConfigurationError("EBAY_SIMULATOR_API_URL is not set")))

    with pytest.raises(ConfigurationError):
        scene.pages.fetch(QUERY)

    assert (scene.pages.calls.made, scene.pages.calls.events) == (0, [])


def test_a_call_that_meets_a_mistake_of_ours_is_an_event_too() -> None:
    scene = Scene(scripted(ZeroDivisionError()))

    with pytest.raises(ZeroDivisionError):
        scene.pages.fetch(QUERY)

    assert len(scene.pages.calls.events) == 1
