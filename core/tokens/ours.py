"""Our own keys, as eBay has taken them or not: wrong ones cost one call, not one per account."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock

from core.errors import ApplicationRefusedError

VOUCHED_S = 2.0
"""How long the first refreshes of a run wait for one of them to show that our keys are good."""


@dataclass(slots=True)
class OurKeys:
    """Of each environment, for as long as one run."""

    _refused: dict[str, ApplicationRefusedError] = field(default_factory=dict)
    _accepted: set[str] = field(default_factory=set)
    _first: defaultdict[str, Lock] = field(default_factory=lambda: defaultdict(Lock))

    def accept(self, environment: str) -> None:
        self._accepted.add(environment)

    def refuse(self, environment: str, error: ApplicationRefusedError) -> None:
        self._refused[environment] = error

    @contextmanager
    def vouched_for(self, environment: str, left_s: float) -> Iterator[None]:
        """Raises ApplicationRefusedError where eBay has refused our keys already."""
        waits = 0.0 if environment in self._accepted else min(VOUCHED_S, left_s)
        alone = self._first[environment].acquire(timeout=waits) if waits > 0 else False
        try:
            if environment in self._refused:
                raise self._refused[environment]
            yield
        finally:
            if alone:
                self._first[environment].release()
