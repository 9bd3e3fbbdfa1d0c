"""A consent from the link to the stored token, and every way in which nothing is stored."""

import re
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from core.connect.begin import BeginConsent
from core.connect.finish import FinishConsent
from core.connect.model import Begun, Connected, ConnectRefusedError, Reply, Step, Via, Wish
from core.connect.scopes import ROOT, lacks
from core.errors import (
    AppError,
    ApplicationRefusedError,
    BadAnswerError,
    ConfigurationError,
    RateLimitedError,
    ReauthorizationRequiredError,
    StoreUnavailableError,
    UpstreamFacts,
    UpstreamUnavailableError,
    UsageError,
)
from core.secret import Secret
from tests.support.memory_connections import Ebay, MemoryConnections, granted
from tests.support.memory_sellers import BERT, Owners
from tests.support.memory_tokens import PlainCipher

FINANCES, ORDERS = f"{ROOT}/sell.finances", f"{ROOT}/sell.fulfillment.readonly"
IDENTITY = f"{ROOT}/commerce.identity.readonly"
USUAL = (ROOT, IDENTITY, ORDERS, FINANCES)
NEEDS = {"orders": ORDERS, "transactions": FINANCES, "messages": ROOT}
BROWSER = Secret("a cookie")
DOWN = UpstreamUnavailableError("no answer")


@dataclass
class Desk:
    store: MemoryConnections = field(default_factory=MemoryConnections)
    ebay: Ebay = field(default_factory=Ebay)
    owners: Owners = field(default_factory=Owners)
    wrong_keys: ConfigurationError | None = None
    clock: float = 0.0
    begun: int = 0

    def begin(
        self, name: str = "shop", *, via: Via = Via.CLI, browser: Secret | None = None, **wish: Any
    ) -> Begun:
        begin = BeginConsent(
            store=self.store,
            consents=self.ebay,
            usual_scopes=USUAL,
            new_state=self._new_state,
            test_keys=self._test_keys,
        )
        return begin.run(Wish(name=name, **wish), via, browser)

    def finish(
        self,
        begun: Begun | None = None,
        *,
        code: str | None = "v^1.1#i^1#code",
        error: str | None = None,
        browser: Secret | None = None,
        name: str | None = None,
    ) -> Connected:
        state = (begun or self.begin()).state
        secret = None if code is None else Secret(code)
        return self.reply(Reply(state=state, code=secret, error=error), browser=browser, name=name)

    def reply(
        self, reply: Reply, *, browser: Secret | None = None, name: str | None = None
    ) -> Connected:
        return self.finisher().run(reply, via=Via.CLI, browser=browser, name=name)

    def finisher(self) -> FinishConsent:
        return FinishConsent(
            store=self.store,
            consents=self.ebay,
            sellers=self.owners,
            sealer=PlainCipher(),
            needs=NEEDS,
            ticks=lambda: self.clock,
            sleep=self._sleep,
        )

    def has(self, status: str) -> None:
        self.store.sellers["shop"] = replace(self.store.sellers["shop"], status=status)

    @property
    def steps(self) -> list[str]:
        return [step if reason is None else f"{step}: {reason}" for _, step, reason in
                self.store.events]  # fmt: skip

    def _new_state(self) -> str:
        self.begun += 1
        return f"{self.begun:043}"

    def _test_keys(self) -> None:
        if self.wrong_keys is not None:
            raise self.wrong_keys

    def _sleep(self, seconds: float) -> None:
        self.clock += seconds


def refused(desk: Desk, reason: str, **how: Any) -> ConnectRefusedError:
    """And nothing is stored."""
    before = dict(desk.store.tokens)
    with pytest.raises(ConnectRefusedError) as caught:
        desk.finish(**how)
    assert caught.value.reason == reason
    assert desk.steps[-1] == f"refused: {reason}"
    assert desk.store.tokens == before
    return caught.value


def test_a_consent_becomes_an_account_with_its_token_sealed() -> None:
    desk = Desk()

    connected = desk.finish()

    assert (connected.name, connected.username, connected.status) == ("shop", "anna", "active")
    assert (connected.environment, connected.renewed) == ("production", False)
    assert desk.store.sellers["shop"].marketplace_ids == ("EBAY_DE",)
    assert desk.store.tokens == {1: "sealed(refresh of v^1.1#i^1#code)"}
    assert desk.steps == [
        "begun", "callback_received", "code_exchanged", "identity_looked_up", "connected",
    ]  # fmt: skip


def test_what_was_begun_is_what_is_connected() -> None:
    desk = Desk()

    begun = desk.begin(
        environment="sandbox",
        marketplace_ids=("EBAY_AT", "EBAY_CH"),
        more_scopes=("sell.marketing",),
        without_scopes=("sell.finances",),
    )
    connected = desk.finish(begun)

    assert begun.link == (
        f"https://sandbox/{ROOT}+{IDENTITY}+{ORDERS}+{ROOT}/sell.marketing?state={1:043}"
    )
    assert begun.expires_at - desk.store.now == timedelta(minutes=10)
    assert connected.environment == "sandbox"
    assert desk.store.sellers["shop"].marketplace_ids == ("EBAY_AT", "EBAY_CH")


def test_of_state_and_browser_only_digests_are_kept() -> None:
    desk = Desk()

    begun = desk.begin(browser=BROWSER)

    kept = repr(desk.store.states)
    assert begun.state.reveal() not in kept
    assert BROWSER.reveal() not in kept


def test_scopes_that_ebay_does_not_tell_are_those_that_were_asked_for() -> None:
    desk = Desk()

    connected = desk.finish()

    assert (connected.scopes, connected.scopes_told, connected.missing) == (USUAL, False, {})
    assert desk.store.scopes["shop"] == (USUAL, False)


def test_what_a_consent_lacks_is_named_for_each_stream() -> None:
    desk = Desk(ebay=Ebay([granted(ROOT, f"{ROOT}/sell.fulfillment")]))

    connected = desk.finish()

    assert connected.scopes_told
    assert connected.missing == {"transactions": "sell.finances"}
    assert lacks(connected.missing) == "transactions needs sell.finances"


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"name": " shop"}, "cannot be used"),
        ({"environment": "staging"}, "no environment 'staging'"),
        ({"marketplace_ids": ("DE",)}, "does not look like EBAY_DE"),
        ({"without_scopes": ("sell.nothing",)}, "not asked for anyway"),
        ({"without_scopes": ("commerce.identity.readonly",)}, "cannot be left out"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anybody_goes_to_ebay(
    wish: dict[str, Any], said: str
) -> None:
    desk = Desk()

    with pytest.raises(UsageError, match=said):
        desk.begin(**wish)

    assert desk.store.states == {}


@pytest.mark.parametrize(
    "desk",
    [
        Desk(ebay=Ebay(not_set=ConfigurationError("EBAY_PRODUCTION_RUNAME is not set"))),
        Desk(wrong_keys=ConfigurationError("ENCRYPTION_KEYS is not set")),
    ],
)
def test_what_is_not_set_is_said_before_anybody_goes_to_ebay(desk: Desk) -> None:
    with pytest.raises(ConfigurationError, match="is not set"):
        desk.begin()

    assert desk.store.states == {}


def test_an_answer_without_a_state_is_refused() -> None:
    desk = Desk()
    desk.begin()

    with pytest.raises(ConnectRefusedError) as caught:
        desk.reply(Reply(code=Secret("code")))

    assert caught.value.reason == "state_missing"
    assert desk.ebay.codes == []
    assert desk.steps[-1] == "refused: state_missing"


@pytest.mark.parametrize(
    "reply",
    [
        Reply(state=Secret("short"), code=Secret("code")),
        Reply(state=Secret("x" * 42 + "{"), code=Secret("code")),
        Reply(malformed=True),
    ],
)
def test_an_answer_whose_state_is_no_state_is_refused(reply: Reply) -> None:
    desk = Desk()

    with pytest.raises(ConnectRefusedError) as caught:
        desk.reply(reply)

    assert caught.value.reason == "state_unparseable"
    assert desk.ebay.codes == []


def test_an_answer_that_nobody_began_is_refused() -> None:
    desk = Desk()

    with pytest.raises(ConnectRefusedError, match="nobody here began") as caught:
        desk.reply(Reply(state=Secret("x" * 43), code=Secret("code")))

    assert caught.value.reason == "state_unknown"
    assert desk.ebay.codes == []


def test_an_answer_is_good_once() -> None:
    desk = Desk()
    begun = desk.begin()
    desk.finish(begun)

    refused(desk, "state_replayed", begun=begun)

    assert len(desk.ebay.codes) == 1


def test_who_waits_for_an_answer_sees_that_a_browser_has_brought_it() -> None:
    desk = Desk()
    begun = desk.begin()
    before = desk.finisher().was_finished(begun.state)
    desk.finish(begun)

    assert (before, desk.finisher().was_finished(begun.state)) == (False, True)


def test_an_answer_is_good_for_ten_minutes() -> None:
    desk = Desk()
    begun = desk.begin()
    desk.store.now += timedelta(minutes=10)

    refused(desk, "state_expired", begun=begun)

    assert desk.ebay.codes == []


@pytest.mark.parametrize("other", [None, Secret("another cookie")])
def test_an_answer_belongs_to_the_browser_that_began(other: Secret | None) -> None:
    desk = Desk()
    begun = desk.begin(via=Via.WEB, browser=BROWSER)

    refused(desk, "state_foreign", begun=begun, browser=other)

    assert desk.finish(begun, browser=BROWSER).name == "shop"


def test_what_no_browser_began_any_browser_may_finish() -> None:
    desk = Desk()

    assert desk.finish(desk.begin(), browser=BROWSER).name == "shop"


def test_an_answer_belongs_to_the_account_for_which_it_was_begun() -> None:
    desk = Desk()
    begun = desk.begin("shop")

    error = refused(desk, "state_foreign", begun=begun, name="my other shop")

    assert "accounts connect --name 'my other shop'" in str(error)
    assert desk.finish(begun, name="shop").name == "shop"


def test_a_declined_consent_is_told_and_ends_the_attempt() -> None:
    desk = Desk()
    begun = desk.begin()

    error = refused(desk, "declined", begun=begun, code=None, error="access_denied")
    refused(desk, "state_replayed", begun=begun)

    assert "declined at eBay" in str(error)
    assert "accounts connect --name shop" in str(error)


def test_what_ebay_refuses_otherwise_is_told_as_such() -> None:
    refused(Desk(), "ebay_refused", code=None, error="invalid_scope")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (None, "code_missing"),
        ("with a space", "code_unusable"),
        ("käse", "code_unusable"),
        ("x" * 2049, "code_unusable"),
    ],
)
def test_what_is_no_code_is_not_sent_to_ebay(code: str | None, reason: str) -> None:
    desk = Desk()

    refused(desk, reason, code=code)

    assert desk.ebay.codes == []


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ReauthorizationRequiredError("the code was used"), "code_refused"),
        (ApplicationRefusedError("our keys"), "keys_refused"),
        (RateLimitedError("429", retry_at=None, quota=True, facts=UpstreamFacts()), "rate_limited"),
        (ConfigurationError("not set"), "config"),
        (BadAnswerError("no token"), "bad_answer"),
    ],
)
def test_a_code_that_is_not_exchanged_leaves_nothing_but_the_reason(
    error: AppError, reason: str
) -> None:
    desk = Desk(ebay=Ebay([error]))

    with pytest.raises(type(error)):
        desk.finish()

    assert desk.steps[-2:] == ["callback_received", f"refused: {reason}"]
    assert desk.store.sellers == {}


def test_an_ebay_that_is_away_for_a_moment_is_asked_again() -> None:
    desk = Desk(ebay=Ebay([DOWN]), owners=Owners([DOWN, DOWN]))

    assert desk.finish().username == "anna"


def test_an_ebay_that_stays_away_ends_the_attempt_within_its_time() -> None:
    desk = Desk(ebay=Ebay([DOWN] * 9))

    with pytest.raises(UpstreamUnavailableError, match="begin again"):
        desk.finish()

    assert len(desk.ebay.codes) == 3
    assert desk.steps[-1] == "refused: upstream"


def test_no_try_is_made_after_the_time_is_used() -> None:
    desk = Desk(ebay=Ebay([DOWN] * 9))
    begun = desk.begin()
    finish = FinishConsent(
        store=desk.store, consents=desk.ebay, sellers=desk.owners, sealer=PlainCipher(),
        needs=NEEDS, ticks=lambda: 0.0, sleep=lambda _: None, limit_s=0.4,
    )  # fmt: skip

    with pytest.raises(UpstreamUnavailableError):
        finish.run(Reply(state=begun.state, code=Secret("code")), via=Via.WEB)

    assert len(desk.ebay.codes) == 1


def test_a_code_that_was_used_up_without_an_answer_is_told_as_no_answer() -> None:
    desk = Desk(ebay=Ebay([DOWN, ReauthorizationRequiredError("invalid_grant")]))

    with pytest.raises(UpstreamUnavailableError, match="no answer; begin again"):
        desk.finish()


@pytest.mark.parametrize(
    "failure", [BadAnswerError("no user"), UpstreamUnavailableError("away"), None]
)
def test_without_an_identity_nothing_is_stored(failure: Exception | None) -> None:
    """R70."""
    desk = Desk(owners=Owners([failure] * 3))

    with pytest.raises(AppError):
        desk.finish()

    assert desk.steps[-2] == "code_exchanged"
    assert desk.steps[-1].startswith("refused: ")
    assert (desk.store.sellers, desk.store.tokens) == ({}, {})


def test_an_identity_that_the_consent_hides_is_told_with_the_scope() -> None:
    error = refused(Desk(owners=Owners([None])), "identity_unknown")

    assert "commerce.identity.readonly" in str(error)


def test_the_same_seller_renews_his_account() -> None:
    desk = Desk()
    desk.finish()
    desk.has("needs_reconnect")

    connected = desk.finish(desk.begin(environment="production"))

    assert (connected.renewed, connected.status) == (True, "active")
    assert list(desk.store.sellers) == ["shop"]


def test_a_paused_account_stays_paused() -> None:
    desk = Desk()
    desk.finish()
    desk.has("paused")

    assert desk.finish().status == "paused"


def test_an_account_that_came_with_a_name_alone_gets_to_know_its_seller() -> None:
    desk = Desk()
    desk.finish()
    desk.store.sellers["shop"] = replace(desk.store.sellers["shop"], ebay_user_id=None)

    assert desk.finish().renewed
    assert desk.store.sellers["shop"].ebay_user_id == "anna-id"


@pytest.mark.parametrize(
    ("gone", "reason", "told"),
    [
        (True, "seller_gone", r"'shop' is gone.*accounts connect --name ANOTHER"),
        (False, "seller_unknown", r"nobody knows whose rows.*accounts disconnect shop"),
    ],
)
def test_nobody_gets_into_an_account_whose_seller_cannot_be_known(
    gone: bool, reason: str, told: str
) -> None:
    desk = Desk()
    desk.finish()
    begun = desk.begin()
    left = replace(desk.store.sellers["shop"], ebay_user_id=None, username=None, seller_gone=gone)
    desk.store.sellers["shop"] = left

    error = refused(desk, reason, begun=begun)

    assert re.search(told, str(error))
    assert desk.store.sellers["shop"] == left
    with pytest.raises(UsageError, match=told):
        desk.begin()


def test_a_namesake_of_another_environment_that_came_meanwhile_is_left_alone() -> None:
    desk = Desk()
    begun = desk.begin()
    desk.finish(desk.begin(environment="sandbox"))

    error = refused(desk, "seller_taken", begun=begun)

    assert "'shop' of sandbox was added meanwhile" in str(error)


def test_another_seller_does_not_get_into_an_account() -> None:
    desk = Desk()
    desk.finish()
    before = dict(desk.store.tokens)
    desk.owners.answers = [BERT]

    error = refused(desk, "other_seller")

    assert "the account 'shop' is anna" in str(error)
    assert desk.store.tokens == before


def test_a_seller_is_connected_under_one_name_only() -> None:
    desk = Desk()
    desk.finish()

    error = refused(desk, "seller_taken", begun=desk.begin("second"))

    assert "accounts connect --name shop" in str(error)
    assert list(desk.store.sellers) == ["shop"]


def test_the_same_seller_in_another_environment_is_another_account() -> None:
    desk = Desk()
    desk.finish()

    assert desk.finish(desk.begin("test", environment="sandbox")).environment == "sandbox"


def test_an_account_keeps_its_environment() -> None:
    desk = Desk()
    desk.finish(desk.begin(environment="sandbox"))

    with pytest.raises(UsageError, match="belongs to sandbox"):
        desk.begin(environment="production")
    assert desk.finish().environment == "sandbox"


def test_an_account_keeps_its_marketplaces() -> None:
    desk = Desk()
    desk.finish()

    with pytest.raises(UsageError, match="leave the marketplace out"):
        desk.begin(marketplace_ids=("EBAY_AT",))


def test_a_seller_without_a_home_has_no_marketplace_yet() -> None:
    desk = Desk(owners=Owners([BERT]))

    assert desk.finish().username is None
    assert desk.store.sellers["shop"].marketplace_ids == ()


def test_the_cause_is_told_though_it_cannot_be_noted() -> None:
    desk = Desk(ebay=Ebay([BadAnswerError("no token")]))
    desk.store.noting_fails = StoreUnavailableError("the database is away")

    with pytest.raises(BadAnswerError):
        desk.finish()


def test_steps_are_those_that_the_table_takes() -> None:
    assert {step.value for step in Step} == {
        "begun", "callback_received", "code_exchanged", "identity_looked_up", "connected",
        "refused", "revoked", "revoke_failed", "disconnected", "erased",
    }  # fmt: skip
