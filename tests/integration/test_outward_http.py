"""The guard of requests on somebody's behalf, against real sockets on loopback.

Whatever a name, an answer or the environment says, a request goes to a judged address or nowhere.
"""

import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from core.jobs.shipped.answers import HttpAnswer, HttpRequest, NoAnswer, NotSent, Refused, Sent
from core.jobs.shipped.target import Host, Reach, Target, read_hosts, read_target
from core.secret import Secret
from infra.http.outward import OutwardHttp, guarded_http
from infra.http.transport import Resolve
from tests.support.answering import Asked, Said, service
from tests.support.raw_server import Script, closing, dripping, fixed, http, raw_server
from tests.support.wire import Authority, make_authority

CANARY = "canary-83d0"
BODY = b'{"a": 1}'
HERE = Reach(hosts=read_hosts("127.0.0.1,localhost"), loopback=True)
OUTSIDE = Reach(hosts=read_hosts("executor.example.com"))


def request(url: str, method: str = "POST", **headers: str) -> HttpRequest:
    return HttpRequest(method=method, target=read_target(url, "url"), headers=headers, content=BODY)


@contextmanager
def sender(
    reach: Reach, resolve: Resolve | None = None, credentials: dict[Host, Secret] | None = None
) -> Iterator[OutwardHttp]:
    client = guarded_http(reach, resolve=resolve)
    try:
        yield OutwardHttp(http=client, credentials=credentials or {})
    finally:
        client.close()


def send(reach: Reach, asked: HttpRequest, resolve: Resolve | None = None) -> Sent:
    with sender(reach, resolve) as out:
        return out(asked)


class Names:
    """A resolver that is asked for a name and answers with a list, one list after the other."""

    def __init__(self, *lists: list[str]) -> None:
        self.lists = list(lists)
        self.asked: list[str] = []

    def __call__(self, host: str, _port: int, _timeout: float) -> list[str]:
        self.asked.append(host)
        return self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that are connected to; none is reached."""
    tried: list[str] = []

    def refused(address: tuple[str, int], *_: object, **__: object) -> socket.socket:
        tried.append(address[0])
        raise ConnectionRefusedError("nobody is here")

    monkeypatch.setattr(socket, "create_connection", refused)
    return tried


def test_what_is_sent_arrives_and_what_is_answered_comes_back() -> None:
    with service(lambda _: Said({"ok": True}, 201, {"Retry-After": "7"})) as executor:
        answer = send(HERE, request(f"{executor.url}/a?b=c", "PUT", **{"X-A": "b"}))

    [asked] = executor.asked
    assert (asked.method, asked.path, asked.json) == ("PUT", "/a?b=c", {"a": 1})
    assert asked.headers["x-a"] == "b"
    assert asked.headers["host"] == executor.url.removeprefix("http://")
    assert answer == HttpAnswer(status=201, retry_after="7", text='{"ok": true}')


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["::1"],
        ["10.0.0.8"],
        ["169.254.169.254"],
        ["fd00:ec2::254"],
        ["64:ff9b::7f00:1"],
        ["2002:7f00:1::"],
        ["192.0.0.8"],
        ["192.88.99.1"],
        ["224.0.0.1"],
        ["::ffff:10.0.0.1"],
        ["fe80::1%eth0"],
        ["8.8.8.8", "127.0.0.1"],
        ["8.8.8.8", "8.8.4.4", "::1"],
        ["not an address"],
        [],
    ],
)
def test_a_name_with_an_address_that_is_not_public_is_not_connected_to(
    addresses: list[str], connections: list[str]
) -> None:
    answer = send(OUTSIDE, request("https://executor.example.com/"), Names(addresses))

    assert answer == Refused(code="address_refused", why="an address of the host is not public")
    assert connections == []


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f.1", "127.1", "0177.0.0.1", "0x7f000001", "0", "017700000001"]
)
def test_a_number_that_the_system_takes_for_this_machine_is_judged_as_that(
    host: str, connections: list[str]
) -> None:
    # As if no reading of the address had refused it before.
    target = Target(scheme="https", host=host, port=443, path="/")

    answer = send(OUTSIDE, HttpRequest(method="GET", target=target, headers={}, content=None))

    assert isinstance(answer, Refused)
    assert connections == []


def test_the_address_that_was_judged_is_the_one_that_is_connected_to(
    connections: list[str],
) -> None:
    names = Names(["93.184.216.34"], ["127.0.0.1"])

    answer = send(OUTSIDE, request("https://executor.example.com/"), names)

    assert isinstance(answer, NotSent)
    assert names.asked == ["executor.example.com"]
    assert connections == ["93.184.216.34"]


def test_a_name_that_changes_its_mind_is_judged_again_for_the_next_connection(
    connections: list[str],
) -> None:
    with sender(OUTSIDE, Names(["93.184.216.34"], ["127.0.0.1"])) as out:
        first, second = (out(request("https://executor.example.com/")) for _ in range(2))

    assert isinstance(first, NotSent)
    assert isinstance(second, Refused)
    assert connections == ["93.184.216.34"]


def test_the_system_is_asked_once_and_nobody_resolves_behind_the_guard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[object] = []
    real = socket.getaddrinfo

    def counted(host: object, *rest: object, **named: object) -> object:
        asked.append(host)
        return real("127.0.0.1" if host == "localhost" else host, *rest, **named)  # type: ignore[arg-type]  # passed through

    monkeypatch.setattr(socket, "getaddrinfo", counted)
    with service(lambda _: Said()) as executor:
        url = executor.url.replace("127.0.0.1", "localhost")
        assert isinstance(send(HERE, request(url)), HttpAnswer)

    assert asked.count("localhost") == 1


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("outward"))


class TlsServer:
    """Answers once per connection, over TLS; `names` are what clients asked for by SNI."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.names: list[str | None] = []
        self.requests: list[bytes] = []
        context.sni_callback = lambda _, name, __: self.names.append(name)
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            try:
                with self._context.wrap_socket(plain, server_side=True) as connection:
                    received = b""
                    # Answered before it is read whole, the client would be cut off.
                    while BODY not in received:
                        received += connection.recv(65536)
                    self.requests.append(received)
                    connection.sendall(http(b'{"over": "tls"}'))
            except OSError:
                plain.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.create_default_context(cafile=str(authority.root))
    monkeypatch.setattr(httpx, "create_ssl_context", lambda **_: context)


@pytest.mark.usefixtures("trusted")
def test_tls_and_the_host_header_carry_the_name_to_the_judged_address(
    authority: Authority,
) -> None:
    server = TlsServer(authority.server_context("executor.example.com"))
    listed = Reach(hosts=read_hosts(f"executor.example.com:{server.port}"), loopback=True)
    secret = {Host("executor.example.com", server.port): Secret(CANARY)}
    with sender(listed, Names(["127.0.0.1"]), secret) as out:
        answer = out(request(f"https://executor.example.com:{server.port}/x"))
    server.close()

    assert answer == HttpAnswer(status=200, text='{"over": "tls"}')
    assert server.names == ["executor.example.com"]
    assert f"Host: executor.example.com:{server.port}".encode() in server.requests[0]
    assert f"Authorization: Bearer {CANARY}".encode() in server.requests[0]


@pytest.mark.usefixtures("trusted")
def test_who_cannot_prove_the_name_is_told_nothing(authority: Authority) -> None:
    server = TlsServer(authority.server_context("evil.example.com"))
    listed = Reach(hosts=read_hosts(f"executor.example.com:{server.port}"), loopback=True)
    secret = {Host("executor.example.com", server.port): Secret(CANARY)}
    with sender(listed, Names(["127.0.0.1"]), secret) as out:
        answer = out(request(f"https://executor.example.com:{server.port}/x"))
    server.close()

    assert isinstance(answer, NotSent)
    assert "certificate" in answer.why
    assert server.requests == []


@pytest.mark.usefixtures("trusted")
def test_a_credential_without_a_port_goes_to_the_usual_one_alone(authority: Authority) -> None:
    server = TlsServer(authority.server_context("executor.example.com"))
    listed = Reach(hosts=read_hosts(f"executor.example.com:{server.port}"), loopback=True)
    secret = {Host("executor.example.com", None): Secret(CANARY)}
    with sender(listed, Names(["127.0.0.1"]), secret) as out:
        answer = out(request(f"https://executor.example.com:{server.port}/x"))
    server.close()

    assert isinstance(answer, HttpAnswer)
    assert CANARY.encode() not in server.requests[0]


def test_a_credential_goes_to_its_own_host_and_never_in_the_clear() -> None:
    with service(lambda _: Said()) as executor:
        port = int(executor.url.rsplit(":", 1)[1])
        secrets = {
            Host("127.0.0.1", port): Secret(CANARY),
            Host("other.example", None): Secret("x"),
        }
        with sender(HERE, None, secrets) as out:
            out(request(executor.url))

    assert "authorization" not in executor.asked[0].headers


@pytest.mark.usefixtures("trusted")
def test_an_answer_that_repeats_our_credential_does_not_bring_it_into_the_database(
    authority: Authority,
) -> None:
    server = TlsServer(authority.server_context("executor.example.com"))
    listed = Reach(hosts=read_hosts(f"executor.example.com:{server.port}"), loopback=True)
    # What the server always says is what we pretend to have sent in confidence.
    secret = {Host("executor.example.com", server.port): Secret("tls")}
    with sender(listed, Names(["127.0.0.1"]), secret) as out:
        answer = out(request(f"https://executor.example.com:{server.port}/x"))
    server.close()

    assert answer == HttpAnswer(status=200, text='{"over": "***"}')


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_is_not_followed(status: int) -> None:
    with service(lambda _: Said({})) as inner:
        with service(lambda _: Said({}, status, {"Location": inner.url})) as executor:
            answer = send(HERE, request(executor.url))

        assert isinstance(answer, HttpAnswer)
        assert answer.status == status
        assert (len(executor.asked), len(inner.asked)) == (1, 0)


def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with service(lambda _: Said({"proxied": True})) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        with service(lambda _: Said({})) as executor:
            assert isinstance(send(HERE, request(executor.url)), HttpAnswer)

    assert proxy.asked == []


def test_no_cookie_is_kept() -> None:
    with (
        service(lambda _: Said({}, 200, {"Set-Cookie": "session=1"})) as executor,
        sender(HERE) as out,
    ):
        for _ in range(2):
            out(request(executor.url))

        assert [asked.headers.get("cookie") for asked in executor.asked] == [None, None]


def test_an_answer_over_a_megabyte_is_refused_and_one_of_exactly_that_is_read() -> None:
    limit = 1024 * 1024
    with service(lambda asked: Said(b"x" * (limit + (asked.path == "/over")))) as executor:
        over = send(HERE, request(f"{executor.url}/over"))
        full = send(HERE, request(f"{executor.url}/full"))

    assert over == Refused(code="answer_too_large", why="its answer is over 1 MB")
    assert isinstance(full, HttpAnswer)
    assert len(full.text) == limit


@pytest.mark.parametrize(
    "script",
    [
        dripping(b"", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100, every=0.02),
        dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"{", every=0.02),
    ],
    ids=["dripped headers", "dripped body"],
)
def test_a_slow_answer_is_given_up_within_the_time_of_the_whole(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.http.outward.TIMEOUT_S", 0.4)
    began = time.monotonic()
    with raw_server(script) as server:
        answer = send(HERE, request(server.url))

    assert isinstance(answer, NoAnswer)
    assert time.monotonic() - began < 8


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (closing(b""), NoAnswer),
        (closing(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"), NoAnswer),
        (closing(b"SSH-2.0-OpenSSH_9.6\r\n"), NoAnswer),
        (fixed(http(b"not gzip", headers="Content-Encoding: gzip\r\n")), NoAnswer),
    ],
    ids=["closed", "cut off", "another protocol", "broken packing"],
)
def test_what_may_have_arrived_is_told_from_what_never_left(
    script: Script, kind: type[NoAnswer]
) -> None:
    with raw_server(script) as server:
        answer = send(HERE, request(server.url))

    assert isinstance(answer, kind)


def test_where_nobody_listens_nothing_was_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    answer = send(HERE, request(f"http://127.0.0.1:{port}/{CANARY}"))

    assert isinstance(answer, NotSent)
    assert CANARY not in answer.why


def test_a_name_that_nobody_knows_was_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    assert isinstance(send(OUTSIDE, request("https://executor.example.com/")), NotSent)


def test_over_http_only_this_machine_is_reached(connections: list[str]) -> None:
    answer = send(HERE, request("http://localhost:9/"), Names(["8.8.8.8"]))

    assert answer == Refused(code="address_refused", why="without TLS only this machine is reached")
    assert connections == []


def test_what_postgresql_refuses_is_taken_out_of_an_answer() -> None:
    with service(lambda _: Said(b'{"a": "\\u0000\xff\\ud83d"}')) as executor:
        answer = send(HERE, request(executor.url))

    assert isinstance(answer, HttpAnswer)
    assert "\\u0000" not in answer.text
    assert "\\ud83d" not in answer.text


def test_nothing_of_a_request_is_told_to_a_logger(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)

    def answer(asked: Asked) -> Said:
        return Said({}, 500 if CANARY in asked.path else 200)

    with service(answer) as executor:
        asked = HttpRequest(
            method="POST",
            target=read_target(f"{executor.url}/{CANARY}", "url"),
            headers={"X-Secret": CANARY},
            content=CANARY.encode(),
        )
        send(HERE, asked)

    assert CANARY not in caplog.text
    assert CANARY not in repr(asked)
