"""Tables, by the names that people type; rows as lines; and what an export does with both."""

import csv
import io
import json
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.errors import OutOfTimeError, UsageError
from core.exports.catalog import KEPT, TABLES, find
from core.exports.lines import FORMULA_SIGNS, Format, first_lines, lines
from core.exports.model import Batch, Request, Value
from core.exports.worker import ExportTable

AT = datetime(2026, 11, 22, 8, 30, 0, 123456, UTC)
ORDERS = find("orders")
# PostgreSQL holds no NUL and no half of a pair.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))


def batch_of(*values: Value, documents: int = 0) -> Batch:
    columns = [f"c{number}" for number, _ in enumerate(values)]
    return Batch(columns=columns, rows=[values], documents=documents)


def in_csv(*values: Value) -> list[str]:
    written = lines(Format.CSV, batch_of(*values)).decode()
    [row] = csv.reader(io.StringIO(written, newline=""))
    return row


def in_json(*values: Value, documents: int = 0) -> Any:
    written = lines(Format.JSONL, batch_of(*values, documents=documents))
    return list(json.loads(written).values())


@pytest.mark.parametrize("asked", ["orders", "ebay.orders", " Orders ", "EBAY.ORDERS"])
def test_a_table_is_found_by_its_name(asked: str) -> None:
    assert find(asked) is TABLES["orders"]


@pytest.mark.parametrize(
    ("asked", "name"),
    [("order-lines", "order_lines"), ("active_inventory", "listings"), ("buyer", "purchases")],
)
def test_a_table_is_found_by_what_people_call_it(asked: str, name: str) -> None:
    assert find(asked).name == name


@pytest.mark.parametrize(
    ("asked", "meant"), [("order", "orders"), ("ebay.payout", "payouts"), ("mesages", "messages")]
)
def test_an_unknown_table_is_told_with_the_nearest_and_all_others(asked: str, meant: str) -> None:
    with pytest.raises(UsageError, match=f"no table '{asked}' .*did you mean {meant}?") as raised:
        find(asked)

    assert all(name in str(raised.value) for name in TABLES)


def test_an_unknown_table_that_resembles_none_is_told_with_all_others() -> None:
    with pytest.raises(UsageError, match=r"no table 'xyz' to export\. There are: orders, "):
        find("xyz")


@pytest.mark.parametrize("asked", ["tokens", "ebay.tokens", "ops.key_canary", "key_canary"])
def test_secrets_are_not_exported_and_the_reason_is_told(asked: str) -> None:
    with pytest.raises(UsageError, match=r"is not exported: .* never leave the database"):
        find(asked)


def test_no_table_is_exported_and_kept() -> None:
    assert {table.full_name for table in TABLES.values()}.isdisjoint(KEPT)


@given(st.lists(TEXTS, min_size=1, max_size=5))
@example(["a\rb", "\n", 'x"y,z', "", " ", "\u202egpj.exe", "ß\u2028\x85", "\r\n"])
def test_a_reader_of_csv_gets_what_was_written(texts: list[str]) -> None:
    read = in_csv(*texts)

    assert [text.removeprefix("'") for text in read] == [text.removeprefix("'") for text in texts]
    for written, text in zip(read, texts, strict=True):
        assert written in {text, f"'{text}"}
        assert not written.startswith(FORMULA_SIGNS)


@given(st.lists(TEXTS, min_size=1, max_size=5))
@example(["=1+1", "@a", "a\rb\n", "\u2028\u2029\x85", '"\\'])
def test_a_reader_of_json_lines_gets_what_was_written(texts: list[str]) -> None:
    written = lines(Format.JSONL, batch_of(*texts)).decode()

    assert len(written.splitlines()) == 1
    assert list(json.loads(written).values()) == texts


@pytest.mark.parametrize(
    "text", ["=cmd|' /C calc'!A0", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1"]
)
def test_text_that_a_spreadsheet_would_compute_is_neutralised_in_csv_only(text: str) -> None:
    assert in_csv(text) == [f"'{text}"]
    assert in_json(text) == [text]


def test_a_negative_amount_stays_a_number_and_a_negative_text_does_not() -> None:
    assert in_csv(Decimal("-12.30"), -3, "-12.30") == ["-12.30", "-3", "'-12.30"]


@pytest.mark.parametrize(
    ("amount", "text"),
    [("12.30", "12.30"), ("0E-8", "0.00000000"), ("-0.10", "-0.10"), ("1E+3", "1000")],
)
def test_money_is_decimal_text_without_an_exponent(amount: str, text: str) -> None:
    assert in_csv(Decimal(amount)) == [text]
    assert in_json(Decimal(amount)) == [text]


def test_instants_are_in_utc() -> None:
    elsewhere = AT.astimezone(timezone(timedelta(hours=2)))

    assert in_csv(AT, elsewhere) == ["2026-11-22T08:30:00.123Z"] * 2
    assert in_json(AT, elsewhere) == ["2026-11-22T08:30:00.123Z"] * 2


def test_null_is_nothing_in_csv_and_null_in_json() -> None:
    assert in_csv(None, "") == ["", ""]
    assert in_json(None, "") == [None, ""]


def test_other_values_keep_their_form() -> None:
    run_id = UUID(int=7)

    assert in_csv(True, False, ["a", "=b"], run_id) == ["true", "false", '["a", "=b"]', str(run_id)]
    assert in_json(True, 3, ["a", "=b"], run_id) == [True, 3, ["a", "=b"], str(run_id)]


def test_documents_stand_in_json_lines_as_they_were_written() -> None:
    written = lines(Format.JSONL, batch_of("a", '{"x": 1.10}', None, documents=2))

    assert written == b'{"c0": "a", "c1": {"x": 1.10}, "c2": null}\n'


def test_csv_has_a_head_and_its_lines_end_as_rfc_4180_says() -> None:
    batch = batch_of("a", 1)

    assert first_lines(Format.CSV, batch) + lines(Format.CSV, batch) == b"c0,c1\r\na,1\r\n"
    assert first_lines(Format.JSONL, batch) == b""


@dataclass
class Store:
    """Two batches of two rows, or what it is given."""

    sizes: Sequence[int] = (2, 2)
    closed: bool = field(default=False, init=False)

    def batches(self, request: Request) -> Generator[Batch]:
        try:
            for size in self.sizes:
                yield Batch(columns=["account"], rows=[["a"]] * size)
        finally:
            self.closed = True


def export(store: Store, written: list[bytes], stop_after: int = 99) -> int:
    observed: list[int] = []
    worker = ExportTable(
        store=store, stopping=lambda: len(observed) >= stop_after, observe=observed.append
    )
    return worker.run(Request(table=ORDERS), Format.CSV, written.append)


def test_an_export_writes_its_head_once_and_counts() -> None:
    written: list[bytes] = []

    rows = export(Store(), written)

    assert rows == 4
    assert b"".join(written) == b"account\r\n" + b"a\r\n" * 4


def test_an_export_of_nothing_has_its_head() -> None:
    written: list[bytes] = []

    assert export(Store((0,)), written) == 0
    assert b"".join(written) == b"account\r\n"


def test_an_export_that_is_asked_to_stop_says_that_it_is_not_whole() -> None:
    store = Store()

    with pytest.raises(OutOfTimeError, match="stopped after 2 rows: the export is not whole"):
        export(store, [], stop_after=1)

    assert store.closed


def test_an_export_that_is_asked_to_stop_when_all_is_written_is_whole() -> None:
    assert export(Store(), [], stop_after=2) == 4


def test_an_export_that_nobody_reads_leaves_the_database() -> None:
    store = Store()

    class Gone(list[bytes]):
        def append(self, _: bytes) -> None:
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        export(store, Gone())
    assert store.closed


@pytest.mark.parametrize(("changed", "column"), [(False, "creation_date"), (True, "updated_at")])
def test_a_request_names_the_column_that_since_counts_by(changed: bool, column: str) -> None:
    assert Request(table=ORDERS, changed=changed).since_column == column
