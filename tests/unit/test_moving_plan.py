"""What is to become of each account of the old connector, decided before anything is written."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import DecryptError, UsageError
from core.ids import AccountId
from core.moving.environment import decide_environment
from core.moving.model import (
    Fate,
    HereAccount,
    OldAccount,
    OldConnector,
    OldState,
    OldToken,
    Planned,
    StreamState,
    TokenState,
)
from core.moving.naming import LONGEST_NAME, clean, name_for, seller_names, seller_shown, shown
from core.moving.plan import Planner, Wishes
from core.moving.tokens import find_token
from core.secret import Secret

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
GOOD = Secret("sealed:v^1.1#good")


class Opener:
    """`sealed:` is opened by cutting it off; what begins with `sealed:foreign` is not."""

    def is_sealed(self, stored: Secret) -> bool:
        return stored.reveal().startswith("sealed:")

    def open(self, stored: Secret) -> Secret:
        opened = stored.reveal().removeprefix("sealed:")
        if opened.startswith("foreign"):
            raise DecryptError("no")
        return Secret(opened)


@dataclass(frozen=True)
class Here:
    name: str
    is_snapshot: bool = False


def token(text: str | None = "sealed:v^1.1#good", **values: Any) -> OldToken:
    return OldToken(
        **{
            "refresh_token": None if text is None else Secret(text),
            "refresh_expires_at": None,
            "access_in_clear": False,
            "refused": False,
            "stored_at": NOW,
            **values,
        }
    )


def account(**values: Any) -> OldAccount:
    return OldAccount(
        **{
            "id": "a1",
            "owner": "u1",
            "seller": "anna",
            "username": "anna",
            "label": "Anna's shop",
            "purpose": "BOTH",
            "marketplace_id": "EBAY_US",
            "active": True,
            "environment": "production",
            "connected_in": (),
            "tokens": (token(),),
            "states": (),
            **values,
        }
    )


def here(**values: Any) -> HereAccount:
    return HereAccount(
        **{
            "id": AccountId(7),
            "name": "shop",
            "environment": "production",
            "ebay_user_id": "id-of-anna",
            "username": "Anna",
            **values,
        }
    )


def plan(
    *accounts: OldAccount, known: tuple[HereAccount, ...] = (), **wishes: Any
) -> list[Planned]:
    planner = Planner(
        opener=Opener(),
        streams=[Here("orders")],
        here=known,
        now=NOW,
        wishes=Wishes(**wishes),
    )
    return list(planner.plan(OldConnector(accounts=accounts, workers_enabled=None)))


def test_an_ordinary_account_comes() -> None:
    [planned] = plan(account())

    assert (planned.fate, planned.reason, planned.notes) == (Fate.NEW, None, ())
    assert (planned.name, planned.seller, planned.environment) == (
        "Anna's shop",
        "anna",
        "production",
    )
    assert planned.states == (StreamState(stream="orders", cursor_at=None, enabled=True),)


@pytest.mark.parametrize(
    ("environment", "connected", "given", "decided"),
    [
        ("production", (), None, "production"),
        ("production", ("production",), None, "production"),
        ("sandbox", ("sandbox", "elsewhere"), None, "sandbox"),
        ("production", ("production", "sandbox"), None, None),
        ("sandbox", ("production",), None, None),
        (None, (), None, None),
        ("prod", (), None, None),
        (None, (), "simulator", "simulator"),
        ("production", ("sandbox",), "production", "production"),
    ],
)
def test_the_environment_is_decided_or_asked_for(
    environment: str | None, connected: tuple[str, ...], given: str | None, decided: str | None
) -> None:
    old = account(environment=environment, connected_in=connected)

    found, why = decide_environment(old, given)
    [planned] = plan(old, environment=given)

    assert found == planned.environment == decided
    assert why
    assert planned.fate is (Fate.LEFT if decided is None else Fate.NEW)


@pytest.mark.parametrize(
    ("stored", "values", "state"),
    [
        ("sealed:v^1.1#a", {}, TokenState.OPENS),
        ("v^1.1#a", {}, TokenState.IN_CLEAR),
        (" v^1.1#a \n", {}, TokenState.IN_CLEAR),
        ("sealed:v^1.1#a", {"refresh_expires_at": NOW}, TokenState.EXPIRED),
        ("sealed:v^1.1#a", {"refresh_expires_at": NOW + timedelta(days=1)}, TokenState.OPENS),
        (None, {}, TokenState.MISSING),
        ("", {}, TokenState.MISSING),
        ("sealed:foreign", {}, TokenState.NOT_OPENED),
        ("sealed:sealed:v^1.1#a", {}, TokenState.NO_TOKEN),
        ("hello", {}, TokenState.NO_TOKEN),
        ("v^1.1#ä", {}, TokenState.NO_TOKEN),
        ("v^1.1#\x00", {}, TokenState.NO_TOKEN),
    ],
)
def test_what_may_be_tried_of_what_lies_there(
    stored: str | None, values: dict[str, Any], state: TokenState
) -> None:
    found = find_token([token(stored, **values)], Opener(), NOW)

    assert found.state is state
    assert (found.token is not None) == (state in {TokenState.OPENS, TokenState.IN_CLEAR})
    if found.token is not None:
        assert found.token == Secret("v^1.1#a")


def test_no_row_is_no_token() -> None:
    assert find_token([], Opener(), NOW).state is TokenState.MISSING


def test_the_newest_usable_token_is_taken_and_one_that_opens_before_one_in_clear() -> None:
    old = NOW - timedelta(days=1)

    found = find_token(
        [
            token("sealed:foreign"),
            token("v^1.1#clear"),
            token("sealed:v^1.1#older", stored_at=old),
            token("sealed:v^1.1#newer", stored_at=old + timedelta(hours=1)),
            token("sealed:v^1.1#dateless", stored_at=None),
        ],
        Opener(),
        NOW,
    )

    assert found.token == Secret("v^1.1#newer")


def test_what_is_odd_about_a_token_is_told() -> None:
    refused = find_token([token(refused=True)], Opener(), NOW)
    clear = find_token([token(access_in_clear=True)], Opener(), NOW)
    hopeless = find_token([token("sealed:foreign", refused=True)], Opener(), NOW)

    assert "refused" in refused.notes[0]
    assert "in clear" in clear.notes[0]
    assert hopeless.notes == ()


def test_a_secret_that_opens_nothing_is_the_wrong_one() -> None:
    foreign = (token("sealed:foreign"),)

    with pytest.raises(UsageError, match="JWT_SECRET"):
        plan(account(tokens=foreign), account(id="a2", tokens=(token("v^1.1#clear"),)))

    [first, second] = plan(account(tokens=foreign), account(id="a2", seller="bert", username=None))
    assert (first.fate, second.fate) == (Fate.LEFT, Fate.NEW)
    assert "does not open" in (first.reason or "")


def test_without_a_sealed_token_no_secret_is_wrong() -> None:
    [planned] = plan(account(tokens=(token("v^1.1#clear"), token(None))))

    assert planned.fate is Fate.NEW


def test_a_deactivated_account_comes_when_it_is_named() -> None:
    [left] = plan(account(active=False))
    [named] = plan(account(active=False), accounts=("Anna's shop",))

    assert (left.fate, named.fate) == (Fate.LEFT, Fate.NEW)
    assert "deactivated" in " ".join(named.notes)


@pytest.mark.parametrize("name", ["a1", "anna", " Anna's  shop"])
def test_an_account_is_chosen_by_whatever_it_is_called_there(name: str) -> None:
    [planned] = plan(account(), account(id="a2", seller="bert", username="bert", label="b"),
                     accounts=(name,))  # fmt: skip

    assert planned.old.id == "a1"


def test_a_name_that_nobody_has_is_refused() -> None:
    with pytest.raises(UsageError, match="'bert'"):
        plan(account(), accounts=("anna", "bert"))


@pytest.mark.parametrize("known", [here(), here(username=None, ebay_user_id="ANNA")])
def test_a_seller_that_is_here_already_stays_as_it_is(known: HereAccount) -> None:
    [planned] = plan(account(), known=(known,))

    assert (planned.fate, planned.name, planned.here) == (Fate.LEFT, "shop", known)
    assert "'shop'" in (planned.reason or "")


def test_the_same_name_in_another_environment_is_another_seller() -> None:
    [planned] = plan(account(), known=(here(environment="sandbox"),))

    assert planned.fate is Fate.NEW


WRITTEN = (StreamState(stream="orders", cursor_at=None, enabled=True),)


@pytest.mark.parametrize(
    ("untouched", "states", "environment", "fate"),
    [
        (True, WRITTEN, None, Fate.SAME),
        (True, (), None, Fate.RENEWED),
        (True, (replace(WRITTEN[0], cursor_at=NOW),), None, Fate.RENEWED),
        (True, WRITTEN, "production", Fate.SAME),
        (True, WRITTEN, "sandbox", Fate.LEFT),
        (False, (), None, Fate.LEFT),
    ],
)
def test_what_was_moved_over_is_known_again(
    untouched: bool, states: tuple[StreamState, ...], environment: str | None, fate: Fate
) -> None:
    known = here(old_id="a1", untouched=untouched, states=states, username="changed")

    [planned] = plan(account(active=False), known=(known,), environment=environment)

    assert (planned.fate, planned.name, planned.environment) == (
        fate,
        "shop",
        environment or "production",
    )


def test_switches_stay_as_they_came_and_a_whole_account_that_is_off_is_told() -> None:
    off = (OldState(family="orders", enabled=False, cursor=None, last_run_at=None),)
    known = here(old_id="a1", untouched=True, states=WRITTEN)

    [again] = plan(account(states=off), known=(known,))
    [first] = plan(account(states=off))

    assert (again.fate, again.states) == (Fate.SAME, WRITTEN)
    assert not first.states[0].enabled
    assert "streams resume" in " ".join(first.notes)


def test_a_seller_of_two_users_comes_once() -> None:
    first = account(tokens=(token(stored_at=NOW - timedelta(days=1)),))
    second = account(id="a2", owner="u2", label="other", tokens=(token(stored_at=NOW),))
    switched_off = account(id="a3", owner="u3", label="off", active=False, tokens=(token(),))

    [old, new] = plan(first, second)
    [kept, off] = plan(first, switched_off, accounts=("a1", "a3"))
    known = here(old_id="a1", untouched=True, states=WRITTEN, username="anna")
    [same, rival] = plan(first, second, known=(known,))

    assert (old.fate, new.fate) == (Fate.LEFT, Fate.NEW)
    assert "another user" in (old.reason or "")
    assert (kept.fate, off.fate) == (Fate.NEW, Fate.LEFT)
    assert (same.fate, rival.fate) == (Fate.SAME, Fate.LEFT)


def test_two_users_with_the_same_seller_in_two_environments_have_two_sellers() -> None:
    [one, other] = plan(account(), account(id="a2", environment="sandbox"))

    assert (one.fate, other.fate) == (Fate.NEW, Fate.NEW)
    assert (one.name, other.name) == ("Anna's shop", "Anna's shop 2")


def test_what_is_odd_about_an_account_is_told() -> None:
    states = (OldState(family="storages\n", enabled=True, cursor=None, last_run_at=None),)

    [planned] = plan(
        account(seller="unknown", username="", purpose="buying", states=states, label="-x")
    )

    told = " ".join(planned.notes)
    assert planned.fate is Fate.NEW
    assert (planned.seller, planned.name) == ("unknown", "x")
    for word in ("never learned", "only buys", "'storages'", "'-x'"):
        assert word in told


@pytest.mark.parametrize(
    ("label", "username", "taken", "name"),
    [
        ("shop", "anna", set(), "shop"),
        ("shop", "anna", {"shop"}, "shop 2"),
        ("shop", "anna", {"shop", "shop 2"}, "shop 3"),
        (" a\n\tb\x1b[0m ", None, set(), "a b [0m"),
        ("\x00\u202e", "anna", set(), "anna"),
        ("--", None, set(), "seller"),
        ("x" * 300, None, {"x" * 100}, "x" * 98 + " 2"),
    ],
)
def test_a_name_can_be_shown_typed_and_told_apart(
    label: str, username: str | None, taken: set[str], name: str
) -> None:
    assert name_for(account(label=label, username=username, seller="seller"), taken) == name


def test_an_account_without_any_name_gets_its_id() -> None:
    nameless = account(label="", username=None, seller=None)

    assert name_for(nameless, set()) == "account a1"
    assert seller_names(nameless) == frozenset()
    assert seller_shown(nameless) == "unknown"


@given(st.text(), st.sets(st.text(), max_size=3))
def test_any_name_there_becomes_one_that_accounts_may_have(label: str, taken: set[str]) -> None:
    name = name_for(account(label=label), taken)

    assert name not in taken
    assert name.isprintable()
    assert name == name.strip()
    assert 0 < len(name) <= LONGEST_NAME
    assert not name.startswith("-")


def test_long_texts_are_cut_where_they_are_shown() -> None:
    assert shown("x" * 61) == "x" * 59 + "…"
    assert shown("x" * 60) == "x" * 60
    assert clean(None) == ""
