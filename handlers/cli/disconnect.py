"""The end of a connection: `accounts disconnect`."""

import argparse
import json
from collections.abc import Sequence
from shlex import quote
from typing import Any

from core.connect.model import Disconnected, KnownSeller
from core.errors import UsageError
from handlers import connections
from handlers.cli.given import read_line
from handlers.cli.ready import announce, opened
from handlers.cli.text import PROGRAM, as_typed

BY_HAND = (
    "the seller can end it by hand: sign in at eBay, Account settings, Third-party app access,"
    " and remove the application there"
)


def register(actions: Any) -> None:
    what = "revoke the consent at eBay and forget the tokens; what was read stays"
    disconnect = actions.add_parser("disconnect", help=what, description=what)
    disconnect.add_argument("name", metavar="NAME", help="as `accounts list` shows it")
    disconnect.add_argument(
        "--erase-data", action="store_true", help="and erase all that was read of it"
    )
    disconnect.add_argument("--yes", action="store_true", help="erase without asking")
    disconnect.add_argument("--json", action="store_true", help="one JSON object on stdout")
    disconnect.set_defaults(run=_disconnect)


def _disconnect(options: argparse.Namespace) -> int:
    with opened() as ready, connections.disconnect_account(ready) as disconnect:
        if options.erase_data and not options.yes:
            seller, rows = disconnect.look(options.name)
            ready.database.dispose()
            _confirm(seller, rows)
        done = disconnect.run(options.name, erase_data=options.erase_data)
    if options.json:
        print(json.dumps(_told(done)))
    else:
        print(as_typed("\n".join(_farewell(done, erased=options.erase_data))))
    return 1 if done.revoked is False or done.left else 0


def _confirm(seller: KnownSeller, rows: Sequence[tuple[str, int]]) -> None:
    """Raises UsageError unless the name is typed."""
    for table, count in rows:
        announce(f"  {count} rows of {table}")
    announce(
        f"All of this will be erased, for good. Type the account's name ({seller.name}) to go on:"
    )
    if read_line().strip() != seller.name:
        raise UsageError(
            "nothing was erased and nothing disconnected: the name was not typed; --yes asks for"
            " nothing"
        )


def _farewell(done: Disconnected, *, erased: bool) -> Sequence[str]:
    name = quote(done.name)
    lines = [f"{done.name}: {_what(done)}"]
    if done.revoked is False:
        lines.append(f"eBay could not be told ({done.trouble}); {BY_HAND}")
    if erased:
        lines += [f"  erased {count} rows of {table}" for table, count in done.erased.items()]
        lines.append(f"erased: {sum(done.erased.values())} rows")
    if done.left:
        lines.append(
            f"rows are left in {', '.join(done.left)}:"
            f" `{PROGRAM} accounts disconnect {name} --erase-data` once more"
        )
    if not erased:
        lines.append(
            "what was read of it is kept;"
            f" `{PROGRAM} accounts disconnect {name} --erase-data` erases it"
        )
    if done.for_good:
        return [*lines, "another seller needs a name of his own"]
    return [*lines, f"`{PROGRAM} accounts connect --name {name}` brings it back"]


def _what(done: Disconnected) -> str:
    if done.revoked is None:
        return "it was disconnected already" if done.was_disconnected else "disconnected"
    if done.revoked:
        return "disconnected; its consent is revoked at eBay, its tokens are forgotten"
    return "disconnected; its tokens are forgotten, but its consent is not revoked"


def _told(done: Disconnected) -> dict[str, object]:
    return {
        "account": done.name,
        "was_disconnected": done.was_disconnected,
        "revoked": done.revoked,
        "trouble": done.trouble,
        "erased": dict(done.erased),
        "left": list(done.left),
    }
