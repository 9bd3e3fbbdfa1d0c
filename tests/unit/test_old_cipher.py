"""What the old connector sealed opens here, by an implementation that shares nothing with it."""

import base64
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import DecryptError
from core.moving.tokens import Opener
from core.secret import Secret
from infra.old_connector.cipher import WELL_KNOWN, old_cipher
from tests.support.old_connector import hkdf, sealed

TOKEN = "v^1.1#i^1#r^1#p^3#canary"
TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]))


def test_the_tests_own_derivation_is_that_of_rfc_5869() -> None:
    """Its test cases 1 and 3, the second without salt as here."""
    key = bytes.fromhex("0b" * 22)

    first = hkdf(key, bytes(range(0xF0, 0xFA)), 42, bytes(range(13)))
    third = hkdf(key, b"", 42)

    assert first.hex() == (
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    )
    assert third.hex() == (
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
    )


@given(TEXT, TEXT)
def test_what_it_sealed_opens(token: str, secret: str) -> None:
    opener: Opener = old_cipher(Secret(secret))
    stored = Secret(sealed(token, secret))

    assert opener.is_sealed(stored)
    assert opener.open(stored) == Secret(token)


def test_a_value_that_was_sealed_once_opens_for_ever() -> None:
    """With the secret of its source, and a nonce of zeros."""
    known = "ENC:v1:AAAAAAAAAAAAAAAAdCjb7P7M98242WBrnmq0x/cm/3+Ud9OsNyjeHr7yOWOBl/P/WNBd2Q=="

    assert old_cipher(Secret(WELL_KNOWN)).open(Secret(known)) == Secret(TOKEN)


def test_both_alphabets_of_base64_are_read() -> None:
    opener = old_cipher(Secret("secret"))
    packed = base64.b64decode(sealed(TOKEN * 9, "secret").removeprefix("ENC:v1:"))
    url_safe = "ENC:v1:" + base64.urlsafe_b64encode(packed).decode()

    assert opener.open(Secret(url_safe)) == Secret(TOKEN * 9)


def damaged() -> list[str]:
    whole = sealed(TOKEN, "secret", bytes(12))
    packed = bytearray(base64.b64decode(whole.removeprefix("ENC:v1:")))
    packed[20] ^= 1
    return [
        sealed(TOKEN, "another", bytes(12)),
        "ENC:v1:" + base64.b64encode(packed).decode(),
        "ENC:v1:" + base64.b64encode(packed[:27]).decode(),
        whole[:-1],
        whole + "=",
        whole[:30] + "!" + whole[31:],
        "ENC:v1:",
        "ENC:v1:ä",
        "ENC:v1:\x00",
    ]


@pytest.mark.parametrize("stored", damaged())
def test_what_does_not_open_is_an_error_and_never_its_own_ciphertext(stored: str) -> None:
    opener = old_cipher(Secret("secret"))

    with pytest.raises(DecryptError) as caught:
        opener.open(Secret(stored))

    told = "".join(traceback.format_exception(caught.value))
    assert "canary" not in told
    assert stored not in told or len(stored) < 9


def test_what_is_no_text_is_an_error_that_does_not_show_it() -> None:
    opener = old_cipher(Secret("secret"))

    with pytest.raises(DecryptError) as caught:
        opener.open(Secret(sealed("canary\udcff", "secret")))

    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("stored", ["", "v^1.1#a", "enc:v1:AAAA", " ENC:v1:AAAA", "ENC:v2:AAAA"])
def test_what_it_did_not_seal_is_known(stored: str) -> None:
    assert not old_cipher(Secret("secret")).is_sealed(Secret(stored))


def test_its_key_is_not_shown() -> None:
    key = hkdf(b"secret", b"ebay-token-encryption", 32)

    assert repr(key) not in repr(old_cipher(Secret("secret")))
