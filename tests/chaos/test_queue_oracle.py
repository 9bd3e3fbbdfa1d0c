"""The oracle of the queue itself, by sabotage: what it would not see, no storm could show."""

from collections.abc import Callable, Iterator

import pytest

from tests.support.postgres import Server
from tests.support.queue_site import QueueSite, queue_site
from tests.support.queue_sweep import produced

pytestmark = pytest.mark.timeout(120)

NEW = (
    "INSERT INTO ops.jobs (queue, kind, status, ordering_key, run_at, max_attempts, payload,"
    " created_at, updated_at) SELECT 'storm', 'storm.count', 'pending', {key}, now(), 9, '{{}}',"
    " now(), now() FROM generate_series(1, 2); "
)
TAKE = (
    "UPDATE ops.jobs SET status = 'processing', attempts = attempts + 1, fence = fence + 1,"
    " locked_by = gen_random_uuid(), locked_at = now(), leased_until = now() + interval '1 hour'"
    " WHERE seq = (SELECT {which}(seq) FROM ops.jobs WHERE due_at IS NOT NULL); "
)
END = (
    "UPDATE ops.jobs SET status = 'completed', locked_by = NULL, locked_at = NULL,"
    " leased_until = NULL, finished_at = now() WHERE status = 'processing'; "
)
FREE, KEYED = NEW.format(key="NULL"), NEW.format(key="'c'")
FIRST, LAST = TAKE.format(which="min"), TAKE.format(which="max")
AWAKE = "INSERT INTO ops.job_keys (queue, ordering_key, visible_at) VALUES ('storm', 'c', {at}); "

SEEN_BY_TRIGGERS: list[tuple[str, str]] = [
    ("O4: a fence", "UPDATE ops.jobs SET fence = fence - 1 WHERE status = 'completed'"),
    ("O4: taken while its lease lived", f"{FREE}{FIRST}{FIRST}"),
    ("O4: one process took for two runs", f"{FREE}{FIRST}{LAST}"),
    ("O4: written by one who does not hold it", f"{FREE}{FIRST}SET application_name = 'x'; {END}"),
    ("O5", f"{KEYED}{LAST}"),
    (
        "O6: ended otherwise",
        (
            f"{FREE}UPDATE ops.jobs SET status = 'cancelled', finished_at = now()"
            " WHERE status = 'pending'"
        ),
    ),
    (
        "O7: no such step",
        "UPDATE ops.jobs SET status = 'pending', finished_at = NULL WHERE status = 'completed'",
    ),
    (
        "O7: one attempt too many",
        f"{FREE}UPDATE ops.jobs SET attempts = max_attempts + 1 WHERE status = 'pending'",
    ),
    ("O7: 2 have not ended", FREE),
]
UNSEEN: list[tuple[str, str]] = [
    ("O6: 0 effects", "DELETE FROM storm.effects"),
    (
        "O6: 2 effects",
        "INSERT INTO storm.effects (job_id, fence, tx) SELECT job_id, fence, tx FROM storm.effects",
    ),
    ("O4: an effect with fence", "UPDATE storm.effects SET fence = fence + 1"),
    (
        "O6: ",
        (
            "INSERT INTO storm.effects (job_id, fence) SELECT id, fence FROM ops.jobs"
            " WHERE kind = 'storm.count'"
        ),
    ),
    ("O6: 0 follow-ups", "DELETE FROM ops.jobs WHERE payload ? 'origin'"),
    ("O6: 1 follow-ups", "UPDATE ops.jobs SET payload = payload - 'then'"),
    ("O7: nobody wakes", f"{KEYED}{AWAKE.format(at='NULL')}"),
    ("O7: nobody wakes", KEYED + AWAKE.format(at="now() + interval '1 hour'")),
    ("O7: nobody wakes", KEYED),
    (
        "O7: in no line",
        f"{KEYED}UPDATE ops.jobs SET seq = NULL WHERE status = 'pending'",
    ),
    (
        "O7: held by nobody",
        (
            "INSERT INTO ops.job_keys (queue, ordering_key, visible_at, locked_by)"
            " VALUES ('storm', 'd', now(), gen_random_uuid())"
        ),
    ),
]


@pytest.fixture
def site(postgres_server: Server, database_name: str) -> Iterator[QueueSite]:
    """Everything done, and found in order."""
    url = postgres_server.admin.with_database(database_name)
    with queue_site(url, url, lease_s=60.0) as made:
        produced(made)
        made.drain_all()
        made.oracle.judge()
        yield made


@pytest.mark.parametrize("unseen", [True, False], ids=["data", "history"])
def test_the_oracle_of_the_queue_sees_each_kind_of_damage(site: QueueSite, unseen: bool) -> None:
    """One database for all of them: each is undone before the next."""
    # As a program of ours that has gone wrong: what is done by hand is put right.
    quiet = "SET cronshot.engine = 'on'; "
    quiet += "SET session_replication_role = replica; " if unseen else ""
    for law, damage in UNSEEN if unseen else SEEN_BY_TRIGGERS:
        undo = _undo(site)
        site.sql(quiet + damage)

        told = complaint_of(site.oracle.judge)

        assert told.startswith(law), f"{damage}: {told or 'nothing was seen'}"
        undo()


@pytest.mark.parametrize("times", [0, 2])
def test_the_oracle_of_the_queue_counts_requests(site: QueueSite, times: int) -> None:
    for asked in site.outside.requests:
        site.outside.requests[asked] = times

    assert complaint_of(site.oracle.judge).startswith("O8")


def complaint_of(look: Callable[[], None]) -> str:
    try:
        look()
    except AssertionError as error:
        return str(error)
    return ""


def _undo(site: QueueSite) -> Callable[[], None]:
    """The tables as they are now."""
    tables = ("ops.jobs", "ops.job_keys", "storm.log", "storm.effects")
    copies = {table: f"storm.copy_{place}" for place, table in enumerate(tables)}
    site.sql("; ".join(f"CREATE TABLE {copy} AS TABLE {table}" for table, copy in copies.items()))
    kept = {table: _columns(site, table) for table in tables}

    def undo() -> None:
        steps = ["SET session_replication_role = replica"]
        for table, copy in copies.items():
            steps += [
                f"DELETE FROM {table}",
                (
                    f"INSERT INTO {table} ({kept[table]}) OVERRIDING SYSTEM VALUE"
                    f" SELECT {kept[table]} FROM {copy}"
                ),
                f"DROP TABLE {copy}",
            ]
        site.sql("; ".join(steps))

    return undo


def _columns(site: QueueSite, table: str) -> str:
    """Those that are written, not computed."""
    rows = site.sql(
        "SELECT attname FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped"
        f" AND attgenerated = '' AND attrelid = '{table}'::regclass ORDER BY attnum"
    )
    return ", ".join(str(name) for (name,) in rows)
