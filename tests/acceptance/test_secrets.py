"""O9: whatever goes wrong, no secret in logs, answers, rows, reports or exceptions."""

import base64
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import pytest

from infra.postgres.url import parse
from infra.simulator.answers import Request
from infra.simulator.faults import Kind, Rule
from infra.simulator.oauth import CLIENT_ID, CLIENT_SECRET
from infra.simulator.server import Simulator
from tests.support.postgres import free_port
from tests.support.site import CRON_SECRET, KEYS, Site, served
from tests.support.wire import Relay, relay

pytestmark = pytest.mark.timeout(150)
PASSWORD = "canary-database-password"
HEARTBEAT = "canary-heartbeat-address"
PRODUCTION = "canary-production-client-secret"
PREVIOUS = "canary-previous-cron-secret"
OTHER_KEYS = "other:" + base64.b64encode(b"another key of thirty-two bytes!").decode()
GIVEN = "v^1.1#i^1#canary-token-that-was-given"
BASIC = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
ACCESS = "#t^eyJ"
"""What every access token of the simulator has behind its first characters."""


@dataclass
class Ground:
    """Two sellers, every secret a canary, and all that anybody ever said."""

    site: Site
    capture: pytest.CaptureFixture[str]
    said: list[str] = field(default_factory=list)

    def cli(self, *arguments: str, module: str = "core.run", **settings: str | None) -> int:
        environment = self.site.environment(**settings)
        ended = self.site.cli(*arguments, environment=environment, command=("-m", module))
        self.said += [ended.stdout, ended.stderr]
        return ended.returncode

    def run(self, deadline_s: float | None = None) -> None:
        """In this process; what it logs goes to the standard error that pytest watches."""
        report = self.site.run(deadline_s=deadline_s)
        self.said += [json.dumps(report.as_json()), repr(report), self.capture.readouterr().err]

    def secrets(self) -> list[str]:
        tokens = [account.refresh_token for account in self.site.simulator.world.accounts]
        plain = [*tokens, ACCESS, GIVEN, CLIENT_SECRET, BASIC, PASSWORD, HEARTBEAT, PRODUCTION]
        plain += [CRON_SECRET, PREVIOUS, KEYS.partition(":")[2], OTHER_KEYS.partition(":")[2]]
        quoted = [quote(secret, safe="") for secret in plain]
        # Cut tokens are still tokens.
        tails = [token[-20:] for token in tokens]
        return [*plain, *quoted, *tails]

    def found(self) -> list[tuple[str, str]]:
        """Every secret that was said or stored, with the text around it."""
        texts = self.said + [row for table in self._tables() for row in table]
        return [
            (secret, text[max(text.index(secret) - 100, 0) :][:200])
            for text in texts
            for secret in self.secrets()
            if secret in text
        ]

    def _tables(self) -> Iterator[Sequence[str]]:
        """Every row of every table of ours, whole."""
        names = self.site.sql(
            "SELECT schemaname || '.' || tablename FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
        assert len(names) > 10
        for (name,) in names:
            yield [row[0] for row in self.site.sql(f"SELECT to_jsonb(t)::text FROM {name} t")]


@contextmanager
def relayed(site: Site, through: Relay | None = None) -> Iterator[str]:
    """The site's database by an address with a password, as people have it."""
    with relay(parse(site.url), through or Relay()) as url:
        password = url.password.reveal() if url.password else PASSWORD
        yield f"postgresql://{url.user}:{password}@127.0.0.1:{url.port}/{url.database}"


@pytest.fixture
def ground(site: Site, capfd: pytest.CaptureFixture[str]) -> Iterator[Ground]:
    site.connect(2)
    with relayed(site) as place:
        yield Ground(
            site.with_settings(
                DATABASE_URL=place,
                CRON_SECRET_PREVIOUS=PREVIOUS,
                EBAY_PRODUCTION_CLIENT_ID="us",
                EBAY_PRODUCTION_CLIENT_SECRET=PRODUCTION,
                HEARTBEAT_URL_EBAY_CYCLE=f"http://127.0.0.1:{free_port()}/{HEARTBEAT}",
                LOG_LEVEL="debug",
            ),
            capfd,
        )


class Echo:
    """eBay repeats what it was sent: headers and body, in its own headers and body."""

    def __init__(self, simulator: Simulator, operation: str, status: int) -> None:
        self._faults = simulator.faults
        self._pick = simulator.faults.pick
        self._operation = operation
        self._status = status
        self.times = 0

    def __enter__(self) -> Self:
        self._faults.pick = self._echo  # type: ignore[method-assign]  # the simulator answers so
        return self

    def __exit__(self, *_: object) -> None:
        self._faults.pick = self._pick  # type: ignore[method-assign]  # as it was

    def _echo(self, operation: str, request: Request) -> Rule | None:
        if operation != self._operation:
            return self._pick(operation, request)
        self.times += 1
        credential = request.headers.get("authorization", "")
        sent = f"{credential} {credential.partition(' ')[2]} {request.body.decode()}"
        error = {"errorId": 25001, "message": sent, "longMessage": sent}
        body = {
            "errors": [error],
            "error": sent if self._status == 418 else "invalid_request",
            "error_description": sent,
            "access_token": credential,
        }
        return Rule(
            kind=Kind.STATUS,
            status=self._status,
            body=json.dumps(body),
            headers={"rlogid": credential[:200], "x-ebay-request-id": credential[-60:]},
        )


def test_r44_a_run_that_works_tells_no_secret(ground: Ground) -> None:
    assert ground.cli("ebay", "--json", "-v") == 0
    assert ground.cli("accounts", "list") == 0
    assert ground.cli("accounts", "list", "--json") == 0
    assert ground.cli("runs", "--json") == 0
    assert ground.cli("workers", "list") == 0
    assert ground.cli("accounts", "test", "seller-1") == 0

    assert any("ping.failed" in text for text in ground.said)
    assert ground.found() == []


@pytest.mark.parametrize("status", [200, 302, 401, 403, 418, 429, 503])
def test_an_ebay_that_repeats_what_it_was_sent_does_not_spread_it(
    ground: Ground, status: int
) -> None:
    simulator = ground.site.simulator
    # Tried again until then, where it may help.
    deadline_s = 6.0 if status in {200, 503} else None

    with Echo(simulator, "getOrders", status) as orders:
        ground.run(deadline_s)
    with Echo(simulator, "getUser", status) as user:
        ground.cli("accounts", "test", "seller-1")
    with Echo(simulator, "token", status) as token:
        ground.site.sql("UPDATE ebay.tokens SET access_expires_at = clock_timestamp()")
        ground.site.all_due()
        ground.run(deadline_s)

    assert min(orders.times, user.times, token.times) > 0
    assert ground.found() == []


def test_a_token_that_is_refused_at_its_import_is_not_shown(ground: Ground, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(GIVEN)
    add = ("accounts", "add", "--name", "x", "--environment", "simulator", "--refresh-token-file")

    assert ground.cli(*add, str(tmp_path / "token")) == 77
    assert ground.cli(*add, GIVEN) == 65
    assert ground.cli(*add, quote(GIVEN, safe="")) == 65

    assert ground.found() == []


def test_a_withdrawn_consent_tells_no_secret(ground: Ground) -> None:
    ground.site.simulator.world.account("seller-1").revoked = True

    assert ground.cli("ebay", "--json", "-v") == 1
    assert ground.cli("accounts", "list") == 0

    assert ground.found() == []


def test_r44_token_care_tells_no_secret_whatever_fails(ground: Ground, tmp_path: Path) -> None:
    simulator = ground.site.simulator
    (tmp_path / "token").write_text(simulator.world.account("seller-1").refresh_token)
    reconnect = ("accounts", "reconnect", "seller-1", "--refresh-token-file")
    address = f"http://127.0.0.1:{free_port()}/{HEARTBEAT}"

    assert ground.cli("tokens", "--account", "seller-1", HEARTBEAT_URL_TOKEN_REFRESH=address) == 0
    assert ground.cli(*reconnect, str(tmp_path / "token")) == 0
    for status in (200, 400, 401, 418, 429, 503):
        with Echo(simulator, "token", status) as token:
            ground.site.sql("UPDATE ebay.tokens SET retry_at = NULL")
            ground.cli("tokens", "--json", "--account", "seller-1", "--deadline", "4s")
            ground.cli(*reconnect, str(tmp_path / "token"))
        assert token.times > 0
    ground.site.sql(
        "UPDATE ebay.tokens SET retry_at = NULL, refresh_expires_at = now() + interval '1 hour'"
    )
    simulator.world.account("seller-1").revoked = True
    assert ground.cli("tokens", "--json", "--account", "seller-1") == 1
    assert ground.cli("accounts", "test", "seller-1") == 77
    assert ground.cli("accounts", "list") == 0
    assert ground.cli("rekey", ENCRYPTION_KEYS=f"{OTHER_KEYS},{KEYS}") == 0
    assert ground.cli("rekey") == 78
    assert ground.cli("tokens") == 78

    assert any("ping.failed" in text for text in ground.said)
    assert ground.found() == []


@pytest.mark.parametrize(
    "address",
    [
        f"postgresql://u:{PASSWORD}@127.0.0.1:{{port}}/d",
        f"postgresql://u:{PASSWORD}@127.0.0.1:{{port}}/d?sslmode=verify-full",
        f"postgresql://u:{PASSWORD}@nowhere.invalid/d",
        f"postgresql://u:{PASSWORD}@127.0.0.1:{PASSWORD}/d",
        f"postgresql://u:{PASSWORD}@127.0.0.1/d?sslmode=sometimes",
        f"postgresql://u@127.0.0.1/d?password={PASSWORD}&port=x",
        f"postgresql://u:{PASSWORD}@[::1/d",
        f"postgresql://u:p@{PASSWORD}@h/d",
        f"mysql://u:{PASSWORD}@127.0.0.1/d",
        f"u:{PASSWORD}@127.0.0.1/d",
        PASSWORD,
    ],
)
def test_a_database_out_of_reach_or_an_unreadable_address_of_it_tells_no_password(
    ground: Ground, address: str
) -> None:
    address = address.format(port=free_port())

    assert ground.cli("ebay", "--json", DATABASE_URL=address) in {69, 78}
    assert ground.cli("psql", "-c", "SELECT 1", DATABASE_URL=address) in {2, 78}
    assert ground.cli("migrate", DATABASE_URL_DIRECT=address) in {69, 78}

    assert [text for text in ground.said if "Traceback" in text] == []
    assert ground.found() == []


def test_a_server_without_tls_is_refused_without_a_secret(ground: Ground) -> None:
    address = str(ground.site.extra["DATABASE_URL"])

    for mode in ("require", "verify-full"):
        assert ground.cli("ebay", "--json", DATABASE_URL=f"{address}?sslmode={mode}") in {69, 78}

    assert ground.found() == []


def test_a_connection_that_is_cut_tells_no_secret(ground: Ground) -> None:
    for word in (b"ebay.tokens", b"ebay.orders", b"COMMIT"):
        cut = Relay(cut_before=lambda body, word=word: word in body)  # type: ignore[misc]  # bound early
        with relayed(ground.site, cut) as place:
            ground.site.all_due()
            assert ground.cli("ebay", "--json", "--take-over", DATABASE_URL=place) in {1, 69}

    assert ground.found() == []


@pytest.mark.parametrize("keys", [f"k1:{PASSWORD}", PASSWORD, f"test:{PASSWORD}=", "test:"])
def test_keys_that_cannot_be_used_are_not_shown(ground: Ground, keys: str) -> None:
    assert ground.cli("ebay", "--json", ENCRYPTION_KEYS=keys) == 78
    assert ground.cli("accounts", "test", "seller-1", ENCRYPTION_KEYS=keys) == 78

    assert ground.found() == []


def test_rows_that_cannot_be_stored_tell_no_secret(ground: Ground) -> None:
    ground.site.simulator.faults.add("bad_row", operation="getOrders", rows=1, variant="money")

    ground.cli("ebay", "--json", "-v")

    assert ground.site.one("SELECT count(*) FROM ebay.quarantine") > 0, ground.said
    assert ground.found() == []


def test_a_mistake_of_ours_shows_its_traceback_and_no_secret(ground: Ground) -> None:
    assert ground.cli("ebay", "--json", module="tests.support.broken") == 70
    assert ground.cli("ebay", "--json", module="tests.support.leaky") == 1

    assert sum("Traceback" in text for text in ground.said) == 2
    assert ground.found() == []


def test_answers_over_http_tell_no_secret(ground: Ground, tmp_path: Path) -> None:
    log = tmp_path / "log"
    requests: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "/cron/ebay-cycle", {}),
        ("GET", "/cron/ebay-cycle?token=1", {}),
        ("POST", "/cron/ebay-cycle", {"json": {"account": "nobody"}}),
        ("POST", "/cron/ebay-cycle", {"content": b"{"}),
        ("POST", "/cron/nothing", {}),
        ("GET", "/health", {}),
        ("GET", "/readyz", {}),
        ("POST", "/cron/ebay-cycle", {"headers": {"Authorization": f"Bearer {PREVIOUS}"}}),
        ("POST", "/cron/ebay-cycle", {"headers": {"Authorization": f"Bearer {PREVIOUS}x"}}),
        ("POST", "/cron/ebay-cycle", {"headers": {"Authorization": f"Basic {BASIC}"}}),
        ("PUT", "/cron/ebay-cycle", {}),
    ]
    with (
        Echo(ground.site.simulator, "getOrders", 418),
        served(ground.site.environment(), log) as server,
    ):
        answers = [server.call(method, path, **options) for method, path, options in requests]
        unauthorized = server.bare("POST", "/cron/ebay-cycle")
    ground.said += [f"{answer.headers} {answer.text}" for answer in [*answers, unauthorized]]
    ground.said.append(log.read_text())

    assert {200, 400, 401, 404, 405} <= {answer.status_code for answer in answers}
    assert unauthorized.status_code == 401
    assert ground.found() == []


def test_a_server_whose_database_is_gone_tells_no_secret(ground: Ground, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with ExitStack() as database:
        place = database.enter_context(relayed(ground.site))
        with served(ground.site.environment(DATABASE_URL=place), log) as server:
            database.close()
            answers = [server.call(), server.bare("GET", "/readyz")]
    ground.said += [f"{answer.headers} {answer.text}" for answer in answers]
    ground.said.append(log.read_text())

    assert [answer.status_code for answer in answers] == [503, 503]
    assert ground.found() == []
