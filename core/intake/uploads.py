"""A file that is sent to us, kept piece by piece."""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import NewType, Protocol
from uuid import UUID

from core.errors import StoreUnavailableError, UsageError
from core.intake.places import UPLOAD

UploadId = NewType("UploadId", UUID)
CHUNK = 256 * 1024
LARGEST = 100 * 1024 * 1024
LONGEST_NAME = 255


class UploadTooLargeError(UsageError):
    """HTTP 413."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """`created`: False where the same content had been sent before."""

    id: UploadId
    size: int
    sha256: str
    created: bool

    @property
    def place(self) -> str:
        return f"{UPLOAD}{self.id}"


class UploadStore(Protocol):
    """Raises StoreUnavailableError."""

    def begin(self, name: str | None) -> UploadId: ...

    def add(self, upload_id: UploadId, number: int, content: bytes) -> None:
        """`number` counts from 0."""
        ...

    def finish(self, upload_id: UploadId, size: int, sha256: str) -> Upload:
        """The one with that content: this, or an earlier one, and this is gone."""
        ...

    def discard(self, upload_id: UploadId) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepUploads:
    store: UploadStore
    largest: int = LARGEST

    def keep(self, pieces: Iterable[bytes], name: str | None = None) -> Upload:
        """Whatever breaks it off leaves nothing behind. Raises UsageError, UploadTooLargeError."""
        chunks = _chunks(pieces)
        first = next(chunks, b"")
        if not first:
            raise UsageError("nothing was sent: the body is the file")
        upload_id = self.store.begin(name)
        try:
            size, sha256 = self._add(upload_id, first, chunks)
            return self.store.finish(upload_id, size, sha256)
        except BaseException:
            # What stays behind all the same is swept away by a later upload.
            with suppress(StoreUnavailableError):
                self.store.discard(upload_id)
            raise

    def _add(self, upload_id: UploadId, first: bytes, others: Iterable[bytes]) -> tuple[int, str]:
        digest, size = hashlib.sha256(), 0
        for number, chunk in enumerate(chain((first,), others)):
            size += len(chunk)
            if size > self.largest:
                raise UploadTooLargeError(
                    f"the file is larger than {self.largest} bytes; put it into a folder of"
                    " INTAKE_FOLDERS or a bucket of INTAKE_BUCKETS"
                )
            digest.update(chunk)
            self.store.add(upload_id, number, chunk)
        return size, digest.hexdigest()


def _chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes, `CHUNK` of them at a time."""
    held = bytearray()
    for piece in pieces:
        held += piece
        while len(held) >= CHUNK:
            yield bytes(held[:CHUNK])
            del held[:CHUNK]
    if held:
        yield bytes(held)
