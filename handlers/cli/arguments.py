"""Values that several commands take, read by argparse: a wrong one is a mistyped command (2)."""

import argparse
from datetime import datetime, timedelta

from core.errors import UsageError
from handlers.parameters import read_since, read_span


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
