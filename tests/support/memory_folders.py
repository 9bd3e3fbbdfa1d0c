"""A folder in memory that is watched, and what was seen of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from io import BytesIO
from typing import Any, BinaryIO

from core.errors import UpstreamUnavailableError, UsageError
from core.intake.watch import Stamp
from core.intake.watch_kind import WatchFolders
from core.jobs.kind_test import TEST
from core.jobs.kinds import JobKind
from tests.support.outside import NOW

FOLDER = "/srv/intake"


@dataclass
class MemoryFolder:
    """`changing`: written again while they are read; `broken`: what reading them raises."""

    files: dict[str, tuple[bytes, int]] = field(default_factory=dict)
    changing: set[str] = field(default_factory=set)
    broken: dict[str, Exception] = field(default_factory=dict)
    read: list[str] = field(default_factory=list)
    on_read: Callable[[], None] = lambda: None

    def put(self, name: str, content: bytes, age: timedelta = timedelta(hours=1)) -> None:
        self.files[name] = (content, int((NOW - age).timestamp() * 1e9))

    def check(self, place: str) -> None:
        if not place.startswith(FOLDER):
            raise UsageError(f"{place} is not below a folder of INTAKE_FOLDERS")

    @contextmanager
    def opened(self, place: str) -> Iterator["MemoryFolder"]:
        self.check(place)
        yield self

    def names(self) -> Iterator[str]:
        yield from self.files

    def stamp(self, name: str) -> Stamp:
        if isinstance(self.broken.get(name), UsageError):
            raise self.broken[name]
        content, changed_ns = self.files[name]
        return Stamp(name=name, path=f"{FOLDER}/{name}", size=len(content), changed_ns=changed_ns)

    @contextmanager
    def content(self, name: str) -> Iterator[BinaryIO]:
        self.read.append(name)
        self.on_read()
        if isinstance(self.broken.get(name), UpstreamUnavailableError):
            raise self.broken[name]
        content, changed_ns = self.files[name]
        if name in self.changing:
            self.files[name] = (content, changed_ns + 1)
        yield BytesIO(content)


@dataclass
class MemorySeen:
    """As `watch.sql`: of one kind. It is the transaction too in which marks are written."""

    files: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    contents: set[str] = field(default_factory=set)

    def unchanged(self, kind: str, stamps: Sequence[Stamp]) -> AbstractSet[str]:
        return {
            each.path
            for each in stamps
            if (known := self.files.get(each.path)) is not None
            and (known["size"], known["changed_ns"]) == (each.size, each.changed_ns)
        }

    def handed(self, kind: str, contents: Sequence[str]) -> AbstractSet[str]:
        return self.contents & set(contents)

    def mark(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self.files |= {row["path"]: row for row in rows}
        self.contents |= {row["sha256"] for row in rows}


def watching(
    folder: MemoryFolder | None = None,
    seen: MemorySeen | None = None,
    kinds: Mapping[str, JobKind] | None = None,
) -> WatchFolders:
    there = {"test": TEST} if kinds is None else kinds
    return WatchFolders(
        folders=folder or MemoryFolder(),
        seen=seen or MemorySeen(),
        kinds=lambda: there,
        now=lambda: NOW,
    )
