"""Which queue is next, and what of it: no key, no queue and no kind has a run to itself."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from core.jobs.kinds import JobKind
from core.jobs.model import Job
from core.jobs.ports import Lane, QueueState

KEY_SHARE, KEY_LEAST_S, KEY_MOST_S = 0.25, 1.0, 15.0
BATCH_S = 1.0
"""A batch is about as many jobs as one thread does in this time."""
GROWTH, SMALL = 10, 4096
"""A batch of jobs that take no time and have payloads of few bytes may become so much larger: what
is left of their time is that of claiming and settling. A run that is killed leaves as many to be
done again, one by one.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What a run is asked for; nothing named is everything."""

    kinds: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()

    def wants(self, queue: str) -> bool:
        return not self.queues or queue in self.queues


@dataclass(slots=True, kw_only=True)
class Lanes:
    """`key_s`: how long one ordering key may be worked at while others of its queue wait."""

    kinds: Mapping[str, JobKind]
    selection: Selection
    parallel: int
    lease: timedelta
    key_s: float
    states: dict[str, QueueState] = field(default_factory=dict)
    _hands: dict[str, int] = field(default_factory=dict)
    _served: dict[str, float] = field(default_factory=dict)
    _pace: dict[str, float] = field(default_factory=dict)
    _keys: dict[tuple[str, str], float] = field(default_factory=dict)
    _without: dict[str, list[str]] = field(default_factory=dict)
    _empty: set[str] = field(default_factory=set)
    _grown: dict[str, int] = field(default_factory=dict)

    def seen(self, states: Sequence[QueueState]) -> None:
        self.states = {each.queue: each for each in states if self.selection.wants(each.queue)}
        self._empty.clear()

    def due(self) -> list[QueueState]:
        return [each for each in self.states.values() if self._is_open(each)]

    def closed(self) -> list[QueueState]:
        return [each for each in self.states.values() if not each.enabled or each.tripped]

    def next(self) -> QueueState | None:
        """The one with the fewest threads at it, then the least time had; None: nothing is due.

        The last free thread is not for a queue that has all the others, if there are more queues.
        """
        chosen = [each for each in self.due() if self._has_room(each.queue)]
        return min(chosen, key=self._turn, default=None)

    def lane(self, state: QueueState) -> Lane:
        return Lane(
            queue=state.queue,
            batch=1 if state.tripped else self._batch(state.queue),
            lease=self.lease,
            kinds=self.selection.kinds,
            alone=self._alone(),
            without=tuple(self._without.get(state.queue, ())),
        )

    def empty(self, queue: str) -> None:
        """Nothing more can be claimed of it; of keys that had their share, once more."""
        if not self._without.get(queue):
            self._empty.add(queue)
            return
        for key in self._without.pop(queue):
            del self._keys[queue, key]

    def refilled(self, queue: str) -> None:
        """A job of a key has ended: the next one may be due."""
        self._empty.discard(queue)

    def judged(self, queue: str, *, faults: bool) -> None:
        """As far as it matters: whether there is something to forgive."""
        self.states[queue] = replace(self._state(queue), faults=int(faults))

    def tripped(self, queue: str) -> None:
        self.states[queue] = replace(self._state(queue), tripped=True, probe=False)

    def _state(self, queue: str) -> QueueState:
        """One that has lost its last job meanwhile is not seen any more."""
        return self.states.get(queue, QueueState(queue=queue))

    def taken(self, queue: str, jobs: Sequence[Job]) -> None:
        self._hands[queue] = self._hands.get(queue, 0) + 1
        batch = self._batch(queue)
        if len(jobs) == batch and len(str(jobs[0].payload)) < SMALL:
            self._grown[queue] = 2 * batch

    def given_back(self, queue: str) -> None:
        self._hands[queue] -= 1

    def took(self, queue: str, took: Mapping[str | None, float], jobs: int) -> None:
        """Seconds of so many jobs, by ordering key."""
        seconds = sum(took.values())
        self._served[queue] = self._served.get(queue, 0.0) + seconds
        each = seconds / jobs
        self._pace[queue] = (self._pace.get(queue, each) + each) / 2
        for key, of_key in took.items():
            if key is not None:
                self._charge((queue, key), of_key)

    def over_budget(self) -> int:
        return sum(map(len, self._without.values()))

    def _charge(self, key: tuple[str, str], seconds: float) -> None:
        self._keys[key] = self._keys.get(key, 0.0) + seconds
        passed = self._without.setdefault(key[0], [])
        if self._keys[key] > self.key_s and key[1] not in passed:
            passed.append(key[1])

    def _is_open(self, state: QueueState) -> bool:
        open_ = state.enabled and (not state.tripped or state.probe)
        return open_ and bool(state.due) and state.queue not in self._empty

    def _has_room(self, queue: str) -> bool:
        hands = self._hands.get(queue, 0)
        reserved = 1 if self.parallel > 1 and len(self.states) > 1 else 0
        return hands < self.parallel - reserved

    def _turn(self, state: QueueState) -> tuple[int, float, str]:
        queue = state.queue
        return self._hands.get(queue, 0), self._served.get(queue, 0.0), queue

    def _alone(self) -> tuple[str, ...]:
        return tuple(name for name, kind in self.kinds.items() if _goes_alone(kind))

    def _batch(self, queue: str) -> int:
        usual = max(self._batches(queue), default=1)
        most = usual if usual == 1 else min(self._grown.get(queue, usual), GROWTH * usual)
        pace = self._pace.get(queue, 0.0)
        return most if pace * most <= BATCH_S else max(1, int(BATCH_S / pace))

    def _batches(self, queue: str) -> Iterable[int]:
        """Of the kinds that live there; of all, where somebody made up its name."""
        of_queue = [kind for kind in self.kinds.values() if kind.queue == queue]
        for kind in of_queue or self.kinds.values():
            yield 1 if _goes_alone(kind) else kind.batch


def _goes_alone(kind: JobKind) -> bool:
    return kind.batch == 1 or kind.max_attempts == 1


def key_budget(remaining_s: float) -> float:
    return min(max(remaining_s * KEY_SHARE, KEY_LEAST_S), KEY_MOST_S)
