"""One pass over a folder: each new file is handed to the kind that reads it, once.

What a file is, says its content: a copy under another name is a duplicate. That a file was seen is
written with the job that follows, in one transaction: cut off before, the pass has done nothing.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fnmatch import translate
from itertools import islice
from typing import BinaryIO, Protocol

from core.errors import UpstreamUnavailableError, UsageError

MOST = 1000
"""Files that one pass reads; the rest is left to the next one."""
AT_ONCE = 500
NAMED = 20
"""Names in a report; the numbers tell of all."""
SETTLED = timedelta(seconds=10)
"""A file that was changed since may be one that is still being written."""
CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """A file as its folder tells of it. `changed_ns`: nanoseconds since 1970."""

    name: str
    path: str
    size: int
    changed_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A file that was read; `new`: its content is handed on for the first time."""

    stamp: Stamp
    sha256: str
    new: bool


class OpenFolder(Protocol):
    """Each raises UsageError, UpstreamUnavailableError."""

    def names(self) -> Iterator[str]:
        """Everything in it, in no order."""
        ...

    def stamp(self, name: str) -> Stamp:
        """Raises UsageError for what is no file."""
        ...

    def content(self, name: str) -> AbstractContextManager[BinaryIO]: ...


class Folders(Protocol):
    def check(self, place: str) -> None:
        """Raises UsageError for a folder that is not allowed."""
        ...

    def opened(self, place: str) -> AbstractContextManager[OpenFolder]: ...


class SeenFiles(Protocol):
    """What earlier passes for a kind have seen. Raises StoreUnavailableError."""

    def unchanged(self, kind: str, stamps: Sequence[Stamp]) -> AbstractSet[str]:
        """The paths of those that were read, and are as they were then."""
        ...

    def handed(self, kind: str, contents: Sequence[str]) -> AbstractSet[str]: ...


class _OutOfTimeError(Exception):
    pass


@dataclass(slots=True, kw_only=True)
class Pass:
    """`goes_on`: there is time, and nobody has asked for its end. `now`: the machine's own clock,
    as the files' times are.
    """

    kind: str
    pattern: str
    folder: OpenFolder
    seen: SeenFiles
    goes_on: Callable[[], bool]
    now: Callable[[], datetime]
    counts: Counter[str] = field(default_factory=Counter)
    unreadable: list[dict[str, str]] = field(default_factory=list)
    more: bool = False
    _read: list[tuple[Stamp, str]] = field(default_factory=list)

    def run(self) -> Sequence[Seen]:
        """The files that were not known, in the order of their names."""
        matching = self._matching()
        while names := list(islice(matching, AT_ONCE)):
            if not self._look(names):
                self.more = True
                break
        return self._judged()

    def report(self, seen: Sequence[Seen]) -> dict[str, object]:
        new = [each for each in seen if each.new]
        return {
            "new": len(new),
            "duplicate": len(seen) - len(new),
            "known": self.counts["known"],
            "being_written": self.counts["being_written"],
            "unreadable": self.counts["unreadable"],
            "more": self.more,
            "files": [each.stamp.name for each in new[:NAMED]],
            "not_read": list(self.unreadable),
        }

    def _matching(self) -> Iterator[str]:
        """Capitals make no difference; what begins with a dot is somebody's work in progress."""
        wanted = re.compile(translate(self.pattern), re.IGNORECASE)
        for name in self.folder.names():
            hidden = name.startswith(".") and not self.pattern.startswith(".")
            if not hidden and wanted.match(name):
                yield name

    def _look(self, names: Sequence[str]) -> bool:
        """False: there is more than one pass may do."""
        stamps = [stamp for name in names if (stamp := self._stamp(name)) is not None]
        known = self.seen.unchanged(self.kind, stamps)
        self.counts["known"] += len(known)
        for stamp in sorted(stamps, key=lambda each: each.name):
            if stamp.path in known:
                continue
            if len(self._read) >= MOST or not self.goes_on():
                return False
            if not self._take(stamp):
                return False
        return True

    def _stamp(self, name: str) -> Stamp | None:
        if not name.isprintable() or name != name.strip():
            self._refuse(name, "its name holds what cannot be printed, or ends with a space")
            return None
        try:
            return self.folder.stamp(name)
        except (UsageError, UpstreamUnavailableError) as error:
            self._refuse(name, str(error))
            return None

    def _take(self, stamp: Stamp) -> bool:
        """False: the time was over before it was read."""
        if self._is_young(stamp):
            self.counts["being_written"] += 1
            return True
        try:
            sha256 = self._digest(stamp.name)
            changed = self.folder.stamp(stamp.name) != stamp
        except (UsageError, UpstreamUnavailableError) as error:
            self._refuse(stamp.name, str(error))
            return True
        except _OutOfTimeError:
            if not self._read:
                self._refuse(stamp.name, "it cannot be read within the time of one pass")
            return False
        if changed:
            self.counts["being_written"] += 1
        else:
            self._read.append((stamp, sha256))
        return True

    def _is_young(self, stamp: Stamp) -> bool:
        """One from the future was written by another clock, which says nothing."""
        changed_at = datetime.fromtimestamp(stamp.changed_ns / 1e9, UTC)
        return abs(self.now() - changed_at) < SETTLED

    def _digest(self, name: str) -> str:
        digest = hashlib.sha256()
        with self.folder.content(name) as content:
            while chunk := content.read(CHUNK):
                digest.update(chunk)
                if not self.goes_on():
                    raise _OutOfTimeError
        return digest.hexdigest()

    def _refuse(self, name: str, reason: str) -> None:
        self.counts["unreadable"] += 1
        if len(self.unreadable) < NAMED:
            shown = name.encode("unicode_escape").decode()
            self.unreadable.append({"name": shown, "reason": reason})

    def _judged(self) -> Sequence[Seen]:
        handed = set(self.seen.handed(self.kind, [sha256 for _, sha256 in self._read]))
        judged = []
        for stamp, sha256 in self._read:
            judged.append(Seen(stamp=stamp, sha256=sha256, new=sha256 not in handed))
            handed.add(sha256)
        return judged
