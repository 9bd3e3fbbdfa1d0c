"""Who is measured: how each is set up, and the command of each phase."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from tests.benchmarks import measure
from tests.benchmarks.ground import Ebay, Ground, cronshot_settings, encryption_key
from tests.support.stored import table_of

BACKFILL, OVERLAP, LAG = timedelta(days=90), timedelta(minutes=30), timedelta(minutes=2)


class Phase(StrEnum):
    """FIRST: into empty tables. RESYNC: due again, the cursor standing: what was modified in the
    half hour before the cursor is read again, and nothing has changed. FULL: all of it is read
    again, and nothing has changed.
    """

    FIRST = "first sync"
    RESYNC = "unchanged re-sync"
    FULL = "unchanged full re-read"


@dataclass(frozen=True, slots=True)
class Place:
    """A contender's database and folder for one repetition. `began_at`: when its first sync did."""

    ground: Ground
    database: str
    folder: Path
    began_at: datetime

    def window(self, phase: Phase) -> str:
        """For those who keep no cursor of their own."""
        until = datetime.now(UTC) - LAG
        start = self.began_at - LAG - OVERLAP if phase is Phase.RESYNC else until - BACKFILL
        return f"{_written(start)}..{_written(until)}"


class Contender(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def said(self) -> str:
        """What it is, in one sentence."""

    def set_up(self, place: Place) -> Mapping[str, str]:
        """Before the first phase; returns the settings of its processes."""

    def command(self, place: Place, phase: Phase) -> Sequence[str]: ...

    def stored(self, place: Place) -> int:
        """How many orders its database holds."""


@dataclass(frozen=True, slots=True)
class Cronshot:
    """The product's own way: the command line, with every stream but one switched off."""

    name: str
    said: str
    several: bool
    stream: str = "orders"

    def set_up(self, place: Place) -> Mapping[str, str]:
        ebay = self._ebay(place)
        url = place.ground.server.admin.with_database(place.database)
        settings = cronshot_settings(url, ebay, place.folder, encryption_key())
        for seller in ebay.sellers:
            file = place.folder / "token"
            file.write_text(seller.refresh_token)
            command = measure.product(
                "core.run", "accounts", "add", "--name", seller.name,
                "--environment", "simulator", "--refresh-token-file", str(file),
            )  # fmt: skip
            measure.run(command, settings=settings, folder=place.folder)
        place.ground.query(
            place.database,
            "UPDATE ebay.sync_states SET enabled = false, due_at = NULL"
            f" WHERE stream <> '{self.stream}'",
        )
        return settings

    def command(self, place: Place, phase: Phase) -> Sequence[str]:
        command = measure.product("core.run", "ebay", "--json")
        if phase is Phase.FULL:
            return [*command, "--stream", self.stream, "--since", f"{BACKFILL.days}d"]
        place.ground.query(
            place.database,
            "UPDATE ebay.sync_states SET due_at = now()"
            f" WHERE stream = '{self.stream}' AND pass = 'new'",
        )
        return command

    def stored(self, place: Place) -> int:
        return _count(place, table_of(self.stream).name)

    def _ebay(self, place: Place) -> Ebay:
        return place.ground.several if self.several else place.ground.one


@dataclass(frozen=True, slots=True)
class Bare:
    name: str
    said: str
    how: str

    def set_up(self, place: Place) -> Mapping[str, str]:
        place.ground.query(
            place.database,
            "INSERT INTO ebay.accounts (name, environment) VALUES ('seller-1', 'simulator')",
        )
        return {}

    def command(self, place: Place, phase: Phase) -> Sequence[str]:
        ebay, socket_dir = place.ground.one, place.ground.server.admin.socket_dir
        return measure.product(
            "tests.benchmarks.children.bare",
            *(ebay.url, ebay.sellers[0].access_token, place.window(phase)),
            *(str(socket_dir), place.database, self.how),
        )

    def stored(self, place: Place) -> int:
        return _count(place, "ebay.orders")


@dataclass(frozen=True, slots=True)
class Dlt:
    name: str
    said: str
    nesting: str

    def set_up(self, place: Place) -> Mapping[str, str]:
        # No word to its makers, and its state in a folder that is thrown away.
        return {
            "RUNTIME__DLTHUB_TELEMETRY": "false",
            "DLT_DATA_DIR": str(place.folder / "dlt"),
            "HOME": str(place.folder),
        }

    def command(self, place: Place, phase: Phase) -> Sequence[str]:
        ebay, socket_dir = place.ground.one, place.ground.server.admin.socket_dir
        host = quote(str(socket_dir), safe="")
        address = f"postgresql://postgres:none@{host}:5432/{place.database}"
        # Its cursor is its own: of this window it takes the end, and for the first sync the start.
        window = place.window(Phase.FULL)
        how = "full" if phase is Phase.FULL else "incremental"
        return measure.python(
            "tests.benchmarks.children.dlt_rest",
            *(ebay.url, ebay.sellers[0].access_token, window, address, self.nesting, how),
        )

    def stored(self, place: Place) -> int:
        return _count(place, "dlt.orders")


OURS = Cronshot("cronshot, one account", "`python -m core.run ebay`, one unit", several=False)
SIDE_BY_SIDE = Cronshot(
    "cronshot, side by side", "the same, the orders shared by several accounts", several=True
)
BARE = Bare("bare statement", "the same SQL, page after page, nothing around it", how="plain")
AHEAD = Bare("bare, one page ahead", "the same, the next page fetched meanwhile", how="prefetch")
DLT = Dlt("dlt", "rest_api source, merge, as it comes", nesting="default")
DLT_FLAT = Dlt("dlt, nesting 0", "the same with max_table_nesting=0", nesting="0")
CONTENDERS: Sequence[Contender] = (OURS, SIDE_BY_SIDE, BARE, AHEAD, DLT_FLAT, DLT)


def _count(place: Place, table: str) -> int:
    rows = place.ground.query(place.database, f"SELECT count(*) FROM {table}")
    count = rows[0][0]
    assert isinstance(count, int)
    return count


def _written(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
