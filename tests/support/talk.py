"""People who talk to the bot while Telegram fails and drains are killed, and what must be true."""

import random
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support import forked
from tests.support.answering import Asked, Said
from tests.support.site import Site
from tests.support.telegram import MARK, refusal, unmarked

LAUNCHER = ("-m", "tests.support.chat_launcher")
KILL, NO_ANSWER, HANGS = "kill", "no answer", "hangs"
ENDED_S = 60
MOST_OWN = 1
"""Failed attempts of a message by faults of its own: eight attempts outlast them and six kills."""
UNENDED = "SELECT count(*) FROM ops.jobs WHERE due_at IS NOT NULL"


@dataclass
class Victims:
    """Runs that a request may kill, before it is answered."""

    kill_in: int | None = None
    started: threading.Event = field(default_factory=threading.Event)
    dead: threading.Event = field(default_factory=threading.Event)
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def is_next(self) -> bool:
        if self.kill_in is None:
            return False
        self.kill_in -= 1
        return self.kill_in == 0

    def kill(self) -> None:
        """Returns when they are dead."""
        assert self.started.wait(ENDED_S)
        for process in self.processes:
            process.kill()
        assert self.dead.wait(ENDED_S)


@dataclass
class Moody:
    """Telegram, with a fault for each request while there are some left. It keeps what arrived.

    Faults: a status; `no answer` after it was taken; `hangs` until nobody waits any more.
    """

    faults: list[int | str | None]
    refusing: frozenset[int] = frozenset()
    taken: list[tuple[int, str]] = field(default_factory=list)
    caused: Counter[str] = field(default_factory=Counter)
    victims: Victims = field(default_factory=Victims)
    over: threading.Event = field(default_factory=threading.Event)
    _own: Counter[tuple[int, str]] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, asked: Asked) -> Said:
        chat, text = asked.json["chat_id"], asked.json["text"]
        with self._lock:
            victims = self.victims
            fault = 403 if chat in self.refusing else self._fault((chat, unmarked(text)))
            self.caused.update([] if fault is None else [str(fault)])
            if not isinstance(fault, int):
                self.taken.append((chat, text))
        if isinstance(fault, int):
            return refusal(fault)
        if fault == KILL:
            victims.kill()
        if fault == HANGS:
            self.over.wait(ENDED_S)
        return Said(b"") if fault else Said({"ok": True, "result": {"message_id": 1}})

    def _fault(self, message: tuple[int, str]) -> int | str | None:
        """The next one that this message may still have."""
        if self.victims.is_next():
            return KILL
        for place, fault in enumerate(self.faults):
            counts = fault is not None and fault != 429
            if not counts or self._own[message] < MOST_OWN:
                self._own[message] += counts
                return self.faults.pop(place)
        return None


@dataclass
class Talk:
    """`said`: by chat, what its people wrote and are to be answered, in order."""

    site: Site
    telegram: Moody
    said: dict[int, list[str]] = field(default_factory=dict)
    runs: int = 0

    def drain(self, *arguments: str, at_once: int = 1, kill_in: int | None = None) -> None:
        """So many runs at once; whoever is killed leaves what the next run takes up."""
        victims = self.telegram.victims = Victims(kill_in)
        victims.processes = [self._start(*arguments) for _ in range(at_once)]
        victims.started.set()
        ended = [process.communicate(timeout=ENDED_S) for process in victims.processes]
        victims.dead.set()
        for process, (out, errors) in zip(victims.processes, ended, strict=True):
            # Degraded where a chat refused.
            assert process.returncode in {0, 1, -signal.SIGKILL}, out + errors
        self.runs += at_once
        self.due_now()

    def _start(self, *arguments: str) -> subprocess.Popen[str]:
        return forked.popen(
            [*LAUNCHER, "queue", "--json", *arguments],
            env=self.site.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def due_now(self) -> None:
        """As if the time went by."""
        self.site.sql(
            "UPDATE ops.jobs SET run_at = now() WHERE status = 'pending';"
            "UPDATE ops.jobs SET leased_until = now() WHERE status = 'processing';"
            "UPDATE ops.job_keys SET visible_at = now() WHERE visible_at IS NOT NULL;"
            "UPDATE ops.leases SET expires_at = now()"
        )

    def drain_all(self) -> None:
        for _ in range(40):
            self.drain()
            if self.site.one(UNENDED) == 0:
                return
        raise AssertionError(f"some jobs do not end: {self.left()}")

    def left(self) -> Sequence[Sequence[Any]]:
        return self.site.sql(
            "SELECT kind, ordering_key, status, attempts, error_code, error_detail FROM ops.jobs"
            " WHERE due_at IS NOT NULL ORDER BY seq LIMIT 5"
        )

    def check(self) -> None:
        """Each message one task, its reply at least once, in order, repeats marked and caused."""
        tasks = self.site.one("SELECT count(*) FROM ops.jobs WHERE kind = 'chat'")
        assert tasks == sum(map(len, self.said.values()))
        ends = self.site.sql("SELECT status, count(*) FROM ops.jobs WHERE kind = 'chat' GROUP BY 1")
        assert [status for status, _ in ends] == ["completed"]
        repeats = 0
        for chat, said in self.said.items():
            if chat in self.telegram.refusing:
                continue
            arrived = [text for to, text in self.telegram.taken if to == chat]
            assert _without_repeats(arrived) == said
            repeats += len(arrived) - len(said)
            for place, text in enumerate(arrived):
                again = place > 0 and unmarked(arrived[place - 1]) == unmarked(text)
                assert text.startswith(MARK) or not again, (chat, arrived)
        assert repeats <= self.may_repeat()

    def may_repeat(self) -> int:
        """Those whose answer was lost, and those that were between sending and record at a kill."""
        caused = self.telegram.caused
        return caused[NO_ANSWER] + caused[HANGS] + caused[KILL] * 2 * len(self.said)


def _without_repeats(arrived: Sequence[str]) -> list[str]:
    texts = [unmarked(text) for text in arrived]
    return [text for place, text in enumerate(texts) if place == 0 or texts[place - 1] != text]


def shuffled(faults: Mapping[Any, int], requests: int, seed: int) -> list[int | str | None]:
    """Each as often as it says among so many requests, the last quarter of which go well."""
    well = requests // 4
    listed: list[int | str | None] = [each for each, times in faults.items() for _ in range(times)]
    listed += [None] * (requests - well - len(listed))
    random.Random(seed).shuffle(listed)
    return listed + [None] * well
