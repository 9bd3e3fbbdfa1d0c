"""`simulator`: an eBay of one's own to develop against."""

import argparse
import json
import sys
from datetime import timedelta
from typing import Any

from core.errors import TransientError
from handlers.cli.arguments import at_least, port
from handlers.cli.text import PROGRAM, as_typed

NO_TOKEN = "a seller; --print-tokens shows his refresh token"  # noqa: S105  (says how to see one)
NEXT = (
    "it runs until Ctrl-C; with the first line in .env, in another terminal:"
    f" `{PROGRAM} accounts connect --name shop --environment simulator`"
)


def register(commands: Any) -> None:
    simulator = commands.add_parser("simulator", help="an eBay to develop against, on loopback")
    simulator.add_argument("--port", type=port, default=8765, help="0: any free one")
    simulator.add_argument("--accounts", type=at_least(1), default=2)
    simulator.add_argument("--orders", type=at_least(0), default=3000, help="of each account")
    simulator.add_argument("--days", type=at_least(1), default=90)
    simulator.add_argument("--seed", type=int, default=1)
    simulator.add_argument("--live", action="store_true", help="orders change as time goes by")
    simulator.add_argument(
        "--no-signatures", dest="signatures", action="store_false",
        help="let Finances be called without message signatures for EU and UK sellers too",
    )  # fmt: skip
    simulator.add_argument("--print-tokens", action="store_true", help="to import accounts with")
    simulator.add_argument(
        "--accept-url", metavar="URL",
        help="where its consent page sends sellers back to, such as our /ebay/callback;"
        " default: a page of its own",
    )  # fmt: skip
    simulator.set_defaults(run=_simulate)


def _simulate(options: argparse.Namespace) -> int:
    from infra.simulator.main import describe
    from infra.simulator.server import Options, Simulator, serve

    def announce(running: Simulator) -> None:
        told = json.loads(describe(running))
        print(f"EBAY_SIMULATOR_API_URL={told['api_url']}", flush=True)
        for account in told["accounts"]:
            token = account["refresh_token"] if options.print_tokens else NO_TOKEN
            print(f"{account['name']}: {token}", flush=True)
        print(as_typed(NEXT), file=sys.stderr, flush=True)

    chosen = Options(
        port=options.port,
        accounts=options.accounts,
        orders=options.orders,
        days=options.days,
        seed=options.seed,
        live=options.live,
        signatures=options.signatures,
        live_interval=timedelta(seconds=5),
        accept_url=options.accept_url,
    )
    try:
        serve(chosen, announce)
    except OSError as error:
        raise TransientError(
            f"port {options.port} cannot be listened on: {error.strerror}; --port chooses another"
        ) from error
    return 0
