"""How psql reaches a database of ours."""

from collections.abc import Mapping
from pathlib import Path

from infra.postgres.cluster import binaries
from infra.postgres.embedded import DEFAULT_VERSION
from infra.postgres.url import DatabaseUrl, SslMode


def embedded_psql() -> Path:
    return binaries(DEFAULT_VERSION) / "psql"


def environment_of(url: DatabaseUrl) -> Mapping[str, str]:
    """libpq's variables: a password among a program's arguments can be read by every user."""
    variables = {
        "PGHOST": url.host if url.socket_dir is None else str(url.socket_dir),
        "PGPORT": str(url.port),
        "PGUSER": url.user,
        "PGDATABASE": url.database,
    }
    if url.socket_dir is None:
        variables["PGSSLMODE"] = url.sslmode.value
    if url.sslrootcert is not None:
        variables["PGSSLROOTCERT"] = str(url.sslrootcert)
    elif url.sslmode is SslMode.VERIFY_FULL:
        # The machine's authorities, as we do; libpq otherwise wants a file in ~/.postgresql.
        variables["PGSSLROOTCERT"] = "system"
    if url.channel_binding_required:
        variables["PGCHANNELBINDING"] = "require"
    if url.password is not None:
        variables["PGPASSWORD"] = url.password.reveal()
    return variables
