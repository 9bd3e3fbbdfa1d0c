"""Letting a seller go: revoked at eBay, tokens forgotten, rows kept or erased."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.connect.model import Disconnected, KnownSeller
from core.connect.ports import DisconnectStore, Opener, Revoker
from core.errors import AppError, DecryptError, StoreUnavailableError, UsageError
from core.ids import AccountId
from core.secret import Secret
from core.sellers import closed

REVOKE_S = 15.0
BATCH = 2_000
DISCONNECTED = "disconnected"


@dataclass(frozen=True, slots=True, kw_only=True)
class DisconnectAccount:
    """Killed in the middle, the next call goes on: it may be repeated as often as one likes."""

    store: DisconnectStore
    revoker: Revoker
    opener: Opener

    def look(self, name: str) -> tuple[KnownSeller, Sequence[tuple[str, int]]]:
        """The account, and how many rows of which tables are its own. Raises UsageError."""
        seller = self._known(name)
        return seller, self.store.rows(seller.id)

    def run(self, name: str, *, erase_data: bool) -> Disconnected:
        """eBay is told first: a token that was forgotten could not be revoked any more.

        A revocation that fails is told, and changes nothing of the rest.
        """
        seller = self._known(name)
        was = seller.status == DISCONNECTED
        revoked, trouble = self._revoke(seller)
        if not was or revoked is not None:
            self.store.disconnect(seller, revoked=revoked, detail=trouble)
        erased, left = self._erase(seller) if erase_data else ({}, ())
        return Disconnected(
            name=name,
            was_disconnected=was,
            for_good=closed(seller) is not None,
            revoked=revoked,
            trouble=trouble,
            erased=erased,
            left=left,
        )

    def _known(self, name: str) -> KnownSeller:
        seller = self.store.find(name)
        if seller is None:
            raise UsageError(f"there is no account {name!r}; see `accounts list`")
        return seller

    def _revoke(self, seller: KnownSeller) -> tuple[bool | None, str | None]:
        sealed = self.store.token(seller.id)
        if sealed is None:
            return None, None
        try:
            token = self._open(sealed, seller.id)
            self.revoker.revoke(seller.environment, token, timeout=REVOKE_S)
        except StoreUnavailableError:
            raise
        except AppError as error:
            return False, str(error)
        return True, None

    def _open(self, sealed: str, account_id: AccountId) -> Secret:
        try:
            return self.opener.open(sealed, account_id=account_id, field="refresh_token")
        except DecryptError as error:
            raise DecryptError(f"{error}, so eBay could not be told which token ends") from error

    def _erase(self, seller: KnownSeller) -> tuple[Mapping[str, int], Sequence[str]]:
        """Rows that go with those of another table are counted before they go.

        The states of the streams come first: without its state no page of a run that is still at
        it is stored, and who connects again in the middle reads everything anew.
        """
        counted: Counter[str] = Counter()
        for table, count in self.store.rows(seller.id):
            counted[table] += count
            while self.store.erase(seller.id, table, BATCH):
                pass
        left = [table for table, _ in self.store.rows(seller.id)]
        told = ", ".join(f"{table}: {count}" for table, count in counted.items())
        self.store.note_erased(seller, told or "nothing")
        return counted, left
