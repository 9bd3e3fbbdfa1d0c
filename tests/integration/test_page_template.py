"""How the statements made from the template store pages: a table of these tests' own."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from core.ids import RunId
from core.sync.model import Page, Pass, Stream, Unit, Walk
from core.sync.ports import Progress, Saved
from infra.postgres import page_write, pages, sync
from infra.postgres.queries import load, statements
from infra.postgres.sync import PostgresSync
from infra.postgres.transaction import Database

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ROWS = """
-- name: rows
SELECT raw ->> 'id' AS thing_id,
       COALESCE(raw ->> 'sku', '') AS sku,
       CAST(raw ->> 'modified' AS timestamptz) AS modified_at,
       CAST(raw ->> 'price' AS numeric) AS price,
       raw ->> 'title' AS title"""
PLAIN = f"-- list: things, table: ebay.scratch, key: thing_id sku\n{ROWS}"
VERSIONED = PLAIN.replace("thing_id sku\n", "thing_id sku, version: modified_at\n", 1)
ENDING = PLAIN.replace("thing_id sku\n", "thing_id sku, ends\n", 1)
DETAILED = (
    PLAIN.replace("thing_id sku\n", "thing_id sku, ends, details\n", 1)
    + ",\n       detail ->> 'text' AS text"
)
TABLE = """
CREATE TABLE ebay.scratch (
  account_id bigint NOT NULL REFERENCES ebay.accounts, thing_id text NOT NULL, sku text NOT NULL,
  modified_at timestamptz, price numeric, title text, text text, note text DEFAULT 'ours',
  detail jsonb, raw jsonb NOT NULL, content_hash bigint NOT NULL,
  first_seen_at timestamptz NOT NULL, updated_at timestamptz NOT NULL, ended_at timestamptz,
  PRIMARY KEY (account_id, thing_id, sku))
"""
AGAIN = DETAILED.replace(", ends, details", ", details, again", 1)
Row = dict[str, Any]


def minute(number: float) -> datetime:
    return AT + timedelta(minutes=number)


def thing(number: int | str, **more: Any) -> Row:
    return {"id": f"thing-{number}", "price": "1.50", "title": "first", **more}


def detailed(row: Row, detail: Row | None = None) -> Row:
    return {"summary": row, "detail": detail}


def thing_1(**detail: Any) -> Row:
    return {"key": "thing-1|", "detail": detail}


class Scratch:
    """A unit of a stream whose statements are made from `source`, taken by a run."""

    def __init__(self, database: Database, source: str) -> None:
        self.database = database
        stream = Stream(
            name="scratch",
            api="scratch",
            list_field="things",
            interval=timedelta(minutes=5),
            walk=Walk.SNAPSHOT,
            page_size=100,
            details_per_call=1 if "details" in source else 0,
            ends_unseen=", ends" in source,
        )
        self.store = PostgresSync(
            database=database, streams={"scratch": stream}, lease=timedelta(minutes=1)
        )
        self.run_id = RunId(uuid4())
        self.sql(TABLE)
        for account in ("shop", "other"):
            self._add(account)
        self.sql(
            "INSERT INTO ops.runs (id, worker, status, via, request_hash, started_at, expires_at)"
            " VALUES (:id, 'ebay-cycle', 'running', 'cli', '', now(), now() + interval '1 hour')",
            id=self.run_id,
        )
        self.store.take_due(self.run_id, datetime.now(UTC), 2)

    def _add(self, account: str) -> None:
        self.sql(
            "WITH account AS (INSERT INTO ebay.accounts (name, environment)"
            " VALUES (:name, 'simulator') RETURNING id)"
            " INSERT INTO ebay.sync_states (account_id, stream, interval_s, due_at)"
            " SELECT id, 'scratch', 300, clock_timestamp() - interval '1 day' FROM account",
            name=account,
        )

    def unit(self, account: str = "shop") -> Unit:
        """As it stands now."""
        found = self.store.candidates([account], [])
        return next(each.unit for each in found if each.unit.pass_ is Pass.NEW)

    def read_again(self, *rows: Row, at: float) -> Saved:
        """As the open pass stores them, taken by the same run."""
        self.sql(
            "INSERT INTO ebay.sync_states"
            " (account_id, stream, pass, interval_s, fence, leased_by, leased_until)"
            " SELECT account_id, stream, 'open', interval_s, fence, leased_by, leased_until"
            " FROM ebay.sync_states WHERE pass = 'new' ON CONFLICT DO NOTHING"
        )
        stream = replace(self.unit().stream, open_by_key=True)
        unit = replace(self.unit(), stream=stream, pass_=Pass.OPEN)
        page = page_of(rows)
        return self.store.save_page(
            self.run_id, "ebay-cycle", unit, page, read_at=minute(at), progress=None
        )

    def save(
        self,
        *rows: Row,
        at: float = 0,
        progress: Progress | None = None,
        account: str = "shop",
    ) -> Saved:
        return self.store.save_page(
            self.run_id,
            "ebay-cycle",
            self.unit(account),
            page_of(rows),
            read_at=minute(at),
            progress=progress,
        )

    def snapshot(self, *rows: Row, at: float, complete: bool = True) -> int:
        """One that began at `at` and is a page long; how many rows have ended."""
        cursor = minute(at) if complete else None
        progress = Progress(window=None, cursor_at=cursor, snapshot=minute(at))
        return self.save(*rows, at=at + 1, progress=progress).ended

    def sql(self, statement: str, **values: Any) -> list[Any]:
        with self.database.transaction() as connection:
            found = connection.execute(sa.text(statement), values)
            return list(found) if found.returns_rows else []

    def column(self, name: str) -> list[Any]:
        return [row[0] for row in self.sql(f"SELECT {name} FROM ebay.scratch ORDER BY thing_id")]

    def ended(self) -> list[str]:
        told = self.sql(
            "SELECT thing_id FROM ebay.scratch WHERE ended_at IS NOT NULL ORDER BY thing_id"
        )
        return [row[0].removeprefix("thing-") for row in told]

    def versions(self) -> list[tuple[str, ...]]:
        """Of rows as they lie in the table: a lock alone would leave its mark in xmax."""
        told = self.sql("SELECT ctid::text, xmin::text, xmax::text FROM ebay.scratch ORDER BY 1")
        return [tuple(row) for row in told]


def page_of(rows: Sequence[Row]) -> Page:
    texts = tuple(json.dumps(row).encode() for row in rows)
    summaries = [row.get("summary", row) for row in rows]
    return Page(
        text=f'{{"things":[{",".join(text.decode() for text in texts)}]}}',
        rows=texts,
        total=len(rows),
        next_offset=None,
        keys=tuple(f"{row.get('id')}|{row.get('sku', '')}" for row in summaries),
    )


@pytest.fixture
def scratch(
    request: pytest.FixtureRequest, database: Database, monkeypatch: pytest.MonkeyPatch
) -> Scratch:
    source: str = request.param
    made = statements(source)
    for module in (pages, page_write, sync):
        monkeypatch.setattr(
            module, "load", lambda feature: made if feature == "scratch" else load(feature)
        )
    return Scratch(database, source)


def made_from(*sources: str) -> pytest.MarkDecorator:
    names = {
        PLAIN: "plain",
        VERSIONED: "versioned",
        ENDING: "ending",
        DETAILED: "detailed",
        AGAIN: "again",
    }
    return pytest.mark.parametrize("scratch", sources, indirect=True, ids=names.__getitem__)


@made_from(PLAIN, VERSIONED, ENDING)
def test_rows_become_columns_and_what_is_ours_stays(scratch: Scratch) -> None:
    saved = scratch.save(thing(1), thing(2, sku="blue"))
    scratch.sql("UPDATE ebay.scratch SET note = 'seen'")

    again = scratch.save(thing(1, title="second"), at=1)

    assert (saved.inserted, saved.updated, again.inserted, again.updated) == (2, 0, 0, 1)
    assert scratch.column("title") == ["second", "first"]
    assert scratch.column("sku") == ["", "blue"]
    assert scratch.column("note") == ["seen", "seen"]
    assert scratch.column("first_seen_at") == [minute(0), minute(0)]
    assert scratch.column("updated_at") == [minute(1), minute(0)]


@made_from(PLAIN, ENDING)
def test_of_repeated_keys_the_last_one_is_kept(scratch: Scratch) -> None:
    saved = scratch.save(thing(1, title="a"), thing(2), thing(1, title="b"))

    assert saved.inserted == 2
    assert scratch.column("title") == ["b", "first"]


@made_from(VERSIONED)
def test_of_repeated_keys_the_newest_version_is_kept(scratch: Scratch) -> None:
    old, new = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"

    scratch.save(
        thing(1, title="new", modified=new),
        thing(1, title="old", modified=old),
        thing(1, title="none"),
        thing(2, title="a", modified=new),
        thing(2, title="b", modified=new),
    )

    assert scratch.column("title") == ["new", "b"]


@made_from(PLAIN, VERSIONED, ENDING)
def test_unchanged_rows_are_not_even_locked(scratch: Scratch) -> None:
    scratch.save(thing(1), thing(2))
    before = scratch.versions()

    saved = scratch.save(thing(2), thing(1), at=1)

    assert (saved.inserted, saved.updated) == (0, 0)
    assert scratch.versions() == before


@made_from(DETAILED)
def test_unchanged_details_are_not_written_either(scratch: Scratch) -> None:
    scratch.save(detailed(thing(1), {"text": "long"}), detailed(thing(2)))
    before = scratch.versions()

    saved = scratch.save(detailed(thing(1), {"text": "long"}), detailed(thing(2)), at=1)

    assert (saved.inserted, saved.updated) == (0, 0)
    assert scratch.versions() == before


@made_from(PLAIN, ENDING, VERSIONED)
def test_an_answer_asked_for_earlier_never_wins(scratch: Scratch) -> None:
    scratch.save(thing(1, title="later"), at=5)

    saved = scratch.save(thing(1, title="earlier"), at=4)

    assert saved.updated == 0
    assert scratch.column("title") == ["later"]


@made_from(VERSIONED)
def test_an_older_version_never_wins_whenever_it_was_asked_for(scratch: Scratch) -> None:
    scratch.save(thing(1, title="new", modified="2026-01-02T00:00:00Z"), at=1)

    later = scratch.save(thing(1, title="old", modified="2026-01-01T00:00:00Z"), at=2)
    kept = scratch.column("title")
    earlier = scratch.save(thing(1, title="newest", modified="2026-01-03T00:00:00Z"), at=0)

    assert (later.updated, kept) == (0, ["new"])
    assert (earlier.updated, scratch.column("title")) == (1, ["newest"])


@made_from(VERSIONED)
@pytest.mark.parametrize(
    "versions", [(None, "2026-01-01T00:00:00Z"), ("2026-01-01T00:00:00Z", None)]
)
def test_without_a_version_the_later_answer_wins(
    scratch: Scratch, versions: tuple[str | None, str | None]
) -> None:
    first, second = versions
    scratch.save(thing(1, title="a", modified=first), at=1)

    later = scratch.save(thing(1, title="b", modified=second), at=2)
    earlier = scratch.save(thing(1, title="c", modified=first), at=0)

    assert (later.updated, earlier.updated) == (1, 0)
    assert scratch.column("title") == ["b"]


@made_from(ENDING)
def test_a_row_ends_when_two_complete_snapshots_in_a_row_did_not_show_it(scratch: Scratch) -> None:
    both = [scratch.snapshot(thing(1), thing(2), at=0)]
    both.append(scratch.snapshot(thing(1), at=10))

    missed_once = scratch.ended()
    both.append(scratch.snapshot(thing(1), at=20))

    assert (both, missed_once) == ([0, 0, 1], [])
    assert scratch.ended() == ["2"]
    assert scratch.column("ended_at") == [None, minute(21)]


@made_from(ENDING)
def test_a_snapshot_that_was_not_completed_misses_nothing(scratch: Scratch) -> None:
    scratch.snapshot(thing(1), thing(2), at=0)

    scratch.snapshot(thing(1), at=10, complete=False)
    scratch.snapshot(thing(1), at=20, complete=False)
    scratch.snapshot(thing(1), at=30)

    assert scratch.ended() == []
    assert scratch.snapshot(thing(1), at=40) == 1


@made_from(ENDING)
def test_a_row_missed_now_and_then_does_not_end(scratch: Scratch) -> None:
    for number in range(0, 60, 20):
        scratch.snapshot(thing(1), thing(2), at=number)
        scratch.snapshot(thing(1), at=number + 10)

    assert scratch.ended() == []


@made_from(ENDING)
def test_a_row_first_seen_between_two_snapshots_is_not_ended_by_the_second(
    scratch: Scratch,
) -> None:
    scratch.snapshot(thing(1), at=0)
    scratch.snapshot(thing(1), at=10)
    scratch.save(thing(2), at=15)

    second = scratch.snapshot(thing(1), at=20)
    third = scratch.snapshot(thing(1), at=30)

    assert (second, third) == (0, 1)
    assert scratch.ended() == ["2"]


@made_from(ENDING, DETAILED)
def test_a_row_that_has_ended_comes_back_as_it_was(scratch: Scratch) -> None:
    one, two = thing(1), thing(2)
    if scratch.unit().stream.details_per_call:
        one, two = detailed(one, {"text": "a"}), detailed(two, {"text": "b"})
    scratch.snapshot(one, two, at=0)
    scratch.snapshot(one, at=10)
    scratch.snapshot(one, at=20)
    assert scratch.ended() == ["2"]

    if "summary" in two:
        two["detail"] = None
    back = scratch.save(two, at=30)

    assert (back.inserted, back.updated) == (0, 1)
    assert scratch.ended() == []
    assert scratch.column("first_seen_at") == [minute(1), minute(1)]
    if "summary" in two:
        assert scratch.column("text") == ["a", "b"]


@made_from(ENDING)
def test_what_ended_stays_ended_and_is_told_once(scratch: Scratch) -> None:
    scratch.snapshot(thing(1), thing(2), at=0)

    told = [scratch.snapshot(thing(1), at=number) for number in (10, 20, 30, 40)]

    assert told == [0, 1, 0, 0]
    assert scratch.column("ended_at") == [None, minute(21)]


@made_from(ENDING)
def test_the_snapshots_of_one_account_end_no_row_of_another(scratch: Scratch) -> None:
    scratch.save(thing(1), thing(2), account="other", at=-60)

    for number in (0, 10, 20):
        scratch.snapshot(thing(1), at=number)

    assert scratch.ended() == []


@made_from(ENDING)
def test_an_empty_list_ends_all(scratch: Scratch) -> None:
    scratch.snapshot(thing(1), thing(2), at=0)

    told = [scratch.snapshot(at=number) for number in (10, 20)]

    assert told == [0, 2]


@made_from(DETAILED)
def test_details_stay_where_a_page_brings_none(scratch: Scratch) -> None:
    scratch.save(detailed(thing(1), {"text": "long"}))

    saved = scratch.save(detailed(thing(1, title=None, price="2")), at=1)

    assert saved.updated == 1
    assert scratch.column("text") == ["long"]
    assert scratch.column("detail") == [{"text": "long"}]
    # What the list itself does not say any more is not kept.
    assert scratch.column("title") == [None]


@made_from(DETAILED)
def test_new_details_replace_old_ones_and_leave_nothing_of_them(scratch: Scratch) -> None:
    scratch.save(detailed(thing(1), {"text": "long", "more": 1}))

    saved = scratch.save(detailed(thing(1), {"other": 2}), at=1)

    assert saved.updated == 1
    assert scratch.column("detail") == [{"other": 2}]
    assert scratch.column("text") == [None]


@made_from(AGAIN)
def test_a_row_read_by_its_key_keeps_what_was_listed(scratch: Scratch) -> None:
    scratch.save(detailed(thing(1), {"text": "a"}))

    saved = scratch.read_again(thing_1(text="b"), at=1)

    assert (saved.inserted, saved.updated, saved.quarantined) == (0, 1, 0)
    assert scratch.column("raw") == [thing(1)]
    assert (scratch.column("text"), scratch.column("title")) == (["b"], ["first"])
    assert scratch.column("updated_at") == [minute(1)]


@made_from(AGAIN)
def test_what_a_key_brings_again_unchanged_or_asked_for_earlier_writes_nothing(
    scratch: Scratch,
) -> None:
    scratch.save(detailed(thing(1), {"text": "a"}), at=1)

    same = scratch.read_again(thing_1(text="a"), at=2)
    older = scratch.read_again(thing_1(text="z"), at=0)
    unknown = scratch.read_again({"key": "thing-9|", "detail": {"text": "x"}}, at=3)

    assert (same.updated, older.updated, unknown.updated) == (0, 0, 0)
    assert scratch.column("text") == ["a"]
    assert scratch.column("updated_at") == [minute(1)]


@made_from(AGAIN)
def test_a_list_asked_for_before_a_row_was_read_by_its_key_still_brings_what_it_lists(
    scratch: Scratch,
) -> None:
    scratch.save(detailed(thing(1), {"text": "a"}))
    scratch.read_again(thing_1(text="b"), at=2)

    saved = scratch.save(detailed(thing(1, title="second")), at=1)

    assert saved.updated == 1
    assert (scratch.column("title"), scratch.column("text")) == (["second"], ["b"])
    assert scratch.column("updated_at") == [minute(2)]


@made_from(AGAIN)
def test_an_odd_row_read_by_its_key_is_kept_aside(scratch: Scratch) -> None:
    scratch.save(detailed(thing(1), {"text": "a"}), detailed(thing(2), {"text": "a"}))
    odd = {"key": "thing-2|", "detail": {"text": "\udead"}}

    saved = scratch.read_again(thing_1(text="b"), odd, at=1)

    assert (saved.updated, saved.quarantined) == (2, 0)
    assert sorted(scratch.column("text")) == ["b", "\ufffd"]


@made_from(DETAILED)
def test_details_are_lacking_of_rows_that_are_new_or_changed_or_had_none(scratch: Scratch) -> None:
    scratch.save(
        detailed(thing(1), {"text": "a"}), detailed(thing(2), {"text": "b"}), detailed(thing(3))
    )
    listed = page_of([thing(1), thing(2, title="changed"), thing(3), thing(4, sku="x")])

    lacking = scratch.store.lacking_details(scratch.unit(), listed)

    assert lacking == {"thing-2|", "thing-3|", "thing-4|x"}


BAD = {"no id": {"id": None}, "money that is none": {"price": "1,5x"}, "no date": {"modified": "?"}}


@made_from(PLAIN, DETAILED)
@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_bad_rows_are_kept_aside_and_the_others_stored(scratch: Scratch, bad: Row) -> None:
    rows = [thing(f"{number:03}", title=f"{number}") for number in range(100)]
    rows[17] |= bad
    rows[99] |= bad
    if scratch.unit().stream.details_per_call:
        rows = [detailed(row, {"text": "long"}) for row in rows]

    saved = scratch.save(*rows)

    assert (saved.inserted, saved.updated, saved.quarantined) == (98, 0, 2)
    kept = scratch.sql("SELECT raw, times FROM ebay.quarantine ORDER BY raw")
    assert [json.loads(row.raw) for row in kept] == sorted([rows[17], rows[99]], key=json.dumps)
    assert len(scratch.column("thing_id")) == 98


@made_from(DETAILED)
def test_details_that_cannot_be_stored_take_no_other_row_with_them(scratch: Scratch) -> None:
    rows = [detailed(thing(number), {"text": "long"}) for number in range(1, 4)]
    text = page_of(rows)
    broken = replace(
        text,
        text=text.text.replace('"long"', '"\\u0000 long"', 1),
        rows=(text.rows[0].replace(b'"long"', b'"\\u0000 long"'), *text.rows[1:]),
    )

    saved = scratch.store.save_page(
        scratch.run_id, "ebay-cycle", scratch.unit(), broken, read_at=AT, progress=None
    )

    assert (saved.inserted, saved.quarantined) == (3, 0)
    assert scratch.column("text") == ["� long", "long", "long"]
