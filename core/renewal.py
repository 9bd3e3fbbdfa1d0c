"""Keeping a run alive while it works."""

from dataclasses import dataclass

from core.context import RunContext
from core.errors import StoreUnavailableError


@dataclass(slots=True)
class Renewal:
    """The run's own lease and row. `lost`: another run took over, start nothing more."""

    context: RunContext
    at: float
    lost: bool = False

    @classmethod
    def begun(cls, context: RunContext) -> "Renewal":
        return cls(context, context.clock.monotonic())

    def due_in(self) -> float:
        elapsed = self.context.clock.monotonic() - self.at
        return max(self.context.renew_every_s - elapsed, 0.0)

    def renew(self) -> bool:
        """False where it is lost, or the database away: a lease outlives two tries."""
        self.at = self.context.clock.monotonic()
        try:
            self.lost = self.lost or not self.context.renew()
        except StoreUnavailableError as error:
            self.context.log.warning("lease.renewal_failed", error=str(error))
            return False
        return not self.lost
