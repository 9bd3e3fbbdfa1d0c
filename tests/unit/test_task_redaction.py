"""What is personal goes before anything is stored; what work is found by stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import UsageError
from core.tasks.redact import DEEPEST, Redactor, is_opaque, luhn, opaque

GONE = [
    ("alice@example.com", "[EMAIL_REDACTED]"),
    ("mail bob.o+neil_7@mail.example.co.uk, please", "mail [EMAIL_REDACTED], please"),
    ("<jörg@bücher.de>", "<[EMAIL_REDACTED]>"),
    ("'miles.o'brien@example.com'", "'[EMAIL_REDACTED]'"),
    ("https://x.example/?to=alice@example.com&n=1", "https://x.example/?to=[EMAIL_REDACTED]&n=1"),
    ("mailto:alice%40example.com", "mailto:[EMAIL_REDACTED]"),
    ("call 555-123-4567.", "call [PHONE_REDACTED]."),
    ("(555) 123-4567", "[PHONE_REDACTED]"),
    ("(555)1234567", "[PHONE_REDACTED]"),
    ("555.123.4567 or 555 123 4567", "[PHONE_REDACTED] or [PHONE_REDACTED]"),
    ("1-555-123-4567", "[PHONE_REDACTED]"),
    ("+1 555 123 4567", "[PHONE_REDACTED]"),
    ("+15551234567", "[PHONE_REDACTED]"),
    ("+49 (0) 170 1234567", "[PHONE_REDACTED]"),
    ("tel: 5551234567", "tel: [PHONE_REDACTED]"),
    ("phone number is 15551234567", "phone number is [PHONE_REDACTED]"),
    ("SSN 123-45-6789", "SSN [SSN_REDACTED]"),
    ("4111111111111111", "[CC_REDACTED]"),
    ("card 4111 1111 1111 1111 12/29", "card [CC_REDACTED] 12/29"),
    ("4111-1111-1111-1111", "[CC_REDACTED]"),
    ("3782 822463 10005", "[CC_REDACTED]"),
    ("6304000000000000 000"[:19], "[CC_REDACTED] 00"),
    ("4222222222222", "[CC_REDACTED]"),
    ("1234 4111 1111 1111 1111 x", "1234 [CC_REDACTED] x"),
    ("4111 1111 1111 1111 4111-1111-1111-1111", "[CC_REDACTED] [CC_REDACTED]"),
    ("5019717010103742", "[CC_REDACTED]"),
    ("8f8b2b83-022b-4320-a161-5022409a8a78@example.com", "[EMAIL_REDACTED]"),
    ("8f8b2b83-022b-4320-a161-5022409a8a78 555-123-4567",
     "8f8b2b83-022b-4320-a161-5022409a8a78 [PHONE_REDACTED]"),
    ("a@b.de 555-123-4567 123-45-6789 4111111111111111",
     "[EMAIL_REDACTED] [PHONE_REDACTED] [SSN_REDACTED] [CC_REDACTED]"),
]  # fmt: skip
STAYS = [
    "order 1234567890 is late",
    "call about order 1234567890",
    "12-34567-12345",
    "item 123456789012",
    "123456789012-1234567890123",
    "123456789012-4222222222222",
    "4111111111111112",
    "4111 1111 1111 1112",
    "2026-11-22 12:30",
    "192.168.100.1000",
    "SKU-100-200-300",
    "1763812345670",
    "user at example.com",
    "@handle and a@b",
    "https://www.ebay.com/str/@seller.name",
    "€ 1,234.50",
    "upload:8f8b2b83-022b-4320-a161-5022409a8a78",
    "s3://court/fb70657b-d4be-4617-a231-9287775c5b87.csv",
    "8b1c8329-0483-4963-83ea-7d7ff7db0951, b18c8632-2266-4668-8665-0967DBC38A39",
]


@pytest.mark.parametrize(("text", "kept"), GONE)
def test_what_is_personal_goes(text: str, kept: str) -> None:
    assert Redactor().text(text) == kept


@pytest.mark.parametrize("text", STAYS)
def test_what_work_is_found_by_stays(text: str) -> None:
    assert Redactor().text(text) == text


def test_it_counts_what_went() -> None:
    redactor = Redactor()

    redactor.text("a@b.de, c@d.de, 555-123-4567")

    assert redactor.found == {"email": 2, "phone": 1}


def test_params_lose_it_in_names_and_values_at_any_depth() -> None:
    asked = {
        "a@b.de": [{"to": "c@d.de", "n": 1, "yes": True, "none": None, "x": 1.5}],
        "order_id": "1234567890",
        "order": 1234567890,
        "phone": "5551234567",
        "mobile_number": 5551234567,
        "ssn": "123456789",
        "card": 4111111111111111,
        "at_ms": 1763812345670,
        "huge": 10**30,
        "negative": -4111111111111111,
    }

    assert Redactor().members(asked) == {
        "[EMAIL_REDACTED]": [
            {"to": "[EMAIL_REDACTED]", "n": 1, "yes": True, "none": None, "x": 1.5}
        ],
        "order_id": "1234567890",
        "order": 1234567890,
        "phone": "[PHONE_REDACTED]",
        "mobile_number": "[PHONE_REDACTED]",
        "ssn": "[SSN_REDACTED]",
        "card": "[CC_REDACTED]",
        "at_ms": 1763812345670,
        "huge": 10**30,
        "negative": "-[CC_REDACTED]",
    }


def test_what_is_nested_too_deep_is_refused() -> None:
    nested: object = []
    for _ in range(DEEPEST + 1):
        nested = [nested]

    with pytest.raises(UsageError, match="deeper"):
        Redactor().members(nested)


def test_a_name_that_tells_things_apart_still_does_without_what_is_personal() -> None:
    first, second = opaque("chat/alice@example.com"), opaque("chat/bob@example.com")

    assert opaque("chat/4711") == "chat/4711"
    assert first != second
    assert "example" not in first + second
    assert opaque("chat/alice@example.com") == first
    assert [is_opaque(name) for name in ("chat/4711", first)] == [False, True]


@pytest.mark.parametrize(("number", "valid"), [("4111111111111111", True), ("79927398713", True),
                                               ("79927398710", False), ("18", True)])  # fmt: skip
def test_the_last_digit_of_a_card_is_the_one_that_the_others_demand(
    number: str, valid: bool
) -> None:
    assert luhn([int(each) for each in number]) is valid


PERSONAL = st.sampled_from(
    ["alice@example.com", "555-123-4567", "123-45-6789", "4111 1111 1111 1111", "378282246310005"]
)
AROUND = st.text(alphabet=" ,;:()<>\n\"'x", max_size=20)


@given(before=AROUND, personal=PERSONAL, after=AROUND)
def test_s5_wherever_it_stands_it_goes(before: str, personal: str, after: str) -> None:
    text = f"{before.removesuffix('x')} {personal} {after.removeprefix('x')}"

    assert personal not in Redactor().text(text)


LONG = [
    "a@" * 30_000, "1-" * 30_000, "+1 " * 20_000, "4111 " * 12_000, "a.-" * 20_000, "a'" * 30_000,
    "phone " * 10_000, "1" * 60_000,
]  # fmt: skip


@pytest.mark.parametrize("text", LONG)
def test_no_text_takes_long(text: str) -> None:
    """Read in one pass: what grows with the square of its length would not end here."""
    assert len(Redactor().text(text * 4)) > 0
