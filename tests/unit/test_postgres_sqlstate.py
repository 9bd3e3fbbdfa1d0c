"""What the driver raises, and what callers get to see of it."""

import socket
import ssl

import pg8000
import pytest

from core.errors import (
    AppError,
    ConfigurationError,
    RejectedContentError,
    StoreUnavailableError,
)
from infra.postgres.errors import (
    BrokenStatementError,
    ConflictError,
    LockTimeoutError,
    SchemaMissingError,
)
from infra.postgres.sqlstate import classify, is_poisoned

CANARY = "canary-of-a-buyer"


def server_error(code: str, message: str = "said") -> pg8000.ProgrammingError:
    return pg8000.ProgrammingError(
        {"S": "ERROR", "C": code, "M": message, "D": f"({CANARY})", "W": CANARY, "H": CANARY}
    )


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("57014", StoreUnavailableError),
        ("57P01", StoreUnavailableError),
        ("57P03", StoreUnavailableError),
        ("53300", StoreUnavailableError),
        ("58030", StoreUnavailableError),
        ("08006", StoreUnavailableError),
        ("08P01", StoreUnavailableError),
        ("25P03", StoreUnavailableError),
        ("25P04", StoreUnavailableError),
        ("25006", StoreUnavailableError),
        ("55P03", LockTimeoutError),
        ("40001", ConflictError),
        ("40P01", ConflictError),
        ("42P01", SchemaMissingError),
        ("3F000", SchemaMissingError),
        ("28P01", ConfigurationError),
        ("3D000", ConfigurationError),
        ("42501", ConfigurationError),
        ("21000", RejectedContentError),
        ("22021", RejectedContentError),
        ("22P05", RejectedContentError),
        ("23505", RejectedContentError),
        ("54000", RejectedContentError),
        ("42703", BrokenStatementError),
        ("25P02", BrokenStatementError),
        ("XX000", BrokenStatementError),
    ],
)
def test_a_code_of_the_server_decides_what_the_caller_does_next(
    code: str, kind: type[Exception]
) -> None:
    assert type(classify(server_error(code))) is kind


@pytest.mark.parametrize(
    "error",
    [
        TimeoutError("timed out"),
        ConnectionResetError(104, "reset"),
        socket.gaierror(-2, "unknown"),
        ssl.SSLError("eof"),
        pg8000.InterfaceError("network error"),
        pg8000.InterfaceError("connection is closed"),
    ],
)
def test_a_broken_connection_is_unavailable_and_not_used_again(error: Exception) -> None:
    assert type(classify(error)) is StoreUnavailableError
    assert is_poisoned(error)


def test_a_commit_after_a_swallowed_error_is_a_bug_and_not_an_outage() -> None:
    error = pg8000.InterfaceError("in failed transaction block")

    assert isinstance(classify(error), BrokenStatementError)


@pytest.mark.parametrize("code", ["57P01", "57P03", "25P03", "25P04", "08P01", "08006", "26000"])
def test_a_session_that_the_server_ends_is_not_used_again(code: str) -> None:
    assert is_poisoned(server_error(code))


@pytest.mark.parametrize("code", ["57014", "55P03", "23505", "22021", "42P01", "40P01"])
def test_an_ordinary_error_keeps_its_connection(code: str) -> None:
    assert not is_poisoned(server_error(code))


def test_content_that_is_refused_keeps_its_code() -> None:
    refused = classify(server_error("22P05"))

    assert isinstance(refused, RejectedContentError)
    assert refused.sqlstate == "22P05"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("23505", 'duplicate key value violates unique constraint "accounts_name"'),
        ("22P02", f'invalid input syntax for type bigint: "{CANARY}"'),
        ("22003", f'value "{CANARY}" is out of range for type integer'),
        ("22007", f"invalid value: {CANARY}"),
        ("42703", 'column "nmae" does not exist'),
    ],
)
def test_no_value_of_a_row_is_seen_in_the_error_or_its_cause(code: str, message: str) -> None:
    error = server_error(code, message)

    seen = classify(error, "SELECT nmae FROM t")

    assert CANARY not in f"{seen} {seen!r} {error} {error!r}"
    assert code in str(seen)


def test_text_that_cannot_be_encoded_is_refused_content_without_the_text() -> None:
    with pytest.raises(UnicodeEncodeError) as raised:
        f"{CANARY}\ud83d".encode()
    error = raised.value

    refused = classify(error)

    assert isinstance(refused, RejectedContentError)
    assert refused.sqlstate == "22021"
    assert CANARY not in f"{refused!r} {error} {error!r}"


def test_what_is_not_the_databases_is_left_alone() -> None:
    assert classify(KeyError("x")) is None
    assert isinstance(classify(server_error("40001")), AppError)
