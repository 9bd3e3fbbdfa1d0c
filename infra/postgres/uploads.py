"""Files that were sent to us, in PostgreSQL: the `UploadStore` port, and `Files` of `upload:ID`."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any
from uuid import UUID

import sqlalchemy as sa

from core.errors import UsageError
from core.intake.places import UPLOAD
from core.intake.ports import Opened
from core.intake.uploads import Upload, UploadId
from infra.postgres.queries import load
from infra.postgres.transaction import Database


@dataclass(frozen=True, slots=True)
class PostgresUploads:
    database: Database

    def begin(self, name: str | None) -> UploadId:
        with self.database.transaction() as connection:
            _run(connection, "sweep")
            return UploadId(_run(connection, "begin", name=name).scalar_one())

    def add(self, upload_id: UploadId, number: int, content: bytes) -> None:
        with self.database.transaction() as connection:
            _run(connection, "add", id=upload_id, number=number, content=content)

    def finish(self, upload_id: UploadId, size: int, sha256: str) -> Upload:
        with self.database.transaction() as connection:
            _run(connection, "lock_content", sha256=sha256)
            same = _run(connection, "same", sha256=sha256).scalar()
            if same is None:
                _run(connection, "finish", id=upload_id, size=size, sha256=sha256)
            else:
                _run(connection, "discard", id=upload_id)
        kept = upload_id if same is None else UploadId(same)
        return Upload(id=kept, size=size, sha256=sha256, created=same is None)

    def discard(self, upload_id: UploadId) -> None:
        with self.database.transaction() as connection:
            _run(connection, "discard", id=upload_id)

    def check(self, place: str) -> None:
        _id(place)

    @contextmanager
    def open(self, place: str) -> Iterator[Opened]:
        """Copied from the database first: who reads it may have a transaction open meanwhile, and
        would wait with that connection for another one.
        """
        with tempfile.TemporaryFile() as copy:
            name = self._copy(place, copy)
            size = copy.tell()
            copy.seek(0)
            yield Opened(name=name, content=copy, size=size)

    def _copy(self, place: str, into: IO[bytes]) -> str:
        upload_id = _id(place)
        with self.database.transaction() as connection:
            found = _run(connection, "look", id=upload_id).one_or_none()
        if found is None:
            raise _gone(place)
        number = 0
        while into.tell() < found.size:
            into.write(self._chunk(place, upload_id, number))
            number += 1
        return str(found.name or place)

    def _chunk(self, place: str, upload_id: UploadId, number: int) -> bytes:
        with self.database.transaction() as connection:
            content = _run(connection, "chunk", id=upload_id, number=number).scalar()
        if content is None:
            raise _gone(place)
        return bytes(content)


def _id(place: str) -> UploadId:
    try:
        return UploadId(UUID(place.removeprefix(UPLOAD)))
    except ValueError:
        raise UsageError(
            f"{place}: name what POST /api/v1/intake/files answered as `place`"
        ) from None


def _gone(place: str) -> UsageError:
    return UsageError(
        f"{place}: there is no such file; what is sent is kept for RETENTION_DAYS, send it again"
    )


def _run(connection: sa.Connection, name: str, /, **values: object) -> sa.CursorResult[Any]:
    return connection.execute(load("uploads")[name], values)
