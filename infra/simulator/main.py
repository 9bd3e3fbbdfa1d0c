"""`python -m infra.simulator.main`: a simulator in a process of its own; reads no environment.

With `--ends-with-stdin` it ends when its stdin does: a parent that holds the other end of a pipe
takes it along, however it dies.

Prints one line of JSON once it listens: {"api_url", "apiz_url", "seed", "now", "client_id",
"client_secret", "accounts": [{"name", "username", "user_id", "refresh_token"}]}.
"""

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta

from infra.simulator.ageing import age
from infra.simulator.control import iso_of
from infra.simulator.oauth import CLIENT_ID, CLIENT_SECRET
from infra.simulator.server import Options, Simulator, serve


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.simulator.main")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--apiz-port", type=int, help="a second port, for apiz alone")
    parser.add_argument("--accounts", type=int, default=2)
    parser.add_argument("--orders", type=int, default=3000, help="of each account")
    parser.add_argument("--listings", type=int, help="of each account; as suits its orders")
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--now", type=datetime.fromisoformat, help="end of history, with its zone")
    parser.add_argument("--clock-offset-s", type=float, default=0.0)
    parser.add_argument("--render-all", action="store_true", help="write every row beforehand")
    parser.add_argument("--live", action="store_true")
    parser.add_argument("--live-interval-s", type=float, default=5.0)
    parser.add_argument("--mutations-per-request", type=int, default=0)
    parser.add_argument("--aged-until", type=datetime.fromisoformat, help="a step a minute")
    parser.add_argument("--signatures", action="store_true", help="wanted of EU and UK sellers")
    parser.add_argument("--ends-with-stdin", action="store_true")
    return parser.parse_args(arguments)


def options_of(given: argparse.Namespace) -> Options:
    return Options(
        host=given.host,
        port=given.port,
        apiz_port=given.apiz_port,
        accounts=given.accounts,
        orders=given.orders,
        listings=given.listings,
        days=given.days,
        seed=given.seed,
        now=given.now,
        clock_offset=timedelta(seconds=given.clock_offset_s),
        render_all=given.render_all,
        live=given.live,
        live_interval=timedelta(seconds=given.live_interval_s),
        mutations_per_request=given.mutations_per_request,
        signatures=given.signatures,
    )


def describe(simulator: Simulator) -> str:
    return json.dumps(
        {
            "api_url": simulator.api_url,
            "apiz_url": simulator.apiz_url,
            "seed": simulator.world.seed,
            "now": iso_of(simulator.world.now),
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "accounts": [
                {
                    "name": account.name,
                    "username": account.username,
                    "user_id": account.user_id,
                    "refresh_token": account.refresh_token,
                }
                for account in simulator.world.accounts
            ],
        }
    )


def main(arguments: Sequence[str]) -> None:
    given = parse(arguments)
    if given.ends_with_stdin:
        threading.Thread(target=_end_with_stdin, daemon=True).start()

    def announce(simulator: Simulator) -> None:
        # Nobody knows the address yet.
        if given.aged_until is not None:
            age(simulator.world, given.aged_until)
        sys.stdout.write(describe(simulator) + "\n")
        sys.stdout.flush()

    serve(options_of(given), announce)


def _end_with_stdin() -> None:
    # Not sys.stdin: its lock would be held when the process ends.
    while os.read(0, 4096):
        pass
    # To the main thread, which waits for it.
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)


if __name__ == "__main__":
    main(sys.argv[1:])
