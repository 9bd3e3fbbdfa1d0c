"""Reaching a server, securing the way to it, and being refused."""

import socket
import struct
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest

from core.errors import ConfigurationError, StoreUnavailableError
from core.secret import Secret
from infra.postgres import connect as connecting
from infra.postgres.connect import connect
from infra.postgres.embedded import EmbeddedPostgres
from infra.postgres.url import DatabaseUrl, SslMode, parse
from tests.support.postgres import (
    QUICK,
    Server,
    execute,
    free_port,
    open_database,
    scratch,
)
from tests.support.wire import Authority, Relay, make_authority, relay

PASSWORD = "s3cr3t-canary"


def log_in(url: DatabaseUrl) -> object:
    with closing(connect(url, application_name="test", timeout=5)) as connection:
        return connection.execute_simple("SELECT 1").rows[0][0]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def server(direct_database_url: str) -> DatabaseUrl:
    return parse(direct_database_url)


def test_a_trusted_certificate_of_the_right_name_is_accepted(
    server: DatabaseUrl, authority: Authority
) -> None:
    with relay(server, Relay(tls=authority.server_context("localhost"))) as found:
        url = replace(
            found, host="localhost", sslmode=SslMode.VERIFY_FULL, sslrootcert=authority.root
        )

        assert log_in(url) == 1


@pytest.mark.parametrize("mode", [SslMode.VERIFY_FULL, SslMode.VERIFY_CA])
def test_a_certificate_of_an_unknown_authority_is_refused_with_the_way_out(
    server: DatabaseUrl, authority: Authority, mode: SslMode
) -> None:
    with relay(server, Relay(tls=authority.server_context("localhost"))) as found:
        url = replace(found, host="localhost", sslmode=mode, password=Secret(PASSWORD))

        with pytest.raises(ConfigurationError, match="sslrootcert=") as refused:
            log_in(url)

    assert PASSWORD not in str(refused.value)


def test_a_certificate_of_another_name_is_refused_by_verify_full_alone(
    server: DatabaseUrl, authority: Authority
) -> None:
    with relay(server, Relay(tls=authority.server_context("elsewhere"))) as found:
        url = replace(found, host="localhost", sslrootcert=authority.root)

        with pytest.raises(ConfigurationError, match="not to be trusted"):
            log_in(replace(url, sslmode=SslMode.VERIFY_FULL))
        assert log_in(replace(url, sslmode=SslMode.VERIFY_CA)) == 1


def test_require_encrypts_without_a_check_unless_an_authority_is_named(
    server: DatabaseUrl, authority: Authority, tmp_path: Path
) -> None:
    stranger = make_authority(tmp_path)

    with relay(server, Relay(tls=authority.server_context("elsewhere"))) as found:
        url = replace(found, sslmode=SslMode.REQUIRE)

        assert log_in(url) == 1
        assert log_in(replace(url, sslrootcert=authority.root)) == 1
        with pytest.raises(ConfigurationError, match="not to be trusted"):
            log_in(replace(url, sslrootcert=stranger.root))


def test_channel_binding_that_was_asked_for_and_is_missing_is_refused(
    server: DatabaseUrl, authority: Authority
) -> None:
    with relay(server, Relay(tls=authority.server_context("localhost"))) as found:
        url = replace(found, sslmode=SslMode.REQUIRE, channel_binding_required=True)

        with pytest.raises(ConfigurationError, match="channel_binding=require"):
            log_in(url)


def test_tls_is_never_given_up_for_plain_text(server: DatabaseUrl) -> None:
    with Answering(b"N") as port:
        url = replace(server, socket_dir=None, host="127.0.0.1", port=port)

        with pytest.raises(ConfigurationError, match="offers no TLS"):
            log_in(replace(url, sslmode=SslMode.REQUIRE))


@pytest.mark.parametrize(
    ("answer", "said"), [(b"", "hung up"), (b"E", "answered b'E'"), (b"H", "answered b'H'")]
)
def test_what_is_no_answer_about_tls_is_not_taken_for_a_no(
    server: DatabaseUrl, answer: bytes, said: str
) -> None:
    """A proxy without a server hangs up: advice to give up TLS would be wrong and dangerous."""
    with Answering(answer) as port:
        url = replace(server, socket_dir=None, host="127.0.0.1", port=port)

        with pytest.raises(StoreUnavailableError, match=said) as refused:
            log_in(replace(url, sslmode=SslMode.REQUIRE))

    assert "sslmode" not in str(refused.value)


def test_a_context_is_built_once(authority: Authority) -> None:
    contexts = {id(connecting.tls_context(SslMode.VERIFY_FULL, authority.root)) for _ in range(3)}

    assert len(contexts) == 1


def test_nobody_listening_is_unavailable_and_says_where() -> None:
    port = free_port()

    with pytest.raises(StoreUnavailableError, match=f"127.0.0.1:{port}/d as u") as refused:
        log_in(parse(f"postgres://u:{PASSWORD}@127.0.0.1:{port}/d"))

    assert PASSWORD not in str(refused.value)


def test_a_missing_socket_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError, match="no database at"):
        log_in(parse(f"postgresql://u@/d?host={tmp_path}"))


def test_a_server_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = parse(f"postgres://u@127.0.0.1:{silent.getsockname()[1]}/d")

        with pytest.raises(StoreUnavailableError):
            connect(url, application_name="test", timeout=0.2)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", StoreUnavailableError),
        (b"\x00\x00\x00\x00\x05hello", ConfigurationError),
        (b"", StoreUnavailableError),
    ],
)
def test_something_that_is_not_postgresql_is_named(answer: bytes, kind: type[Exception]) -> None:
    with Answering(answer) as port, pytest.raises(kind, match=f"127.0.0.1:{port}/d as u"):
        log_in(parse(f"postgres://u:{PASSWORD}@127.0.0.1:{port}/d"))


def error_of_the_server(message: str, code: str) -> bytes:
    fields = f"SFATAL\0VFATAL\0C{code}\0M{message}\0\0".encode()
    return b"E" + struct.pack("!i", len(fields) + 4) + fields


@pytest.mark.parametrize(
    ("message", "code", "kind"),
    [
        ("Tenant or user not found", "XX000", StoreUnavailableError),
        ("Max client connections reached", "XX000", StoreUnavailableError),
        ("The endpoint has been disabled. Enable it and retry.", "55000", ConfigurationError),
        ("no pg_hba.conf entry for host", "28000", ConfigurationError),
        ("sorry, too many clients already", "53300", StoreUnavailableError),
    ],
)
def test_what_the_server_says_at_the_log_in_is_repeated(
    message: str, code: str, kind: type[Exception]
) -> None:
    with Answering(error_of_the_server(message, code)) as port, pytest.raises(kind) as refused:
        log_in(parse(f"postgres://u:{PASSWORD}@127.0.0.1:{port}/d"))

    for words in (message, code, f"127.0.0.1:{port}/d as u"):
        assert words in str(refused.value)
    assert "wrong password" not in str(refused.value)


def test_a_server_that_is_too_old_is_refused(
    server: DatabaseUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "OLDEST_SERVER", 99)

    with pytest.raises(ConfigurationError, match="older than PostgreSQL 99"):
        log_in(server)


def test_a_database_that_does_not_exist_is_named(postgres_server: Server) -> None:
    with pytest.raises(ConfigurationError, match=r"no_such_database.*\(3D000\)"):
        log_in(postgres_server.admin.with_database("no_such_database"))


@pytest.fixture(scope="module")
def guarded() -> Iterator[DatabaseUrl]:
    """A server of these tests' own, which wants a password from the role `keeper`."""
    with scratch() as folder:
        with EmbeddedPostgres(folder, options=QUICK) as postgres:
            execute(postgres.url, f"CREATE ROLE keeper LOGIN PASSWORD '{PASSWORD}'")
        rules = folder / "postgres" / "pg_hba.conf"
        rules.write_text("local all keeper scram-sha-256\n" + rules.read_text())
        with EmbeddedPostgres(folder, options=QUICK) as postgres:
            yield replace(postgres.url, user="keeper")


def test_the_right_password_opens(guarded: DatabaseUrl) -> None:
    assert log_in(replace(guarded, password=Secret(PASSWORD))) == 1


def test_a_wrong_password_is_a_matter_of_configuration_and_not_repeated(
    guarded: DatabaseUrl,
) -> None:
    wrong = PASSWORD + "-wrong"

    with pytest.raises(ConfigurationError, match=r"as keeper.*\(28P01\)") as refused:
        log_in(replace(guarded, password=Secret(wrong)))

    assert PASSWORD not in f"{refused.value!r} {refused.value.__cause__!r}"


def test_a_missing_password_is_said_to_be_missing(guarded: DatabaseUrl) -> None:
    with pytest.raises(ConfigurationError, match="wants a password"):
        log_in(guarded)


def test_a_pool_that_cannot_connect_says_the_same(guarded: DatabaseUrl) -> None:
    database = open_database(guarded)

    with pytest.raises(ConfigurationError, match="wants a password"), database.transaction():
        pass


class Answering:
    """A listener that says one thing to whoever comes, and hangs up."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))

    def __enter__(self) -> int:
        self._thread = Thread(target=self._serve)
        self._thread.start()
        port: int = self._listener.getsockname()[1]
        return port

    def _serve(self) -> None:
        client, _ = self._listener.accept()
        with client:
            client.recv(65536)
            client.sendall(self._answer)

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        self._listener.close()
