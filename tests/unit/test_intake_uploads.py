"""A file that is sent to us: kept in pieces, and wholly or not at all."""

import hashlib
from collections.abc import Iterator
from uuid import uuid4

import pytest

from core.errors import StoreUnavailableError, UsageError
from core.intake.uploads import CHUNK, KeepUploads, Upload, UploadId, UploadTooLargeError


class Shelf:
    """An upload store in memory; `away`: its database is."""

    def __init__(self) -> None:
        self.chunks: dict[UploadId, list[bytes]] = {}
        self.names: list[str | None] = []
        self.away = False

    def begin(self, name: str | None) -> UploadId:
        upload_id = UploadId(uuid4())
        self.chunks[upload_id] = []
        self.names.append(name)
        return upload_id

    def add(self, upload_id: UploadId, number: int, content: bytes) -> None:
        if self.away:
            raise StoreUnavailableError("away")
        assert number == len(self.chunks[upload_id])
        self.chunks[upload_id].append(content)

    def finish(self, upload_id: UploadId, size: int, sha256: str) -> Upload:
        return Upload(id=upload_id, size=size, sha256=sha256, created=True)

    def discard(self, upload_id: UploadId) -> None:
        if self.away:
            raise StoreUnavailableError("away")
        del self.chunks[upload_id]


def sent_in(content: bytes, piece: int) -> Iterator[bytes]:
    for begin in range(0, len(content), piece):
        yield content[begin : begin + piece]


@pytest.mark.parametrize("piece", [1000, CHUNK, 3 * CHUNK])
@pytest.mark.parametrize("size", [1, CHUNK, 2 * CHUNK + 5])
def test_a_file_is_kept_in_even_pieces_however_it_arrives(size: int, piece: int) -> None:
    content, shelf = bytes(each % 251 for each in range(size)), Shelf()

    kept = KeepUploads(store=shelf).keep(sent_in(content, piece), "judgments.csv")

    [chunks] = shelf.chunks.values()
    assert b"".join(chunks) == content
    assert {len(each) for each in chunks[:-1]} <= {CHUNK}
    assert (kept.size, kept.sha256) == (size, hashlib.sha256(content).hexdigest())
    assert kept.place == f"upload:{kept.id}"
    assert shelf.names == ["judgments.csv"]


@pytest.mark.parametrize("pieces", [[], [b""], [b"", b""]])
def test_nothing_sent_is_a_mistake_and_leaves_nothing(pieces: list[bytes]) -> None:
    shelf = Shelf()

    with pytest.raises(UsageError, match="the body is the file"):
        KeepUploads(store=shelf).keep(pieces)

    assert shelf.chunks == {}


def test_too_large_a_file_is_refused_as_soon_as_it_is_and_leaves_nothing() -> None:
    shelf, read = Shelf(), []

    def pieces() -> Iterator[bytes]:
        for number in range(100):
            read.append(number)
            yield bytes(CHUNK)

    with pytest.raises(UploadTooLargeError, match="larger than 600000 bytes"):
        KeepUploads(store=shelf, largest=600_000).keep(pieces())

    assert shelf.chunks == {}
    assert len(read) == 3


def test_as_large_as_may_be_is_kept() -> None:
    kept = KeepUploads(store=Shelf(), largest=CHUNK + 1).keep([bytes(CHUNK + 1)])

    assert kept.size == CHUNK + 1


def test_what_breaks_off_leaves_nothing_and_is_told() -> None:
    shelf = Shelf()

    def pieces() -> Iterator[bytes]:
        yield bytes(CHUNK)
        raise UsageError("its sender is gone")

    with pytest.raises(UsageError, match="gone"):
        KeepUploads(store=shelf).keep(pieces())

    assert shelf.chunks == {}


def test_a_database_that_goes_away_is_what_is_told() -> None:
    shelf = Shelf()
    shelf.away = True

    with pytest.raises(StoreUnavailableError):
        KeepUploads(store=shelf).keep([b"x"])
