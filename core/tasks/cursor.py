"""A place in a list as callers carry it: a word that says nothing to them."""

import base64
import binascii
import re
from datetime import UTC, datetime
from uuid import UUID

from core.errors import UsageError
from core.tasks.model import Mark

LONGEST = 100
_FORM = re.compile(r"([0-9TZ:.+-]{20,40}) ([0-9a-f-]{36})")


def written(mark: Mark) -> str:
    told = f"{mark.at.astimezone(UTC).isoformat()} {mark.id}"
    return base64.urlsafe_b64encode(told.encode()).decode().rstrip("=")


def read(cursor: str) -> Mark:
    """Raises UsageError for what was never given out."""
    try:
        told = base64.b64decode(
            cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True
        ).decode("ascii")
        found = _FORM.fullmatch(told)
        if found is None:
            raise UsageError(_WRONG)
        at, id_ = datetime.fromisoformat(found[1]), UUID(found[2])
        return Mark(at=at.astimezone(UTC), id=id_)
    except (binascii.Error, ValueError, OverflowError) as error:
        raise UsageError(_WRONG) from error


_WRONG = "cursor: it was not given out by this list; leave it out to begin at the first page"
