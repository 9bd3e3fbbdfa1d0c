"""Connecting by consent, and the end of it: `accounts connect`, `accounts disconnect`."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import Any

from core.connect.model import Begun, Connected, Disconnected, KnownSeller, Reply, Via, Wish
from core.connect.reply import read_pasted
from core.connect.scopes import lacks, short
from core.errors import UsageError
from core.report import instant
from core.secret import Secret
from core.sync.model import Environment
from handlers import connections
from handlers.cli.ready import announce, opened
from handlers.cli.text import PROGRAM, as_typed, moment
from handlers.opening import Opened

LONGEST_FILE = 64 * 1024
LONGEST_LINE = 8 * 1024
BY_HAND = (
    "the seller can end it by hand: sign in at eBay, Account settings, Third-party app access,"
    " and remove the application there"
)


def register(actions: Any) -> None:
    _register_connect(actions)
    _register_disconnect(actions)


def _register_connect(actions: Any) -> None:
    what = (
        "connect a seller by his consent: prints the link for him, then takes the address of the"
        " page where he ends up; for an account that is there, a new token of the same seller"
    )
    connect = actions.add_parser(
        "connect", help="connect a seller by his consent", description=what
    )
    connect.add_argument("--name", required=True, help="what you want to call the account")
    connect.add_argument(
        "--environment",
        choices=[each.value for each in Environment],
        help="default: production, or where the account is; `simulator` is for development",
    )
    connect.add_argument(
        "--marketplace", action="append", default=[], metavar="EBAY_DE",
        help="may be given more than once; default: where the seller is registered",
    )  # fmt: skip
    connect.add_argument(
        "--scope", action="append", default=[], metavar="sell.marketing",
        help="ask for this one too",
    )  # fmt: skip
    connect.add_argument(
        "--without-scope", action="append", default=[], metavar="sell.payment.dispute",
        help="do not ask for this one; eBay refuses the whole page when the keyset lacks one",
    )  # fmt: skip
    steps = connect.add_mutually_exclusive_group()
    steps.add_argument("--link", action="store_true", help="print the link, and end")
    steps.add_argument(
        "--redirect-address-file", metavar="FILE",
        help="the second step of --link: a file with that address; - reads it from stdin",
    )  # fmt: skip
    connect.add_argument("--json", action="store_true", help="one JSON object on stdout")
    connect.set_defaults(run=_connect)


def _register_disconnect(actions: Any) -> None:
    what = "revoke the consent at eBay and forget the tokens; what was read stays"
    disconnect = actions.add_parser("disconnect", help=what, description=what)
    disconnect.add_argument("name", metavar="NAME", help="as `accounts list` shows it")
    disconnect.add_argument(
        "--erase-data", action="store_true", help="and erase all that was read of it"
    )
    disconnect.add_argument("--yes", action="store_true", help="erase without asking")
    disconnect.add_argument("--json", action="store_true", help="one JSON object on stdout")
    disconnect.set_defaults(run=_disconnect)


def _connect(options: argparse.Namespace) -> int:
    with opened() as ready:
        if options.redirect_address_file is not None:
            reply = read_pasted(_pasted_into(options.redirect_address_file))
            return _finish(ready, options, reply)
        begun = _begin(ready, options)
        if options.link:
            _tell_link(begun, options)
            return 0
        # Nobody knows how long a person takes: the connections go back.
        ready.database.dispose()
        line = _ask_for_line(begun)
        with connections.finish_consent(ready) as finish:
            if finish.was_finished(begun.state):
                return _tell_finished(begun, options)
        return _finish(ready, options, _reply_of(line, begun))


def _begin(ready: Opened, options: argparse.Namespace) -> Begun:
    wish = Wish(
        name=options.name,
        environment=options.environment,
        marketplace_ids=tuple(options.marketplace),
        more_scopes=tuple(options.scope),
        without_scopes=tuple(options.without_scope),
    )
    with connections.begin_consent(ready) as begin:
        return begin.run(wish, Via.CLI)


def _finish(ready: Opened, options: argparse.Namespace, reply: Reply) -> int:
    with connections.finish_consent(ready) as finish:
        connected = finish.run(reply, via=Via.CLI, name=options.name)
    if options.json:
        print(json.dumps(_as_json(connected)))
    else:
        print(as_typed("\n".join(_lines(connected))))
    return 0


def _tell_link(begun: Begun, options: argparse.Namespace) -> None:
    if options.json:
        told = {"link": begun.link, "expires_at": instant(begun.expires_at)}
        print(json.dumps(told))
        return
    second = f"{PROGRAM} accounts connect --name {quote(begun.name)} --redirect-address-file FILE"
    print(begun.link)
    print(
        as_typed(
            f"Open it until {moment(begun.expires_at)}, sign in at eBay as the seller and agree."
            " Then put the whole address of the page where you end up into a file:"
            f" `{second}` (- in place of FILE reads it from stdin)"
        ),
        file=sys.stderr,
    )


def _ask_for_line(begun: Begun) -> str:
    announce(
        f"Open this link until {moment(begun.expires_at)}, sign in at eBay as the seller of"
        f" {begun.name!r} ({begun.environment}) and agree:\n\n{begun.link}\n\n"
        "Then paste the whole address of the page where you end up, and press Enter; where that"
        " page says that the account is connected, Enter alone will do:"
    )
    return _line()


def _tell_finished(begun: Begun, options: argparse.Namespace) -> int:
    """eBay sent the seller's browser to our own callback, which has done the rest."""
    if options.json:
        print(json.dumps({"account": begun.name, "environment": begun.environment}))
    else:
        command = f"{PROGRAM} accounts list"
        print(as_typed(f"{begun.name}: connected by the browser; `{command}` shows it"))
    return 0


def _reply_of(line: str, begun: Begun) -> Reply:
    """A bare code is good here: this very process began, so it is nobody else's."""
    if not line.strip():
        command = f"{PROGRAM} accounts connect --name {quote(begun.name)}"
        raise UsageError(
            f"nothing was pasted; `{command} --link` prints a link and ends, and"
            f" `{command} --redirect-address-file FILE` takes the address later"
        )
    return _with_state(read_pasted(line), begun.state)


def _with_state(reply: Reply, state: Secret) -> Reply:
    bare = reply.state is None and reply.error is None and not reply.malformed
    return Reply(state=state, code=reply.code) if bare and reply.code else reply


def _line() -> str:
    if sys.stdin is None:
        return ""
    return sys.stdin.buffer.readline(LONGEST_LINE).decode("utf-8", "replace")


def _pasted_into(file: str) -> str:
    """Never repeats what was given: it may be the code itself."""
    if "code=" in file or "://" in file:
        raise UsageError(
            "--redirect-address-file: this is the address, not a file; the command line is visible"
            " to everybody on the machine, so put it into a file, or give - and paste it"
        )
    try:
        if file == "-":
            return _all_of_stdin()
        with Path(file).open("rb") as text:
            return text.read(LONGEST_FILE).decode("utf-8-sig", "replace")
    except OSError as error:
        raise UsageError(f"--redirect-address-file: {file}: {error.strerror}") from error


def _all_of_stdin() -> str:
    """One line of a person at a terminal, all of anything else."""
    if sys.stdin is None:
        raise UsageError("--redirect-address-file: - reads stdin, which is closed")
    if sys.stdin.isatty():
        return _line()
    return sys.stdin.buffer.read(LONGEST_FILE).decode("utf-8-sig", "replace")


def _lines(connected: Connected) -> Sequence[str]:
    who = connected.username or "a seller whose name eBay does not tell"
    name = quote(connected.name)
    lines = [f"{connected.name}: {connected.environment}, {who}; connected"]
    if connected.missing:
        lines.append(
            f"the consent lacks scopes: {lacks(connected.missing)}. Those streams will say so;"
            " enable the scopes for the keyset (docs/connect.md), then"
            f" `{PROGRAM} accounts connect --name {name}` asks for them"
        )
    if connected.status == "paused":
        return [*lines, f"still paused, `{PROGRAM} accounts resume {name}` ends that"]
    return [*lines, f"every stream is due now; next: {PROGRAM} ebay --account {name}"]


def _as_json(connected: Connected) -> dict[str, object]:
    return {
        "account": connected.name,
        "environment": connected.environment,
        "username": connected.username,
        "status": connected.status,
        "renewed": connected.renewed,
        "scopes": [short(scope) for scope in connected.scopes],
        "scopes_told_by_ebay": connected.scopes_told,
        "missing_scopes": dict(connected.missing),
    }


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
    if _line().strip() != seller.name:
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
