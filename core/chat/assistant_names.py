"""Which account and which streams a person means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from core.chat.assistant_asks import Word
from core.chat.assistant_ports import AccountSeen, Facts
from core.chat.assistant_words import harmless, some
from core.errors import UsageError

ALL = "all"
MOST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """`streams`: all there are, in their order; `aliases`: words for several."""

    facts: Facts
    streams: Sequence[str]
    aliases: Mapping[str, Sequence[str]]

    def account(self, words: Sequence[Word]) -> AccountSeen | None:
        """Of all these words together; None for no words. Raises UsageError."""
        if not words:
            return None
        name = _joined(words)
        found = self.facts.named([name], name, MOST)
        return _exact(name, found) or _beginning(name, found)

    def unit(self, words: Sequence[Word]) -> tuple[AccountSeen, Sequence[str]]:
        """An account, and the streams named behind it: none where only it is named.

        The longest beginning that is an account's name is that; else what stands before the
        streams' names is the beginning of one. Raises UsageError.
        """
        names = [_joined(words[:number]) for number in range(len(words), 0, -1)]
        before = max(len(words) - self._streams_at_the_end(words), 1)
        found = self.facts.named(names, _joined(words[:before]), MOST)
        for name, number in zip(names, range(len(words), 0, -1), strict=True):
            account = _exact(name, found)
            if account is not None:
                return account, self.named_streams(words[number:])
        account = _beginning(_joined(words[:before]), found)
        return account, self.named_streams(words[before:])

    def named_streams(self, words: Sequence[Word]) -> Sequence[str]:
        """Raises UsageError."""
        meant = [name for word in words for part in _parts(word) for name in self._stream(part)]
        return tuple(dict.fromkeys(meant))

    def _stream(self, word: str) -> Sequence[str]:
        known = self._known(word)
        if known:
            return known
        begin = [each for each in self.streams if each.startswith(word)]
        if len(begin) == 1:
            return begin
        close = get_close_matches(word, [*self.streams, *self.aliases], n=1)
        meant = f" Did you mean {close[0]}?" if close else ""
        raise UsageError(
            f"there is no stream {harmless(word)!r}.{meant} There are: {', '.join(self.streams)}"
        )

    def _known(self, word: str) -> Sequence[str]:
        if word == ALL:
            return self.streams
        return self.aliases.get(word, (word,) if word in self.streams else ())

    def _streams_at_the_end(self, words: Sequence[Word]) -> int:
        number = 0
        for word in reversed(words):
            parts = _parts(word)
            if word.quoted or not parts or not all(self._known(part) for part in parts):
                break
            number += 1
        return number


def quoted(account: str) -> str:
    """As it is typed behind a command."""
    return (
        f'"{account}"' if " " in account or account.lower() in {ALL, "worker", "queue"} else account
    )


def _parts(word: Word) -> Sequence[str]:
    return [part for part in word.text.lower().split(",") if part]


def _joined(words: Sequence[Word]) -> str:
    return " ".join(word.text for word in words)


def _exact(name: str, found: Sequence[AccountSeen]) -> AccountSeen | None:
    alike = [each for each in found if each.name.lower() == name.lower()]
    same = [each for each in alike if each.name == name]
    return (same or alike)[0] if same or len(alike) == 1 else None


def _beginning(name: str, found: Sequence[AccountSeen]) -> AccountSeen:
    begin = [each for each in found if each.name.lower().startswith(name.lower())]
    if len(begin) == 1:
        return begin[0]
    if not begin:
        raise UsageError(f"there is no account {harmless(name)!r}; /accounts lists them")
    names = some([harmless(each.name) for each in begin])
    raise UsageError(f"several accounts begin with {harmless(name)!r}: {names}")
