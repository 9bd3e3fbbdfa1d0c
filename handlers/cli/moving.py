"""Moving over from the old connector: `accounts import`."""

import argparse
import json
import sys
from typing import Any

from core.errors import UsageError
from core.moving.model import Fate
from core.moving.move import Moved
from core.moving.plan import Wishes
from core.secret import Secret
from core.sync.model import Environment
from handlers import moving
from handlers.answers import EX_NOPERM
from handlers.cli.given import read_file, read_stdin
from handlers.cli.moving_text import (
    as_json,
    farewell,
    head,
    moved_line,
    planned_text,
    tail,
)
from handlers.cli.ready import opened
from handlers.moving import Survey


def register(actions: Any) -> None:
    what = "bring accounts, tokens, cursors and switches over from the old eBay connector"
    command = actions.add_parser(
        "import", help=what, description=f"{what}; without --yes it only shows what would be done"
    )
    command.add_argument(
        "--from", dest="from_", required=True, metavar="URL",
        help="its database, which is only read; or the name of a file that holds the address",
    )  # fmt: skip
    command.add_argument(
        "--secret-file", required=True, metavar="FILE",
        help="holds its JWT_SECRET, or SECRET_KEY where it has none; - reads it from stdin",
    )  # fmt: skip
    command.add_argument(
        "--environment",
        choices=[each.value for each in Environment],
        help="of these accounts; the old connector knew it of its users only",
    )
    command.add_argument(
        "--account", action="append", default=[], metavar="NAME",
        help="this one only, by its name, seller or id there; may be given more than once",
    )  # fmt: skip
    command.add_argument(
        "--with-history",
        action="store_true",
        help="read the last 90 days again in place of going on at the cursors",
    )
    command.add_argument("--yes", action="store_true", help="do it")
    command.add_argument("--json", action="store_true", help="one JSON object on stdout")
    command.set_defaults(run=_import)


def _import(options: argparse.Namespace) -> int:
    url, secret = _address(options.from_), _secret(options.secret_file)
    wishes = Wishes(
        environment=options.environment,
        accounts=tuple(options.account),
        with_history=options.with_history,
    )
    with opened() as ready:
        seen = moving.survey(ready, url, secret, wishes)
        if not options.yes:
            return _show(seen, options)
        with moving.mover(ready) as mover:
            moved = []
            for planned in seen.planned:
                moved.append(mover.move(planned))
                # At once: what comes after it may fail, and this stays done.
                print(moved_line(moved[-1]), file=sys.stderr if options.json else sys.stdout)
    return _told(seen, moved, options)


def _show(seen: Survey, options: argparse.Namespace) -> int:
    if options.json:
        print(json.dumps(as_json(seen, [], dry_run=True)))
        return 0
    print("\n\n".join([head(seen), *[planned_text(each) for each in seen.planned], tail(seen)]))
    return 0


def _told(seen: Survey, moved: list[Moved], options: argparse.Namespace) -> int:
    if options.json:
        print(json.dumps(as_json(seen, moved, dry_run=False)))
    else:
        print(farewell(seen.wishes, moved))
    if not any(each.refused for each in moved):
        return 0
    came = any(each.planned.fate is not Fate.LEFT for each in moved)
    return 1 if came else EX_NOPERM


def _address(given: str) -> Secret:
    """Nothing of it is ever repeated: it holds a password."""
    if "://" in given:
        return Secret(given)
    wanted = "an address like postgresql://… or a file that holds it"
    return Secret(_line("--from", read_file("--from", given, instead_of=wanted)))


def _secret(given: str) -> Secret:
    option, wanted = "--secret-file", "the name of a file, not the secret itself"
    if given == "-":
        return Secret(_line(option, read_stdin(option, hidden="secret of the old connector")))
    return Secret(_line(option, read_file(option, given, instead_of=wanted)))


def _line(option: str, text: str) -> str:
    """Blanks at its ends may belong to a secret; the end of the line does not."""
    line = text.rstrip("\r\n")
    if not line.strip() or "\n" in line:
        raise UsageError(f"{option}: the file does not hold one line")
    return line
