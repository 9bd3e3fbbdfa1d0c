"""What reads eBay and looks after its accounts, put together.

In a module of its own: a drain with nothing due needs none of it, and imports are most of its time.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

from core.accounts.manage import ManageAccounts
from core.context import RunContext
from core.errors import UsageError
from core.report import WorkReport
from core.runs.protocol import Work
from core.sync.model import Stream
from core.sync.preview import PreviewAccounts
from core.sync.store_tries import SAVING
from core.sync.unit import SyncPorts
from core.sync.worker import SyncAccounts
from core.tokens.rekey import RekeyTokens
from core.tokens.rekey_values import RekeyValues
from core.tokens.worker import RefreshTokens, chosen
from handlers import ebay_clients
from handlers.draining import QUEUE_DRAIN
from handlers.opening import STOP, Opened, WallClock, sleep
from handlers.parameters import Parameters
from handlers.signing import signer
from infra.ebay.client import EbayHttp
from infra.ebay.identity import Identity
from infra.ebay.owner import TokenOwners
from infra.ebay.source import EbayPages
from infra.ebay.stream_api import Ebay
from infra.ebay.streams.registry import STREAM_ALIASES, STREAMS
from infra.postgres.accounts import PostgresAccounts
from infra.postgres.calls import PostgresCalls
from infra.postgres.roster import PostgresRoster
from infra.postgres.sealed import PostgresSealed, PostgresSealedKeys
from infra.postgres.sync import PostgresSync
from infra.postgres.tokens import PostgresTokens

LATEST = 5
EBAY_CYCLE, TOKEN_REFRESH = "ebay-cycle", "token-refresh"


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


def _refuse_jobs(parameters: Parameters, worker: str) -> None:
    if parameters.names_jobs:
        raise UsageError(f"{worker} has no queues and no kinds; {QUEUE_DRAIN} has them")


def ebay_cycle(ready: Opened, parameters: Parameters) -> Work:
    """The work of `ebay-cycle`. What can be wrong with names is found before the run begins."""
    _refuse_jobs(parameters, EBAY_CYCLE)
    _refuse_take_over(parameters)
    waiting = sync_store(ready)
    parameters = parameters.expanded(STREAM_ALIASES)
    if parameters.named:
        waiting.candidates(parameters.accounts, parameters.streams)

    def work(context: RunContext) -> WorkReport:
        store = replace(waiting, time_left=lambda: context.deadline.remaining_to(SAVING))
        sealing = ebay_clients.cipher(ready.settings)
        ebay_clients.key_test(ready, sealing).check()
        with ExitStack() as stack:
            http = EbayHttp(stopping=STOP.is_set)
            stack.callback(http.close)
            ports = SyncPorts(
                store=store,
                source=EbayPages(
                    ebay=Ebay(
                        http=http,
                        hosts=ebay_clients.hosts(ready.settings),
                        clock=context.clock,
                        signatures=signer(ready, http, sealing, context.clock),
                    )
                ),
                tokens=ebay_clients.tokens(ready, http, sealing, "run", context.run_id),
                quotas=ebay_clients.quotas(ready.settings, http),
                calls=PostgresCalls(database=ready.database, time_left=store.time_left),
                sleep=sleep,
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
    _refuse_jobs(parameters, TOKEN_REFRESH)
    _refuse_take_over(parameters)
    roster = PostgresRoster(ready.database)
    if parameters.accounts:
        chosen(roster.look(), parameters.accounts)

    def work(context: RunContext) -> WorkReport:
        sealing = ebay_clients.cipher(ready.settings)
        ebay_clients.key_test(ready, sealing).check()
        with ExitStack() as stack:
            http = EbayHttp(stopping=STOP.is_set)
            stack.callback(http.close)
            worker = RefreshTokens(
                roster=roster,
                tokens=ebay_clients.tokens(ready, http, sealing, "run", context.run_id),
                sleep=sleep,
                parallel=ready.settings.workers_max_parallel,
            )
            if parameters.dry_run:
                return worker.preview(context, parameters.accounts)
            return worker.run_once(context, parameters.accounts)

    return work


def account_store(ready: Opened) -> PostgresAccounts:
    return PostgresAccounts(ready.database, STREAMS)


@contextmanager
def manage_accounts(ready: Opened) -> Iterator[ManageAccounts]:
    http = EbayHttp(stopping=STOP.is_set)
    try:
        sealing = ebay_clients.cipher(ready.settings)
        where = ebay_clients.hosts(ready.settings)
        yield ManageAccounts(
            store=account_store(ready),
            refresher=ebay_clients.oauth(ready.settings, http),
            sellers=TokenOwners(Identity(http=http, hosts=where, clock=WallClock())),
            sealer=sealing,
            tokens=ebay_clients.tokens(ready, http, sealing, "manual"),
            test_keys=ebay_clients.key_test(ready, sealing).check,
        )
    finally:
        http.close()


def last_refreshes(ready: Opened, name: str) -> Sequence[dict[str, Any]]:
    """Of the account with this name, newest first; none where there is no such account."""
    known = account_store(ready).find(name)
    return [] if known is None else PostgresTokens(ready.database).refreshes(known.id, LATEST)


def rekey_tokens(ready: Opened) -> RekeyTokens:
    sealing = ebay_clients.cipher(ready.settings)
    return RekeyTokens(
        tokens=PostgresSealed(ready.database),
        cipher=sealing,
        keys=ebay_clients.key_test(ready, sealing),
        values=RekeyValues(values=PostgresSealedKeys(ready.database), cipher=sealing),
        sleep=sleep,
    )
