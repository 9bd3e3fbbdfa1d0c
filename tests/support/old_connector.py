"""A database of the old connector, as its documents describe it, on the tests' own server.

What it seals is sealed by an implementation of its own, from RFC 5869 and the AES-GCM primitive.
"""

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import GCM

from core.secret import Secret
from infra.postgres.connect import Connection, connect
from infra.postgres.url import DatabaseUrl
from tests.support.postgres import Server, execute

DDL = Path(__file__).with_suffix(".sql")
SECRET = "canary-jwt-secret-of-the-old-connector"
FAMILIES = (
    "orders", "transactions", "offers", "messages", "active_inventory", "buyer", "cases",
    "inquiries", "finances", "returns",
)  # fmt: skip
PASSWORD = "canary-old-database-password"
_SPACE = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")


def hkdf(secret: bytes, info: bytes, length: int, salt: bytes = b"") -> bytes:
    """RFC 5869 with SHA-256."""
    key = hmac.digest(salt or bytes(32), secret, "sha256")
    block, whole = b"", b""
    for number in range(1, -(-length // 32) + 1):
        block = hmac.new(key, block + info + bytes([number]), hashlib.sha256).digest()
        whole += block
    return whole[:length]


def sealed(text: str, secret: str = SECRET, nonce: bytes | None = None) -> str:
    """As the old connector stores a token."""
    nonce = nonce or os.urandom(12)
    key = hkdf(secret.encode(), b"ebay-token-encryption", 32)
    encryptor = Cipher(AES(key), GCM(nonce)).encryptor()
    body = encryptor.update(text.encode(errors="surrogateescape")) + encryptor.finalize()
    return "ENC:v1:" + base64.b64encode(nonce + body + encryptor.tag).decode()


def cursor(at: datetime) -> str:
    """As its BaseWorker writes one."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def ago(**span: float) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) - timedelta(**span)


@dataclass
class Old:
    """`admin` fills it; `url` is a reading role's, through the pooler if there is one.

    The pooler of the tests makes everybody the administrator.
    """

    admin: Connection
    client: DatabaseUrl
    administrator: str
    role: str
    _ids: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def url(self) -> str:
        return replace(self.client, user=self.role, password=Secret(PASSWORD)).reveal()

    def sql(self, text: str) -> Sequence[Sequence[Any]]:
        return self.admin.execute_simple(text).rows or []

    def renew(self) -> None:
        """The tables as on the first day, and a role that may only read them."""
        self.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        self.sql(DDL.read_text())
        self.sql(
            f"GRANT USAGE ON SCHEMA public TO {self.role};"
            f" GRANT SELECT ON ALL TABLES IN SCHEMA public TO {self.role}"
        )

    def new_id(self) -> str:
        return str(uuid5(_SPACE, str(next(self._ids))))

    def insert(self, table: str, **values: object) -> str:
        """Returns its id, which is made unless it is given."""
        row = {"id": self.new_id()} | values
        names = ", ".join(row)
        shown = ", ".join(_literal(value) for value in row.values())
        self.sql(f"INSERT INTO {table} ({names}) VALUES ({shown})")
        return str(row["id"])

    def user(self, **values: object) -> str:
        return self.insert("users", **{"ebay_environment": "production", **values})

    def account(self, owner: str, seller: str, **values: object) -> str:
        row = {
            "org_id": owner,
            "ebay_user_id": seller,
            "username": seller,
            "house_name": seller,
            "marketplace_id": "EBAY_US",
            "site_id": 0,
        }
        return self.insert("ebay_accounts", **row | values)

    def token(self, account: str, refresh_token: str | None, **values: object) -> str:
        row = {
            "ebay_account_id": account,
            "access_token": sealed("v^1.1#old-access-token"),
            "refresh_token": refresh_token,
            "expires_at": ago(hours=-1),
            "refresh_expires_at": ago(days=-300),
            "last_refreshed_at": ago(hours=1),
        }
        return self.insert("ebay_tokens", **row | values)

    def state(self, account: str, family: str, value: str | None, **values: object) -> str:
        row = {
            "ebay_account_id": account,
            "ebay_user_id": "seller",
            "api_family": family,
            "cursor_value": value,
            "last_run_at": ago(minutes=4),
        }
        return self.insert("ebay_sync_state", **row | values)

    def states(self, account: str, value: str | None) -> None:
        """Of every family that it has a worker for."""
        for family in FAMILIES:
            self.state(account, family, value)

    def seller(self, owner: str, seller: str, token: str, value: str | None = None) -> str:
        """An account as most are: its token sealed, every family read to the same instant."""
        account = self.account(owner, seller)
        self.token(account, sealed(token))
        self.states(account, value or cursor(ago(hours=1)))
        return account

    def checksum(self) -> dict[str, str]:
        """Of every table: its rows, and how often any was written."""
        names = [
            row[0]
            for row in self.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        ]
        return {
            name: str(
                self.sql(
                    f"SELECT md5(COALESCE(string_agg(t::text || t.xmin::text || t.ctid::text, '|'"
                    f" ORDER BY t.ctid), '')) FROM {name} t"
                )[0][0]
            )
            for name in names
        }


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        value = json.dumps(value)
    text = value.isoformat() if isinstance(value, datetime) else str(value)
    return "'" + text.replace("'", "''") + "'"


@contextmanager
def old_connector(server: Server) -> Iterator[Old]:
    """Empty until `renew`."""
    name = server.create_database()
    role = f"{name}_reader"
    admin = server.admin.with_database(name)
    execute(admin, f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
    with closing(connect(admin, application_name="cronshot tests", timeout=30)) as connection:
        yield Old(
            admin=connection,
            client=server.client.with_database(name),
            administrator=admin.user,
            role=role,
        )
    server.drop_database(name)
    execute(server.admin, f"DROP ROLE {role}")
