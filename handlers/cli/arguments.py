"""Values that several commands take, read by argparse: a wrong one is a mistyped command (2)."""

import argparse
from collections.abc import Callable
from datetime import datetime, timedelta

from core.errors import UsageError
from handlers import wiring
from handlers.parameters import read_since, read_span

ALIASES = {"ebay-cycle": "ebay", "token-refresh": "tokens", "queue-drain": "queue"}
"""What people type for a worker."""
LARGEST = 1_000_000
"""Of a number that is typed: PostgreSQL's own limits are no answer to a person."""


def worker_named(text: str) -> str:
    return next((worker for worker, alias in ALIASES.items() if alias == text), text)


def known_worker(text: str) -> str:
    worker = worker_named(text)
    if worker not in wiring.WORKERS:
        known = ", ".join(sorted(wiring.WORKERS))
        raise argparse.ArgumentTypeError(f"there is no worker {text!r}; there are: {known}")
    return worker


def at_least(least: int) -> Callable[[str], int]:
    return lambda text: _whole(text, least, LARGEST)


def port(text: str) -> int:
    """0 is any free one."""
    return _whole(text, 0, 65535)


def _whole(text: str, least: int, most: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no whole number from {least} to {most}")
    return number


def since(text: str) -> datetime | timedelta:
    try:
        return read_since(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def deadline(text: str) -> float:
    try:
        return read_span("deadline", text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def interval(text: str) -> timedelta:
    """0 is never."""
    if text.strip() == "0":
        return timedelta()
    try:
        return timedelta(seconds=read_span("interval", text))
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
