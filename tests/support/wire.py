"""Between a client and PostgreSQL: a relay that counts, cuts, or speaks TLS."""

import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from infra.postgres.url import DatabaseUrl

SYNC, QUERY = b"S", b"Q"


@dataclass
class Relay:
    """`sent` are the client's messages after the log-in, as (kind, body).

    `cut_before` and `cut_after` decide by a message whether the client is cut off, and whether the
    server still gets that message; from one that `swallows` on nothing arrives any more, and nobody
    is told. `clients`: how many there were.
    """

    sent: list[tuple[bytes, bytes]] = field(default_factory=list)
    cut_before: Callable[[bytes], bool] = lambda body: False
    cut_after: Callable[[bytes], bool] = lambda body: False
    swallows: Callable[[bytes], bool] = lambda body: False
    tls: ssl.SSLContext | None = None
    clients: int = 0

    def round_trips(self) -> int:
        """How often the client waited for an answer."""
        return sum(kind in (QUERY, SYNC) for kind, _ in self.sent)


@contextmanager
def relay(server: DatabaseUrl, relay: Relay) -> Iterator[DatabaseUrl]:
    """Listen on loopback and pass on to `server`; yields its address as seen through the relay."""
    listener = socket.create_server(("127.0.0.1", 0))
    port: int = listener.getsockname()[1]
    Thread(target=_accept, args=(listener, server, relay), daemon=True).start()
    try:
        yield DatabaseUrl(
            host="127.0.0.1",
            port=port,
            user=server.user,
            password=server.password,
            database=server.database,
        )
    finally:
        # Wakes the accepting thread on Linux, which a mere close does not.
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _accept(listener: socket.socket, server: DatabaseUrl, relay: Relay) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            relay.clients += 1
            Thread(target=_serve, args=(client, server, relay), daemon=True).start()


def _serve(client: socket.socket, server: DatabaseUrl, relay: Relay) -> None:
    with suppress(OSError, EOFError), client:
        if relay.tls:
            _read(client, 8)
            client.sendall(b"S")
            client = relay.tls.wrap_socket(client, server_side=True)
        with client, _reach(server) as upstream:
            back = Thread(target=_pump, args=(upstream, client), daemon=True)
            back.start()
            _forward(client, upstream, relay)
            back.join(5)


def _reach(server: DatabaseUrl) -> socket.socket:
    if server.socket_dir:
        upstream = socket.socket(socket.AF_UNIX)
        upstream.connect(str(server.socket_dir / f".s.PGSQL.{server.port}"))
        return upstream
    return socket.create_connection((server.host, server.port))


def _forward(client: socket.socket, upstream: socket.socket, relay: Relay) -> None:
    length = _read(client, 4)
    upstream.sendall(length + _read(client, struct.unpack("!i", length)[0] - 4))
    while True:
        kind, length = _read(client, 1), _read(client, 4)
        body = _read(client, struct.unpack("!i", length)[0] - 4)
        relay.sent.append((kind, body))
        if relay.cut_before(body):
            return _cut(client, upstream)
        if relay.swallows(body):
            return _swallow(client)
        last = relay.cut_after(body)
        if last:
            # Before the message goes out, or its answer might still get through.
            _cut(client)
        upstream.sendall(kind + length + body)
        if last:
            return upstream.shutdown(socket.SHUT_WR)


def _cut(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def _swallow(client: socket.socket) -> None:
    """Until the client gives up."""
    while client.recv(65536):
        continue


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while block := source.recv(65536):
            target.sendall(block)
    _cut(target)


def _read(sock: socket.socket, size: int) -> bytes:
    block = b""
    while len(block) < size:
        more = sock.recv(size - len(block))
        if not more:
            raise EOFError
        block += more
    return block


@dataclass(frozen=True)
class Authority:
    """A certificate authority of the test's own; `root` is its certificate's file."""

    folder: Path
    root: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def server_context(self, host: str) -> ssl.SSLContext:
        """TLS for a server that says it is `host`."""
        key, certificate = _issue(host, self.key, self.certificate.subject, authority=False)
        file = self.folder / f"{host}.pem"
        file.write_bytes(_pem(certificate) + _key_pem(key))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


def make_authority(folder: Path) -> Authority:
    key, certificate = _issue("Cronshot test authority", None, None, authority=True)
    root = folder / "root.pem"
    root.write_bytes(_pem(certificate))
    return Authority(folder, root, key, certificate)


def _issue(
    name: str,
    signer: ec.EllipticCurvePrivateKey | None,
    issuer: x509.Name | None,
    *,
    authority: bool,
) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    signer = signer or key
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = datetime.now(UTC) - timedelta(days=1)
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    if not authority:
        names = x509.SubjectAlternativeName([x509.DNSName(name)])
        builder = builder.add_extension(names, critical=False)
    return key, builder.sign(signer, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
