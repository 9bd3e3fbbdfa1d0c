"""What a run needs from outside. One method is one transaction."""

from typing import Protocol

from core.ids import Fence, RunId
from core.report import RunReport
from core.runs.model import Beginning, Conduct, Ending, RunRequest

FINISH_S = 8.0


class RunStore(Protocol):
    def begin(self, run_id: RunId, request: RunRequest) -> Beginning:
        """Decide whether this run may start, and write that it did.

        Order: switches, delivery id, lease, run row. Taking a lease that was not released revokes
        the units of the run that held it and marks that run abandoned, in the same transaction.
        Raises StoreUnavailableError, ConfigurationError (no schema, or another version's).
        """
        ...

    def renew(self, run_id: RunId, worker: str, fence: Fence | None) -> bool:
        """Prolong lease and row; False when another run took over."""
        ...

    def finish(
        self,
        report: RunReport,
        fence: Fence | None,
        *,
        conduct: Conduct,
        timeout: float = FINISH_S,
    ) -> Ending:
        """Write the report and release the lease, in at most `timeout` seconds.

        `conduct` is what the run says about our own code, for the crash loop breaker. May be
        called again after StoreUnavailableError, also where the first call was committed unseen.
        """
        ...

    def refuse(self, report: RunReport, request: RunRequest) -> None:
        """Write the row of a run that never started."""
        ...


class Pings(Protocol):
    def ping(self, worker: str, report: RunReport) -> None:
        """Tell the dead man's switch; never fails the run, takes at most two seconds."""
        ...
