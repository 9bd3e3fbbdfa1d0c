"""What a PostgreSQL server of this machine did for one database, seen from the outside."""

import os
from dataclasses import dataclass
from pathlib import Path

from tests.support.postgres import Server, execute

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerUse:
    transactions: int
    wal_bytes: int
    cpu_s: float

    def since(self, before: "ServerUse") -> "ServerUse":
        return ServerUse(
            transactions=self.transactions - before.transactions,
            wal_bytes=self.wal_bytes - before.wal_bytes,
            cpu_s=self.cpu_s - before.cpu_s,
        )


def server_use(server: Server, database: str) -> ServerUse:
    """The counters are complete once everybody has left the database, so that is waited for."""
    while execute(
        server.admin, f"SELECT FROM pg_stat_activity WHERE datname = '{database}' LIMIT 1"
    ):
        pass
    ((transactions, wal_bytes),) = execute(
        server.admin,
        "SELECT xact_commit + xact_rollback, pg_current_wal_lsn() - '0/0' FROM pg_stat_database"
        f" WHERE datname = '{database}'",
    )
    return ServerUse(
        transactions=int(transactions), wal_bytes=int(wal_bytes), cpu_s=_cpu_s(_postmaster(server))
    )


def settled(server: Server) -> None:
    """No contender pays for what the one before it left to write, or to clean up."""
    execute(server.admin, "CHECKPOINT")


def _postmaster(server: Server) -> int:
    ((folder,),) = execute(server.admin, "SHOW data_directory")
    return int((Path(str(folder)) / "postmaster.pid").read_text().split("\n", 1)[0])


def _cpu_s(postmaster: int) -> float:
    """Of the server and all its processes, those that have ended included."""
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    own, ended = _times(postmaster)
    return (own + ended + sum(_times(int(child))[0] for child in children)) / TICKS_PER_S


def _times(process: int) -> tuple[int, int]:
    """Ticks of its own, and of its children that have ended."""
    try:
        line = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0, 0
    # Its name, in brackets, may hold anything.
    fields = line.rpartition(")")[2].split()
    user, system, user_ended, system_ended = (int(field) for field in fields[11:15])
    return user + system, user_ended + system_ended
