"""How a stream is, in a word that a person understands, and what to do about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.report import SENTENCES, Reason
from core.streams.model import (
    PassState,
    Rewind,
    StreamRule,
    StreamState,
    Terms,
    Word,
    WorkerSwitch,
)

LATE_AFTER = 2
LABELS: Mapping[Word, str] = {
    Word.ON_TIME: "On time",
    Word.LATE: "Late",
    Word.RUNNING: "Running",
    Word.FAILING: "Failing",
    Word.PAUSED: "Paused",
    Word.OFF: "Off",
    Word.NEVER: "Never",
    Word.ACTION_REQUIRED: "Action required",
}
NEEDS_A_PERSON = {
    Reason.NEEDS_RECONNECT,
    Reason.NO_TOKEN,
    Reason.DECRYPT_FAILED,
    Reason.MISSING_SCOPE,
    Reason.SIGNATURE_REQUIRED,
    Reason.TOKEN_REFUSED,
    Reason.CONFIG,
}
DIED = "The run that was at it ended without a word; the next one goes on where it was."
NEVER_READ = "It has never been read to its end; a run of `ebay` does that."
PAUSED = "This stream is paused; `streams resume` starts it."
NEVER_DUE = "Its interval is 0, so it is never read; `streams every` gives it another one."
STOPPED = "The worker that reads it is paused; `workers resume` starts it."
READ_AGAIN = "It was rewound; runs read on from there until they have caught up."
NO_RUN_CAME = "It is due, and no run has come to it; is `ebay` called often enough?"
CATCHES_UP = "It is behind; the next runs catch up."
GONE = "The account is disconnected; `accounts connect` connects it again."


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """`sentence`: why it is so and what helps; None where all is well. `behind`: how much."""

    word: Word
    label: str
    sentence: str | None = None
    error: str | None = None
    behind: timedelta | None = None
    percent: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    rules: Mapping[str, StreamRule]
    terms: Terms

    def standing(self, state: StreamState, worker: WorkerSwitch, now: datetime) -> Standing:
        """1. Switched off somewhere. 2. Being read. 3. What went wrong. 4. How long ago."""
        word, sentence = _switched_off(state, worker) or (None, None)
        troubled = _troubled(state)
        if word is None:
            word, sentence = self._awake(state, troubled, now)
        return Standing(
            word=word,
            label=LABELS[word] + self._how_much(word, state, troubled, now),
            sentence=sentence,
            error=troubled.last_error or None,
            behind=self._behind(state, now),
            percent=self._percent(state, now),
        )

    def _awake(
        self, state: StreamState, troubled: PassState, now: datetime
    ) -> tuple[Word, str | None]:
        if state.new.running or (state.open is not None and state.open.running):
            return Word.RUNNING, None
        reason = known_reason(troubled.last_reason)
        told = None if reason is None else SENTENCES[reason]
        if reason is Reason.UNSUPPORTED:
            return Word.OFF, told
        if reason in NEEDS_A_PERSON:
            return Word.ACTION_REQUIRED, told
        if troubled.failures:
            return Word.FAILING, DIED if troubled.dead else told
        return self._on_time(state, told, now)

    def _on_time(
        self, state: StreamState, told: str | None, now: datetime
    ) -> tuple[Word, str | None]:
        if state.new.last_success_at is None:
            return Word.NEVER, told or NEVER_READ
        late = LATE_AFTER * state.new.interval
        behind = self._behind(state, now)
        if now - state.new.last_success_at > late or (behind is not None and behind > late):
            return Word.LATE, told or self._late(state, now)
        return Word.ON_TIME, None

    def _how_much(self, word: Word, state: StreamState, troubled: PassState, now: datetime) -> str:
        if word is Word.FAILING:
            return f" \N{MULTIPLICATION SIGN}{troubled.failures}"
        if word is not Word.LATE:
            return ""
        since = now - (state.new.last_success_at or now)
        return f" by {_span(max(since, self._behind(state, now) or since))}"

    def _late(self, state: StreamState, now: datetime) -> str:
        if still_read_again(state, self.terms):
            return READ_AGAIN
        due = state.new.due_at is not None and state.new.due_at <= now
        return NO_RUN_CAME if due else CATCHES_UP

    def _behind(self, state: StreamState, now: datetime) -> timedelta | None:
        """By how much of time its rows are not known to be complete."""
        cursor_at = state.new.cursor_at
        if not self._has_past(state) or cursor_at is None:
            return None
        return max(now - self.terms.lag - cursor_at, timedelta(0))

    def _percent(self, state: StreamState, now: datetime) -> int | None:
        """Of the first reading, or of what is read again since a rewind; None beside them.

        By time, as if rows came evenly: how many there are is known when they have been read.
        """
        if not self._has_past(state):
            share = state.new.share_read
            return None if share is None else _percent(share)
        start = self._catching_up_from(state, now)
        at = state.new.read_to or state.new.cursor_at
        if start is None or at is None:
            return None
        return _percent((at - start) / (now - self.terms.lag - start))

    def _catching_up_from(self, state: StreamState, now: datetime) -> datetime | None:
        behind = still_read_again(state, self.terms)
        if behind:
            return min(rewind.new_cursor_at for rewind in behind) - self.terms.overlap
        return now - self.terms.backfill if state.new.last_success_at is None else None

    def _has_past(self, state: StreamState) -> bool:
        return self.rules[state.stream].keeps is not None


def still_read_again(state: StreamState, terms: Terms) -> Sequence[Rewind]:
    """The rewinds behind whose old cursor it still is, the one that stood furthest first."""
    cursor_at = state.new.cursor_at
    if cursor_at is None:
        return ()
    behind = [
        rewind
        for rewind in state.rewinds
        if rewind.undone_at is None and cursor_at < rewind.stood_at(terms)
    ]
    return sorted(behind, key=lambda rewind: (rewind.stood_at(terms), -rewind.id), reverse=True)


def known_reason(text: str | None) -> Reason | None:
    """None also for one of another release."""
    return Reason(text) if text in set(Reason) else None


def _switched_off(state: StreamState, worker: WorkerSwitch) -> tuple[Word, str] | None:
    if state.account_status != "active":
        return _asleep(state.account_status)
    if not state.new.enabled:
        return Word.PAUSED, PAUSED
    if not state.new.interval:
        return Word.OFF, NEVER_DUE
    if worker.tripped:
        return Word.ACTION_REQUIRED, SENTENCES[Reason.TRIPPED]
    return None if worker.enabled else (Word.PAUSED, STOPPED)


def _asleep(account_status: str) -> tuple[Word, str]:
    if account_status == "disconnected":
        return Word.OFF, GONE
    if account_status == "needs_reconnect":
        return Word.ACTION_REQUIRED, SENTENCES[Reason.NEEDS_RECONNECT]
    return Word.PAUSED, SENTENCES[Reason.ACCOUNT_INACTIVE]


def _troubled(state: StreamState) -> PassState:
    """The pass that has something to tell, the one over new rows first."""
    quiet = not state.new.failures and state.new.last_reason is None
    return state.open if quiet and state.open is not None and state.open.failures else state.new


def _span(long: timedelta) -> str:
    """Two days and five hours are `2 d`."""
    units = (("d", timedelta(days=1)), ("h", timedelta(hours=1)), ("min", timedelta(minutes=1)))
    return next(f"{long // unit} {name}" for name, unit in units if long >= unit)


def _percent(share: float) -> int:
    """Never 100: then it would be over."""
    return min(max(int(share * 100), 0), 99)
