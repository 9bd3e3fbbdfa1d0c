"""Seal every stored token with the newest key, beside runs that go on."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from core.errors import DecryptError
from core.ids import AccountId
from core.secret import Secret
from core.tokens.canary import KeyTest
from core.tokens.model import ACCESS_TOKEN, REFRESH_TOKEN, SealedPair
from core.tokens.ports import NamedCipher, SealedTokens
from core.tokens.rekey_values import RekeyValues

BATCH = 100
ROUNDS = 20
LOOK_AGAIN_S = 0.1
LOST = "its token was sealed with a key that is lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rekeyed:
    """`values` by key id, counted at the end. `lost`: accounts whose values no key opens.

    `held`: values of other keys that could not be changed, because their rows were held.
    `earlier_runs`: runs at work that may still seal with the key that was the newest. Values of no
    account are told by their places.
    """

    newest: str
    resealed: int
    values: Mapping[str, int]
    lost: tuple[str, ...] = ()
    discarded: tuple[str, ...] = ()
    resealed_places: int = 0
    lost_places: tuple[str, ...] = ()
    discarded_places: tuple[str, ...] = ()
    earlier_runs: int = 0

    @property
    def others(self) -> int:
        return sum(count for key, count in self.values.items() if key != self.newest)

    @property
    def complete(self) -> bool:
        """No stored value needs an old key, and none can come any more."""
        return not self.others and not self.earlier_runs


@dataclass(frozen=True, slots=True, kw_only=True)
class RekeyTokens:
    """Killed in the middle, or run twice: each batch is a transaction, the next call goes on."""

    tokens: SealedTokens
    cipher: NamedCipher
    keys: KeyTest
    values: RekeyValues
    sleep: Callable[[float], None]

    def run(self, *, discard_lost: bool) -> Rekeyed:
        """Newest key for all that opens.

        What no key opens stays as it is, and the canary with it; `discard_lost` forgets it. The
        canary changes before the last count: who starts later with old keys only is stopped.
        """
        resealed, places = self._reseal(), self.values.reseal()
        lost, lost_values = self._lost(), self.values.lost()
        discarded = self._discard(lost) if discard_lost else ()
        forgotten = self.values.discard(lost_values) if discard_lost else ()
        left = tuple(pair.account for pair in lost if pair.account not in discarded)
        left_values = tuple(each.place for each in lost_values if each.place not in forgotten)
        if not left and not left_values:
            self.keys.renew()
            resealed, places = resealed + self._reseal(), places + self.values.reseal()
        return Rekeyed(
            newest=self.cipher.newest,
            resealed=resealed,
            values=self._count(),
            lost=left,
            discarded=discarded,
            resealed_places=places,
            lost_places=left_values,
            discarded_places=forgotten,
            earlier_runs=self.tokens.earlier_runs(),
        )

    def _reseal(self) -> int:
        """Rows that somebody held are looked for again, for a moment."""
        changed = 0
        for _ in range(ROUNDS):
            pending = 0
            for pairs in self._batches():
                new = [both for both in map(self._resealed, pairs) if both is not None]
                done = self.tokens.reseal(new) if new else 0
                changed += done
                pending += len(new) - done
            if not pending:
                break
            self.sleep(LOOK_AGAIN_S)
        return changed

    def _batches(self) -> Iterator[Sequence[SealedPair]]:
        after = AccountId(0)
        while True:
            pairs = self.tokens.batch(after, BATCH)
            if not pairs:
                return
            yield pairs
            after = pairs[-1].account_id

    def _resealed(self, pair: SealedPair) -> tuple[SealedPair, SealedPair] | None:
        """None where there is nothing to do, or no key that opens it."""
        if self._keys(pair) == {self.cipher.newest}:
            return None
        try:
            refresh = self._again(pair.refresh_token, pair, REFRESH_TOKEN)
            access = pair.access_token and self._again(pair.access_token, pair, ACCESS_TOKEN)
        except DecryptError:
            return None
        return pair, replace(pair, refresh_token=refresh, access_token=access)

    def _again(self, sealed: str, pair: SealedPair, field: str) -> str:
        opened = self._open(sealed, pair, field)
        return self.cipher.seal(opened, account_id=pair.account_id, field=field)

    def _open(self, sealed: str, pair: SealedPair, field: str) -> Secret:
        return self.cipher.open(sealed, account_id=pair.account_id, field=field)

    def _lost(self) -> Sequence[SealedPair]:
        return [pair for pairs in self._batches() for pair in pairs if not self._opens(pair)]

    def _opens(self, pair: SealedPair) -> bool:
        try:
            self._open(pair.refresh_token, pair, REFRESH_TOKEN)
            if pair.access_token is not None:
                self._open(pair.access_token, pair, ACCESS_TOKEN)
        except DecryptError:
            return False
        return True

    def _discard(self, lost: Sequence[SealedPair]) -> tuple[str, ...]:
        return tuple(pair.account for pair in lost if self.tokens.discard(pair, LOST))

    def _keys(self, pair: SealedPair) -> set[str]:
        return set(self._named(pair))

    def _named(self, pair: SealedPair) -> Iterator[str]:
        for sealed in (pair.refresh_token, pair.access_token):
            if sealed is not None:
                yield self._key_of(sealed)

    def _key_of(self, sealed: str) -> str:
        try:
            return self.cipher.key_of(sealed)
        except DecryptError:
            return "unknown"

    def _count(self) -> Mapping[str, int]:
        counted: Counter[str] = Counter({self.cipher.newest: 0})
        for pairs in self._batches():
            for pair in pairs:
                counted.update(self._named(pair))
        counted.update(self.values.keys())
        return dict(counted)
