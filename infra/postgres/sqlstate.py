"""From what the driver raises to what the caller does next, in one place.

What leaves here holds no parameter, no DETAIL and no quoted value: exceptions reach logs.
"""

import re

import pg8000

from core.errors import AppError, ConfigurationError, RejectedContentError, StoreUnavailableError
from infra.postgres.errors import (
    BrokenStatementError,
    ConflictError,
    LockTimeoutError,
    SchemaMissingError,
)

# The server has ended, or will end, the session; or the protocol is out of step.
FATAL_STATES = frozenset({"57P01", "57P02", "57P03", "57P05", "25P03", "25P04", "26000", "34000"})
FATAL_CLASSES = ("08",)

CONTENT_CLASSES = ("21", "22", "23", "54")

# Codes, or classes of two characters; the first that fits decides.
_KINDS: tuple[tuple[tuple[str, ...], type[AppError], str], ...] = (
    (("40001", "40P01"), ConflictError, "PostgreSQL broke a tie against this transaction: {}"),
    (("55P03",), LockTimeoutError, "another session holds what this one needs: {}"),
    (
        ("42P01", "3F000"),
        SchemaMissingError,
        "the database schema is missing: {}; run `python -m core.run migrate`",
    ),
    # Only migrations create: another system's object stands where ours belongs.
    (
        ("42P06", "42P07", "42710", "42723"),
        ConfigurationError,
        "another system was here first: {}; use a database of its own for Cronshot, or rename that",
    ),
    # Wrong user, wrong password, no such database, no privilege: a person must act.
    (
        ("28", "3D000", "42501"),
        ConfigurationError,
        "the database refuses: {}; check DATABASE_URL and what its role may do",
    ),
    (
        ("08", "25006", "25P03", "25P04", "53", "57", "58"),
        StoreUnavailableError,
        "the database did not do it: {}",
    ),
)

# What pg8000 says of a connection that is no more; it has no class or code for it.
BROKEN_CONNECTION = frozenset({"network error", "connection is closed", "communication error"})

STATEMENT_TEXT_KEPT = 200

_VALUE = re.compile(r"\"[^\"]*\"|:.*", re.DOTALL)
# Schema, table, column, type and constraint are ours; everything else may quote a row.
_KEPT_FIELDS = frozenset({"S", "C", "M", "s", "t", "c", "d", "n", "R"})


def sqlstate(error: BaseException) -> str | None:
    """The server's own code, None where the error did not come from the server."""
    fields = _fields(error)
    return None if fields is None else fields.get("C", "")


def server_words(error: BaseException) -> str:
    """Message and code of an error that came from the server, without values."""
    fields = _strip(_fields(error) or {})
    return f"{fields.get('M', '')} ({fields.get('C', '')})"


def is_poisoned(error: BaseException) -> bool:
    """Whether the connection may not be used again.

    Anything but an SQL error leaves pg8000 at an unknown place in the stream: later statements
    would read the answers of earlier ones.
    """
    code = sqlstate(error)
    return code is None or code in FATAL_STATES or code.startswith(FATAL_CLASSES)


def is_lost(error: BaseException) -> bool:
    """Whether a poisoned connection means that the server, or the way to it, is gone."""
    return sqlstate(error) is not None or _is_of_the_network(error)


def _is_of_the_network(error: BaseException) -> bool:
    return isinstance(error, OSError) or str(error) in BROKEN_CONNECTION


def classify(error: BaseException, statement: str | None = None) -> Exception | None:
    """The error to raise in place of the driver's; None leaves it as it is.

    `error` itself is stripped of values, because it stays visible as the cause.
    """
    fields = _fields(error)
    if fields is not None:
        return _of_server(_strip(fields), statement)
    if isinstance(error, UnicodeEncodeError):
        return _of_encoding(error)
    if _is_of_the_network(error):
        return StoreUnavailableError(f"the connection to the database broke ({error})")
    if isinstance(error, pg8000.Error):
        return BrokenStatementError(f"the driver refuses: {error}")
    return None


def _fields(error: BaseException) -> dict[str, str] | None:
    first = error.args[0] if isinstance(error, pg8000.Error) and error.args else None
    return first if isinstance(first, dict) else None


def _strip(fields: dict[str, str]) -> dict[str, str]:
    """In place: the driver raises twice, and both exceptions show this dictionary."""
    for name in fields.keys() - _KEPT_FIELDS:
        del fields[name]
    if fields.get("C", "").startswith("22"):
        # `invalid input syntax for type bigint: "4711"`
        fields["M"] = _VALUE.sub("…", fields.get("M", ""))
    return fields


def _of_server(fields: dict[str, str], statement: str | None) -> Exception:
    code = fields.get("C", "")
    said = f"{fields.get('M', '')} ({code})"
    if code.startswith(CONTENT_CLASSES):
        return RejectedContentError(f"PostgreSQL refuses the content: {said}", code)
    for codes, kind, sentence in _KINDS:
        if code.startswith(codes):
            return kind(sentence.format(said))
    text = (statement or "").strip()[:STATEMENT_TEXT_KEPT]
    return BrokenStatementError(f"PostgreSQL refuses a statement: {said} [{text}]")


def _of_encoding(error: UnicodeEncodeError) -> Exception:
    reason = error.reason
    error.object, error.args = "", (reason,)
    return RejectedContentError(f"a text is not valid Unicode: {reason} (22021)", "22021")
