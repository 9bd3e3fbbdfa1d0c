"""Files of judgments: taken once, whole or not at all, and every row accounted for."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from core.deadline import Deadline
from core.jobs.kinds import BadPayloadError
from core.jobs.model import NewJob
from core.jobs.ports import Ended
from infra.postgres.transaction import Database
from tests.integration.test_statement_budget import counting
from tests.support.intake_desk import HEADER, PLACE, Desk, bad_rows, rows
from tests.support.outside import context

GUARD = """
CREATE FUNCTION intake.guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.defendant LIKE 'Debtor %7' THEN
    RAISE check_violation USING MESSAGE = NEW.defendant;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION intake.guard()
"""
"""What a team may add: the database alone knows why a row is refused."""


@pytest.fixture
def desk(database: Database) -> Desk:
    return Desk(database)


def file(good: int, bad: int = 0) -> str:
    return HEADER + rows(*range(good)) + bad_rows(*range(good, good + bad))


def test_df1_the_same_file_twice_is_a_success_without_a_row(desk: Desk) -> None:
    first = desk.read(file(10))

    second = desk.read(file(10), kind="simplicity_ingest")

    assert (first["status"], first["outcome"]) == ("completed", "ingested")
    assert (second["status"], second["outcome"], second["attempts"]) == (
        "completed",
        "duplicate",
        1,
    )
    assert second["result"]["duplicate_of"] == str(first["id"])
    assert desk.batch(second["id"])["status"] == "duplicate"
    assert desk.counted(second["id"]) == (0, 0, 0, 0, 0)
    assert len(desk.judgments()) == 10


def test_df1_a_job_that_was_killed_when_it_had_seen_that_is_a_duplicate_again(desk: Desk) -> None:
    first = desk.read(file(10))
    job_id = desk.put()
    killed = desk.claim(job_id)
    desk.kinds()["intake"].perform(killed, context())
    desk.let_lease_run_out(job_id)

    again = desk.run(job_id)

    assert (again["outcome"], again["result"]["duplicate_of"]) == ("duplicate", str(first["id"]))


def test_a_known_file_is_read_again_where_that_is_asked_for(desk: Desk) -> None:
    desk.read(file(10))

    again = desk.read(file(10), force=True)

    assert again["outcome"] == "ingested"
    assert desk.counted(again["id"]) == (10, 0, 0, 10, 0)


def test_df2_what_a_failed_try_left_does_not_block_the_next(desk: Desk) -> None:
    """By another job, as a person makes one of a dead one: it begins anew, and counts the same."""
    desk.at_once = 3
    desk.files.put(file(9, 1), "x", file(9, 1))
    failed = desk.put()
    assert desk.run(failed)["error_code"] == "file_changed"

    again = desk.run(desk.put())

    assert again["outcome"] == "ingested"
    assert desk.counted(again["id"]) == (10, 9, 0, 0, 1)


def test_df2_a_file_that_is_half_read_by_a_killed_job_is_read_by_the_next(desk: Desk) -> None:
    desk.at_once = 3
    desk.files.put(file(9, 1))
    killed = desk.put()
    job = desk.claim(killed)
    desk.stop = lambda: bool(desk.sql("SELECT 1 FROM intake.batches WHERE rows_read > 0"))
    desk.perform(job)
    desk.sql("UPDATE ops.jobs SET status = 'dead', error_code = 'x', finished_at = now()")
    assert desk.batch(killed)["status"] == "staging"

    desk.stop = lambda: False
    again = desk.run(desk.put())

    assert desk.counted(again["id"]) == (10, 9, 0, 0, 1)
    left = desk.batch(killed)
    assert (left["status"], left["total"], left["rejected"]) == ("failed", 10, 10)
    assert "half-read" in left["rejection_reason"]
    assert desk.sql("SELECT 1 FROM intake.staged_rows") == []


def test_df2_what_a_killed_job_has_staged_is_taken_over_and_counted_on(desk: Desk) -> None:
    desk.at_once = 3
    desk.files.put(file(9, 1))
    killed = desk.put()
    desk.stop = lambda: bool(desk.sql("SELECT 1 FROM intake.batches WHERE inserted > 0"))
    desk.perform(desk.claim(killed))
    desk.sql("UPDATE ops.jobs SET status = 'dead', error_code = 'x', finished_at = now()")
    assert 0 < len(desk.judgments()) < 9

    desk.stop = lambda: False
    again = desk.run(desk.put())

    assert (again["outcome"], again["result"]["batch_id"]) == ("ingested", str(killed))
    assert desk.counted(killed) == (10, 9, 0, 0, 1)
    assert desk.batch(killed)["job_id"] == again["id"]


def stops_after(times: int) -> Callable[[], bool]:
    asked: list[None] = []

    def stop() -> bool:
        asked.append(None)
        return len(asked) > times

    return stop


@pytest.mark.parametrize("at_once", [7, 5_000])
@pytest.mark.parametrize("kind", ["simplicity_ingest", "intake", "ingest"])
def test_df3_10_bad_of_100_are_within_the_budget_and_11_are_not(
    desk: Desk, kind: str, at_once: int
) -> None:
    desk.at_once = at_once

    within = desk.read(file(90, 10), kind)
    beyond = desk.read(HEADER + rows(*range(200, 289)) + bad_rows(*range(11)), kind)

    assert desk.counted(within["id"]) == (100, 90, 0, 0, 10)
    assert (beyond["status"], beyond["error_code"]) == ("failed", "error_budget")
    assert desk.counted(beyond["id"]) == (100, 0, 0, 0, 100)
    assert len(desk.judgments()) == 90
    assert desk.sql("SELECT 1 FROM intake.staged_rows") == []
    reason = "11 of 100 rows (11.0%) have an error, more than 10 %: none was taken"
    assert desk.batch(beyond["id"])["rejection_reason"] == reason
    assert beyond["error_detail"].startswith(reason)


def test_df3_of_a_file_over_its_budget_the_first_20_errors_are_kept(desk: Desk) -> None:
    desk.at_once = 10

    done = desk.read(HEADER + bad_rows(*range(50)) + rows(*range(50, 100)))

    errors = desk.errors(done["id"])
    assert [each["row_number"] for each in errors] == list(range(2, 22))
    assert errors[0] == {
        "row_number": 2,
        "severity": "error",
        "column_name": "Judgment Amount",
        "code": "amount_negative",
        "value": "-1",
    }
    assert "50 of 100 rows" in done["error_detail"]


def test_df3_a_rejected_file_may_be_sent_again_mended(desk: Desk) -> None:
    batch_id = str(uuid4())
    desk.read(file(1, 1), batch_id=batch_id)

    with_the_same_id = desk.read(file(1, 1), batch_id=batch_id)
    mended = desk.read(file(2))

    assert with_the_same_id["error_code"] == "error_budget"
    assert desk.counted(mended["id"]) == (2, 2, 0, 0, 0)


@pytest.mark.parametrize("table", ["intake.staged_rows", "intake.judgments"])
@pytest.mark.parametrize("at_once", [4, 5_000])
def test_df4_a_row_that_only_the_database_refuses_is_rejected_alone(
    desk: Desk, table: str, at_once: int
) -> None:
    desk.at_once = at_once
    desk.sql(GUARD.format(table=table))

    done = desk.read(file(100))

    assert (done["status"], done["outcome"]) == ("completed", "ingested")
    assert desk.counted(done["id"]) == (100, 90, 0, 0, 10)
    errors = desk.errors(done["id"])
    assert [each["row_number"] for each in errors] == list(range(9, 102, 10))
    assert {each["code"] for each in errors} == {"refused_by_the_database_23514"}
    assert {each["value"] for each in errors} == {None}


@pytest.mark.parametrize("table", ["intake.staged_rows", "intake.judgments"])
def test_df4_what_the_database_refuses_counts_in_the_budget(desk: Desk, table: str) -> None:
    desk.sql(GUARD.format(table=table))

    done = desk.read(file(99, 1))

    assert (done["status"], done["error_code"]) == ("failed", "error_budget")
    assert desk.judgments() == []
    assert desk.counted(done["id"]) == (100, 0, 0, 0, 100)


def test_df4_judgments_that_were_in_before_the_budget_was_used_up_are_told(desk: Desk) -> None:
    """Only rules that stand on the judgments alone come so late."""
    desk.at_once = 10
    desk.sql(GUARD.format(table="intake.judgments"))

    done = desk.read(HEADER + rows(*range(60)) + rows(*range(1007, 1207, 10)))

    assert done["error_code"] == "error_budget"
    assert "judgments were in, the rest was not taken" in done["error_detail"]
    total, inserted, *_, rejected = desk.counted(done["id"])
    assert (total, rejected) == (80, 80 - inserted)
    assert len(desk.judgments()) == inserted > 0


@pytest.mark.parametrize("at_once", [2, 3, 5_000])
def test_df5_every_row_is_inserted_updated_a_duplicate_or_rejected(
    desk: Desk, at_once: int
) -> None:
    desk.at_once = at_once
    desk.read(HEADER + rows(*range(20)))

    changed = desk.read(
        HEADER
        + rows(*range(10))  # as they are
        + rows(*range(10, 15), amount="7")  # changed
        + rows(*range(30, 36))  # new
        + rows(30, 31, 30)  # said again
        + bad_rows(99)
    )

    assert desk.counted(changed["id"]) == (25, 6, 5, 13, 1)
    told = {name: changed["result"][name] for name in ("total", "inserted", "updated")}
    assert told == {"total": 25, "inserted": 6, "updated": 5}


def test_df5_the_database_keeps_no_batch_that_does_not_add_up(desk: Desk) -> None:
    done = desk.read(file(3))

    for column in ("total", "inserted", "updated", "duplicate", "rejected"):
        with pytest.raises(Exception, match="batches_add_up"):
            desk.sql(
                f"UPDATE intake.batches SET {column} = {column} + 1 WHERE id = :id", id=done["id"]
            )


def test_df6_0_is_an_amount_and_none_is_not(desk: Desk) -> None:
    desk.read(f"{HEADER}C-1,B,S,0.00,,\nC-2,B,S,,,\nC-3,B,S,5,,\nC-4,B,S,5,,\n")

    desk.read(f"{HEADER}C-1,B,S,,,\nC-2,B,S,0,,\nC-3,B,S,0,,\nC-4,B,S,,,\n")

    amounts = [each["amount"] for each in desk.judgments()]
    assert amounts == [Decimal(0), Decimal(0), Decimal(0), Decimal(5)]


@pytest.mark.parametrize("bad", ["NaN", "nan", "Infinity", "-inf", "1e400"])
def test_df6_what_is_no_number_is_nowhere(desk: Desk, bad: str) -> None:
    done = desk.read(f"{HEADER}C-1,B,S,{bad},,\n{rows(*range(9))}")

    assert [each["code"] for each in desk.errors(done["id"])] == ["amount_unreadable"]
    assert len(desk.judgments()) == 9
    staged = "INSERT INTO intake.staged_rows (batch_id, case_number, row_number, amount)"
    for statement in (
        f"{staged} SELECT id, 'x', 1, 'NaN' FROM intake.batches",
        "UPDATE intake.judgments SET amount = 'NaN'",
        "UPDATE intake.judgments SET amount = -1",
    ):
        with pytest.raises(Exception, match="amount_check"):
            desk.sql(statement)


def test_a_judgment_is_stored_as_the_file_says_it(desk: Desk) -> None:
    desk.read(
        "case_no;PLF;def name;orig amt;date filed;Judgment Date;county;Filing Court\n"
        '12/345;"Bank; Trust";"O\'Hara\nMüller";"$1,234.50";13.01.24;2024-02-03;Kings;Civil\n',
        source_reference="court 7",
        kind="simplicity_ingest",
    )

    [judgment] = desk.judgments()
    assert judgment["case_number"] == "12/345"
    assert (judgment["plaintiff"], judgment["defendant"]) == ("Bank; Trust", "O'Hara Müller")
    assert judgment["amount"] == Decimal("1234.50")
    assert judgment["filing_date"] == date(2024, 1, 13)
    assert judgment["judgment_date"] == date(2024, 2, 3)
    assert (judgment["county"], judgment["court"]) == ("Kings", "Civil")
    assert judgment["source_reference"] == "court 7"


def test_what_a_file_does_not_say_stays(desk: Desk) -> None:
    desk.read(file(1))

    desk.read("Case Number,Court\nC-000000,Civil\nC-9,Civil\n")

    known, new = desk.judgments()
    assert (known["plaintiff"], known["county"], known["court"]) == ("Bank 0", "Kings", "Civil")
    assert (new["plaintiff"], new["defendant"]) == ("Unknown Plaintiff", "Unknown Defendant")
    desk.read("Case Number,Plaintiff\nC-9,Bank\n")
    assert desk.judgments()[1]["plaintiff"] == "Bank"


@pytest.mark.parametrize("content", ["", HEADER, "\n\n"])
@pytest.mark.parametrize("kind", ["simplicity_ingest", "intake"])
def test_a_file_without_rows_is_a_success_with_none(desk: Desk, content: str, kind: str) -> None:
    done = desk.read(content, kind)

    assert (done["status"], done["outcome"]) == ("completed", "empty")
    assert desk.counted(done["id"]) == (0, 0, 0, 0, 0)


def test_a_file_without_a_column_that_it_needs_fails_with_its_names(desk: Desk) -> None:
    done = desk.read("Case Number,Plaintiff,Amount\n1,2,3\n", "simplicity_ingest")

    assert (done["status"], done["error_code"]) == ("failed", "MissingColumnsError")
    assert "defendant (accepted: defendant, defendant name, def" in done["error_detail"]
    assert "'Case Number', 'Plaintiff', 'Amount'" in done["error_detail"]
    assert desk.sql("SELECT 1 FROM intake.batches") == []


def test_a_file_that_is_not_there_fails(desk: Desk) -> None:
    done = desk.run(desk.put())

    assert (done["status"], done["error_code"]) == ("failed", "UsageError")
    assert f"{PLACE}: there is no such file" in done["error_detail"]


def test_a_file_that_changes_its_encoding_while_it_is_read_is_tried_again(desk: Desk) -> None:
    desk.files.put(file(3), file(3).replace("Debtor", "Müller").encode("windows-1252"))

    first = desk.run(job_id := desk.put())
    second = desk.run(job_id)

    assert (first["status"], first["error_code"]) == ("pending", "file_changed")
    assert desk.counted(second["id"]) == (3, 3, 0, 0, 0)


def test_a_file_that_changes_while_it_is_read_is_tried_again(desk: Desk) -> None:
    desk.files.put(file(3), file(5))

    first = desk.run(job_id := desk.put())
    assert desk.judgments() == []
    second = desk.run(job_id)

    assert (first["status"], first["error_code"]) == ("pending", "file_changed")
    assert second["outcome"] == "ingested"
    assert desk.counted(job_id) == (5, 5, 0, 0, 0)


@pytest.mark.parametrize(
    ("kind", "payload", "told"),
    [
        ("intake", {}, "file_path: must be a text"),
        ("intake", {"file_path": "/etc/passwd"}, "file_path: /etc/passwd is not below /srv/intake"),
        ("intake", {"file_path": PLACE, "forced": True}, "forced: there is no such field"),
        ("intake", {"file_path": PLACE, "source_reference": "x"}, "source_reference: there is no"),
        ("intake", {"file_path": PLACE, "force": "yes"}, "force: must be true or false"),
        ("ingest", {"file_path": PLACE, "batch_id": 7}, "batch_id: must be a UUID"),
        ("ingest", {"file_path": PLACE, "batch_id": "x"}, "batch_id: must be a UUID"),
        ("simplicity_ingest", {"file_path": PLACE, "force": True}, "force: there is no such field"),
        ("simplicity_ingest", {"file_path": f"{PLACE}\n"}, "file_path: must be one line"),
        ("simplicity_ingest", {"file_path": PLACE, "source_reference": []}, "source_reference: "),
    ],
)  # fmt: skip
def test_a_payload_is_refused_with_the_name_of_its_field(
    desk: Desk, kind: str, payload: dict[str, object], told: str
) -> None:
    with pytest.raises(BadPayloadError, match=f"^{told}"):
        desk.store.enqueue([NewJob(kind=kind, payload=payload)])


def test_a_batch_has_the_id_that_was_given(desk: Desk) -> None:
    batch_id = str(uuid4())

    done = desk.read(file(3), batch_id=batch_id)

    assert done["result"]["batch_id"] == batch_id
    assert desk.batch(batch_id)["job_id"] == done["id"]


def test_the_id_of_another_files_batch_is_refused(desk: Desk) -> None:
    batch_id = str(uuid4())
    desk.read(file(3), batch_id=batch_id)

    other = desk.read(file(4), batch_id=batch_id)
    same = desk.read(file(3), batch_id=batch_id)
    forced = desk.read(file(3), batch_id=batch_id, force=True)

    assert (other["status"], other["error_code"]) == ("failed", "UsageError")
    assert "is that of another file" in other["error_detail"]
    assert (same["outcome"], same["result"]["duplicate_of"]) == ("duplicate", batch_id)
    assert desk.counted(batch_id) == (3, 0, 0, 3, 0)
    assert forced["outcome"] == "ingested"


def test_two_files_under_one_id_at_once_are_begun_one_after_the_other(desk: Desk) -> None:
    batch_id = str(uuid4())
    desk.files.put(file(3))
    job_id = desk.put(batch_id=batch_id)
    lock = sa.text("SELECT pg_advisory_xact_lock(ops.lock_key('intake/' || :id))")

    with ThreadPoolExecutor(1) as pool:
        with desk.database.transaction() as other:
            other.execute(lock, {"id": batch_id})
            running = pool.submit(desk.run, job_id)
            assert not wait([running], 1.0).done
        assert running.result(30)["outcome"] == "ingested"


def test_a_file_that_was_refused_may_be_sent_mended_as_the_same_batch(desk: Desk) -> None:
    batch_id = str(uuid4())
    desk.read(file(1, 1), batch_id=batch_id)

    mended = desk.read(file(2), batch_id=batch_id)

    assert mended["outcome"] == "ingested"
    assert desk.counted(batch_id) == (2, 2, 0, 0, 0)
    assert desk.errors(batch_id) == []


def test_two_jobs_with_the_same_file_at_once_do_it_once(desk: Desk) -> None:
    desk.at_once = 2
    desk.files.put(file(9))
    first, second = desk.put(), desk.put()
    at_it = desk.claim(first)
    desk.stop = once(lambda: waiting.append(desk.run(second)))
    waiting: list[dict[str, Any]] = []

    desk.perform(at_it)
    ended = desk.run(second)

    assert [each["status"] for each in waiting] == ["pending"]
    assert waiting[0]["attempts"] == 0
    assert desk.job(first)["outcome"] == "ingested"
    assert ended["outcome"] == "duplicate"
    assert len(desk.judgments()) == 9


def once(act: Callable[[], object], at: int = 6) -> Callable[[], bool]:
    """In the middle: when the file is being staged."""
    asked: list[None] = []

    def stop() -> bool:
        asked.append(None)
        if len(asked) == at:
            act()
        return False

    return stop


@pytest.mark.parametrize("at", [1, 6], ids=["surveying", "staging"])
def test_a_job_whose_lease_is_lost_writes_nothing_more(desk: Desk, at: int) -> None:
    desk.at_once = 2
    desk.files.put(file(9))
    job_id = desk.put()
    frozen = desk.claim(job_id)

    def overtake() -> None:
        desk.let_lease_run_out(job_id)
        assert desk.run(job_id)["outcome"] == "ingested"

    desk.stop = once(overtake, at)
    before = desk.sql("SELECT 1 FROM intake.judgments")
    ended = desk.perform(frozen)

    assert before == []
    assert ended is Ended.LOST
    assert desk.counted(job_id) == (9, 9, 0, 0, 0)
    assert desk.sql("SELECT 1 FROM intake.staged_rows") == []


def test_a_job_whose_file_was_taken_over_by_another_one_writes_nothing_more(desk: Desk) -> None:
    """Frozen for longer than its lease, and nobody has claimed it yet."""
    desk.at_once = 2
    desk.files.put(file(9))
    first, second = desk.put(), desk.put()
    frozen = desk.claim(first)

    def overtake() -> None:
        desk.let_lease_run_out(first)
        assert desk.run(second)["outcome"] == "ingested"
        desk.sql(
            "UPDATE ops.jobs SET leased_until = now() + interval '1 hour' WHERE id = :id", id=first
        )

    desk.stop = once(overtake)
    desk.perform(frozen)
    again = desk.run(first)

    assert again["outcome"] == "duplicate"
    assert desk.counted(second) == (9, 9, 0, 0, 0)
    assert len(desk.judgments()) == 9


def test_a_stopped_job_keeps_what_it_has_and_goes_on(desk: Desk) -> None:
    desk.at_once = 2
    desk.files.put(file(19, 1))
    job_id = desk.put()
    times = 0

    while (row := desk.job(job_id))["status"] != "completed":
        desk.stop = stops_after(8)
        row = desk.run(job_id)
        times += 1
        assert times < 50
        assert row["attempts"] <= 1

    assert times > 3
    assert desk.counted(job_id) == (20, 19, 0, 0, 1)


def test_a_job_out_of_time_goes_on_with_the_next_run(desk: Desk) -> None:
    desk.at_once = 2
    desk.files.put(file(19, 1))
    job_id = desk.put()

    def deadline() -> Deadline:
        """Enough to begin, and for a few steps."""
        asked = iter(range(1000))
        return Deadline(18.0, lambda: float(next(asked)))

    tries = [desk.run(job_id, deadline=deadline())]
    while tries[-1]["status"] == "pending":
        tries.append(desk.run(job_id, deadline=deadline()))

    assert len(tries) > 1
    assert {each["attempts"] for each in tries[:-1]} == {0}
    assert tries[-1]["outcome"] == "ingested"
    assert desk.counted(job_id) == (20, 19, 0, 0, 1)


def test_a_file_is_refused_in_time_and_its_rows_go_with_the_next_one(desk: Desk) -> None:
    desk.files.put(file(80, 20))

    def ticks() -> float:
        return 100.0 * len(desk.sql("SELECT 1 FROM intake.batches WHERE status = 'failed'"))

    done = desk.run(desk.put(), deadline=Deadline(50.0, ticks))
    left = desk.sql("SELECT 1 FROM intake.staged_rows")
    desk.read(file(1))

    assert (done["error_code"], len(left)) == ("error_budget", 80)
    assert desk.sql("SELECT 1 FROM intake.staged_rows") == []


def test_a_run_too_short_to_read_the_file_once_is_a_failed_try(desk: Desk) -> None:
    desk.files.put(file(9))
    ticks = iter([0.0, *[100.0] * 50])

    done = desk.run(desk.put(), deadline=Deadline(50.0, lambda: next(ticks)))

    assert (done["status"], done["error_code"]) == ("pending", "out_of_time")
    assert "--deadline" in done["error_detail"]


def test_a_cancelled_job_gives_its_file_up(desk: Desk) -> None:
    desk.at_once = 2
    desk.files.put(file(9))
    job_id = desk.put()
    job = desk.claim(job_id)
    desk.stop = once(
        lambda: desk.sql("UPDATE ops.jobs SET cancel_asked_at = now() WHERE id = :id", id=job_id)
    )

    ended = desk.perform(job)
    again = desk.run(desk.put())

    assert ended is Ended.CANCELLED
    batch = desk.batch(job_id)
    assert (batch["status"], batch["rejection_reason"]) == ("failed", "the job's end was asked for")
    assert desk.counted(again["id"]) == (9, 9, 0, 0, 0)


def test_what_a_job_cancelled_between_two_runs_has_staged_goes_with_the_next_file(
    desk: Desk,
) -> None:
    desk.at_once = 2
    desk.files.put(file(9))
    job_id = desk.put()
    desk.stop = lambda: bool(desk.sql("SELECT 1 FROM intake.batches WHERE inserted > 0"))
    desk.perform(desk.claim(job_id))
    desk.sql("UPDATE ops.jobs SET status = 'cancelled', finished_at = now()")
    assert desk.batch(job_id)["status"] == "upserting"

    desk.stop = lambda: False
    desk.read(file(1))

    assert desk.sql("SELECT 1 FROM intake.staged_rows") == []
    assert (desk.batch(job_id)["status"], desk.counted(job_id)[:2]) == ("failed", (9, 2))


def test_a_job_cancelled_before_it_has_read_its_file_leaves_no_batch(desk: Desk) -> None:
    desk.files.put(file(9))
    job_id = desk.put()
    job = desk.claim(job_id)
    desk.sql("UPDATE ops.jobs SET cancel_asked_at = now() WHERE id = :id", id=job_id)

    assert desk.perform(job) is Ended.CANCELLED
    assert desk.sql("SELECT 1 FROM intake.batches") == []


def test_nobody_is_named_in_a_log_a_result_or_an_error(desk: Desk) -> None:
    desk.sql(GUARD.format(table="intake.judgments"))
    done = desk.read(HEADER + rows(*range(20)).replace("Debtor", "Secretman"))
    failed = desk.read(HEADER + bad_rows(*range(20)).replace("Debtor", "Secretman"))

    told = repr([desk.log.told, done["result"], failed["error_detail"], done["error_detail"]])
    events = repr(desk.sql("SELECT * FROM ops.job_events"))
    errors = repr(desk.sql("SELECT * FROM intake.row_errors"))

    assert "Secretman" not in told + events + errors
    assert "Secretman" in repr(desk.judgments())


def test_the_report_says_how_the_file_was_read(desk: Desk) -> None:
    content = (HEADER + rows(1).replace("Debtor", "Müller")).replace(",", ";")

    done = desk.read(content.encode("windows-1252"))

    assert done["result"] == {
        "batch_id": str(done["id"]),
        "format": "simplicity",
        "encoding": "windows-1252",
        "delimiter": ";",
        "columns": {
            "case_number": "Case Number",
            "plaintiff": "Plaintiff",
            "defendant": "Defendant",
            "amount": "Judgment Amount",
            "filing_date": "Filing Date",
            "county": "County",
        },
        "dates": {"filing_date": "MM/DD: values above 12 show it"},
        "total": 1,
        "inserted": 1,
        "updated": 0,
        "duplicate": 0,
        "rejected": 0,
        "warnings": 0,
    }


def test_bad_dates_are_told_20_times(desk: Desk) -> None:
    desk.at_once = 7
    done = desk.read(HEADER + rows(*range(40)).replace("01/31/2024", "soon"))

    warnings = desk.errors(done["id"])
    assert (done["result"]["warnings"], len(warnings)) == (40, 20)
    assert {(each["severity"], each["code"]) for each in warnings} == {
        ("warning", "date_unreadable")
    }


def test_a_thousand_rows_cost_a_few_statements(desk: Desk) -> None:
    desk.files.put(file(9_500, 500))
    job = desk.claim(desk.put())

    with counting() as statements:
        desk.perform(job)

    assert len(statements) <= 60, statements


@pytest.mark.parametrize("left_s", [0.0, 3.9])
def test_a_job_is_not_begun_without_time(desk: Desk, left_s: float) -> None:
    desk.files.put(file(1))
    deadline = Deadline.after(left_s, lambda: 0.0)

    done = desk.run(desk.put(), deadline=deadline)

    assert (done["status"], done["attempts"], desk.files.opened) == ("pending", 0, 0)


def test_a_batch_that_is_being_read_is_not_begun_by_another_job(desk: Desk) -> None:
    """Also where the file is another one."""
    batch_id = str(uuid4())
    desk.at_once = 2
    desk.files.put(file(9))
    desk.files.put(file(5), place="/srv/intake/other.csv")
    first = desk.put(batch_id=batch_id)
    second = desk.put(batch_id=batch_id, place="/srv/intake/other.csv")
    at_it = desk.claim(first)
    waiting: list[dict[str, Any]] = []
    desk.stop = once(lambda: waiting.append(desk.run(second)))

    desk.perform(at_it)
    ended = desk.run(second)

    assert [each["status"] for each in waiting] == ["pending"]
    assert "is that of another file" in ended["error_detail"]
    assert desk.counted(batch_id) == (9, 9, 0, 0, 0)
