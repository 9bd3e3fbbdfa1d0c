"""Tables as files: `export TABLE`."""

import argparse
import sys
from datetime import datetime
from typing import Any

from core.context import Observation
from core.exports.catalog import TABLES, find
from core.exports.lines import Format
from core.exports.model import Request
from core.report import instant
from handlers.cli.arguments import since
from handlers.cli.output import STDOUT, output
from handlers.cli.progress import Progress
from handlers.cli.ready import announce, opened
from handlers.cli.text import PROGRAM, as_typed
from handlers.exports import export_table
from handlers.opening import WallClock
from handlers.parameters import Parameters, names

NEUTRAL = "text that begins with = + - @ gets a ' in front, so that no spreadsheet computes it"


def register(commands: Any) -> None:
    export = commands.add_parser(
        "export",
        help="a table as CSV or JSON lines",
        description="A table as it is at one instant, in the order of its key.",
        epilog=f"Tables: {', '.join(TABLES)}.",
    )
    export.add_argument("table", metavar="TABLE", help="orders, order_money, listings, ...")
    export.add_argument(
        "--since", type=since, metavar="2026-11-01|7d",
        help="by the date of the business, which is named on stderr; with --changed by updated_at",
    )  # fmt: skip
    export.add_argument(
        "--changed", action="store_true", help="--since counts from when a row last changed here"
    )
    export.add_argument(
        "--format", choices=[each.value for each in Format], default=Format.CSV.value,
        help="csv (RFC 4180, UTF-8) or jsonl (an object a line)",
    )  # fmt: skip
    export.add_argument(
        "--account", action="append", default=[], metavar="NAME",
        help="rows of this account only; may be given more than once",
    )  # fmt: skip
    export.add_argument("--raw", action="store_true", help="with what eBay answered, whole")
    export.add_argument(
        "--output", metavar="FILE", help="there when it is whole, never half; stdout without it"
    )
    export.set_defaults(run=_export)


def _export(options: argparse.Namespace) -> int:
    request, form = _request(options), Format(options.format)
    progress = Progress()
    try:
        with opened() as ready, output(options.output) as write:
            announce(f"export: {_what(request)}{_how(form)}")
            worker = export_table(ready, _observer(progress, request, options.output))
            rows = worker.run(request, form, write)
    except BrokenPipeError:
        # Its reader, `head` perhaps, has all that it wanted.
        return 0
    finally:
        progress.clear()
    announce(_result(rows, options.output))
    return 0


def _request(options: argparse.Namespace) -> Request:
    table = find(options.table)
    asked, now = Parameters(since=options.since), WallClock().now()
    asked.check(now)
    return Request(
        table=table,
        accounts=names("account", options.account) if options.account else (),
        since=asked.selection(now).since,
        changed=options.changed,
        raw=options.raw,
    )


def _what(request: Request) -> str:
    parts = [request.table.full_name]
    if request.since is not None:
        parts.append(_since(request, request.since))
    if request.accounts:
        parts.append(f"of {', '.join(request.accounts)}")
    return " ".join(parts)


def _since(request: Request, at: datetime) -> str:
    return f"since {instant(at)} by {request.since_column}"


def _how(form: Format) -> str:
    return f"; {NEUTRAL}" if form is Format.CSV else ""


def _observer(progress: Progress, request: Request, path: str | None) -> Any:
    """Nothing where the rows themselves are on the screen."""
    if path in {None, STDOUT} and sys.stdout.isatty():
        return lambda _: None
    return lambda rows: progress.observe(
        Observation(account="", stream=request.table.name, fetched=rows, total=None)
    )


def _result(rows: int, path: str | None) -> str:
    place = "" if path in {None, STDOUT} else f" in {path}"
    if rows:
        return f"export: {rows} rows{place}"
    next_step = as_typed(f"`{PROGRAM} accounts list` shows when each was read last")
    return f"export: 0 rows{place}: nothing of that is stored; {next_step}"
