"""Whose a place is: the folders of this machine, a bucket, or what was sent to us."""

from contextlib import AbstractContextManager
from dataclasses import dataclass

from core.errors import UsageError
from core.intake.ports import Files, Opened

FILE, BUCKET, UPLOAD = "file://", "s3://", "upload:"
LONGEST = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """All the `Files` that there are, as one."""

    folders: Files
    buckets: Files
    uploads: Files

    def check(self, place: str) -> None:
        self._whose(place).check(place)

    def open(self, place: str) -> AbstractContextManager[Opened]:
        return self._whose(place).open(place)

    def _whose(self, place: str) -> Files:
        if len(place) > LONGEST or not place.isprintable():
            raise UsageError(f"a file's place has at most {LONGEST} characters that can be printed")
        if place.startswith(BUCKET):
            return self.buckets
        if place.startswith(UPLOAD):
            return self.uploads
        if place.startswith((FILE, "/")):
            return self.folders
        raise UsageError(
            f"{place!r} is no place of a file; name it like /srv/intake/judgments.csv,"
            " file:///srv/intake/judgments.csv, s3://bucket/judgments.csv or upload:ID"
        )
