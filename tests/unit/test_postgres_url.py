"""Addresses as people paste them."""

import os
import pwd

import pytest

from core.errors import ConfigurationError
from infra.postgres.url import DatabaseUrl, parse

PASSWORD = "s3cr3t-canary"


def shape(url: DatabaseUrl) -> tuple[str, int, str, str | None, str, str | None, str]:
    return (
        url.host,
        url.port,
        url.user,
        url.password.reveal() if url.password else None,
        url.database,
        str(url.socket_dir) if url.socket_dir else None,
        str(url.sslmode),
    )


READ = {
    "postgres://u:p@localhost:5433/d": ("localhost", 5433, "u", "p", "d", None, "disable"),
    "postgresql://u:p@localhost/d": ("localhost", 5432, "u", "p", "d", None, "disable"),
    "postgresql+pg8000://u:p@127.0.0.1/d": ("127.0.0.1", 5432, "u", "p", "d", None, "disable"),
    "postgresql+psycopg2://u:p@127.9.9.9/d": ("127.9.9.9", 5432, "u", "p", "d", None, "disable"),
    "  postgres://u:p@localhost/d\n": ("localhost", 5432, "u", "p", "d", None, "disable"),
    "postgres://u@localhost/d": ("localhost", 5432, "u", None, "d", None, "disable"),
    "postgres://u:@localhost/d": ("localhost", 5432, "u", None, "d", None, "disable"),
    "postgres://u:p@localhost": ("localhost", 5432, "u", "p", "u", None, "disable"),
    "postgres://u:p@localhost/": ("localhost", 5432, "u", "p", "u", None, "disable"),
    "postgres://u:p%40ss%2Fw%3Ard%25@localhost/d": (
        *("localhost", 5432, "u", "p@ss/w:rd%", "d", None, "disable"),
    ),
    "postgres://u:p@ss:word@localhost/d": (
        *("localhost", 5432, "u", "p@ss:word", "d", None, "disable"),
    ),
    "postgres://u%40corp:p@localhost/my%20db": (
        *("localhost", 5432, "u@corp", "p", "my db", None, "disable"),
    ),
    "postgres://u:p@[::1]:5433/d": ("::1", 5433, "u", "p", "d", None, "disable"),
    "postgres://u:p@[2001:db8::1]/d": ("2001:db8::1", 5432, "u", "p", "d", None, "verify-full"),
    "postgres://u:p@db.internal/d": ("db.internal", 5432, "u", "p", "d", None, "verify-full"),
    "postgres://u:p@db.internal/d?sslmode=prefer": (
        *("db.internal", 5432, "u", "p", "d", None, "verify-full"),
    ),
    "postgres://u:p@localhost/d?sslmode=allow": (
        *("localhost", 5432, "u", "p", "d", None, "disable"),
    ),
    "postgres://u:p@db/d?sslmode=disable": ("db", 5432, "u", "p", "d", None, "disable"),
    "postgres://u:p@db/d?sslmode=require": ("db", 5432, "u", "p", "d", None, "require"),
    "postgres://u:p@db/d?sslmode=verify-ca": ("db", 5432, "u", "p", "d", None, "verify-ca"),
    "postgres://u:p@localhost/d?sslmode=verify-full": (
        *("localhost", 5432, "u", "p", "d", None, "verify-full"),
    ),
    "postgresql://u:p@/d?host=/Var/run/pg": (*("", 5432, "u", "p", "d", "/Var/run/pg", "disable"),),
    "postgresql:///d?host=/run/pg&port=5433&user=u&password=p": (
        *("", 5433, "u", "p", "d", "/run/pg", "disable"),
    ),
    "postgresql://u@%2FVar%2Frun/d?sslmode=require": (
        *("", 5432, "u", None, "d", "/Var/run", "disable"),
    ),
    # Neon
    "postgresql://alex:AbC123dEf@ep-cool-darkness-123456-pooler.us-east-2.aws.neon.tech/dbname"
    "?sslmode=require&channel_binding=require": (
        "ep-cool-darkness-123456-pooler.us-east-2.aws.neon.tech",
        *(5432, "alex", "AbC123dEf", "dbname", None, "require"),
    ),
    "postgres://alex:p@ep-x.neon.tech/d?sslmode=require&options=endpoint%3Dep-x": (
        *("ep-x.neon.tech", 5432, "alex", "p", "d", None, "require"),
    ),
    # Supabase, its pooler and what Prisma adds
    "postgresql://postgres.abcdefgh:p@aws-0-eu-central-1.pooler.supabase.com:6543/postgres"
    "?pgbouncer=true&connection_limit=1": (
        "aws-0-eu-central-1.pooler.supabase.com",
        *(6543, "postgres.abcdefgh", "p", "postgres", None, "verify-full"),
    ),
    # RDS
    "postgresql://admin:p@mydb.abc.eu-west-1.rds.amazonaws.com:5432/app?sslmode=require": (
        *("mydb.abc.eu-west-1.rds.amazonaws.com", 5432, "admin", "p", "app", None, "require"),
    ),
    # Railway
    "postgresql://postgres:p@roundhouse.proxy.rlwy.net:12345/railway?sslmode=require": (
        *("roundhouse.proxy.rlwy.net", 12345, "postgres", "p", "railway", None, "require"),
    ),
    "postgres://u:p@db/d?sslmode=require&connect_timeout=10&application_name=x&keepalives=1": (
        *("db", 5432, "u", "p", "d", None, "require"),
    ),
}


@pytest.mark.parametrize("url", READ)
def test_an_address_is_read_as_its_provider_means_it(url: str) -> None:
    assert shape(parse(url)) == READ[url]


REFUSED = {
    "mysql://u:{}@h/d": "postgresql://",
    "h:5432/d": "postgresql://",
    "": "postgresql://",
    "postgres://u:{}@h/d?search_path=x": "'search_path'",
    "postgres://u:{}@h/d?sslcert=/x": "'sslcert'",
    "postgres://u:{}@h/d?options=-c%20search_path%3Dx": "'options'",
    "postgres://u:{}@localhost/d?options=endpoint%3Dx": "'options'",
    "postgres://u:{}@h/d?sslmode=sometimes": "sslmode=sometimes",
    "postgres://u:{}@h/d?sslrootcert=/no/such/file": "sslrootcert=/no/such/file",
    "postgres://u:{}@h/d?channel_binding=disable": "channel_binding=disable",
    "postgres://u:{}@h/d?channel_binding=require&sslmode=disable": "channel_binding=require",
    "postgres://u:{}@h:0/d": "port",
    "postgres://u:{}@h:99999/d": "port",
    "postgres://u:{}@h:x/d": "cannot be read",
    "postgres://u:{}@h/d?port=x": "port",
    "postgres://u:5432/{}@h/d": "percent-encoded",
    "postgres://u:{}/x@h/d": "percent-encoded",
    "postgres://u:{}#x@h/d": "percent-encoded",
    "postgres://u:{}@a:1,b:2/d": "one host",
    "postgres://u:{}@a,b/d": "several hosts",
    "postgres://u:[YOUR-PASSWORD]@h/d": "placeholder",
    "postgres://u:{}@[::1/d": "cannot be read",
}


@pytest.mark.parametrize("url", REFUSED)
def test_an_address_that_cannot_be_honoured_is_refused_by_name_and_without_its_password(
    url: str,
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse(url.replace("{}", PASSWORD))

    assert REFUSED[url] in str(refused.value)
    assert PASSWORD not in repr(refused.value) + str(refused.value)
    assert refused.value.__cause__ is None


def test_a_password_is_seen_only_where_it_is_asked_for() -> None:
    url = parse(f"postgres://u:{PASSWORD}@db.example/d?sslmode=require")

    assert PASSWORD not in f"{url} {url!r} {url.safe()}"
    assert url.safe() == "db.example:5432/d as u"
    assert PASSWORD in url.reveal()


@pytest.mark.parametrize(
    "written",
    [
        "postgresql://u:p%40%2F%3A%25@localhost:5432/my%20db",
        "postgresql://u:p@[2001:db8::1]:5433/d?sslmode=require&channel_binding=require",
        "postgresql://u@/d?host=/run/pg",
        f"postgresql://u:p@db/d?sslmode=verify-full&sslrootcert={__file__}",
    ],
)
def test_an_address_handed_to_another_process_is_the_same_address(written: str) -> None:
    url = parse(written)

    assert parse(url.reveal()) == url


def test_without_a_user_it_is_the_user_of_the_operating_system() -> None:
    url = parse("postgresql:///d?host=/run/pg")

    assert url.user == pwd.getpwuid(os.geteuid()).pw_name
