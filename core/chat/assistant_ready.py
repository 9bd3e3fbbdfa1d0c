"""A step that was looked at, and what every kind of step asks first."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.accounts.model import KnownAccount
from core.accounts.ports import AccountStore
from core.chat.assistant_words import harmless
from core.errors import UsageError
from core.jobs.model import NewJob, Transaction
from core.streams.control import ControlStreams
from core.streams.model import StreamState

VIA = "chat"
Effect = Callable[[Transaction], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """`changed` False: it was so already. `effect` and `then` are written with the reply."""

    text: str
    changed: bool = True
    effect: Effect | None = None
    then: tuple[NewJob, ...] = ()


def nothing() -> str | None:
    """Of a step that is written with the reply, or that is never taken back."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """`do` it, or `take_back` what was done of it, in words; both bear being done twice.

    `take_back` finds out by itself whether it was done; None: there is nothing to take back.
    """

    what: str
    do: Callable[[], Done]
    take_back: Callable[[], str | None] = nothing


def known_account(accounts: AccountStore, name: str, account_id: int | None) -> KnownAccount:
    """Raises UsageError where it is gone, or another one has its name."""
    known = accounts.find(name)
    if known is None or account_id not in {None, known.id}:
        raise UsageError(f"there is no account {harmless(name)!r} any more; /accounts lists them")
    return known


def known_streams(
    control: ControlStreams, account: str, streams: Sequence[str], account_id: int
) -> Sequence[StreamState]:
    """Raises UsageError as `known_account`."""
    states = control.list([account], streams).states
    if len(states) != len(set(streams)) or any(each.account_id != account_id for each in states):
        raise UsageError(
            f"the account {harmless(account)!r} is not what it was when this was planned; type the"
            " command again"
        )
    return states


def undone_by(what: str, *, enabled: bool) -> str:
    return f"/{'pause' if enabled else 'resume'} {what} undoes it."


def switched(*, enabled: bool) -> str:
    return "resumed" if enabled else "paused"
