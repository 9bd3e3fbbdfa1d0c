"""The test of the keys at a start, and the change of keys."""

from dataclasses import dataclass, field, replace

import pytest

from core.errors import ConfigurationError
from core.ids import AccountId
from core.tokens.canary import KeyTest
from core.tokens.model import SealedPair, SealedValue
from core.tokens.rekey import BATCH, ROUNDS, Rekeyed, RekeyTokens
from core.tokens.rekey_values import RekeyValues
from tests.support.memory_roster import MemoryCanary, MemorySealed, MemoryValues, WordCipher

ANNA = AccountId(1)
CANARY = "0:canary:canary"
OLD_TOKEN = "old:1:refresh_token:anna"


def key_test(canary: MemoryCanary, *keys: str) -> KeyTest:
    return KeyTest(canary=canary, cipher=WordCipher(keys))


def test_r42_a_first_start_makes_the_canary() -> None:
    canary = MemoryCanary()

    key_test(canary, "old").check()

    assert canary.sealed == f"old:{CANARY}"


@pytest.mark.parametrize("keys", [("old",), ("new", "old"), ("old", "new")])
def test_r42_a_later_start_with_the_key_leaves_it_as_it_is(keys: tuple[str, ...]) -> None:
    canary = MemoryCanary(sealed=f"old:{CANARY}", tokens=[(ANNA, OLD_TOKEN)])

    key_test(canary, *keys).check()

    assert canary.sealed == f"old:{CANARY}"


@pytest.mark.parametrize(
    ("sealed", "named"),
    [(f"old:{CANARY}", "the key old"), ("old:tampered", "the key old"), ("garbage", "version")],
)
def test_r42_a_start_with_other_keys_is_refused_and_the_key_named(sealed: str, named: str) -> None:
    canary = MemoryCanary(sealed=sealed, tokens=[(ANNA, OLD_TOKEN)])

    with pytest.raises(ConfigurationError, match=named) as caught:
        key_test(canary, "new").check()

    assert sealed not in str(caught.value)
    assert canary.sealed == sealed


def test_r42_where_no_token_is_stored_a_key_may_take_the_place_of_another() -> None:
    canary = MemoryCanary(sealed=f"old:{CANARY}")

    key_test(canary, "new").check()

    assert canary.sealed == f"new:{CANARY}"


def test_r42_a_database_with_tokens_of_another_key_gets_no_canary_of_ours() -> None:
    canary = MemoryCanary(tokens=[(ANNA, OLD_TOKEN)])

    with pytest.raises(ConfigurationError, match="the key old"):
        key_test(canary, "new").check()

    assert canary.sealed is None


def test_r42_one_token_that_opens_is_enough_for_a_first_canary() -> None:
    canary = MemoryCanary(tokens=[(AccountId(9), "damaged"), (ANNA, OLD_TOKEN)])

    key_test(canary, "old").check()

    assert canary.sealed == f"old:{CANARY}"


def test_r42_of_two_first_starts_the_slower_one_is_asked_by_the_canary_of_the_other() -> None:
    canary = MemoryCanary(rival=f"old:{CANARY}")

    with pytest.raises(ConfigurationError, match="the key old"):
        key_test(canary, "new").check()

    assert canary.sealed == f"old:{CANARY}"


@dataclass
class Change:
    """Two keys, `new` in front."""

    tokens: MemorySealed = field(default_factory=MemorySealed)
    canary: MemoryCanary = field(default_factory=lambda: MemoryCanary(sealed=f"old:{CANARY}"))
    values: MemoryValues = field(default_factory=MemoryValues)
    slept: int = 0

    def has(self, number: int, key: str = "old", *, access: bool = True) -> None:
        account = AccountId(number)
        self.tokens.pairs[account] = SealedPair(
            account_id=account,
            account=f"seller-{number}",
            refresh_token=f"{key}:{number}:refresh_token:r{number}",
            access_token=f"{key}:{number}:access_token:a{number}" if access else None,
        )
        self.canary.tokens.append((account, self.tokens.pairs[account].refresh_token))

    def run(self, *keys: str, discard_lost: bool = False) -> Rekeyed:
        cipher = WordCipher(keys or ("new", "old"))
        return RekeyTokens(
            tokens=self.tokens,
            cipher=cipher,
            keys=KeyTest(canary=self.canary, cipher=cipher),
            values=RekeyValues(values=self.values, cipher=cipher),
            sleep=self.sleep,
        ).run(discard_lost=discard_lost)

    def sleep(self, _: float) -> None:
        self.slept += 1


def test_every_value_is_sealed_with_the_newest_key_and_says_so() -> None:
    change = Change()
    for number in range(1, BATCH + 3):
        change.has(number, access=number % 2 == 0)

    rekeyed = change.run()

    values = BATCH + 2 + (BATCH + 2) // 2
    assert (rekeyed.resealed, rekeyed.values) == (BATCH + 2, {"new": values})
    assert (rekeyed.complete, rekeyed.others) == (True, 0)
    assert change.tokens.pairs[AccountId(2)].refresh_token == "new:2:refresh_token:r2"
    assert change.tokens.pairs[AccountId(2)].access_token == "new:2:access_token:a2"
    assert change.tokens.pairs[AccountId(1)].access_token is None
    assert change.canary.sealed == f"new:{CANARY}"


def test_a_second_change_has_nothing_to_do() -> None:
    change = Change()
    change.has(1)
    change.run()
    canary = change.canary.sealed = f"new:{CANARY}"

    again = change.run()

    assert (again.resealed, again.values, again.complete) == (0, {"new": 2}, True)
    assert change.canary.sealed == canary


def test_a_change_without_tokens_changes_the_canary() -> None:
    change = Change(canary=MemoryCanary())

    rekeyed = change.run()

    assert (rekeyed.values, rekeyed.complete) == ({"new": 0}, True)
    assert change.canary.sealed == f"new:{CANARY}"


def test_a_row_that_somebody_holds_is_looked_for_again() -> None:
    change = Change()
    change.has(1)
    change.has(2)
    change.tokens.held = {AccountId(1): 3}

    rekeyed = change.run()

    assert (rekeyed.resealed, rekeyed.complete, change.slept) == (2, True, 3)


def test_a_row_that_is_held_all_the_time_keeps_its_key_and_is_counted() -> None:
    change = Change()
    change.has(1)
    change.tokens.held = {AccountId(1): 10_000}

    rekeyed = change.run()

    assert (rekeyed.values, rekeyed.others, rekeyed.complete) == ({"new": 0, "old": 2}, 2, False)
    assert change.slept == 2 * ROUNDS


def test_runs_that_began_before_keep_the_old_key_needed() -> None:
    change = Change()
    change.has(1)
    change.tokens.runs = 2

    rekeyed = change.run()

    assert (rekeyed.earlier_runs, rekeyed.complete) == (2, False)


def test_what_no_key_opens_is_named_and_left_and_the_canary_with_it() -> None:
    change = Change()
    change.has(1)
    change.has(2, "gone")
    change.has(3)
    broken = replace(change.tokens.pairs[AccountId(3)], access_token="garbage")
    change.tokens.pairs[AccountId(3)] = broken

    rekeyed = change.run()

    assert rekeyed.lost == ("seller-2", "seller-3")
    assert rekeyed.values == {"new": 2, "gone": 2, "old": 1, "unknown": 1}
    assert not rekeyed.complete
    assert change.tokens.pairs[AccountId(3)] == broken
    assert change.canary.sealed == f"old:{CANARY}"


def test_what_is_lost_is_forgotten_when_somebody_says_so() -> None:
    change = Change()
    change.has(1, "gone")
    change.has(2)

    rekeyed = change.run(discard_lost=True)

    assert (rekeyed.discarded, rekeyed.lost, rekeyed.complete) == (("seller-1",), (), True)
    assert list(change.tokens.pairs) == [AccountId(2)]
    assert change.canary.sealed == f"new:{CANARY}"


def signing_key(name: str, key: str) -> SealedValue:
    text = "garbage" if key == "garbage" else f"{key}:0:signing_key/{name}/us:private"
    return SealedValue(place=f"the key of {name}", field=f"signing_key/{name}/us", text=text)


def test_signing_keys_are_sealed_anew_and_counted() -> None:
    change = Change()
    change.has(1, access=False)
    change.values.held = [signing_key("production", "old"), signing_key("sandbox", "new")]

    rekeyed = change.run()

    assert (rekeyed.resealed, rekeyed.resealed_places) == (1, 1)
    assert (rekeyed.values, rekeyed.complete) == ({"new": 3}, True)
    assert change.values.held == [signing_key("production", "new"), signing_key("sandbox", "new")]


def test_a_signing_key_that_was_renewed_meanwhile_stands() -> None:
    change = Change()
    change.values.held = [signing_key("production", "old")]
    change.values.rival = signing_key("production", "newer")

    rekeyed = change.run("new", "old", "newer")

    assert rekeyed.values == {"new": 1}
    assert change.values.held == [signing_key("production", "new")]


@pytest.mark.parametrize("key", ["gone", "garbage"])
def test_a_signing_key_that_is_lost_is_named_and_left_and_the_canary_with_it(key: str) -> None:
    change = Change()
    change.values.held = [signing_key("production", key)]

    rekeyed = change.run()

    assert (rekeyed.lost, rekeyed.lost_places) == ((), ("the key of production",))
    assert not rekeyed.complete
    assert change.values.held == [signing_key("production", key)]
    assert change.canary.sealed == f"old:{CANARY}"


def test_a_signing_key_that_is_lost_is_forgotten_when_somebody_says_so() -> None:
    change = Change()
    change.values.held = [signing_key("production", "gone"), signing_key("sandbox", "old")]

    rekeyed = change.run(discard_lost=True)

    assert (rekeyed.discarded, rekeyed.discarded_places) == ((), ("the key of production",))
    assert (rekeyed.lost_places, rekeyed.complete) == ((), True)
    assert change.values.held == [signing_key("sandbox", "new")]
    assert change.canary.sealed == f"new:{CANARY}"
