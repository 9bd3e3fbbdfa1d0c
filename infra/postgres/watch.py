"""Files that were seen in watched folders: the `SeenFiles` port."""

import json
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from core.intake.watch import Stamp
from infra.postgres.queries import load
from infra.postgres.transaction import Database


@dataclass(frozen=True, slots=True)
class PostgresSeenFiles:
    database: Database

    def unchanged(self, kind: str, stamps: Sequence[Stamp]) -> AbstractSet[str]:
        files = [
            {"path": each.path, "size": each.size, "changed_ns": each.changed_ns} for each in stamps
        ]
        return self._asked("unchanged", kind=kind, files=json.dumps(files))

    def handed(self, kind: str, contents: Sequence[str]) -> AbstractSet[str]:
        return self._asked("handed", kind=kind, contents=list(contents))

    def _asked(self, name: str, /, **values: object) -> AbstractSet[str]:
        with self.database.transaction(by_index=True) as connection:
            return frozenset(connection.execute(load("watch")[name], values).scalars())
