"""Whether this process has the keys of this database: asked before any account is touched."""

from collections.abc import Callable
from dataclasses import dataclass

from core.errors import ConfigurationError, DecryptError
from core.ids import AccountId
from core.secret import Secret
from core.tokens.model import REFRESH_TOKEN
from core.tokens.ports import Canary, NamedCipher

NOBODY = AccountId(0)
CANARY, WORD = "canary", Secret("canary")
SAMPLES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyTest:
    canary: Canary
    cipher: NamedCipher

    def check(self) -> None:
        """The canary opens. Raises ConfigurationError, which names the key.

        A database without one gets it, unless it holds tokens and none of them opens. Where no
        token is stored nothing depends on the old key, and the canary is made anew.
        """
        sealed = self.canary.read()
        if sealed is None:
            sealed = self._first()
        if sealed is None or self._opens(sealed, NOBODY, CANARY):
            return
        if not self.canary.replace_unused(self._seal()):
            raise ConfigurationError(_advice(self.cipher, sealed))

    def renew(self) -> None:
        """Seal it with the newest key: who has only older ones stops at his next start."""
        sealed = self.canary.read()
        if sealed is None or self._key_of(sealed) != self.cipher.newest:
            self.canary.replace(self._seal())

    def _first(self) -> str | None:
        samples = self.canary.samples(SAMPLES)
        if samples and not any(self._opens(text, who, REFRESH_TOKEN) for who, text in samples):
            raise ConfigurationError(_advice(self.cipher, samples[0][1]))
        return self.canary.make(self._seal())

    def _seal(self) -> str:
        return self.cipher.seal(WORD, account_id=NOBODY, field=CANARY)

    def _opens(self, sealed: str, account_id: AccountId, field: str) -> bool:
        try:
            self.cipher.open(sealed, account_id=account_id, field=field)
        except DecryptError:
            return False
        return True

    def _key_of(self, sealed: str) -> str | None:
        return _named(self.cipher.key_of, sealed)


def _advice(cipher: NamedCipher, sealed: str) -> str:
    key = _named(cipher.key_of, sealed) or "of another version"
    return (
        f"ENCRYPTION_KEYS does not hold the key {key} that the tokens of this database are sealed"
        " with, or holds another one under its name; put it back (newest first, commas between)."
        " Where it is lost, `rekey --discard-lost` forgets what no key opens, and each of those"
        " accounts needs `accounts reconnect`"
    )


def _named(key_of: Callable[[str], str], sealed: str) -> str | None:
    try:
        return key_of(sealed)
    except DecryptError:
        return None
