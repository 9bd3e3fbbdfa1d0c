"""Transactions: what they promise when texts, signals, servers and networks misbehave."""

import math
import signal
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from threading import Barrier
from types import FrameType
from typing import Any

import pytest
import sqlalchemy as sa

from core.errors import RejectedContentError, StoreUnavailableError
from infra.postgres import engine as engines
from infra.postgres.errors import (
    BrokenStatementError,
    CommitUnknownError,
    ConflictError,
    LockTimeoutError,
    SchemaMissingError,
)
from infra.postgres.transaction import Database
from infra.postgres.url import DatabaseUrl, parse
from tests.support.postgres import execute, open_database
from tests.support.wire import Relay, relay

CANARY = "canary-of-a-buyer"
ECHO = sa.text("SELECT CAST(:value AS text)")
INSERT = sa.text("INSERT INTO notes (id, body) VALUES (:id, :body)")


@pytest.fixture
def single(database_url: str) -> Iterator[Database]:
    """A database whose pool has one connection, so that the next user gets the same."""
    database = open_database(parse(database_url), pool_size=1)
    with database.transaction() as connection:
        connection.exec_driver_sql("CREATE TABLE notes (id integer PRIMARY KEY, body text)")
    yield database
    database.dispose()


def within(
    database: Database,
    work: Callable[[sa.Connection], object],
    *,
    statement_timeout_ms: int = 8_000,
    lock_timeout_ms: int = 2_000,
) -> None:
    with database.transaction(
        statement_timeout_ms=statement_timeout_ms, lock_timeout_ms=lock_timeout_ms
    ) as connection:
        work(connection)


def note(connection: sa.Connection, number: int, body: str = "x") -> None:
    connection.execute(INSERT, {"id": number, "body": body})


def echo(database: Database, value: str) -> str:
    with database.transaction() as connection:
        return str(connection.execute(ECHO, {"value": value}).scalar_one())


def notes(database: Database) -> list[int]:
    with database.transaction() as connection:
        return list(connection.exec_driver_sql("SELECT id FROM notes ORDER BY id").scalars())


def backend(connection: sa.Connection) -> int:
    return int(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())


def test_after_a_text_that_cannot_be_encoded_the_answers_are_still_the_right_ones(
    single: Database,
) -> None:
    for number in range(5):
        with pytest.raises(RejectedContentError, match="22021"):
            echo(single, f"{number} \ud83d")

        assert [echo(single, f"{number}-{turn}") for turn in range(3)] == [
            f"{number}-{turn}" for turn in range(3)
        ]


class Alarm(Exception):  # noqa: N818 -- what an application's own signal handler might raise
    pass


@pytest.mark.parametrize("kind", [Alarm, KeyboardInterrupt, SystemExit])
def test_after_a_signal_in_mid_statement_the_answers_are_still_the_right_ones(
    single: Database, kind: type[BaseException]
) -> None:
    def interrupt(number: int, frame: FrameType | None) -> None:
        raise kind

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(kind), single.transaction() as connection:
            connection.execute(sa.text("SELECT pg_sleep(:s)"), {"s": 3})
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

    assert [echo(single, str(turn)) for turn in range(5)] == [str(turn) for turn in range(5)]


def test_an_ordinary_error_rolls_back_and_keeps_the_connection(single: Database) -> None:
    with single.transaction() as connection:
        pid = backend(connection)

    def twice(connection: sa.Connection) -> None:
        note(connection, 1)
        note(connection, 1)

    with pytest.raises(RejectedContentError) as refused:
        within(single, twice)

    assert refused.value.sqlstate == "23505"
    assert notes(single) == []
    with single.transaction() as connection:
        assert backend(connection) == pid


def test_a_savepoint_saves_the_rest_of_the_transaction(single: Database) -> None:
    with single.transaction() as connection:
        note(connection, 1)
        with pytest.raises(RejectedContentError), connection.begin_nested():
            note(connection, 2, "nul \x00")
        note(connection, 3)

    assert notes(single) == [1, 3]


def test_a_swallowed_error_cannot_be_committed(single: Database) -> None:
    def swallow(connection: sa.Connection) -> None:
        note(connection, 1)
        with suppress(RejectedContentError):
            note(connection, 1)

    with pytest.raises(BrokenStatementError):
        within(single, swallow)

    assert notes(single) == []


def test_an_error_of_the_block_rolls_back_and_comes_out_as_it_is(single: Database) -> None:
    def stumble(connection: sa.Connection) -> None:
        note(connection, 1)
        raise KeyError("ours")

    with pytest.raises(KeyError):
        within(single, stumble)

    assert notes(single) == []


def test_no_parameter_is_seen_in_any_part_of_a_traceback(single: Database) -> None:
    for statement in (
        "INSERT INTO notes (id, body) VALUES (1, :body), (1, :body)",
        "SELECT CAST(:body AS integer)",
        "SELECT CAST(:body AS jsonb)",
        "SELECT nowhere FROM notes WHERE body = :body",
        "SELECT FROM no_table WHERE :body = ''",
    ):
        with pytest.raises(Exception, match=r"\w{5}") as raised, single.transaction() as connection:
            connection.execute(sa.text(statement), {"body": CANARY})

        assert CANARY not in "".join(traceback.format_exception(raised.value))


def test_a_missing_table_names_the_command_to_type(empty_database: Database) -> None:
    with pytest.raises(SchemaMissingError, match=r"core\.run migrate"):
        within(empty_database, lambda it: it.exec_driver_sql("SELECT 1 FROM ops.runs"))


def test_every_transaction_has_its_limits_and_they_leak_to_nobody(
    database: Database, database_url: str
) -> None:
    names = (
        *("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"),
        *("client_connection_check_interval", "timezone", "transaction_isolation"),
    )
    shown = "SELECT " + ", ".join(f"current_setting('{name}')" for name in names)
    outside = execute(parse(database_url), "SHOW statement_timeout")

    with database.transaction(statement_timeout_ms=1234, lock_timeout_ms=567) as connection:
        inside = connection.exec_driver_sql(shown).one()

    assert tuple(inside) == ("1234ms", "567ms", "5s", "1s", "UTC", "read committed")
    assert {
        tuple(execute(parse(database_url), "SHOW statement_timeout")[0]) for _ in range(10)
    } == {tuple(outside[0])}


def test_a_transaction_of_any_length_ends_on_servers_that_can_end_it(database: Database) -> None:
    with database.transaction() as connection:
        version = connection.dialect.server_version_info or ()
        told = connection.exec_driver_sql(
            "SELECT current_setting('transaction_timeout', true)"
        ).scalar()

    assert told == ("20s" if version >= (17,) else None)


def test_a_statement_that_takes_too_long_is_given_up_by_the_server(single: Database) -> None:
    with pytest.raises(StoreUnavailableError, match="57014"):
        within(single, lambda it: it.exec_driver_sql("SELECT pg_sleep(5)"), statement_timeout_ms=50)

    assert echo(single, "next") == "next"


def test_a_lock_that_is_held_is_a_reason_and_not_an_outage(database: Database) -> None:
    with database.transaction() as holder:
        holder.exec_driver_sql("SELECT pg_advisory_xact_lock(7)")

        with pytest.raises(LockTimeoutError):
            within(
                database,
                lambda it: it.exec_driver_sql("SELECT pg_advisory_xact_lock(7)"),
                lock_timeout_ms=50,
            )


def test_the_victim_of_a_deadlock_is_repeated(database: Database) -> None:
    with database.transaction() as connection:
        connection.exec_driver_sql("CREATE TABLE counters (id integer PRIMARY KEY, n integer)")
        connection.exec_driver_sql("INSERT INTO counters VALUES (1, 0), (2, 0)")
    both_hold_one = Barrier(2)

    def crossing(first: int, second: int) -> Callable[[sa.Connection], int]:
        tries = 0

        def work(connection: sa.Connection) -> int:
            nonlocal tries
            tries += 1
            connection.exec_driver_sql(f"UPDATE counters SET n = n + 1 WHERE id = {first}")
            if tries == 1:
                both_hold_one.wait(10)
            connection.exec_driver_sql(f"UPDATE counters SET n = n + 1 WHERE id = {second}")
            return tries

        return work

    with ThreadPoolExecutor() as threads:
        tries = list(threads.map(database.run, [crossing(1, 2), crossing(2, 1)]))

    with database.transaction() as connection:
        rows = connection.exec_driver_sql("SELECT n FROM counters").scalars().all()
    assert max(tries) > 1
    assert list(rows) == [2, 2]


def test_a_conflict_that_does_not_end_is_told_after_three_tries(single: Database) -> None:
    tries = 0

    def work(connection: sa.Connection) -> None:
        nonlocal tries
        tries += 1
        connection.exec_driver_sql("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$")

    with pytest.raises(ConflictError):
        single.run(work)

    assert tries == 3


def test_a_backend_terminated_in_mid_transaction_is_unavailable_and_replaced(
    single: Database, direct_database_url: str
) -> None:
    def lose(connection: sa.Connection) -> None:
        note(connection, 1)
        terminate(direct_database_url, backend(connection))
        note(connection, 2)

    with pytest.raises(StoreUnavailableError) as raised:
        within(single, lose)

    assert not isinstance(raised.value, CommitUnknownError)
    assert notes(single) == []


def test_a_connection_that_died_in_the_pool_is_replaced_unseen(
    single: Database, direct_database_url: str
) -> None:
    with single.transaction() as connection:
        pid = backend(connection)
    terminate(direct_database_url, pid)

    assert echo(single, "next") == "next"


def test_a_commit_on_a_terminated_connection_has_an_unknown_outcome(
    single: Database, direct_database_url: str
) -> None:
    def lose(connection: sa.Connection) -> None:
        note(connection, 1)
        terminate(direct_database_url, backend(connection))

    with pytest.raises(CommitUnknownError):
        within(single, lose)

    assert echo(single, "next") == "next"


def is_commit(body: bytes) -> bool:
    return body.lower() == b"commit\x00"


@pytest.mark.parametrize(
    ("broken", "applied"),
    [(Relay(cut_before=is_commit), []), (Relay(cut_after=is_commit), [1])],
    ids=["before the server got it", "after the server applied it"],
)
def test_a_commit_that_is_cut_off_has_an_unknown_outcome(
    single: Database, database_url: str, broken: Relay, applied: list[int]
) -> None:
    with relay(parse(database_url), broken) as url:
        database = open_database(url)
        with pytest.raises(CommitUnknownError):
            within(database, lambda it: note(it, 1))
        database.dispose()

    eventually = [notes(single) for _ in range(50) if notes(single) == applied]
    assert eventually


def test_a_network_that_swallows_everything_is_waited_for_once_and_no_longer_than_somebody_waits(
    database_url: str,
) -> None:
    hole = Relay(swallows=lambda body: body.startswith(b"BEGIN"))
    with relay(parse(database_url), hole) as url:
        database = replace(open_database(url), time_left=lambda: 0.0)
        with pytest.raises(StoreUnavailableError):
            echo(database, "x")
        database.dispose()

    assert hole.clients == 1


@pytest.mark.parametrize(("left", "waits"), [(math.inf, 5.2), (60.0, 5.2), (3.0, 3.0), (0.0, 2.0)])
def test_an_answer_is_waited_for_as_long_as_somebody_waits_for_us(
    single: Database, left: float, waits: float
) -> None:
    """Or, where there is time, a little longer than the statement may take."""
    hurried = replace(single, time_left=lambda: left)

    with hurried.transaction(statement_timeout_ms=1_200) as connection:
        driver: Any = connection.connection.driver_connection
        assert driver.socket.gettimeout() == waits


@pytest.mark.parametrize(("left", "waits"), [(math.inf, 5.0), (3.0, 3.0), (0.0, 2.0)])
def test_a_connection_is_waited_for_no_longer_than_somebody_waits_for_us(
    database_url: str, monkeypatch: pytest.MonkeyPatch, left: float, waits: float
) -> None:
    asked: list[float] = []

    def refuse(_: DatabaseUrl, *, application_name: str, timeout: float) -> Any:
        asked.append(timeout)
        raise StoreUnavailableError(application_name)

    monkeypatch.setattr(engines, "connect", refuse)
    engine = engines.make_engine(
        parse(database_url), pool_size=1, application_name="us", time_left=lambda: left
    )

    with pytest.raises(StoreUnavailableError):
        echo(Database(engine), "x")

    assert asked == [waits]


def test_idle_in_transaction_ends_at_the_server(single: Database, direct_database_url: str) -> None:
    def dawdle(connection: sa.Connection) -> None:
        pid = backend(connection)
        while alive(direct_database_url, pid):
            execute(parse(direct_database_url), "SELECT pg_sleep(0.2)")
        note(connection, 1)

    with pytest.raises(StoreUnavailableError):
        within(single, dawdle)

    assert echo(single, "next") == "next"


def test_a_transaction_of_one_literal_statement_waits_three_times(database_url: str) -> None:
    counted = Relay()
    with relay(parse(database_url), counted) as url:
        database = open_database(url)
        with database.transaction() as connection:
            connection.exec_driver_sql("SELECT 1")
        database.dispose()

    assert counted.round_trips() == 3


def test_a_parameter_costs_two_waits_more(database_url: str) -> None:
    counted = Relay()
    with relay(parse(database_url), counted) as url:
        database = open_database(url)
        echo(database, "x")
        database.dispose()

    assert counted.round_trips() == 5


def test_r21_threads_get_connections_of_their_own_and_wait_for_a_free_one(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "POOL_TIMEOUT", 0.1)
    database = open_database(parse(database_url), pool_size=1)

    with database.transaction(), pytest.raises(StoreUnavailableError, match="came free"):
        echo(database, "x")
    assert echo(database, "x") == "x"
    database.dispose()


def terminate(url: str, pid: int) -> None:
    execute(parse(url), f"SELECT pg_terminate_backend({pid}, 5000)")


def alive(url: str, pid: int) -> bool:
    return bool(execute(parse(url), f"SELECT 1 FROM pg_stat_activity WHERE pid = {pid}"))


def test_a_transaction_that_reads_sees_one_instant_whatever_others_commit(
    database_url: str, single: Database
) -> None:
    reader = open_database(parse(database_url), pool_size=1)
    try:
        with reader.reading(statement_timeout_ms=8_000) as connection:
            before = connection.exec_driver_sql("SELECT count(*) FROM notes").scalar_one()
            within(single, lambda other: note(other, 1))
            after = connection.exec_driver_sql("SELECT count(*) FROM notes").scalar_one()
    finally:
        reader.dispose()

    assert (before, after, notes(single)) == (0, 0, [1])


def test_a_transaction_that_reads_cannot_write_and_the_next_one_can(single: Database) -> None:
    with (
        pytest.raises(StoreUnavailableError, match="read-only"),
        single.reading(statement_timeout_ms=8_000) as connection,
    ):
        note(connection, 1)

    within(single, lambda connection: note(connection, 2))
    assert notes(single) == [2]
