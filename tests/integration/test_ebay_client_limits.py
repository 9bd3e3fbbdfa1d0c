"""The client against real sockets: time, size, and everything that a server can do wrong."""

import gzip
import socket
import struct
import threading
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpcore
import pytest

from core.errors import BadAnswerError, UpstreamUnavailableError
from infra.ebay.client import MAX_BODY_BYTES, EbayHttp
from infra.http import transport
from tests.support.raw_server import Script, closing, dripping, fixed, http, raw_server

# Far above the limits that are tested, far below what a hanging request would take.
PATIENCE = 5.0


@pytest.fixture
def client() -> Iterator[EbayHttp]:
    http_client = EbayHttp()
    yield http_client
    http_client.close()


def silent(connection: socket.socket, _request: bytes, stopped: threading.Event) -> None:
    stopped.wait(30)
    connection.close()


def reset(connection: socket.socket, _request: bytes, _stopped: threading.Event) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def reset_in_body(connection: socket.socket, request: bytes, stopped: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    reset(connection, request, stopped)


def endless_informational(
    connection: socket.socket, _request: bytes, stopped: threading.Event
) -> None:
    while not stopped.wait(0.01):
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n")


@pytest.mark.parametrize(
    "script",
    [
        silent,
        dripping(b"", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100, every=0.02),
        dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"{", every=0.02),
        dripping(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", every=0.02
        ),
        endless_informational,
    ],
    ids=["silence", "dripped headers", "dripped body", "dripped chunks", "endless 103"],
)
def test_a_slow_server_is_given_up_within_the_timeout(client: EbayHttp, script: Script) -> None:
    with raw_server(script) as server:
        began = time.monotonic()

        with pytest.raises(UpstreamUnavailableError, match=r"no whole answer within 0\.5 s"):
            client.request("GET", server.url, timeout=0.5)

    assert 0.4 <= time.monotonic() - began < PATIENCE


def test_a_byte_a_second_is_given_up_within_the_timeout(client: EbayHttp) -> None:
    script = dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"{", every=1.0)
    with raw_server(script) as server:
        began = time.monotonic()

        with pytest.raises(UpstreamUnavailableError, match="no whole answer"):
            client.request("GET", server.url, timeout=1.5)

    assert time.monotonic() - began < PATIENCE


def test_a_connection_that_is_never_accepted_is_given_up_within_the_timeout(
    client: EbayHttp,
) -> None:
    # A full backlog drops further attempts, so the handshake never ends.
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for filler in waiting:
            filler.setblocking(False)
            filler.connect_ex(address)
        began = time.monotonic()

        with pytest.raises(UpstreamUnavailableError, match="no whole answer"):
            client.request("GET", f"http://127.0.0.1:{address[1]}", timeout=0.5)

        elapsed = time.monotonic() - began
        for filler in waiting:
            filler.close()
    assert elapsed < PATIENCE


def test_a_name_that_is_never_resolved_is_given_up_within_the_timeout(
    client: EbayHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()

    def stuck(*_arguments: object, **_named: object) -> list[object]:
        released.wait(30)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", stuck)
    began = time.monotonic()

    with pytest.raises(UpstreamUnavailableError, match="no whole answer"):
        client.request("GET", "http://api.example.test", timeout=0.3)

    released.set()
    assert time.monotonic() - began < PATIENCE


def test_a_name_without_an_address_is_an_outage(
    client: EbayHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_arguments: object, **_named: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    with pytest.raises(UpstreamUnavailableError, match="could not be reached"):
        client.request("GET", "http://api.example.test", timeout=1)


def test_the_second_address_is_tried_when_the_first_refuses(
    client: EbayHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "resolve", lambda *_: ["127.0.0.1", "127.0.0.1"])
    attempts: list[str] = []
    connect = httpcore.SyncBackend.connect_tcp

    def first_refused(backend: httpcore.SyncBackend, host: str, *rest: object) -> object:
        attempts.append(host)
        if len(attempts) == 1:
            raise httpcore.ConnectError("refused")
        return connect(backend, host, *rest)  # type: ignore[arg-type]  # passed through

    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", first_refused)
    with raw_server(fixed(http(b"{}"))) as server:
        answer = client.request("GET", server.url, timeout=PATIENCE)

    assert answer.status == 200
    assert len(attempts) == 2


def test_a_timeout_of_nothing_asks_nothing(client: EbayHttp) -> None:
    with raw_server(fixed(http(b"{}"))) as server:
        with pytest.raises(UpstreamUnavailableError, match="no whole answer"):
            client.request("GET", server.url, timeout=0)

        assert server.requests == []


def test_the_next_request_of_a_thread_has_its_own_deadline(client: EbayHttp) -> None:
    with raw_server(silent) as slow, pytest.raises(UpstreamUnavailableError):
        client.request("GET", slow.url, timeout=0.1)

    with raw_server(fixed(http(b"{}"))) as server:
        assert client.request("GET", server.url, timeout=PATIENCE).body == b"{}"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (reset, "broke"),
        (reset_in_body, "broke"),
        (closing(b""), "truncated"),
        (closing(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"), "truncated"),
        (closing(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"), "truncated"),
        (closing(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{"), "malformed"),
        (closing(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"), "truncated"),
        (closing(b"SSH-2.0-OpenSSH_9.6\r\n"), "malformed"),
        (closing(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 300_000 + b"\r\n\r\n"), "malformed"),
        (
            closing(http(gzip.compress(b"{}" * 999)[:-9], headers="Content-Encoding: gzip\r\n")),
            "trunc",
        ),
        (closing(http(b"not gzip at all", headers="Content-Encoding: gzip\r\n")), "packing"),
        (closing(http(b"{}", headers="Content-Encoding: br\r\n")), "encoding"),
    ],
    ids=[
        "reset",
        "reset in the body",
        "closed without a word",
        "short of its length",
        "chunk cut off",
        "chunk without a size",
        "headers cut off",
        "another protocol",
        "endless header",
        "gzip cut off",
        "no gzip",
        "another encoding",
    ],
)
def test_a_broken_answer_is_an_outage(client: EbayHttp, script: Script, said: str) -> None:
    with raw_server(script) as server, pytest.raises(UpstreamUnavailableError, match=said):
        client.request("GET", server.url, timeout=PATIENCE)


def test_a_port_where_nobody_listens_is_an_outage(client: EbayHttp) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    with pytest.raises(UpstreamUnavailableError, match="could not be reached"):
        client.request("GET", f"http://127.0.0.1:{port}", timeout=PATIENCE)


def test_a_gzip_bomb_is_stopped_at_the_limit_in_bounded_memory(client: EbayHttp) -> None:
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(1024 * 1024)) for _ in range(400)) + packer.flush()
    with raw_server(fixed(http(bomb, headers="Content-Encoding: gzip\r\n"))) as server:
        tracemalloc.start()

        with pytest.raises(BadAnswerError, match="over 10 MB unpacked"):
            client.request("GET", server.url, timeout=30)

        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert len(bomb) < MAX_BODY_BYTES
    assert peak < 3 * MAX_BODY_BYTES


def test_a_body_over_the_limit_is_refused_before_it_is_read_whole(client: EbayHttp) -> None:
    sent = 0

    def flood(connection: socket.socket, _request: bytes, _stopped: threading.Event) -> None:
        nonlocal sent
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            sent += connection.send(bytes(1024 * 1024))

    with raw_server(flood) as server, pytest.raises(BadAnswerError, match="over 10 MB"):
        client.request("GET", server.url, timeout=30)

    assert sent < 100 * 1024 * 1024


def test_a_body_of_exactly_the_limit_is_read(client: EbayHttp) -> None:
    body = b"x" * MAX_BODY_BYTES
    packed = gzip.compress(body, compresslevel=1)
    with raw_server(fixed(http(packed, headers="Content-Encoding: gzip\r\n"))) as server:
        answer = client.request("GET", server.url, timeout=30)

    assert answer.body == body


def test_a_connection_is_used_again(client: EbayHttp) -> None:
    with raw_server(fixed(http(b"{}"))) as server:
        for _ in range(5):
            client.request("GET", server.url, timeout=PATIENCE)

        assert server.connections == 1


def test_a_connection_whose_answer_was_given_up_is_not_used_again(client: EbayHttp) -> None:
    def late(connection: socket.socket, request: bytes, stopped: threading.Event) -> None:
        if b"/first" in request:
            stopped.wait(0.4)
            connection.sendall(http(b"first"))
        else:
            connection.sendall(http(b"second"))

    with raw_server(late) as server:
        with pytest.raises(UpstreamUnavailableError):
            client.request("GET", f"{server.url}/first", timeout=0.1)

        answer = client.request("GET", f"{server.url}/second", timeout=PATIENCE)

    assert answer.body == b"second"
    assert server.connections == 2


def test_no_cookie_of_one_account_reaches_another(client: EbayHttp) -> None:
    with raw_server(fixed(http(b"{}", headers="Set-Cookie: session=1; Path=/\r\n"))) as server:
        client.request("GET", server.url, timeout=PATIENCE)
        client.request("GET", server.url, timeout=PATIENCE)

        assert b"cookie" not in server.requests[1].lower()


def test_redirects_are_answers_and_are_not_followed(client: EbayHttp) -> None:
    with raw_server(fixed(http(b"", status="302 Found", headers="Location: /other\r\n"))) as server:
        answer = client.request("GET", server.url, timeout=PATIENCE)

        assert answer.status == 302
        assert len(server.requests) == 1


def test_proxies_and_passwords_of_the_environment_are_ignored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    client = EbayHttp()
    with raw_server(fixed(http(b"{}"))) as server:
        answer = client.request("GET", server.url, timeout=PATIENCE)

    client.close()
    assert answer.status == 200


def test_threads_keep_their_answers_and_deadlines_apart(client: EbayHttp) -> None:
    def echo(connection: socket.socket, request: bytes, stopped: threading.Event) -> None:
        path = request.split(b" ")[1]
        if b"slow" in path:
            stopped.wait(30)
        connection.sendall(http(path))

    def ask(number: int) -> bytes | None:
        slow = number % 8 == 0
        path = f"/{'slow' if slow else 'fast'}{number}"
        try:
            return client.request("GET", server.url + path, timeout=0.3 if slow else PATIENCE).body
        except UpstreamUnavailableError:
            return None

    with raw_server(echo) as server, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(80)))

    assert answers == [None if n % 8 == 0 else f"/fast{n}".encode() for n in range(80)]


def test_a_header_that_http_does_not_allow_is_refused_without_repeating_it(
    client: EbayHttp,
) -> None:
    for value in ("Bearer canary\r\nX: y", "Bearer canary\u20ac", "canary\x00"):
        with pytest.raises(ValueError, match="Authorization") as caught:
            client.request("GET", "http://127.0.0.1:1", headers={"Authorization": value}, timeout=1)

        assert "canary" not in repr(caught.value)
        assert caught.value.__cause__ is None
