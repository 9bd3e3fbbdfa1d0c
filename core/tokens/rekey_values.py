"""Sealed values that belong to no account: sealed anew with the newest key, beside runs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from core.errors import DecryptError
from core.ids import AccountId
from core.tokens.model import SealedValue
from core.tokens.ports import NamedCipher, SealedValues

NOBODY = AccountId(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RekeyValues:
    """Few of them: each is a transaction of its own."""

    values: SealedValues
    cipher: NamedCipher

    def reseal(self) -> int:
        """What no key opens stays as it is."""
        return sum(map(self._reseal, self.values.all()))

    def lost(self) -> Sequence[SealedValue]:
        return [each for each in self.values.all() if not self._opens(each)]

    def discard(self, lost: Sequence[SealedValue]) -> tuple[str, ...]:
        return tuple(each.place for each in lost if self.values.discard(each))

    def keys(self) -> Iterator[str]:
        """Which key seals each."""
        for each in self.values.all():
            yield self._key_of(each)

    def _reseal(self, value: SealedValue) -> bool:
        if self._key_of(value) == self.cipher.newest:
            return False
        try:
            opened = self.cipher.open(value.text, account_id=NOBODY, field=value.field)
        except DecryptError:
            return False
        text = self.cipher.seal(opened, account_id=NOBODY, field=value.field)
        return self.values.reseal(value, replace(value, text=text))

    def _opens(self, value: SealedValue) -> bool:
        try:
            self.cipher.open(value.text, account_id=NOBODY, field=value.field)
        except DecryptError:
            return False
        return True

    def _key_of(self, value: SealedValue) -> str:
        try:
            return self.cipher.key_of(value.text)
        except DecryptError:
            return "unknown"
