"""Many processes at a time, each with a name of its own."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from signal import SIGKILL
from types import TracebackType
from typing import Any

from tests.support.closing import Closing
from tests.support.crash_points import KILL
from tests.support.forked import Forked
from tests.support.ground import PATIENCE_S, Ended, StuckError, points

NAME = "STORM_PROCESS"
"""Of the environment: the name of the process, and of its sessions in PostgreSQL."""


@dataclass(frozen=True, slots=True)
class Fork:
    name: str
    output: str
    process: Forked

    def send(self, number: int) -> None:
        # It may have ended, though nobody has read of it yet.
        with suppress(ProcessLookupError):
            os.kill(self.process.pid, number)

    def wait_until_it_says(self, event: str) -> None:
        """In its log; or until it has ended. What is told of freezes is left for who waits."""
        while all(line["event"] != event for line in self.log()) and self._lives():
            time.sleep(0.02)

    def log(self) -> list[dict[str, Any]]:
        """What it has said by now, in whole lines."""
        lines = Path(f"{self.output}.err").read_text().split("\n")[:-1]
        return [json.loads(line) for line in lines if line.startswith("{")]

    def _lives(self) -> bool:
        try:
            os.kill(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def wait(self, timeout: float = PATIENCE_S) -> Ended:
        """Until it ends; freezes on the way are passed over."""
        with self._patience():
            self.process.wait(timeout)
        return self._ended()

    def stopped_or_ended(self, timeout: float = PATIENCE_S) -> Ended | None:
        """None once it is frozen."""
        with self._patience():
            stopped = self.process.wait_until_stopped(timeout)
        return None if stopped else self._ended()

    def _patience(self) -> "_Patience":
        return _Patience(self)

    def _ended(self) -> Ended:
        out, err = (Path(f"{self.output}.{end}") for end in ("out", "err"))
        return Ended(status=self.process.returncode, out=out.read_text(), err=err.read_text())


@dataclass(frozen=True, slots=True)
class _Patience:
    """Which process it is that does nothing, and where to read what it said."""

    fork: Fork

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, subprocess.TimeoutExpired):
            raise StuckError(f"{self.fork.name} does nothing; see {self.fork.output}.err")


@dataclass
class Forks(Closing):
    """`module`: what each of them runs; it takes its arguments as `launcher` does."""

    module: str
    folder: Path
    _numbers: "count[int]" = field(default_factory=lambda: count(1))
    _alive: list[Fork] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        at: str | None = None,
        how: str = KILL,
        record: Path | None = None,
    ) -> Fork:
        name = f"storm-{next(self._numbers)}"
        output = str(self.folder / name)
        with Path(f"{output}.out").open("w") as out, Path(f"{output}.err").open("w") as err:
            process = Forked(
                [sys.executable, "-m", self.module, *points(record, at, how), "--", *arguments],
                cwd=self.folder,
                env=dict(environment) | {NAME: name},
                text=True,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        fork = Fork(name, output, process)
        with self._lock:
            self._alive = [each for each in self._alive if each.process.returncode is None]
            self._alive.append(fork)
        return fork

    def close(self) -> None:
        """Kills what still lives, frozen ones too."""
        for fork in self._alive:
            if fork.process.poll() is None:
                fork.send(SIGKILL)
                fork.wait()
