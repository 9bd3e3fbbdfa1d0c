"""Where the kind `chat` is put together. Imported with the first message, or session to tell of."""

from collections.abc import Callable, Mapping
from functools import cache

from core.chat.model import KIND, Answer, Process, Turn
from core.chat.performing import PerformChats
from core.chat.watching import WatchSessions
from core.context import RunContext
from core.jobs.kinds import JobKind
from handlers.opening import Opened
from infra.postgres.chat_tasks import PostgresChatTasks

Kinds = Callable[[], Mapping[str, JobKind]]


def processor(ready: Opened, kinds: Kinds) -> Process:
    """What answers messages. A team that has its own names it here, in this one line."""
    from handlers.assistant import assistant

    return assistant(ready, kinds())


def chat_kinds(ready: Opened, kinds: Kinds) -> Mapping[str, JobKind]:
    """`kinds`: every kind of job that there is, this one too."""
    tasks = PostgresChatTasks(ready.database, {})
    chat = PerformChats(process=_LateProcess(lambda: processor(ready, kinds)), tasks=tasks)
    return {KIND: chat.kind()}


def watch_sessions(ready: Opened, kinds: Mapping[str, JobKind], run: RunContext) -> WatchSessions:
    return WatchSessions(tasks=PostgresChatTasks(ready.database, kinds), run=run)


class _LateProcess:
    """Imported with the first message of a drain: who only takes messages needs none."""

    def __init__(self, make: Callable[[], Process]) -> None:
        self._made = cache(make)

    def __call__(self, turn: Turn, /) -> Answer:
        return self._made()(turn)
