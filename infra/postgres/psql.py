"""How psql reaches a database of ours."""

import ssl
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
        variables |= _security(url)
    if url.channel_binding_required:
        variables["PGCHANNELBINDING"] = "require"
    if url.password is not None:
        variables["PGPASSWORD"] = url.password.reveal()
    return variables


def _security(url: DatabaseUrl) -> Mapping[str, str]:
    """Without a file the machine's authorities, as we do; libpq wants one in ~/.postgresql.

    libpq takes them by that name for verify-full only, so that verify-ca is told their file: where
    the machine has no such file the host's name is checked too, more than was asked for.
    """
    mode, authorities = url.sslmode, url.sslrootcert
    if authorities is None and mode is SslMode.VERIFY_CA:
        bundle = ssl.get_default_verify_paths().cafile
        mode, authorities = (mode, Path(bundle)) if bundle else (SslMode.VERIFY_FULL, None)
    named = {"PGSSLMODE": mode.value}
    if authorities is not None:
        return named | {"PGSSLROOTCERT": str(authorities)}
    return named | ({"PGSSLROOTCERT": "system"} if mode is SslMode.VERIFY_FULL else {})
