"""The command line: reads what was typed, calls one command, answers with its exit code."""

import argparse
import importlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

from core.errors import (
    AccessTokenRefusedError,
    AppError,
    ApplicationRefusedError,
    ConfigurationError,
    DecryptError,
    LeaseLostError,
    NoTokenError,
    RateLimitedError,
    ReauthorizationRequiredError,
    TokenRefusedError,
    TransientError,
    UsageError,
)
from core.report import SENTENCES, Reason
from core.runs.protocol import KeyReusedError
from handlers.answers import (
    EX_CONFIG,
    EX_DATAERR,
    EX_NOPERM,
    EX_SOFTWARE,
    EX_TEMPFAIL,
    EX_UNAVAILABLE,
)
from handlers.cli.terminal import lossy_streams
from handlers.cli.text import PROGRAM, as_typed, shown
from handlers.opening import STOP

GROUPS: dict[str, tuple[str, ...]] = {
    "workers": (
        "ebay",
        "ebay-cycle",
        "tokens",
        "token-refresh",
        "queue",
        "queue-drain",
        "tick",
        "workers",
    ),
    "queues": ("queues",),
    "jobs": ("jobs",),
    "accounts": ("accounts",),
    "streams": ("streams",),
    "schedules": ("schedules",),
    "sessions": ("sessions",),
    "runs": ("runs",),
    "export": ("export",),
    "database": ("migrate", "psql"),
    "keys": ("rekey",),
    "signing": ("signing-key",),
    "notifications": ("notifications",),
    "serve": ("serve",),
    "simulator": ("simulator",),
    "demo": ("demo",),
}
"""Which module of this package has which commands; only the one that was typed is imported, for
importing all of them costs more than a run with nothing due."""
INTERRUPTED = 130
EX_USAGE = 2
EXIT_CODES = (
    "Exit codes: 0 done, partial or paused; 1 failed or degraded; 2 mistyped; 65 no such thing;"
    " 69 eBay or the database is out of reach; 70 a mistake of ours; 75 already running;"
    " 77 eBay wants the owner's consent again; 78 a setting is missing or wrong."
)
CODES: tuple[tuple[type[Exception], int], ...] = (
    (UsageError, EX_DATAERR),
    (ConfigurationError, EX_CONFIG),
    (ApplicationRefusedError, EX_CONFIG),
    (DecryptError, EX_CONFIG),
    (AccessTokenRefusedError, EX_NOPERM),
    (NoTokenError, EX_NOPERM),
    (TokenRefusedError, EX_NOPERM),
    (ReauthorizationRequiredError, EX_NOPERM),
    (LeaseLostError, EX_TEMPFAIL),
    (RateLimitedError, EX_UNAVAILABLE),
    (TransientError, EX_UNAVAILABLE),
    (KeyReusedError, EX_DATAERR),
    (AppError, 1),
)


def main(arguments: Sequence[str]) -> int:
    """Exit codes: design.md §10. A reader that went away (`| head`) is no error."""
    with lossy_streams() as out:
        code = _answer(arguments)
        out.flush()
        if out.lost is None or isinstance(out.lost, BrokenPipeError):
            return code
        print(f"error: stdout cannot be written: {out.lost.strerror}", file=sys.stderr)
        return code or 1


def _answer(arguments: Sequence[str]) -> int:
    try:
        options = _options(arguments)
        _stop_on_signals()
        if not options.passes_on:
            _check(arguments)
        return int(options.run(options))
    except KeyboardInterrupt:
        return INTERRUPTED
    except (AppError, KeyReusedError) as error:
        print(f"error: {as_typed(_told(error))}", file=sys.stderr)
        return next(code for kind, code in CODES if isinstance(error, kind))
    except Exception:  # noqa: BLE001  (the last one; its exit code must not look like bad data)
        traceback.print_exc()
        print(f"error: {SENTENCES[Reason.BUG]}", file=sys.stderr)
        return EX_SOFTWARE


def _told(error: Exception) -> str:
    if isinstance(error, DecryptError):
        return f"{error}. {SENTENCES[Reason.DECRYPT_FAILED]}"
    return str(error)


def _check(arguments: Sequence[str]) -> None:
    """No name in the database is anything but UTF-8."""
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise UsageError(f"{argument!a} is not UTF-8, so nothing has this name") from None


class Parser(argparse.ArgumentParser):
    """Who has not typed enough to be understood is shown what there is."""

    def error(self, message: str) -> NoReturn:
        if message.endswith((": COMMAND", ": ACTION")):
            self.print_help(sys.stderr)
            self.exit(EX_USAGE)
        ends = "" if message.endswith("?") else ";"
        super().error(as_typed(f"{message}{ends} `{self.prog} --help` says more"))


def parser(command: str = "") -> argparse.ArgumentParser:
    """Of one command, if there is one of this name; else of all, so that help lists them."""
    whole = Parser(
        prog=PROGRAM,
        description="Brings eBay sellers' orders and money into their own PostgreSQL.",
        epilog=EXIT_CODES,
    )
    whole.set_defaults(passes_on=False)
    commands = whole.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for group in [name for name, its in GROUPS.items() if command in its] or GROUPS:
        importlib.import_module(f"handlers.cli.{group}").register(commands)
    return whole


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    """What psql is given is its own; argparse would take `-c` for a mistake."""
    command = arguments[0] if arguments else ""
    whole = parser(command)
    if command == "help":
        whole.print_help()
        whole.exit()
    if command and not command.startswith("-") and not _is_known(command):
        _unknown(whole, command)
    options, unknown = whole.parse_known_args(arguments)
    if options.passes_on:
        options.arguments = list(arguments[1:])
    elif unknown:
        whole.error(f"unrecognized arguments: {' '.join(unknown)}")
    return options


def _is_known(command: str) -> bool:
    return any(command in names for names in GROUPS.values())


def _unknown(whole: argparse.ArgumentParser, command: str) -> None:
    """Raises SystemExit."""
    from difflib import get_close_matches

    close = get_close_matches(command, [name for names in GROUPS.values() for name in names], 1)
    meant = f"; did you mean `{close[0]}`?" if close else ""
    whole.error(f"there is no command {shown(command)!r}{meant}")


def _stop_on_signals() -> None:
    """The first asks runs to end at their next page; the second ends the process at once."""
    if threading.current_thread() is not threading.main_thread():
        return

    def stop(number: int, _: object) -> None:
        if STOP.is_set():
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        STOP.set()
        # Nothing may be raised here: it would arrive in the middle of a query.
        with suppress(OSError, ValueError):
            os.write(sys.stderr.fileno(), b"stopping after this page; once more aborts\n")

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
