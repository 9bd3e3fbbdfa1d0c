"""The built-in processor of chats: an operations assistant with no model behind it.

It knows its commands and nothing else. What changes something is a plan first.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.chat.assistant_asks import USAGE, Asked, Word, asked, nearest
from core.chat.assistant_doing import Doing
from core.chat.assistant_pauses import Pauses
from core.chat.assistant_plans import UNDO_HINT, Plans
from core.chat.assistant_reads import Reads
from core.chat.assistant_words import cut
from core.chat.model import Answer, Plan, Reply, Turn
from core.errors import UsageError

Changing = Callable[[Sequence[Word], datetime], Plan | Reply]
Telling = Callable[[Sequence[Word], datetime], str]
HELP = "\n".join(
    (
        "I understand these commands:",
        *USAGE.values(),
        (
            "DATE is 2026-11-20, 20.11.2026, a month 2026-11, or 7d for the last seven days; all in"
            ' UTC. A name with spaces stands in "quotes".'
        ),
        "What changes something is told as a plan first, and done when you say yes.",
        "For example: /orders yesterday, /money 2026-11, /pause shop orders, /rewind shop all 7d",
    )
)
ANSWERS = frozenset({"yes", "no", "ok", "tak", "nie", "approve", "reject"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Assistant:
    """The `Process` of chats that is shipped."""

    reads: Reads
    plans: Plans
    pauses: Pauses
    doing: Doing

    def __call__(self, turn: Turn, /) -> Answer:
        """A wrong word is answered with the right ones, and is no failure.

        Raises what the stores raise, and UsageError for an approved plan that is stuck.
        """
        if turn.plan is not None:
            return self.doing.perform(turn)
        try:
            return self._answer(asked(turn.text), turn)
        except UsageError as error:
            return Reply(text=cut(str(error)))

    def _answer(self, found: Asked | None, turn: Turn) -> Answer:
        if found is None:
            return Reply(text=_not_understood(turn.text))
        if found.command in {"help", "undo"}:
            return Reply(text=HELP if found.command == "help" else UNDO_HINT)
        tells = self._tells().get(found.command)
        if tells is not None:
            return Reply(text=tells(found.words, turn.now))
        return self._changes()[found.command](found.words, turn.now)

    def _tells(self) -> Mapping[str, Telling]:
        reads = self.reads
        return {
            "status": reads.status,
            "accounts": reads.accounts,
            "orders": reads.orders,
            "money": reads.money,
        }

    def _changes(self) -> Mapping[str, Changing]:
        return {
            "run": self.plans.run,
            "pause": self.pauses.pause,
            "resume": self.pauses.resume,
            "rewind": self.plans.rewind,
            "retry": self.plans.retry,
        }


def _not_understood(text: str) -> str:
    if text.strip().strip(".!").lower() in ANSWERS:
        return "No plan is waiting for your answer."
    meant = nearest(text)
    if meant is not None:
        return f"I understand commands only. Did you mean {USAGE[meant]}? /help lists them."
    return f"I understand commands only, and guess nothing.\n{HELP}"
