"""Which tables are exported, and by which of their instants `--since` counts."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType

from core.errors import UsageError

SCHEMA = "ebay"
CHANGED = "updated_at"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """`since` names the business instant, `changed` the one at which a row changed here.

    Its last columns are what eBay answered, left out unless asked for: `documents` are JSON,
    `texts` came as they are.
    """

    name: str
    since: str
    changed: str = CHANGED
    documents: tuple[str, ...] = ("raw",)
    texts: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        return f"{SCHEMA}.{self.name}"


_DETAILED = ("raw", "detail")
TABLES: Mapping[str, Table] = MappingProxyType(
    {
        table.name: table
        for table in (
            Table(name="orders", since="creation_date"),
            Table(name="order_lines", since="creation_date of the order"),
            Table(name="order_money", since="last_transaction_date", documents=()),
            Table(name="transactions", since="transaction_date"),
            Table(name="transaction_fees", since="transaction_date of the transaction"),
            Table(name="payouts", since="payout_date"),
            Table(name="disputes", since="open_date"),
            Table(name="messages", since="receive_date", documents=_DETAILED),
            Table(name="best_offers", since="first_seen_at"),
            Table(name="listings", since="start_time"),
            Table(name="purchases", since="created_date"),
            Table(name="cases", since="creation_date"),
            Table(name="inquiries", since="creation_date", documents=_DETAILED),
            Table(name="returns", since="creation_date", documents=_DETAILED),
            Table(name="cancellations", since="cancel_request_date"),
            Table(name="inventory_offers", since="first_seen_at"),
            Table(
                name="quarantine",
                since="first_seen_at",
                changed="last_seen_at",
                documents=(),
                texts=("raw",),
            ),
        )
    }
)

# A table is in one of the two: tests/architecture/test_exports.py makes whoever adds one decide.
KEPT: Mapping[str, str] = MappingProxyType(
    {
        "ebay.accounts": "`accounts list --json` shows them",
        "ebay.connect_states": "they are consents under way, for minutes",
        "ebay.connect_events": "`psql` shows them",
        "ebay.tokens": "tokens never leave the database",
        "ebay.signing_keys": "keys never leave the database; `signing-key show` tells of them",
        "ebay.token_refreshes": "`accounts test` shows the last ones",
        "ebay.sync_states": "they are the sync's own; `streams list` shows them",
        "ebay.cursor_changes": "`streams list --json` shows the last ones",
        "ebay.notifications": "they are hints of eBay's, done with; `psql` shows them",
        "ebay.erased_people": "only hashes are left of them; `psql` shows those",
        "ebay.erasure_key": "keys never leave the database",
        "ebay.moved_accounts": "they are the import's own; `psql` shows them",
        "ebay.snapshot_seen": "it is the sync's own; `psql` shows it",
        "ebay.api_budgets": "they are the sync's own; `psql` shows them",
        "ebay.api_breakers": "they are the sync's own; `psql` shows them",
        "ops.workers": "`workers list --json` shows them",
        "ops.worker_heartbeats": "`workers list --json` shows them",
        "ops.runs": "`runs --json` shows them",
        "ops.run_units": "`runs RUN --json` shows them",
        "ops.run_events": "`runs RUN --json` shows them",
        "ops.leases": "they are the workers' own; `psql` shows them",
        "ops.jobs": "`jobs list --json` shows them",
        "ops.job_events": "`jobs show JOB --json` shows them",
        "ops.job_keys": "they are the queues' own; `queues list --json` counts them",
        "ops.job_signals": "they are the jobs' own; `psql` shows them",
        "ops.job_words": "they are those of the jobs' payloads",
        "ops.job_staging": "it is the queues' own; `psql` shows it",
        "ops.chats": "`sessions list --json` shows them",
        "ops.chat_tasks": "`sessions show SESSION --json` shows them",
        "ops.chat_messages": "they are the sessions' own; `psql` shows them",
        "ops.sessions": "`sessions list --json` shows them",
        "ops.queues": "`queues list --json` shows them",
        "ops.schedules": "`schedules list --json` shows them",
        "ops.tasks": "`GET /api/v1/tasks` shows them",
        "intake.uploads": "they are files as they were sent; `psql` shows them",
        "intake.upload_chunks": "they are files as they were sent",
        "intake.seen_contents": "they are the intake's own; `psql` shows them",
        "intake.seen_files": "they are the intake's own; `psql` shows them",
        "enforcement.intelligence": "`psql` shows it",
        "enforcement.plans": "`psql` shows them",
        "enforcement.actions": "`psql` shows them",
        "ops.key_canary": "keys never leave the database",
        "intake.batches": "`psql` shows them",
        "intake.row_errors": "`psql` shows them",
        "intake.staged_rows": "they are the intake's own, for as long as it reads a file",
        "intake.judgments": "`psql` shows them",
        "ops.schema_migrations": "`migrate --check` says what they come to",
    }
)

_SCHEMAS = (SCHEMA, "ops", "intake", "enforcement")

# Named as their stream is.
_STREAMS = {"active_inventory": "listings", "buyer": "purchases"}


def find(asked: str) -> Table:
    """`orders`, `ebay.orders`, `order-lines`, or a stream's name. Raises UsageError."""
    name = asked.strip().lower().replace("-", "_").removeprefix(f"{SCHEMA}.")
    table = TABLES.get(_STREAMS.get(name, name))
    if table is None:
        raise UsageError(_unknown(asked, name))
    return table


def _unknown(asked: str, name: str) -> str:
    known = f"There are: {', '.join(TABLES)}"
    for full_name in (name, *(f"{schema}.{name}" for schema in _SCHEMAS)):
        if full_name in KEPT:
            return f"{full_name} is not exported: {KEPT[full_name]}. {known}"
    nearest = get_close_matches(name, TABLES, n=1)
    meant = f"; did you mean {nearest[0]}?" if nearest else "."
    return f"there is no table {asked!r} to export{meant} {known}"
