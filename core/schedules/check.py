"""What the clock's side of a schedule may be: refused when it is defined, with the way out."""

import re
from dataclasses import replace

from core.errors import UsageError
from core.schedules.cron import Cron
from core.schedules.model import (
    LONGEST_GRACE,
    LONGEST_NAME,
    MOST_AT_ONCE,
    SHORTEST_GRACE,
    Definition,
    Misfire,
)
from core.schedules.zones import check_zone

NAME = re.compile(r"\w[\w.:@ -]*", re.ASCII)
PRIORITIES = (1, 5, 10, 20)


def checked(definition: Definition) -> Definition:
    """With its expression in normal form. Raises UsageError."""
    _check_name(definition.name)
    if definition.priority not in PRIORITIES:
        raise UsageError(f"priority: {definition.priority} is none of 1, 5, 10 (high) and 20")
    _check_misfire(definition)
    cron = Cron(definition.cron)
    check_zone(definition.zone)
    return replace(definition, cron=cron.expression)


def is_name(name: str) -> bool:
    return len(name) <= LONGEST_NAME and name == name.strip() and bool(NAME.fullmatch(name))


def _check_name(name: str) -> None:
    if not is_name(name):
        raise UsageError(
            f"name: {name[:LONGEST_NAME]!r} cannot be used; 1 to {LONGEST_NAME} letters, digits,"
            " spaces and . _ - : @, and a letter or digit first"
        )


def _check_misfire(definition: Definition) -> None:
    if (definition.misfire is Misfire.CATCH_UP) != (definition.catch_up is not None):
        raise UsageError(
            "catch_up: say how many at most with the misfire policy catch_up, and with no other"
        )
    if definition.catch_up is not None and not 1 <= definition.catch_up <= MOST_AT_ONCE:
        raise UsageError(f"catch_up: {definition.catch_up} is not from 1 to {MOST_AT_ONCE}")
    if definition.misfire is Misfire.CATCH_UP and not definition.overlap:
        raise UsageError(
            "overlap: jobs that are caught up on overlap; with coalesce they do not, and with an"
            " ordering key they run one after the other"
        )
    if not SHORTEST_GRACE <= definition.grace <= LONGEST_GRACE or definition.grace.microseconds:
        raise UsageError("grace: from 1m to 7d, in whole seconds")
