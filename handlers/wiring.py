"""The composition root: which adapter is plugged into which port."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from core.accounts.manage import ManageAccounts
from core.context import Observation, RunContext
from core.errors import ConfigurationError, UsageError
from core.events import Log
from core.ids import RunId
from core.report import WorkReport
from core.runs.model import WorkerState
from core.runs.protocol import RunProtocol, Work
from core.secret import Secret
from core.sync.model import Environment, Stream
from core.sync.preview import PreviewAccounts
from core.sync.store_tries import SAVING
from core.sync.unit import SyncPorts
from core.sync.worker import SyncAccounts
from core.tokens.canary import KeyTest
from core.tokens.keep import KeepTokens
from core.tokens.ports import Cipher
from core.tokens.rekey import RekeyTokens
from core.tokens.worker import RefreshTokens, chosen
from handlers.parameters import Parameters
from infra.crypto import AesGcmCipher
from infra.dead_man import DeadManPings
from infra.ebay.client import EbayHttp
from infra.ebay.hosts import EbayHosts
from infra.ebay.identity import Identity
from infra.ebay.oauth import ApplicationKeys, ApplicationTokens, OAuth
from infra.ebay.owner import TokenOwners
from infra.ebay.quotas import EbayQuotas
from infra.ebay.rate_limits import RateLimits
from infra.ebay.source import EbayPages
from infra.ebay.stream_api import Ebay
from infra.ebay.streams.registry import STREAM_ALIASES, STREAMS
from infra.keyring import cipher_beside, cipher_from
from infra.logs import make_log
from infra.postgres.accounts import PostgresAccounts
from infra.postgres.calls import PostgresCalls
from infra.postgres.engine import make_engine
from infra.postgres.history import PostgresHistory
from infra.postgres.migrator import SchemaState, check, migrate
from infra.postgres.roster import PostgresRoster
from infra.postgres.runs import PostgresRuns
from infra.postgres.sealed import PostgresCanary, PostgresSealed
from infra.postgres.sync import PostgresSync
from infra.postgres.tokens import PostgresTokens
from infra.postgres.transaction import Database
from infra.postgres.url import DatabaseUrl, parse
from infra.settings import SIMULATOR_CLIENT_ID, SIMULATOR_CLIENT_SECRET, Settings

STOP = threading.Event()
"""Set by SIGTERM and Ctrl-C: the runs of this process end at their next page."""

LATEST = 5
EBAY_CYCLE, TOKEN_REFRESH = "ebay-cycle", "token-refresh"


@dataclass(frozen=True, slots=True)
class WallClock:
    """The machine's clock, for what never decides about data: reports without a database."""

    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251  (the one wall clock)

    def monotonic(self) -> float:
        return time.monotonic()


@dataclass(frozen=True, slots=True)
class Opened:
    """A database that may be worked with; `place` names it for people."""

    settings: Settings
    log: Log
    database: Database
    place: str


def load_settings(overrides: Mapping[str, object] | None = None) -> Settings:
    return Settings.load(overrides)


def log_for(settings: Settings | None) -> Log:
    """Also before there are settings, to say what is wrong with them."""
    if settings is None:
        return make_log("info", None)
    return make_log(settings.log_level, settings.log_format)


@contextmanager
def database_url(settings: Settings) -> Iterator[tuple[DatabaseUrl, bool]]:
    """DATABASE_URL, or the embedded server for as long as the context is open (True).

    Raises ConfigurationError on Lambda without DATABASE_URL: a mistyped variable must not start a
    database there.
    """
    if settings.database_url is not None:
        yield parse(settings.database_url.get_secret_value()), False
        return
    if settings.on_lambda:
        raise ConfigurationError("DATABASE_URL is not set")
    from infra.postgres.embedded import EmbeddedPostgres

    with EmbeddedPostgres(settings.cronshot_home) as server:
        yield server.url, True


@contextmanager
def connected(
    settings: Settings, log: Log, *, announce: Callable[[str], None] | None = None
) -> Iterator[Opened]:
    """Connections for one run: one for each unit side by side, one for the coordinator.

    The schema is not looked at.
    """
    with ExitStack() as stack:
        url, embedded = stack.enter_context(database_url(settings))
        place = f"embedded PostgreSQL in {settings.cronshot_home}" if embedded else url.safe()
        if announce is not None:
            announce(f"database: {place}")
        pool_size = settings.workers_max_parallel + 1
        database = Database(make_engine(url, pool_size=pool_size, application_name="cronshot"))
        stack.callback(database.dispose)
        yield Opened(settings, log, database, place)


@contextmanager
def opened(
    settings: Settings, log: Log, *, announce: Callable[[str], None] | None = None
) -> Iterator[Opened]:
    """As `connected`, with a schema of this release.

    Brought up to date by itself on the embedded database or with RUN_DDL_ON_STARTUP, else demanded
    (ConfigurationError).
    """
    with connected(settings, log, announce=announce) as ready:
        status = check(ready.database)
        if status.state is not SchemaState.OK and _runs_ddl(settings):
            migrate_all(ready)
            status = check(ready.database)
        status.require_ok()
        yield ready


def require_schema(ready: Opened) -> None:
    """Raises ConfigurationError with the command to type."""
    check(ready.database).require_ok()


def _runs_ddl(settings: Settings) -> bool:
    if settings.run_ddl_on_startup is not None:
        return settings.run_ddl_on_startup
    return settings.database_url is None


def migrate_all(ready: Opened) -> list[str]:
    """Through DATABASE_URL_DIRECT when it is set: a pooler may stand before the other.

    Never for the embedded database, which is neither.
    """
    direct = ready.settings.database_url_direct
    if direct is None or ready.settings.database_url is None:
        return _migrate_all(ready.database)
    url = parse(direct.get_secret_value())
    database = Database(make_engine(url, pool_size=1, application_name="cronshot migrate"))
    try:
        return _migrate_all(database)
    finally:
        database.dispose()


def _migrate_all(database: Database) -> list[str]:
    applied = [f"{each.version:04} {each.name}" for each in migrate(database)]
    PostgresAccounts(database, STREAMS).add_missing_states()
    return applied


def run_protocol(
    ready: Opened, observe: Callable[[Observation], None] | None = None
) -> RunProtocol:
    lease = timedelta(seconds=ready.settings.lease_s)
    return RunProtocol(
        store=PostgresRuns(ready.database, lease),
        pings=pings(ready.settings, ready.log),
        new_id=uuid.uuid4,  # noqa: TID251  (the one id source)
        ticks=time.monotonic,
        wall=WallClock().now,
        sleep=_sleep,
        rng=Random(),  # noqa: S311  (jitter)
        log=ready.log,
        lease=lease,
        stop_requested=STOP.is_set,
        observe=observe or _unobserved,
    )


def _unobserved(_: Observation) -> None:
    return


def pings(settings: Settings, log: Log) -> DeadManPings:
    given = {
        EBAY_CYCLE: settings.heartbeat_url_ebay_cycle,
        TOKEN_REFRESH: settings.heartbeat_url_token_refresh,
    }
    urls = {
        worker: Secret(url.get_secret_value()) for worker, url in given.items() if url is not None
    }
    return DeadManPings(urls, log)


def cipher(settings: Settings) -> AesGcmCipher:
    """Raises ConfigurationError where ENCRYPTION_KEYS is missing beside a database of one's own."""
    if settings.encryption_keys is not None:
        return cipher_from(settings.encryption_keys.get_secret_value())
    if settings.database_url is None and not settings.on_lambda:
        return cipher_beside(settings.cronshot_home)
    raise ConfigurationError(
        "ENCRYPTION_KEYS is not set, and tokens are never stored in clear;"
        " .env.example shows how to make one"
    )


def key_test(ready: Opened, sealing: AesGcmCipher) -> KeyTest:
    return KeyTest(canary=PostgresCanary(ready.database), cipher=sealing)


def sync_store(ready: Opened) -> PostgresSync:
    streams: Mapping[str, Stream] = {stream.name: stream for stream in STREAMS}
    lease = timedelta(seconds=ready.settings.lease_s)
    return PostgresSync(database=ready.database, streams=streams, lease=lease)


def _refuse_take_over(parameters: Parameters) -> None:
    if parameters.take_over and (parameters.named or parameters.dry_run):
        raise UsageError(
            "--take-over ends the other runs and does what is due: it goes without --account,"
            " --stream, --since and --dry-run"
        )


def ebay_cycle(ready: Opened, parameters: Parameters) -> Work:
    """The work of `ebay-cycle`. What can be wrong with names is found before the run begins."""
    _refuse_take_over(parameters)
    waiting = sync_store(ready)
    parameters = parameters.expanded(STREAM_ALIASES)
    if parameters.named:
        waiting.candidates(parameters.accounts, parameters.streams)

    def work(context: RunContext) -> WorkReport:
        store = replace(waiting, time_left=lambda: context.deadline.remaining_to(SAVING))
        sealing = cipher(ready.settings)
        key_test(ready, sealing).check()
        with ExitStack() as stack:
            http = EbayHttp(stopping=STOP.is_set)
            stack.callback(http.close)
            ports = SyncPorts(
                store=store,
                source=EbayPages(
                    ebay=Ebay(http=http, hosts=hosts(ready.settings), clock=context.clock)
                ),
                tokens=_tokens(ready, http, sealing, "run", context.run_id),
                quotas=_quotas(ready.settings, http),
                calls=PostgresCalls(database=ready.database, time_left=store.time_left),
                sleep=_sleep,
            )
            selection = parameters.selection(context.started_at)
            if parameters.dry_run:
                return PreviewAccounts(ports=ports).run_once(context, selection)
            parallel = ready.settings.workers_max_parallel
            return SyncAccounts(ports=ports, parallel=parallel).run_once(context, selection)

    return work


def token_refresh(ready: Opened, parameters: Parameters) -> Work:
    """The work of `token-refresh`; wrong names are found before the run begins."""
    if parameters.streams or parameters.since is not None:
        raise UsageError(f"{TOKEN_REFRESH} has no streams and no past; name accounts, or nothing")
    _refuse_take_over(parameters)
    roster = PostgresRoster(ready.database)
    if parameters.accounts:
        chosen(roster.look(), parameters.accounts)

    def work(context: RunContext) -> WorkReport:
        sealing = cipher(ready.settings)
        key_test(ready, sealing).check()
        with ExitStack() as stack:
            http = EbayHttp(stopping=STOP.is_set)
            stack.callback(http.close)
            worker = RefreshTokens(
                roster=roster,
                tokens=_tokens(ready, http, sealing, "run", context.run_id),
                sleep=_sleep,
                parallel=ready.settings.workers_max_parallel,
            )
            if parameters.dry_run:
                return worker.preview(context, parameters.accounts)
            return worker.run_once(context, parameters.accounts)

    return work


WORKERS: Mapping[str, Callable[[Opened, Parameters], Work]] = {
    EBAY_CYCLE: ebay_cycle,
    TOKEN_REFRESH: token_refresh,
}


def embedded_psql() -> Path:
    from infra.postgres.psql import embedded_psql as find

    return find()


def psql_environment(url: DatabaseUrl) -> Mapping[str, str]:
    from infra.postgres.psql import environment_of

    return environment_of(url)


def worker_states(ready: Opened) -> Sequence[WorkerState]:
    return PostgresHistory(ready.database).workers()


def switch_worker(ready: Opened, worker: str, *, enabled: bool) -> None:
    PostgresHistory(ready.database).switch(worker, enabled=enabled)


def run_history(ready: Opened) -> PostgresHistory:
    return PostgresHistory(ready.database)


def account_store(ready: Opened) -> PostgresAccounts:
    return PostgresAccounts(ready.database, STREAMS)


@contextmanager
def manage_accounts(ready: Opened) -> Iterator[ManageAccounts]:
    http = EbayHttp(stopping=STOP.is_set)
    try:
        sealing = cipher(ready.settings)
        where = hosts(ready.settings)
        yield ManageAccounts(
            store=account_store(ready),
            refresher=_oauth(ready.settings, http),
            identities=TokenOwners(Identity(http=http, hosts=where, clock=WallClock())),
            sealer=sealing,
            tokens=_tokens(ready, http, sealing, "manual"),
            test_keys=key_test(ready, sealing).check,
        )
    finally:
        http.close()


def last_refreshes(ready: Opened, name: str) -> Sequence[dict[str, Any]]:
    """Of the account with this name, newest first; none where there is no such account."""
    known = account_store(ready).find(name)
    return [] if known is None else PostgresTokens(ready.database).refreshes(known.id, LATEST)


def rekey_tokens(ready: Opened) -> RekeyTokens:
    sealing = cipher(ready.settings)
    return RekeyTokens(
        tokens=PostgresSealed(ready.database),
        cipher=sealing,
        keys=key_test(ready, sealing),
        sleep=_sleep,
    )


def hosts(settings: Settings) -> EbayHosts:
    return EbayHosts.with_simulator(
        settings.ebay_simulator_api_url, settings.ebay_simulator_apiz_url
    )


def _tokens(
    ready: Opened, http: EbayHttp, sealing: Cipher, triggered_by: str, run_id: RunId | None = None
) -> KeepTokens:
    return KeepTokens(
        store=PostgresTokens(ready.database, run_id),
        endpoint=_oauth(ready.settings, http),
        cipher=sealing,
        ticks=time.monotonic,
        sleep=_sleep,
        triggered_by=triggered_by,
        stopping=STOP.is_set,
        log=ready.log,
    )


def _oauth(settings: Settings, http: EbayHttp) -> OAuth:
    return OAuth(http=http, hosts=hosts(settings), keys=_keys(settings), clock=WallClock())


def _quotas(settings: Settings, http: EbayHttp) -> EbayQuotas:
    limits = RateLimits(
        http=http,
        hosts=hosts(settings),
        tokens=ApplicationTokens(_oauth(settings, http)),
        clock=WallClock(),
    )
    return EbayQuotas(limits=limits, ticks=time.monotonic)


def _keys(settings: Settings) -> Mapping[Environment, ApplicationKeys]:
    """Those of the simulator are built in; the others are demanded when an account needs them."""
    simulator = ApplicationKeys(
        client_id=SIMULATOR_CLIENT_ID, client_secret=Secret(SIMULATOR_CLIENT_SECRET)
    )
    keys = {Environment.SIMULATOR: simulator}
    given = {
        Environment.PRODUCTION: (
            settings.ebay_production_client_id,
            settings.ebay_production_client_secret,
        ),
        Environment.SANDBOX: (settings.ebay_sandbox_client_id, settings.ebay_sandbox_client_secret),
    }
    for environment, (client_id, secret) in given.items():
        if client_id is not None and secret is not None:
            keys[environment] = ApplicationKeys(
                client_id=client_id, client_secret=Secret(secret.get_secret_value())
            )
    return keys


def _sleep(seconds: float) -> None:
    """Shorter when the process is asked to stop."""
    STOP.wait(seconds)
