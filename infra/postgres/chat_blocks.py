"""Chats that refuse what a bot sends, in PostgreSQL: the `Blocks` port of `notify.telegram`."""

from dataclasses import dataclass

from core.chat.model import TELEGRAM
from core.jobs.model import Transaction
from infra.postgres.queries import load
from infra.postgres.transaction import Database


@dataclass(frozen=True, slots=True)
class PostgresBlocks:
    """Of chats that have written once; nobody else could ever take his block back."""

    database: Database

    def is_blocked(self, chat_id: int | str, /) -> bool:
        with self.database.transaction(by_index=True) as connection:
            found = connection.execute(load("chat_blocks")["is_blocked"], _of(chat_id))
            return found.first() is not None

    def block(self, transaction: Transaction, chat_id: int | str, why: str, /) -> None:
        transaction.execute("chats.block", **_of(chat_id), reason=why)


def _of(chat_id: int | str) -> dict[str, object]:
    return {"source": TELEGRAM, "chat_id": str(chat_id)}
