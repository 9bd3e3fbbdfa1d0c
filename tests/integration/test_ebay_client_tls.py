"""The client over TLS: it verifies, and its deadline holds in the handshake too."""

import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from core.errors import UpstreamUnavailableError
from infra.ebay.client import EbayHttp
from tests.support.raw_server import http

ANSWER = http(b'{"over": "tls"}')


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate of 127.0.0.1 with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


@pytest.fixture
def server(certificate: Path) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(plain, server_side=True) as connection:
                    while connection.recv(65536):
                        connection.sendall(ANSWER)
            except OSError:
                plain.close()

    threading.Thread(target=serve, daemon=True).start()
    yield f"https://127.0.0.1:{listener.getsockname()[1]}"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


@pytest.fixture
def client() -> Iterator[EbayHttp]:
    http_client = EbayHttp()
    yield http_client
    http_client.close()


def test_a_server_with_a_known_certificate_is_read(
    client: EbayHttp, server: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr(httpx, "create_ssl_context", lambda **_: trusting)

    bodies = {client.request("GET", server, timeout=5).body for _ in range(3)}

    assert bodies == {b'{"over": "tls"}'}


def test_a_server_with_an_unknown_certificate_is_not_talked_to(
    client: EbayHttp, server: str
) -> None:
    with pytest.raises(UpstreamUnavailableError, match=r"reached: .*certificate verify failed"):
        client.request("GET", server, timeout=5)


def unknown(*_: object, **__: object) -> None:
    raise socket.gaierror(-2, "Name or service not known")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1:1/x", "reached: .*Connection refused"),
        ("https://127.0.0.1:1/x", "reached: .*Connection refused"),
        ("http://nowhere.invalid/x", "reached: the host's name has no address: .*not known"),
    ],
)
def test_an_error_says_why_nobody_could_be_reached(
    client: EbayHttp, url: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "invalid" in url:
        monkeypatch.setattr(socket, "getaddrinfo", unknown)

    with pytest.raises(UpstreamUnavailableError, match=why):
        client.request("GET", url, timeout=5)


def test_a_handshake_that_never_ends_is_given_up_within_the_timeout(client: EbayHttp) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"

        with pytest.raises(UpstreamUnavailableError, match="no whole answer"):
            client.request("GET", url, timeout=0.3)


def test_certificates_are_read_once_and_only_when_they_are_needed(
    client: EbayHttp, server: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[ssl.SSLContext] = []

    def counted(**_: object) -> ssl.SSLContext:
        made.append(ssl.create_default_context(cafile=str(certificate)))
        return made[-1]

    monkeypatch.setattr(httpx, "create_ssl_context", counted)
    with pytest.raises(UpstreamUnavailableError):
        client.request("GET", server.replace("https:", "http:"), timeout=5)
    before = len(made)

    for _ in range(3):
        client.request("GET", server, timeout=5)

    assert (before, len(made)) == (0, 1)
