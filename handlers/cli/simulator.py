"""`simulator`: an eBay of one's own to develop against."""

import argparse
import json
from datetime import timedelta
from typing import Any


def register(commands: Any) -> None:
    simulator = commands.add_parser("simulator", help="an eBay to develop against, on loopback")
    simulator.add_argument("--port", type=int, default=8765)
    simulator.add_argument("--accounts", type=int, default=2)
    simulator.add_argument("--orders", type=int, default=3000, help="of each account")
    simulator.add_argument("--days", type=int, default=90)
    simulator.add_argument("--seed", type=int, default=1)
    simulator.add_argument("--live", action="store_true", help="orders change as time goes by")
    simulator.add_argument("--print-tokens", action="store_true", help="to import accounts with")
    simulator.set_defaults(run=_simulate)


def _simulate(options: argparse.Namespace) -> int:
    from infra.simulator.main import describe
    from infra.simulator.server import Options, Simulator, serve

    def announce(running: Simulator) -> None:
        told = json.loads(describe(running))
        print(f"EBAY_SIMULATOR_API_URL={told['api_url']}", flush=True)
        for account in told["accounts"]:
            token = account["refresh_token"] if options.print_tokens else "--print-tokens shows it"
            print(f"{account['name']}: {token}", flush=True)

    serve(
        Options(
            port=options.port,
            accounts=options.accounts,
            orders=options.orders,
            days=options.days,
            seed=options.seed,
            live=options.live,
            live_interval=timedelta(seconds=5),
        ),
        announce,
    )
    return 0
