"""A run of another worker, as a job asks for it."""

from dataclasses import dataclass
from typing import Protocol

from core.report import RunReport


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedRun:
    """`limit_s`: when nobody waits for it any more. `cause`: what names the job in its run row."""

    worker: str
    accounts: tuple[str, ...]
    streams: tuple[str, ...]
    limit_s: float
    cause: str


class RunOnce(Protocol):
    def __call__(self, asked: AskedRun, /) -> RunReport:
        """Raises UsageError for names that there are not."""
        ...
