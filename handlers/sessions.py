"""Where sessions are put together, for every door."""

from collections.abc import Set as AbstractSet

from core.chat.control import ControlSessions
from core.chat.ports import ChatStore
from core.chat.take_updates import TakeUpdates
from handlers.job_kinds import job_kinds
from handlers.opening import Opened
from infra.outward_settings import read_chat_ids
from infra.postgres.chats import PostgresChats
from infra.postgres.job_control import PostgresJobControl
from infra.postgres.jobs import PostgresJobs
from infra.settings import Settings


def store(ready: Opened) -> ChatStore:
    return PostgresChats(ready.database, job_kinds(ready))


def control(ready: Opened, door: str) -> ControlSessions:
    """`door`: the name of who speaks, `api` or `cli`."""
    return ControlSessions(
        chats=store(ready),
        jobs=PostgresJobControl(ready.database, job_kinds(ready)),
        allowed=allowed(ready.settings),
        door=door,
    )


def taking(ready: Opened) -> TakeUpdates:
    return TakeUpdates(
        chats=store(ready),
        jobs=PostgresJobs(ready.database, job_kinds(ready)),
        log=ready.log,
    )


def allowed(settings: Settings) -> AbstractSet[str]:
    """The chats of Telegram that are obeyed."""
    return read_chat_ids(settings.telegram_allowed_chat_ids)
