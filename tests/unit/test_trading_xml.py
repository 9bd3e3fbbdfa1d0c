import tracemalloc
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.ebay.trading_xml import (
    MAX_DEPTH,
    NAMESPACE,
    Complaint,
    Fields,
    Reading,
    Shape,
    XmlError,
    as_list,
    dig,
    read_answer,
    text_at,
    write_request,
)
from tests.support.ebay_shared import trading_sample

ITEMS = Shape(rows="ActiveList/ItemArray/Item", values=("ActiveList/PaginationResult",))


def xml(inside: str, root: str = "GetMyeBaySellingResponse") -> bytes:
    return f'<?xml version="1.0"?><{root} xmlns="{NAMESPACE}">{inside}</{root}>'.encode()


def active(*items: str, more: str = "") -> bytes:
    listed = "".join(f"<Item>{item}</Item>" for item in items)
    return xml(f"<Ack>Success</Ack><ActiveList><ItemArray>{listed}</ItemArray>{more}</ActiveList>")


def row(inside: str) -> Any:
    return read_answer(active(inside), ITEMS).rows[0]


def test_a_request_is_written_as_the_schema_has_it() -> None:
    written = write_request(
        "GetMyeBaySelling",
        {"ActiveList": {"Include": True, "Pagination": {"EntriesPerPage": 200, "PageNumber": 2}}},
    )

    assert written == (
        b'<?xml version="1.0" encoding="utf-8"?>'
        b'<GetMyeBaySellingRequest xmlns="urn:ebay:apis:eBLBaseComponents">'
        b"<ActiveList><Include>true</Include><Pagination><EntriesPerPage>200</EntriesPerPage>"
        b"<PageNumber>2</PageNumber></Pagination></ActiveList></GetMyeBaySellingRequest>"
    )


def test_a_sequence_repeats_its_element() -> None:
    written = write_request("GetMyMessages", {"MessageIDs": {"MessageID": ["1", "2"]}})

    assert b"<MessageIDs><MessageID>1</MessageID><MessageID>2</MessageID></MessageIDs>" in written


@given(st.text())
def test_no_value_breaks_out_of_its_element(value: str) -> None:
    root = ET.fromstring(write_request("GetItem", {"SKU": value, "After": "x"}))

    assert [child.tag.rpartition("}")[2] for child in root] == ["SKU", "After"]


def test_a_value_arrives_as_it_was_sent() -> None:
    root = ET.fromstring(write_request("GetItem", {"SKU": "</SKU><Evil>&amp;\x00"}))

    assert root[0].text == "</SKU><Evil>&amp;\ufffd"


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no name of an element"):
        write_request("GetItem", {"SKU><Evil": "x"})


def test_a_leaf_is_its_text_without_the_padding() -> None:
    found = row("<ItemID>\n   110011001100 \t</ItemID><SKU></SKU><Note/>")

    assert found == {"ItemID": "110011001100", "SKU": "", "Note": ""}


def test_attributes_stand_beside_the_text() -> None:
    found = row('<CurrentPrice currencyID="EUR"> 12.5 </CurrentPrice>')

    assert found == {"CurrentPrice": {"value": "12.5", "currencyID": "EUR"}}


def test_attributes_stand_among_the_children() -> None:
    assert row('<Part id="7"><Name>x</Name></Part>') == {"Part": {"id": "7", "Name": "x"}}


def test_children_of_one_name_become_an_array() -> None:
    found = row("<P><U>a</U><U>b</U></P><Q><U>c</U></Q>")

    assert found == {"P": {"U": ["a", "b"]}, "Q": {"U": "c"}}
    assert [as_list(dig(found, path)) for path in ("P/U", "Q/U", "R/U")] == [["a", "b"], ["c"], []]


def test_r54_a_leaf_element_counts_although_it_has_no_children() -> None:
    """Of an element without children the standard library says that it is false."""
    found = row('<SellingStatus><CurrentPrice currencyID="USD">1.0</CurrentPrice></SellingStatus>')

    assert text_at(found, "SellingStatus/CurrentPrice") == "1.0"


def test_text_at_a_place_that_is_not_there_is_empty() -> None:
    found = {"A": "x", "B": {"value": "1", "currencyID": "EUR"}, "C": {"D": "y"}, "E": ["1", "2"]}

    assert [text_at(found, path) for path in ("A", "B", "C/D", "C", "E", "A/F", "Z")] == [
        "x",
        "1",
        "y",
        "",
        "",
        "",
        "",
    ]


def test_elements_that_no_schema_knows_are_kept() -> None:
    assert row("<Brandnew><Deep>1</Deep></Brandnew>") == {"Brandnew": {"Deep": "1"}}


def test_namespaces_and_prefixes_make_no_difference() -> None:
    body = (
        b'<e:GetMyeBaySellingResponse xmlns:e="urn:other"><e:Ack>Success</e:Ack><e:ActiveList>'
        b"<e:ItemArray><e:Item><e:ItemID>1</e:ItemID></e:Item></e:ItemArray></e:ActiveList>"
        b"</e:GetMyeBaySellingResponse>"
    )

    found = read_answer(body, ITEMS)

    assert (found.root, found.ack, found.rows) == (
        "GetMyeBaySellingResponse",
        "Success",
        [{"ItemID": "1"}],
    )


def test_other_lists_of_the_answer_are_not_taken_for_the_one_asked_for() -> None:
    found = read_answer(trading_sample("GetMyeBaySelling"), ITEMS)

    assert [each["ItemID"] for each in found.rows] == ["500000000001"]
    assert found.values == {
        "ActiveList/PaginationResult": {"TotalNumberOfPages": "2", "TotalNumberOfEntries": "201"}
    }


def test_a_sample_is_read_field_by_field() -> None:
    (found,) = read_answer(trading_sample("GetMyeBaySelling"), ITEMS).rows

    assert found["SellingStatus"] == {"CurrentPrice": {"value": "250.0", "currencyID": "USD"}}
    assert found["ListingDetails"] == {
        "ConvertedBuyItNowPrice": {"value": "250.0", "currencyID": "USD"},
        "StartTime": "2026-01-10T09:30:00.000Z",
        "ViewItemURL": "http://cgi.sandbox.ebay.com/sample",
    }
    assert (found["SKU"], found["QuantityAvailable"], found["WatchCount"]) == ("SKU-1", "2", "3")


@pytest.mark.parametrize(
    ("name", "code", "is_system"),
    [("error_21917053_expired_iaf", 21917053, False), ("error_10007_internal", 10007, True)],
)
def test_r28_errors_are_read_from_the_samples(name: str, code: int, *, is_system: bool) -> None:
    found = read_answer(trading_sample(name), ITEMS)

    assert found.ack == "Failure"
    assert [(each.code, each.is_system, each.is_warning) for each in found.complaints] == [
        (code, is_system, False)
    ]


def test_a_warning_says_that_it_is_one() -> None:
    found = read_answer(trading_sample("warning_21927_unrecognized_element"), ITEMS)

    assert found.complaints == [
        Complaint(
            code=21927,
            text=(
                "The element <Item> was found in the input SOAP request.  This is not a declared "
                "element in the schema and will be ignored."
            ),
            is_warning=True,
            is_system=False,
        )
    ]


@pytest.mark.parametrize("code", ["", "x", "-5", "٣", "9" * 5000])
def test_a_code_that_is_no_number_is_none(code: str) -> None:
    body = xml(f"<Ack>Failure</Ack><Errors><ErrorCode>{code}</ErrorCode></Errors>")

    assert [each.code for each in read_answer(body, ITEMS).complaints] == [None]


LAUGHS = b"".join(
    b'<!ENTITY l%d "%b">' % (n, b"&l%d;" % (n - 1) * 10 if n else b"lol") for n in range(10)
)


@pytest.mark.parametrize(
    "declared",
    [
        b"<!DOCTYPE r>",
        b"<!DOCTYPE r [%b]>" % LAUGHS,
        b'<!DOCTYPE r [<!ENTITY l9 SYSTEM "file:///etc/passwd">]>',
        b'<!DOCTYPE r SYSTEM "http://127.0.0.1:9/evil.dtd">',
        b'<!DOCTYPE r [<!ENTITY %% p SYSTEM "http://127.0.0.1:9/"> %%p;]>',
    ],
)
def test_r29_a_document_type_is_refused_before_it_expands(declared: bytes) -> None:
    body = declared + b"<GetMyeBaySellingResponse><Ack>&l9;</Ack></GetMyeBaySellingResponse>"

    with pytest.raises(XmlError, match="document type"):
        read_answer(body, ITEMS)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not XML at all",
        b"<a><b></a>",
        active("<ItemID>1</ItemID>")[:-20],
        b'{"errors":[]}',
        b'<?xml version="1.0" encoding="klingon"?><a/>',
        b'<?xml version="1.0" encoding="shift_jis"?><a/>',
        b"<a>&undefined;</a>",
        b"\xff\xfe\x00",
    ],
)
def test_r29_what_is_no_whole_xml_is_an_error(body: bytes) -> None:
    with pytest.raises(XmlError):
        read_answer(body, ITEMS)


def test_elements_nested_without_end_are_refused() -> None:
    deep = "<a>" * 100_000 + "</a>" * 100_000

    with pytest.raises(XmlError, match=f"more than {MAX_DEPTH} deep"):
        read_answer(active(deep), ITEMS)


@pytest.mark.parametrize(
    "bad", [b"\x01", b"\xff", b"&#0;", b"&#x1F;", b"&#xD800;", b"&#xFFFFFFFFFFFFFFFFFFFFFF;"]
)
def test_a_character_that_xml_does_not_know_costs_only_itself(bad: bytes) -> None:
    body = active("<Title>a@b &amp; &#228;</Title>").replace(b"@", bad)

    assert read_answer(body, ITEMS).rows == [{"Title": "a\ufffdb & ä"}]


def test_r56_the_memory_of_an_answer_is_that_of_its_rows() -> None:
    """Lists that nobody asked for are let go as they are read."""
    item = "<Item><ItemID>110011001100</ItemID><Title>" + "x" * 200 + "</Title></Item>"
    body = xml(f"<Ack>Success</Ack><WatchList><ItemArray>{item * 20_000}</ItemArray></WatchList>")

    tracemalloc.start()
    found = read_answer(body, ITEMS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert (found.ack, found.rows) == ("Success", [])
    assert peak < 2 * len(body)


names = st.from_regex(r"[A-Z][a-z]{0,5}", fullmatch=True)
fields: st.SearchStrategy[Fields] = st.recursive(
    st.dictionaries(names, st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]))),
    lambda inner: st.dictionaries(names, inner),
    max_leaves=6,
)


@settings(max_examples=40)
@given(fields)
def test_what_is_written_is_read_again(given_fields: Fields) -> None:
    body = write_request("GetMyeBaySelling", {"ActiveList": {"Whole": given_fields}})

    found = read_answer(body, Shape(rows="-", values=("ActiveList/Whole",)))

    assert isinstance(found, Reading)
    assert found.values["ActiveList/Whole"] == as_text(given_fields)


def as_text(value: Any) -> Any:
    """An element without children is its text."""
    if isinstance(value, dict):
        return {name: as_text(each) for name, each in value.items()} or ""
    return value
