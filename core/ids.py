"""Identifiers, each of its own type."""

from typing import NewType, Protocol
from uuid import UUID

RunId = NewType("RunId", UUID)
AccountId = NewType("AccountId", int)
Fence = NewType("Fence", int)


class IdSource(Protocol):
    """A fresh random identifier (UUID version 4 or 7)."""

    def __call__(self) -> UUID: ...
