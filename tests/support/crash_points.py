"""Places where a process may be killed or frozen: around each statement, COMMIT and HTTP request.

Installed from outside: SQLAlchemy's engine events, the dialect's BEGIN and COMMIT, and the calls of
the HTTP client. Production code has no hook for it.
"""

import http.client
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from importlib import resources
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from infra.ebay.client import EbayHttp
from infra.http.transport import LazyTransport
from infra.postgres.dialect import Dialect
from infra.postgres.queries import load

KILL, STOP = "kill", "stop"
_SIGNALS = {KILL: signal.SIGKILL, STOP: signal.SIGSTOP}


@dataclass(slots=True)
class CrashPoints:
    """A point is named by thread, moment and ordinal: `unit before COMMIT #3`.

    Threads are counted apart, so that a name means the same in each run, whichever is faster.
    `record`: a file that gets a line per point passed. `at`: where to end, and `how`.
    """

    record: Path | None = None
    at: str | None = None
    how: str = KILL
    _counts: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def reached(self, moment: str) -> None:
        thread = threading.current_thread().name.partition("_")[0].replace("MainThread", "main")
        with self._lock:
            place = f"{thread} {moment}"
            self._counts[place] += 1
            name = f"{place} #{self._counts[place]}"
            if self.record is not None:
                with self.record.open("a") as file:
                    file.write(f"{name}\n")
        if name == self.at:
            os.kill(os.getpid(), _SIGNALS[self.how])

    def install(self) -> None:
        """For the rest of this process."""
        names = statement_names()

        def named(context: Any) -> str:
            statement = getattr(context.compiled, "statement", None)
            return names.get(id(statement), "a statement")

        @event.listens_for(sa.Engine, "before_cursor_execute")
        def before(*about: Any) -> None:
            self.reached(f"before {named(about[4])}")

        @event.listens_for(sa.Engine, "after_cursor_execute")
        def after(*about: Any) -> None:
            self.reached(f"after {named(about[4])}")

        self._around(Dialect, "do_begin", "BEGIN")
        self._around(Dialect, "do_commit", "COMMIT")
        # Around the headers of an answer, and when its body has been read.
        self._around(LazyTransport, "handle_request", "request")
        self._around(EbayHttp, "request", "answer")
        # What jobs of tests do outside.
        self._around(http.client.HTTPConnection, "request", "call")
        self._around(http.client.HTTPConnection, "getresponse", "reply")

    def _around(self, owner: type[Any], method: str, what: str) -> None:
        original: Callable[..., Any] = getattr(owner, method)

        @wraps(original)
        def watched(*arguments: Any, **named: Any) -> Any:
            self.reached(f"before {what}")
            done = original(*arguments, **named)
            self.reached(f"after {what}")
            return done

        setattr(owner, method, watched)


def statement_names() -> dict[int, str]:
    """`feature.name` of every statement of ours, by the identity of its object."""
    folder = resources.files("infra.postgres") / "sql"
    features = [file.name[:-4] for file in folder.iterdir() if file.name.endswith(".sql")]
    return {
        id(statement): f"{feature}.{name}"
        for feature in sorted(features)
        for name, statement in load(feature).items()
    }
