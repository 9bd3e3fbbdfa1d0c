import json
import re
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from infra.clean import clean_json_text, clean_row

# Every UTF-16 code unit, so that pairs, halves and swapped halves occur; backslashes often.
UNITS = st.one_of(
    st.sampled_from([0x0000, 0xD83D, 0xDE00, 0xDBFF, 0xDC00, 0xDFFF, 0xD800, 0x5C, 0x22, 0x75]),
    st.integers(min_value=0, max_value=0xFFFF),
)


def as_json_string(units: list[int], capitals: list[bool]) -> str:
    written = ""
    for unit, capital in zip(units, capitals, strict=True):
        if unit == 0x5C:
            written += "\\\\"
        elif unit == 0x22:
            written += '\\"'
        elif 0x20 <= unit < 0x7F and capital:
            written += chr(unit)
        else:
            written += f"\\u{unit:04X}" if capital else f"\\u{unit:04x}"
    return f'"{written}"'


def decoded(units: list[int]) -> str:
    characters = ""
    position = 0
    while position < len(units):
        unit = units[position]
        low = units[position + 1] if position + 1 < len(units) else 0
        if 0xD800 <= unit < 0xDC00 and 0xDC00 <= low < 0xE000:
            characters += chr(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00))
            position += 2
            continue
        characters += "\ufffd" if unit == 0 or 0xD800 <= unit < 0xE000 else chr(unit)
        position += 1
    return characters


@given(st.lists(st.tuples(UNITS, st.booleans()), max_size=12))
@example([(0x5C, False), (0x75, True), (0x30, True)])
@example([(0xD83D, True), (0xD83D, False), (0xDE00, True)])
def test_only_what_postgresql_refuses_is_replaced(drawn: list[tuple[int, bool]]) -> None:
    units = [unit for unit, _ in drawn]
    text = as_json_string(units, [capital for _, capital in drawn])

    assert json.loads(clean_json_text(text)) == decoded(units)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ),
    st.booleans(),
)
def test_cleaned_json_is_json_without_nul_or_half_pairs(value: Any, escaped: bool) -> None:
    text = json.dumps(value, ensure_ascii=escaped)

    cleaned = clean_json_text(text)

    meant = json.dumps(json.loads(cleaned), ensure_ascii=False)
    assert not re.search(r"(?<!\\)(\\\\)*\\u0000", meant)
    assert not re.search("[\x00\ud800-\udfff]", meant)


@given(st.text(alphabet=st.characters(exclude_characters="\x00", exclude_categories=["Cs", "Cc"])))
def test_sound_json_is_left_as_it_is(value: str) -> None:
    text = json.dumps({value: [value, 1.50, 1e400]}, ensure_ascii=False)

    assert clean_json_text(text) == text


@given(st.text(alphabet='\\u0dD8cCfF3eE"{}[],: 1a\x00\ud83d', max_size=40))
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    cleaned = clean_json_text(text)

    assert clean_json_text(cleaned) == cleaned


def test_numbers_order_space_and_repeated_keys_stay_as_they_came() -> None:
    text = '{"b" : 1.00, "a":1e400,  "a": 12345678901234567890.10, "t": "\\u0000"}'

    assert clean_json_text(text) == text.replace("\\u0000", "\ufffd")


def test_an_escaped_backslash_before_a_u_is_no_escape() -> None:
    assert clean_json_text(r'"\\u0000 \\ud83d"') == r'"\\u0000 \\ud83d"'
    assert clean_json_text(r'"\\\u0000"') == '"\\\\\ufffd"'
    assert clean_json_text(r'"\"\u0000"') == '"\\"\ufffd"'


def test_raw_control_characters_are_replaced_and_white_space_is_not() -> None:
    assert (
        clean_json_text('{\r\n\t"a": "x\x00\x01\x1f\x7f"}')
        == '{\r\n\t"a": "x\ufffd\ufffd\ufffd\x7f"}'
    )


def test_a_row_that_is_no_utf8_is_readable_afterwards() -> None:
    assert clean_row(b'{"t": "a\xff\xc3\xa9\\ud83d"}') == '{"t": "a\ufffd\u00e9\ufffd"}'
