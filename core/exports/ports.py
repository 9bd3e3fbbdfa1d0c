"""What exports need."""

from collections.abc import Generator
from typing import Protocol

from core.exports.model import Batch, Request


class RowStore(Protocol):
    def batches(self, request: Request) -> Generator[Batch]:
        """All rows as they were at one instant, at least one batch; raises UsageError.

        Few rows are held at once. Close it: it holds a transaction.
        """
        ...
