"""What must hold whatever was done to the system in between (design.md §13), for the eBay cycle.

Triggers of the test's own remember every step in `chaos.log`; they are no part of the schema.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from infra.postgres.url import DatabaseUrl
from infra.simulator import truth
from infra.simulator.server import Simulator
from infra.simulator.truth import KINDS
from tests.support.postgres import execute
from tests.support.stored import is_snapshot, lasting, stored, table_of, there

VERSIONS = {
    "orders": "last_modified_date",
    "transactions": "transaction_date",
    "payouts": "payout_date",
}
WATCHED = """
CREATE TRIGGER chaos_new AFTER INSERT ON {1} REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION chaos.rows('{0}');
CREATE TRIGGER chaos_changed AFTER UPDATE ON {1} REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION chaos.rows('{0}');
CREATE TRIGGER chaos_older AFTER UPDATE ON {1} FOR EACH ROW WHEN (NEW.updated_at < OLD.updated_at)
  EXECUTE FUNCTION chaos.older('{0}');
CREATE TRIGGER chaos_gone AFTER DELETE ON {1} FOR EACH ROW EXECUTE FUNCTION chaos.older('{0}');
"""
"""For streams that chaos_log.sql does not name."""
COMPARISONS = {
    "orders": (
        """
        WITH source AS (SELECT value AS raw FROM jsonb_array_elements({source}::jsonb))
        SELECT COALESCE(order_id, source.raw ->> 'orderId') FROM source
          FULL JOIN (SELECT * FROM ebay.orders WHERE account_id = {account_id}) stored
            ON order_id = source.raw ->> 'orderId'
         WHERE stored.raw IS DISTINCT FROM source.raw
            OR last_modified_date <> (source.raw ->> 'lastModifiedDate')::timestamptz
         LIMIT 3
        """,
        """
        WITH source AS (
          SELECT bought.value ->> 'orderId' AS id, line.value AS raw
            FROM jsonb_array_elements({source}::jsonb) bought,
                 jsonb_array_elements(bought.value -> 'lineItems') line)
        SELECT COALESCE(order_id, id), COALESCE(line_item_id, source.raw ->> 'lineItemId')
          FROM source
          FULL JOIN (SELECT * FROM ebay.order_lines WHERE account_id = {account_id}) stored
            ON order_id = id AND line_item_id = source.raw ->> 'lineItemId'
         WHERE stored.raw IS DISTINCT FROM source.raw LIMIT 3
        """,
    ),
    "transactions": (
        """
        WITH source AS (SELECT value AS raw FROM jsonb_array_elements({source}::jsonb))
        SELECT COALESCE(transaction_id, source.raw ->> 'transactionId') FROM source
          FULL JOIN (SELECT * FROM ebay.transactions WHERE account_id = {account_id}) stored
            ON transaction_id = source.raw ->> 'transactionId'
           AND transaction_type = source.raw ->> 'transactionType'
         WHERE stored.raw IS DISTINCT FROM source.raw LIMIT 3
        """,
        """
        WITH source AS (
          SELECT paid.value ->> 'transactionId' AS id, paid.value ->> 'transactionType' AS type,
                 row_number() OVER (PARTITION BY paid.ordinality
                                    ORDER BY line.ordinality, fee.ordinality) AS number,
                 fee.value AS raw
            FROM jsonb_array_elements({source}::jsonb) WITH ORDINALITY paid,
                 jsonb_array_elements(paid.value -> 'orderLineItems') WITH ORDINALITY line,
                 jsonb_array_elements(line.value -> 'marketplaceFees') WITH ORDINALITY fee)
        SELECT COALESCE(transaction_id, id), COALESCE(fee_number, number) FROM source
          FULL JOIN (SELECT * FROM ebay.transaction_fees WHERE account_id = {account_id}) stored
            ON transaction_id = id AND transaction_type = type AND fee_number = number
         WHERE stored.raw IS DISTINCT FROM source.raw LIMIT 3
        """,
    ),
    "payouts": (
        """
        WITH source AS (SELECT value AS raw FROM jsonb_array_elements({source}::jsonb))
        SELECT COALESCE(payout_id, source.raw ->> 'payoutId') FROM source
          FULL JOIN (SELECT * FROM ebay.payouts WHERE account_id = {account_id}) stored
            ON payout_id = source.raw ->> 'payoutId'
         WHERE stored.raw IS DISTINCT FROM source.raw LIMIT 3
        """,
    ),
}


@dataclass
class Oracle:
    """`directly`: a server connection belongs to one process, not to a pooler. `streams`: all
    that the accounts have; of KINDS more is known than of the others.

    `account_ids` by the simulator's names. `lease_s`: what the processes were started with.
    """

    simulator: Simulator
    url: DatabaseUrl
    secrets: Sequence[str]
    lease_s: float
    directly: bool = True
    streams: Sequence[str] = KINDS
    account_ids: dict[str, int] = field(default_factory=dict)
    _checked: int = 0
    _abandoned: set[str] = field(default_factory=set)
    _fences: dict[tuple[int, str, str], int] = field(default_factory=dict)
    _cursors: dict[tuple[int, str, str], str | None] = field(default_factory=dict)
    _writers: dict[tuple[int, str], set[str]] = field(default_factory=dict)

    def install(self) -> None:
        self.sql((Path(__file__).parent / "chaos_log.sql").read_text())
        self.sql("".join(WATCHED.format(name, table_of(name).name) for name in self._others()))
        rows = self.sql("SELECT name, id FROM ebay.accounts")
        self.account_ids = {str(name): int(number) for name, number in rows}

    def sql(self, statement: str) -> Sequence[Sequence[Any]]:
        return execute(self.url, statement)

    def _others(self) -> list[str]:
        return [name for name in self.streams if name not in KINDS]

    def rows_are_the_sources(self) -> None:
        """O1, after quiet: orders with lines, transactions with fees, payouts; ids and content.

        PostgreSQL compares: that takes a tenth of the time. Of the other streams what lasts.
        """
        for name in self.account_ids:
            for kind in self._others():
                self._rows_are_as_there(name, kind)
        for name, account_id in self.account_ids.items():
            for kind in KINDS:
                world = self.simulator.world
                found = truth.rows(world, world.account(name), kind)
                source = b"[" + b",".join(row for _, _, row in found) + b"]"
                for comparison in COMPARISONS[kind]:
                    given = {"source": _quoted(source.decode()), "account_id": account_id}
                    wrong = self.sql(comparison.format(**given))
                    assert not wrong, f"O1: {name}/{kind}: not as the source has it: {wrong}"

    def _rows_are_as_there(self, name: str, kind: str) -> None:
        true = lasting(kind, there(self.simulator, name, kind))
        found = lasting(kind, stored(self, name, kind))
        wrong = [key for key in true | found if true.get(key) != found.get(key)]
        assert not wrong, f"O1: {name}/{kind}: not as the source has it: {wrong[:3]}"

    def history_is_sound(self) -> None:
        """O2 (never back), O3 and O4 over what happened since the last look; nobody may be running.

        O4: rows are written in one transaction with their unit's fence, by the run that holds it,
        and never after that run was given up. A unit changes hands only with a higher fence, and
        never while its lease lives.
        """
        found = self.sql(
            "SELECT id, at, tx, backend, kind, account_id, stream, old, new FROM chaos.log"
            f" WHERE id > {self._checked} ORDER BY id"
        )
        entries = [_Entry(*row) for row in found]
        fenced = {
            (entry.tx, entry.account_id, entry.stream)
            for entry in entries
            if entry.kind == "state" and entry.is_fenced_write
        }
        for entry in entries:
            match entry.kind:
                case "state":
                    self._state_is_sound(entry)
                case "run":
                    self._note_run(entry)
                case "rows":
                    key = (entry.tx, entry.account_id, entry.stream)
                    assert key in fenced, f"O4: rows of {key[1:]} were written without the fence"
                case _:
                    raise AssertionError(f"O3: {entry.stream} went back: {entry.old} {entry.new}")
        self._checked = max([self._checked, *(entry.id for entry in entries)])

    def _state_is_sound(self, entry: "_Entry") -> None:
        old, new = entry.old, entry.new
        unit = (old["account_id"], old["stream"], old["pass"])
        assert old["fence"] >= self._fences.get(unit, 0), f"O4: the fence of {unit} went back"
        assert new["fence"] >= old["fence"], f"O4: the fence of {unit} went back"
        self._fences[unit] = new["fence"]
        cursor = self._cursors.get(unit, old["cursor_at"])
        assert cursor == old["cursor_at"], f"O2: the cursor of {unit} moved unseen"
        assert _not_before(new["cursor_at"], old["cursor_at"]), f"O2: {unit} went back"
        self._cursors[unit] = new["cursor_at"]
        if new["leased_by"] != old["leased_by"] and new["leased_by"] is not None:
            assert new["fence"] == old["fence"] + 1, f"O4: {unit} was taken without a new fence"
            free = old["leased_by"] is None or _at(old["leased_until"]) <= entry.at
            assert free, f"O4: {unit} was taken while its lease lived"
        if entry.is_fenced_write:
            assert new["leased_by"] not in self._abandoned, f"O4: {unit} was written by a dead run"
            self._one_run_per_connection(entry, new["leased_by"])

    def _one_run_per_connection(self, entry: "_Entry", run_id: str) -> None:
        """A process runs once, so a second run id on its connection is another's fence."""
        if self.directly:
            epoch = self._epoch(entry)
            writers = self._writers.setdefault((entry.backend, epoch), set())
            writers.add(run_id)
            assert len(writers) == 1, f"O4: one connection wrote for the runs {writers}"

    def _epoch(self, entry: "_Entry") -> str:
        """Process numbers come again, though hardly within a minute."""
        return entry.at.strftime("%H:%M")

    def _note_run(self, entry: "_Entry") -> None:
        if entry.new["status"] == "abandoned":
            self._abandoned.add(entry.new["id"])

    def forget_cursors(self) -> None:
        """After the test itself has put them back."""
        self._cursors.clear()

    def cursors_tell_the_truth(self) -> None:
        """O2: up to its cursor a unit has all that the source has. The source must be at rest."""
        states = self.sql(
            "SELECT account_id, stream, cursor_at FROM ebay.sync_states"
            " WHERE pass = 'new' AND cursor_at IS NOT NULL"
        )
        names = {number: name for name, number in self.account_ids.items()}
        world = self.simulator.world
        for account_id, stream, cursor_at in states:
            if is_snapshot(stream):
                continue  # Its cursor is when it was read, and says nothing of any row.
            found = truth.rows(world, world.account(names[account_id]), stream)
            below = [[*key, version] for key, version, _ in found if _at(version) <= cursor_at]
            columns, version = table_of(stream).key, VERSIONS.get(stream)
            same = f"{version} = (below.value ->> {len(columns)})::timestamptz"
            keys = [f"{name} = below.value ->> {n}" for n, name in enumerate(columns)]
            missing = self.sql(
                "SELECT below.value::text"
                f" FROM jsonb_array_elements({_quoted(json.dumps(below))}::jsonb) below"
                f" WHERE NOT EXISTS (SELECT FROM {table_of(stream).name}"
                f" WHERE account_id = {account_id} AND {' AND '.join(keys)}"
                f" AND {same if version else 'true'}) LIMIT 3"
            )
            place = f"{names[account_id]}/{stream}"
            assert not missing, f"O2: {place}: missing below the cursor {cursor_at}: {missing}"

    def nothing_is_stranded(self) -> None:
        """O7, after quiet: each unit is due at some instant, and nobody holds it."""
        stranded = self.sql(
            "SELECT account_id, stream, pass, due_at, leased_by FROM ebay.sync_states"
            " WHERE leased_by IS NOT NULL OR due_at IS NULL"
            " OR due_at > clock_timestamp() + make_interval(secs => 2 * interval_s + 90000)"
        )
        assert not stranded, f"O7: stranded: {stranded}"
        held = self.sql("SELECT name, run_id FROM ops.leases WHERE run_id IS NOT NULL")
        assert not held, f"O7: the lease is held by nobody: {held}"

    def leases_end_soon(self) -> None:
        """O7, at any time: what is leased comes free by itself within the lease."""
        limit = f"clock_timestamp() + make_interval(secs => {self.lease_s})"
        far = self.sql(
            "SELECT account_id, stream, pass FROM ebay.sync_states WHERE leased_by IS NOT NULL"
            f" AND (leased_until > {limit} OR due_at IS DISTINCT FROM due_at"
            f" OR due_at > {limit})"
        )
        assert not far, f"O7: leased for too long: {far}"

    def no_secret_is_told(self, texts: Iterable[str]) -> None:
        """O9, over what was printed and every row of every table; sealed values aside."""
        for text in texts:
            for secret in self.secrets:
                assert secret not in text, "O9: a secret was printed"
        tables = self.sql(
            "SELECT table_schema || '.' || table_name FROM information_schema.tables"
            " WHERE table_schema IN ('ops', 'ebay', 'intake', 'public')"
            " AND table_type = 'BASE TABLE'"
        )
        for (table,) in tables:
            stored = "\n".join(
                str(row[0]) for row in self.sql(f"SELECT CAST(t AS text) FROM {table} t")
            )
            for secret in self.secrets:
                assert secret not in stored, f"O9: a secret stands in {table}"

    def runs_end_in_time(self, frozen: Iterable[str] = ()) -> None:
        """O11: no run outlives its deadline, but those that were `frozen`; partial ones say why."""
        slow = self.sql(
            "SELECT id, parameters ->> 'deadline_s', finished_at - started_at FROM ops.runs"
            " WHERE status = 'finished' AND parameters ? 'deadline_s' AND finished_at - started_at"
            " > make_interval(secs => CAST(parameters ->> 'deadline_s' AS float8))"
        )
        late = [row for row in slow if str(row[0]) not in set(frozen)]
        assert not late, f"O11: over the deadline: {late}"

    def every_run_left_a_row(self, *, quiet: bool) -> None:
        """O12: finished with an outcome, or abandoned; what is not done has a reason."""
        if quiet:
            running = self.sql("SELECT id FROM ops.runs WHERE status = 'running'")
            assert not running, f"O12: still running: {running}"
        silent = self.sql(
            "SELECT id, outcome FROM ops.runs WHERE status = 'finished' AND reason IS NULL"
            " AND outcome NOT IN ('done', 'degraded')"
        )
        silent += self.sql(  # type: ignore[operator]  # lists both
            "SELECT id, outcome FROM ops.run_units WHERE reason IS NULL AND outcome <> 'done'"
        )
        assert not silent, f"O12: no reason: {silent}"


@dataclass(frozen=True, slots=True)
class _Entry:
    id: int
    at: datetime
    tx: int
    backend: int
    kind: str
    account_id: int | None
    stream: str | None
    old: dict[str, Any]
    new: dict[str, Any]

    @property
    def is_fenced_write(self) -> bool:
        """A page's fence: the holder stays, the fence stays, the lease moves on."""
        same = self.old["leased_by"] == self.new["leased_by"]
        return same and self.new["leased_by"] is not None and self.old["fence"] == self.new["fence"]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _not_before(new: str | None, old: str | None) -> bool:
    return old is None or (new is not None and _at(new) >= _at(old))
