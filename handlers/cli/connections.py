"""Connecting by consent: `accounts connect`."""

import argparse
import json
import sys
from collections.abc import Sequence
from shlex import quote
from typing import Any

from core.connect.model import Begun, Connected, Reply, Via, Wish
from core.connect.reply import read_pasted
from core.connect.scopes import lacks, short
from core.errors import UsageError
from core.report import instant
from core.secret import Secret
from core.sync.model import Environment
from handlers import connections
from handlers.cli.given import read_file, read_line, read_stdin
from handlers.cli.ready import announce, opened
from handlers.cli.text import PROGRAM, as_typed, moment
from handlers.opening import Opened


def register(actions: Any) -> None:
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
    return read_line()


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


def _pasted_into(file: str) -> str:
    """Never repeats what was given: it may be the code itself."""
    if "code=" in file or "://" in file:
        raise UsageError(
            "--redirect-address-file: this is the address, not a file; the command line is visible"
            " to everybody on the machine, so put it into a file, or give - and paste it"
        )
    option = "--redirect-address-file"
    text = read_stdin(option) if file == "-" else read_file(option, file)
    if not text.strip():
        raise UsageError(f"{option}: {'stdin' if file == '-' else file} is empty")
    return text


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
