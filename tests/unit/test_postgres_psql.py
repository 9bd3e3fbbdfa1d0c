"""psql reaches the same database in the same way as we do."""

import ssl
from pathlib import Path
from types import SimpleNamespace

import pytest

from infra.postgres.psql import environment_of
from infra.postgres.url import parse

URL = "postgresql://u:canary@db.example.com/d"
TLS = {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": "system"}


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("", TLS),
        ("?sslmode=verify-full", TLS),
        ("?sslrootcert=system", TLS),
        ("?sslmode=require", {"PGSSLMODE": "require"}),
        ("?channel_binding=require", {**TLS, "PGCHANNELBINDING": "require"}),
        (
            f"?sslrootcert={Path(__file__)}",
            {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": __file__},
        ),
    ],
)
def test_the_way_is_secured_as_ours_is(query: str, variables: dict[str, str]) -> None:
    found = dict(environment_of(parse(URL + query)))

    secured = {name: value for name, value in found.items() if name.startswith(("PGSSL", "PGCH"))}
    assert secured == variables


@pytest.mark.parametrize(
    ("bundle", "variables"),
    [(__file__, {"PGSSLMODE": "verify-ca", "PGSSLROOTCERT": __file__}), (None, TLS)],
    ids=["a file of authorities", "none"],
)
def test_the_machines_authorities_are_those_of_verify_ca_too(
    monkeypatch: pytest.MonkeyPatch, bundle: str | None, variables: dict[str, str]
) -> None:
    """libpq refuses `system` for it."""
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: SimpleNamespace(cafile=bundle))

    told = dict(environment_of(parse(f"{URL}?sslmode=verify-ca")))

    assert {name: told[name] for name in told if name.startswith("PGSSL")} == variables


def test_a_socket_is_a_host_and_nothing_is_secured() -> None:
    found = environment_of(parse("postgresql://u@/d?host=/run/pg"))

    assert found["PGHOST"] == "/run/pg"
    assert not [name for name in found if name.startswith("PGSSL")]


def test_the_password_is_handed_over_by_the_environment() -> None:
    assert environment_of(parse(URL))["PGPASSWORD"] == "canary"
