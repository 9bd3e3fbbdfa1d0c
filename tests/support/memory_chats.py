"""What a drain needs of sessions, as a test lays it out; and what was done with it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from core.chat.model import Chat, Phase
from core.chat.ports import Begun, SeenSession, SeenSessions, Untold
from core.jobs.model import Job, NewJob


@dataclass
class MemoryChatTasks:
    """`begins`: what stands beside the next task; None: another run has it."""

    begins: Begun | None = field(default_factory=Begun)
    phases: list[Phase | None] = field(default_factory=list)
    sessions: list[SeenSession] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    silent: list[Untold] = field(default_factory=list)
    said: list[tuple[str, Sequence[NewJob]]] = field(default_factory=list)

    def begun(self, job: Job, chat: Chat, phase: Phase | None) -> Begun | None:
        assert chat.ordering_key == job.ordering_key
        self.phases.append(phase)
        return self.begins

    def seen(self, most: int) -> SeenSessions:
        return SeenSessions(
            total=len(self.sessions),
            sessions=self.sessions[:most],
            unreadable=self.keys[:most],
            silent=bool(self.silent),
        )

    def seen_now(self, chat: Chat) -> SeenSession:
        return next(each for each in self.sessions if each.session.chat == chat)

    def untold(self, most: int) -> Sequence[Untold]:
        return self.silent[:most]

    def told(self, task: Untold, text: str, then: Sequence[NewJob]) -> bool:
        self.silent.remove(task)
        self.said.append((text, then))
        return True
