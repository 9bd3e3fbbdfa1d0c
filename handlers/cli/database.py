"""The database: `migrate [--check]`, `psql`."""

import argparse
import os
import shutil
import signal
import subprocess
from typing import Any

from core.errors import ConfigurationError
from handlers import opening, wiring
from handlers.cli.ready import announce

KILLED = 128
"""What shells add to the number of the signal that ended a program."""


def register(commands: Any) -> None:
    migrate = commands.add_parser("migrate", help="bring the schema up to date")
    migrate.add_argument("--check", action="store_true", help="only say whether it is; exit 78")
    migrate.set_defaults(run=_migrate)
    passed_on = commands.add_parser("psql", help="open the database in psql")
    passed_on.add_argument("arguments", nargs="*", metavar="...", help="passed to psql")
    passed_on.set_defaults(run=_psql, passes_on=True)


def _migrate(options: argparse.Namespace) -> int:
    settings = opening.load_settings()
    with opening.connected(settings, opening.log_for(settings), announce=announce) as ready:
        applied = [] if options.check else opening.migrate_all(ready)
        opening.require_schema(ready)
    for each in applied:
        print(f"applied {each}")
    print("the schema is up to date")
    return 0


def _psql(options: argparse.Namespace) -> int:
    """As a child, not in our place: the embedded server stays as long as its user does."""
    settings = opening.load_settings()
    with opening.database_url(settings) as (url, embedded):
        announce(f"database: {url.safe()}")
        program = wiring.embedded_psql() if embedded else shutil.which("psql")
        if program is None:
            raise ConfigurationError("psql is not on PATH, and a database of your own needs it")
        environment = {**os.environ, **wiring.psql_environment(url)}  # noqa: TID251  (passed on)
        child = subprocess.Popen(  # noqa: S603  (the user's own arguments to the user's own psql)
            [program, *options.arguments], env=environment
        )
        _leave_signals_to(child)
        code = child.wait()
        return code if code >= 0 else KILLED - code


def _leave_signals_to(child: subprocess.Popen[bytes]) -> None:
    """Ctrl-C stops a query in psql, which has it from the terminal as we do; it is not for us."""
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
