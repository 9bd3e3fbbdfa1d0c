"""What moving over needs from outside. One method of the store is one transaction."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from core.grants import SealFor
from core.moving.model import Arrival, HereAccount, OldConnector, StreamState


class OldDatabase(Protocol):
    def read(self) -> OldConnector:
        """All of it as of one instant; nothing is written."""
        ...


class Destination(Protocol):
    """Our side."""

    def now(self) -> datetime: ...

    def accounts(self) -> Sequence[HereAccount]: ...

    def add(self, arrival: Arrival, seal: SealFor) -> bool:
        """Account, tokens and streams, paused. False: its name or its seller is here already."""
        ...

    def renew(self, account: HereAccount, states: Sequence[StreamState]) -> bool:
        """New cursors. False: somebody has touched it meanwhile, and nothing is done.

        `account` as it was seen.
        """
        ...
