"""Uploads in PostgreSQL: one content once, read as it was sent, gone after its time."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.errors import UsageError
from core.intake.uploads import CHUNK, KeepUploads, Upload
from infra.postgres.job_control import PostgresJobControl
from infra.postgres.transaction import Database
from infra.postgres.uploads import PostgresUploads

LARGE = bytes(each % 251 for each in range(2 * CHUNK + 7))


@pytest.fixture
def uploads(database: Database) -> PostgresUploads:
    return PostgresUploads(database)


def keep(uploads: PostgresUploads, content: bytes, name: str | None = None) -> Upload:
    return KeepUploads(store=uploads).keep([content], name)


def read(uploads: PostgresUploads, place: str) -> bytes:
    with uploads.open(place) as opened:
        return opened.content.read()


def rows(database: Database, sql: str) -> Sequence[Any]:
    with database.transaction() as connection:
        return connection.exec_driver_sql(sql).all()


def counted(database: Database) -> tuple[int, int]:
    [row] = rows(
        database,
        "SELECT (SELECT count(*) FROM intake.uploads), (SELECT count(*) FROM intake.upload_chunks)",
    )
    return row[0], row[1]


@pytest.mark.parametrize("content", [b"Case Number\n", bytes(range(256)), LARGE])
def test_what_was_sent_is_read_byte_for_byte(content: bytes, uploads: PostgresUploads) -> None:
    kept = keep(uploads, content, "judgments.csv")

    with uploads.open(kept.place) as opened:
        assert (opened.name, opened.size) == ("judgments.csv", len(content))
        assert opened.content.read() == content
    assert (kept.created, kept.sha256) == (True, hashlib.sha256(content).hexdigest())


def test_the_same_content_is_one_upload(uploads: PostgresUploads, database: Database) -> None:
    first, other = keep(uploads, LARGE, "a.csv"), keep(uploads, b"other")

    second = keep(uploads, LARGE, "b.csv")

    assert (second.place, second.created) == (first.place, False)
    assert other.place != first.place
    assert counted(database) == (2, 4)


def test_the_same_content_sent_at_once_is_one_upload(
    uploads: PostgresUploads, database: Database
) -> None:
    with ThreadPoolExecutor(2) as senders:
        kept = list(senders.map(lambda _: keep(uploads, LARGE), range(2)))

    assert len({each.place for each in kept}) == 1
    assert sorted(each.created for each in kept) == [False, True]
    assert counted(database) == (1, 3)


@pytest.mark.parametrize("place", ["upload:", "upload:x", "upload:../../etc/passwd"])
def test_what_names_no_upload_is_refused(place: str, uploads: PostgresUploads) -> None:
    with pytest.raises(UsageError, match="POST /api/v1/intake/files"):
        uploads.check(place)


def test_an_upload_that_is_not_there_is_told(uploads: PostgresUploads) -> None:
    place = "upload:00000000-0000-4000-8000-000000000000"
    uploads.check(place)

    with pytest.raises(UsageError, match="send it again"):
        read(uploads, place)


def test_one_that_still_arrives_is_none_yet(uploads: PostgresUploads) -> None:
    upload_id = uploads.begin(None)
    uploads.add(upload_id, 0, b"half")

    with pytest.raises(UsageError, match="send it again"):
        read(uploads, f"upload:{upload_id}")


def test_one_that_is_removed_while_it_is_read_is_told(
    uploads: PostgresUploads, database: Database
) -> None:
    kept = keep(uploads, LARGE)
    with database.transaction() as connection:
        connection.exec_driver_sql("DELETE FROM intake.upload_chunks WHERE number = 1")

    with pytest.raises(UsageError, match="send it again"):
        read(uploads, kept.place)


def test_what_was_sent_long_ago_is_forgotten_with_the_jobs_of_its_time(
    uploads: PostgresUploads, database: Database
) -> None:
    old, young = keep(uploads, b"old"), keep(uploads, b"young")
    age(database, old, "31 days")
    control = PostgresJobControl(database, {})

    forgotten = control.forget(datetime.now(UTC) - timedelta(days=30), 500)

    assert forgotten == 1
    assert read(uploads, young.place) == b"young"
    with pytest.raises(UsageError, match="send it again"):
        read(uploads, old.place)
    assert counted(database) == (1, 1)


def test_what_is_sent_again_is_kept_from_then_on(
    uploads: PostgresUploads, database: Database
) -> None:
    kept = keep(uploads, b"old")
    age(database, kept, "31 days")

    keep(uploads, b"old")

    control = PostgresJobControl(database, {})
    assert control.forget(datetime.now(UTC) - timedelta(days=30), 500) == 0
    assert read(uploads, kept.place) == b"old"


def test_what_broke_off_with_its_process_is_swept_away_by_a_later_one(
    uploads: PostgresUploads, database: Database
) -> None:
    broken, arriving = uploads.begin("broken"), uploads.begin("arriving")
    uploads.add(broken, 0, b"half")
    with database.transaction() as connection:
        connection.exec_driver_sql(
            "UPDATE intake.uploads SET sent_at = sent_at - interval '2 hours' WHERE name = 'broken'"
        )

    keep(uploads, b"new")

    left = rows(database, "SELECT id FROM intake.uploads WHERE sha256 IS NULL")
    assert [row[0] for row in left] == [arriving]


def age(database: Database, upload: Upload, by: str) -> None:
    with database.transaction() as connection:
        connection.exec_driver_sql(
            f"UPDATE intake.uploads SET sent_at = sent_at - interval '{by}'"
            f" WHERE id = '{upload.id}'"
        )
