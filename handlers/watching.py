"""Who looks on while a drain works: what tells of sessions is imported where there are any."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from core.context import RunContext
from core.jobs.kinds import JobKind
from core.jobs.ports import Claim
from core.jobs.trying import frames
from handlers.opening import Opened

CHAT = "chat"
"""The queue, and the kind."""


@dataclass(slots=True)
class LateWatch:
    """The `Watch` port of one drain. What goes wrong here is told, and stops no work."""

    ready: Opened
    kinds: Mapping[str, JobKind]
    _run: RunContext | None = None
    _sessions: Any = field(default=None)

    def began(self, run: RunContext, queues: Collection[str], kinds: Collection[str]) -> None:
        self._run = run if not kinds or CHAT in kinds else None
        if CHAT in queues:
            self._guarded(lambda sessions: sessions.began())

    def claimed(self, queue: str, claim: Claim) -> None:
        if queue == CHAT:
            self._guarded(lambda sessions: sessions.claimed(claim))

    def looks(self) -> None:
        if self._sessions is not None:
            self._guarded(lambda sessions: sessions.looks())

    def ended(self) -> None:
        if self._sessions is not None:
            self._guarded(lambda sessions: sessions.ended())

    def _guarded(self, act: Callable[[Any], None]) -> None:
        run = self._run
        if run is None:
            return
        try:
            if self._sessions is None:
                from handlers.chat_kinds import watch_sessions

                self._sessions = watch_sessions(self.ready, self.kinds, run)
            act(self._sessions)
        except Exception as error:  # noqa: BLE001  (whoever looks on must not stop the work)
            told = {"error": type(error).__name__, "traceback": frames(error)}
            run.log.error("sessions.not_seen", run_id=str(run.run_id), **told)  # noqa: TRY400  (messages may quote a text)
