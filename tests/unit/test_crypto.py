import base64
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConfigurationError, DecryptError
from core.ids import AccountId
from core.secret import Secret
from core.tokens.ports import Cipher
from infra.crypto import AesGcmCipher, generate_key, parse_keys

CANARY = "v^1.1#canary-refresh-token"
ACCOUNT = AccountId(7)
FIELD = "refresh_token"
OLD = base64.b64encode(bytes(range(32))).decode()
NEW = base64.b64encode(bytes(range(32, 64))).decode()

KNOWN = "v1.k1.AAAAAAAAAAAAAAAAfdnWrNBY-FaWB9gAL4AFOFIuxMf7Lw=="


def cipher(keys: str = f"k2:{NEW},k1:{OLD}") -> AesGcmCipher:
    return AesGcmCipher(keyring=parse_keys(keys))


def seal(secret: str = CANARY, *, by: AesGcmCipher | None = None) -> str:
    port: Cipher = by or cipher()
    return port.seal(Secret(secret), account_id=ACCOUNT, field=FIELD)


TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]))


@given(TEXT, st.integers().map(AccountId), TEXT)
def test_what_is_sealed_opens_to_itself(secret: str, account_id: AccountId, field: str) -> None:
    sealed = cipher().seal(Secret(secret), account_id=account_id, field=field)

    assert cipher().open(sealed, account_id=account_id, field=field) == Secret(secret)


def test_a_known_value_of_this_format_opens() -> None:
    """Made once with these keys and a nonce of zeros: stored values must open for ever."""
    fixed = AesGcmCipher(keyring=parse_keys(f"k1:{OLD}"), random_bytes=bytes)

    sealed = seal("secret", by=fixed)

    assert sealed == KNOWN
    assert cipher().open(KNOWN, account_id=ACCOUNT, field=FIELD) == Secret("secret")


def test_the_newest_key_seals_and_older_ones_still_open() -> None:
    old = seal(by=cipher(f"k1:{OLD}"))

    new = seal()

    assert (cipher().key_of(old), cipher().key_of(new)) == ("k1", "k2")
    assert cipher().newest == "k2"
    assert cipher().open(old, account_id=ACCOUNT, field=FIELD) == Secret(CANARY)


def test_no_two_sealed_values_are_alike() -> None:
    assert len({seal() for _ in range(100)}) == 100


@pytest.mark.parametrize(
    ("account_id", "field"), [(AccountId(8), FIELD), (ACCOUNT, "access_token"), (AccountId(70), "")]
)
def test_r41_a_value_opens_in_no_other_row_or_field(account_id: AccountId, field: str) -> None:
    with pytest.raises(DecryptError, match="does not open"):
        cipher().open(seal(), account_id=account_id, field=field)


def test_a_value_opens_under_no_other_key_id_even_of_the_same_key() -> None:
    twice = cipher(f"k2:{NEW},k3:{NEW}")
    sealed = seal(by=twice).replace("v1.k2.", "v1.k3.")

    with pytest.raises(DecryptError, match="does not open"):
        twice.open(sealed, account_id=ACCOUNT, field=FIELD)


def test_a_key_that_is_not_there_is_named() -> None:
    with pytest.raises(DecryptError, match="the key k2, which is not there"):
        cipher(f"k1:{OLD}").open(seal(), account_id=ACCOUNT, field=FIELD)


@given(st.data())
def test_a_value_changed_anywhere_does_not_open(data: st.DataObject) -> None:
    version, name, encoded = seal().split(".")
    packed = bytearray(base64.urlsafe_b64decode(encoded))
    place = data.draw(st.integers(min_value=0, max_value=len(packed) - 1))
    packed[place] ^= data.draw(st.integers(min_value=1, max_value=255))
    changed = f"{version}.{name}.{base64.urlsafe_b64encode(packed).decode()}"

    with pytest.raises(DecryptError):
        cipher().open(changed, account_id=ACCOUNT, field=FIELD)


@given(st.text() | st.from_regex(r"v1\.k[12]\.[A-Za-z0-9_=-]*", fullmatch=True))
def test_garbage_is_a_decrypt_error_that_does_not_repeat_it(stored: str) -> None:
    with pytest.raises(DecryptError) as caught:
        cipher().open(stored, account_id=ACCOUNT, field=FIELD)

    assert len(stored) < 8 or stored not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "stored", ["", "plain-token", "v2.k1.AAAA", "v1.k1.AAAA", "v1..AAAA", "v1.k1.\u20ac", "v1.k1"]
)
def test_a_form_that_is_not_ours_is_said_to_be_so(stored: str) -> None:
    with pytest.raises(DecryptError, match="form"):
        cipher().key_of(stored)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "entry 1"),
        (OLD, "entry 1"),
        (f":{OLD}", "entry 1"),
        (f"k 1:{OLD}", "entry 1"),
        (f"k1:{OLD},", "entry 2"),
        (f"k1:{OLD},k1:{NEW}", "k1 stands there twice"),
        ("k1:not base64!", "k1 is no base64"),
        ("k1:", "k1 has 0 bytes"),
        (f"k1:{base64.b64encode(bytes(16)).decode()}", "k1 has 16 bytes"),
        (f"k1:{OLD[:-1]}", "k1 is no base64"),
    ],
)
def test_unusable_keys_are_named_and_never_shown(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        parse_keys(text)

    shown = "".join(traceback.format_exception(caught.value))
    assert "ENCRYPTION_KEYS" in str(caught.value)
    assert OLD not in shown


def test_keys_may_have_space_around_them_and_the_alphabet_of_urls() -> None:
    key = bytes([255] * 32)

    keyring = parse_keys(f" k1:{base64.urlsafe_b64encode(key).decode()} , k2:{NEW}")

    assert keyring.keys["k1"] == key
    assert keyring.newest == "k1"


def test_a_generated_key_is_one_that_can_be_used() -> None:
    made = cipher(f"k1:{generate_key()}")

    assert made.open(seal(by=made), account_id=ACCOUNT, field=FIELD) == Secret(CANARY)
    assert generate_key() != generate_key()


def test_nothing_shows_a_key() -> None:
    shown = repr(cipher()) + str(cipher().keyring)

    assert OLD not in shown
    assert repr(bytes(range(32))) not in shown
