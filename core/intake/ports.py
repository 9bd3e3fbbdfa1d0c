"""What the intake needs from outside."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A file that is read once, from its beginning. `size` in bytes, None where nobody says."""

    name: str
    content: BinaryIO
    size: int | None


class Files(Protocol):
    """Where files are: a path or `file://` below an allowed folder, `s3://bucket/key`,
    `upload:<id>` for what was sent to us.
    """

    def check(self, place: str) -> None:
        """Raises UsageError for a place that this installation never reads."""
        ...

    def open(self, place: str) -> AbstractContextManager[Opened]:
        """Raises UsageError where there is no such file, UpstreamUnavailableError when it is
        out of reach.
        """
        ...
