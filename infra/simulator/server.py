"""An eBay to develop against, on loopback: how to start it, bend it, break it and look inside.

In Python, in the same process::

    with Simulator(seed=7, accounts=2, orders=500) as simulator:
        simulator.api_url                          # http://127.0.0.1:NNNNN, also .apiz_url
        simulator.world.accounts[0].refresh_token  # .name is "seller-1"
        simulator.world.behaviour.mutations_per_request = 3
        simulator.faults.add("server_error", operation="getOrders", offset=200, times=1)
        simulator.clock.shift(timedelta(days=1))
        simulator.truth("seller-1", "orders")      # {key: (version, row)}
        simulator.requests.entries(operation="getOrders")

The client's id and secret are `oauth.CLIENT_ID`, `oauth.CLIENT_SECRET` (and `RUNAME`, `DEV_ID`).
Accounts are "seller-1", "seller-2", … with the same tokens for the same seed, whatever the time.

One port answers for api and apiz; with `split_hosts=True` there are two, and a call to the wrong
one is answered 404 with an empty body.

History ends three minutes before `now` (default: the clock's present). What is changed later gets
the clock's present as its `lastModifiedDate`. A client that leaves out the last two minutes sees
such changes after that time only; with `clock_offset=timedelta(seconds=-119)` it sees them at its
next run, and still never inside a window that it closed before the change.

Message signatures: with `behaviour.signatures` Finances refuses calls for sellers who live in the
EU or the UK (`account.country`) without a right one. Keys come from `createSigningKey`
(`world.signing_keys`); for other sellers signatures are ignored, wrong ones too.

Faults: `faults.add(kind, **when_and_how)`, see `faults.Kind` and `faults.Rule`; the same as JSON by
`POST /_simulator/faults {"kind": …}`. The first rule that matches wins, `times` limits it.
`faults.counts` says how often each kind was caused. Recorded answers are served by
`faults.add("status", status=200, body=text, operation="getPayouts")`. Quotas:
`behaviour.quota_limits["sell.fulfillment"] = 5`, `quotas.set_count("sell.fulfillment", 5)`.

The consent page is at `api_url + "/oauth2/authorize"` (see `consent`): any of the sellers signs in
there. `behaviour.accept_url` is where it sends browsers back to; without one they end on eBay's own
page, whose address a person can paste. `.../oauth2/token/revoke` ends one refresh token, `revoked`
all of a seller's.

Notifications, signed, sent three times at most: `notifier.register(endpoint, word)`, which is the
challenge, then `notifier.send(*notifier.deletion(username, user_id))` -> the statuses answered.

From another process, JSON (all below `/_simulator`, on either port, no authentication):

    GET    /state                 clock, accounts with refresh tokens, switches, counts
    GET    /requests?since=&operation=&account=      the log; DELETE empties it
    GET    /faults                rules and counts; POST adds; DELETE clears (or ?id=N)
    POST   /clock                 {"shift_s": 86400}
    POST   /behaviour             any fields of behaviour.Behaviour
    POST   /mutate                {"account", "count", "order_id", "what":
                                  any|modify|sell|pay_out|dispute|argue|inventory|stock|basket}
    POST   /account               {"account", "revoked", "scopes", "without_scopes",
                                  "expire_tokens", "country"}
    POST   /authorization_code    {"account"} -> {"code"}
    POST   /quota                 {"resource", "limit", "count"}
    POST   /notify                {"endpoint", "word", "account", "topic"} or {…, "topic", "data"}
                                  -> {"notification_id", "statuses"}
    POST   /transactions          {"account", "count", "from", "to"} adds charges
    GET    /truth?account=&kind=orders|transactions|payouts|disputes|cases|inquiries|returns|
                                  cancellations&form=digest (claims: also <kind>.details)
                                  also inventory_offers|active_inventory|buyer|messages|best_offers
                                  JSON lines {"key": […], "version", "row" or "sha256"}

`serve(options, announce)` blocks until SIGINT or SIGTERM, for a command line. As a child process:
`python -m infra.simulator.main --port 0 …` prints one JSON line (see `main`).
"""

import json
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

from infra.simulator import truth
from infra.simulator.ageing import change_others
from infra.simulator.behaviour import Behaviour
from infra.simulator.clock import SimulatorClock
from infra.simulator.consent import ConsentPage
from infra.simulator.control import Control
from infra.simulator.exchange import Exchange
from infra.simulator.faults import Faults
from infra.simulator.journal import Journal
from infra.simulator.listener import Listener
from infra.simulator.notifier import Notifier
from infra.simulator.oauth import TokenDesk
from infra.simulator.quotas import Quotas
from infra.simulator.router import Gateway, Host
from infra.simulator.world import World

_BOTH = frozenset({Host.API, Host.APIZ})


class Simulator:
    """A running simulator between `start` and `stop`; also a context manager.

    Either a `world` of your own, or what one is made of. `stop` ends every wait and connection, and
    raises the first error of the simulator's own that a request met.
    """

    def __init__(
        self,
        world: World | None = None,
        *,
        seed: int = 1,
        accounts: int = 2,
        orders: int = 100,
        days: int = 90,
        now: datetime | None = None,
        clock: SimulatorClock | None = None,
        clock_offset: timedelta = timedelta(),
        behaviour: Behaviour | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        apiz_port: int = 0,
        split_hosts: bool = False,
        listings: int | None = None,
    ) -> None:
        self.world = world or World(
            seed=seed,
            accounts=accounts,
            orders=orders,
            days=days,
            now=now,
            clock=clock or SimulatorClock(offset=clock_offset),
            behaviour=behaviour,
            listings=listings,
        )
        self.clock = self.world.clock
        self.faults = Faults(self.world.seed)
        self.requests = Journal()
        self.quotas = Quotas(self.clock, self.world.behaviour.quota_limits)
        self.desk = TokenDesk(self.world)
        self.consent = ConsentPage(self.world, self.desk)
        self.notifier = Notifier(self.world)
        self._exchange = Exchange(
            self.world,
            self.faults,
            self.requests,
            self.desk,
            Gateway(self.world, self.desk, self.quotas),
            Control(self.world, self.faults, self.requests, self.quotas, self.desk, self.notifier),
            self.consent,
        )
        self._ports = [(port, frozenset({Host.API})), (apiz_port, frozenset({Host.APIZ}))]
        if not split_hosts:
            self._ports = [(port, _BOTH)]
        self._host = host
        self._servers: list[Listener] = []
        self._threads: list[threading.Thread] = []

    def start(self) -> Self:
        """Listen, and answer from threads of its own."""
        for port, hosts in self._ports:
            server = Listener((self._host, port), self._exchange, hosts)
            # A short poll: `stop` waits for it.
            thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
            thread.start()
            self._servers.append(server)
            self._threads.append(thread)
        return self

    def stop(self) -> None:
        servers, self._servers = self._servers, []
        for server in servers:
            server.end()
        for thread in self._threads:
            thread.join()
        self._threads = []
        for server in servers:
            if server.failures:
                raise server.failures[0]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def api_url(self) -> str:
        return self._servers[0].url

    @property
    def apiz_url(self) -> str:
        return self._servers[-1].url

    def truth(self, account: str, kind: str) -> dict[tuple[str, ...], tuple[str, Any]]:
        """Key -> (version, row) of all there is now; see `truth.rows`."""
        found = truth.rows(self.world, self.world.account(account), kind)
        return {key: (version, json.loads(text)) for key, version, text in found}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What `serve` runs. `apiz_port` set: two ports, one per host (0: any free one).

    `render_all`: every row is written before the start, so that no page is slower than another.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    apiz_port: int | None = None
    accounts: int = 2
    orders: int = 3000
    listings: int | None = None
    days: int = 90
    seed: int = 1
    now: datetime | None = None
    clock_offset: timedelta = timedelta()
    render_all: bool = False
    live: bool = False
    live_interval: timedelta = timedelta(seconds=5)
    mutations_per_request: int = 0
    signatures: bool = False
    accept_url: str | None = None


def build(options: Options) -> Simulator:
    """Not started yet."""
    return Simulator(
        seed=options.seed,
        accounts=options.accounts,
        orders=options.orders,
        listings=options.listings,
        days=options.days,
        now=options.now,
        clock_offset=options.clock_offset,
        behaviour=Behaviour(
            mutations_per_request=options.mutations_per_request,
            signatures=options.signatures,
            accept_url=options.accept_url,
        ),
        host=options.host,
        port=options.port,
        apiz_port=options.apiz_port or 0,
        split_hosts=options.apiz_port is not None,
    )


def serve(options: Options, announce: Callable[[Simulator], None]) -> None:
    """Run until SIGINT or SIGTERM; `announce` is called once it listens.

    With `live`, every account changes once per `live_interval`.
    """
    asked_to_end = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked_to_end.set())
    with build(options) as simulator:
        if options.render_all:
            simulator.world.render_all()
        announce(simulator)
        pause = options.live_interval.total_seconds() if options.live else None
        while not asked_to_end.wait(pause):
            live_a_little(simulator)


def live_a_little(simulator: Simulator) -> None:
    with simulator.world.lock:
        for account in simulator.world.accounts:
            simulator.world.life.mutate(account)
            now = simulator.clock.now_ms()
            change_others(simulator.world, account, simulator.world.life, now)
