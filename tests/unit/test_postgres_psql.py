"""psql reaches the same database in the same way as we do."""

from pathlib import Path

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


def test_a_socket_is_a_host_and_nothing_is_secured() -> None:
    found = environment_of(parse("postgresql://u@/d?host=/run/pg"))

    assert found["PGHOST"] == "/run/pg"
    assert not [name for name in found if name.startswith("PGSSL")]


def test_the_password_is_handed_over_by_the_environment() -> None:
    assert environment_of(parse(URL))["PGPASSWORD"] == "canary"
