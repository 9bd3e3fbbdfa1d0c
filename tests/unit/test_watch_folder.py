"""One pass over a folder."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from core.errors import UpstreamUnavailableError, UsageError
from core.intake import watch
from core.jobs.kind_test import TEST
from core.jobs.kinds import BadPayloadError, JobContext
from core.jobs.model import Completed, NewJob
from tests.support.memory_folders import FOLDER, MemoryFolder, MemorySeen, watching
from tests.support.outside import context, job

PAYLOAD: Mapping[str, object] = {"folder": FOLDER, "kind": "test"}


class Settling:
    """The transaction of a job that settles: its effect, then its follow-ups."""

    def __init__(self, seen: MemorySeen) -> None:
        self.seen = seen
        self.names: list[str] = []

    def execute(self, name: str, /, **values: Any) -> list[dict[str, Any]]:
        self.names.append(name)
        self.seen.mark(json.loads(values["files"]))
        return []


@pytest.fixture
def folder() -> MemoryFolder:
    return MemoryFolder()


@pytest.fixture
def seen() -> MemorySeen:
    return MemorySeen()


def passed(
    folder: MemoryFolder,
    seen: MemorySeen,
    within: JobContext | None = None,
    **payload: object,
) -> tuple[Mapping[str, Any], Sequence[NewJob]]:
    """What one pass reports, and what follows, both written."""
    kind = watching(folder, seen).job_kind()
    verdict = kind.perform(job({**PAYLOAD, **payload}), within or context())
    assert isinstance(verdict, Completed)
    assert verdict.result is not None
    if verdict.effect is not None:
        verdict.effect(Settling(seen))
    return {"outcome": verdict.outcome, **verdict.result}, verdict.then


def paths(jobs: Sequence[NewJob]) -> list[object]:
    return [each.payload["file_path"] for each in jobs]


def test_each_new_file_gets_its_job_and_is_marked_with_it(
    folder: MemoryFolder, seen: MemorySeen
) -> None:
    folder.put("b.csv", b"2")
    folder.put("a.csv", b"1")

    report, then = passed(folder, seen)

    assert paths(then) == [f"{FOLDER}/a.csv", f"{FOLDER}/b.csv"]
    assert {each.kind for each in then} == {"test"}
    assert set(seen.files) == {f"{FOLDER}/a.csv", f"{FOLDER}/b.csv"}
    assert report == {
        "outcome": "enqueued",
        "new": 2,
        "duplicate": 0,
        "known": 0,
        "being_written": 0,
        "unreadable": 0,
        "more": False,
        "files": ["a.csv", "b.csv"],
        "not_read": [],
    }


def test_a_second_pass_finds_nothing_new_and_reads_nothing(
    folder: MemoryFolder, seen: MemorySeen
) -> None:
    folder.put("a.csv", b"1")
    passed(folder, seen)
    folder.read.clear()

    report, then = passed(folder, seen)

    assert (report["outcome"], report["known"], list(then)) == ("nothing_new", 1, [])
    assert folder.read == []


def test_the_same_content_under_another_name_is_a_duplicate(
    folder: MemoryFolder, seen: MemorySeen
) -> None:
    folder.put("a.csv", b"1")
    folder.put("copy.csv", b"1")

    report, then = passed(folder, seen)
    folder.put("late copy.csv", b"1")
    again, none = passed(folder, seen)

    assert (report["new"], report["duplicate"], paths(then)) == (1, 1, [f"{FOLDER}/a.csv"])
    assert (again["duplicate"], again["known"], list(none)) == (1, 2, [])


def test_a_file_with_other_content_than_before_is_new(
    folder: MemoryFolder, seen: MemorySeen
) -> None:
    folder.put("a.csv", b"1")
    passed(folder, seen)
    folder.put("a.csv", b"2", timedelta(minutes=1))

    report, then = passed(folder, seen)

    assert (report["new"], paths(then)) == (1, [f"{FOLDER}/a.csv"])


def test_a_file_that_was_touched_only_is_a_duplicate_of_itself(
    folder: MemoryFolder, seen: MemorySeen
) -> None:
    folder.put("a.csv", b"1")
    passed(folder, seen)
    folder.put("a.csv", b"1", timedelta(minutes=1))

    report, then = passed(folder, seen)

    assert (report["duplicate"], list(then)) == (1, [])


@pytest.mark.parametrize("age", [timedelta(0), timedelta(seconds=9), timedelta(seconds=-9)])
def test_a_file_that_may_still_be_written_is_left_for_the_next_pass(
    age: timedelta, folder: MemoryFolder, seen: MemorySeen
) -> None:
    folder.put("a.csv", b"half", age)

    report, then = passed(folder, seen)

    assert (report["being_written"], list(then), seen.files) == (1, [], {})
    assert folder.read == []


def test_a_file_that_another_clock_has_dated_is_read(
    folder: MemoryFolder, seen: MemorySeen
) -> None:
    folder.put("a.csv", b"1", timedelta(days=-1))

    assert passed(folder, seen)[0]["new"] == 1


def test_a_file_that_changes_while_it_is_read_is_left_for_the_next_pass(
    folder: MemoryFolder, seen: MemorySeen
) -> None:
    folder.put("a.csv", b"1")
    folder.changing.add("a.csv")

    report, then = passed(folder, seen)

    assert (report["being_written"], list(then), seen.files) == (1, [], {})


@pytest.mark.parametrize(
    "error", [UsageError("is a symbolic link"), UpstreamUnavailableError("out of reach")]
)
def test_what_cannot_be_read_is_named_with_its_reason_and_the_others_are_done(
    error: Exception, folder: MemoryFolder, seen: MemorySeen
) -> None:
    folder.put("a.csv", b"1")
    folder.put("b.csv", b"2")
    folder.broken["a.csv"] = error

    report, then = passed(folder, seen)

    assert paths(then) == [f"{FOLDER}/b.csv"]
    assert report["unreadable"] == 1
    assert report["not_read"] == [{"name": "a.csv", "reason": str(error)}]


@pytest.mark.parametrize(
    ("name", "shown"),
    [("a\n.csv", "a\\n.csv"), ("\udcff.csv", "\\udcff.csv"), (" a.csv", " a.csv")],
)
def test_a_name_that_no_job_could_carry_is_told(
    name: str, shown: str, folder: MemoryFolder, seen: MemorySeen
) -> None:
    folder.put(name, b"1")

    report, then = passed(folder, seen)

    [told] = report["not_read"]
    assert (told["name"], list(then)) == (shown, [])


def test_the_pattern_chooses_whatever_the_capitals_and_no_hidden_files(
    folder: MemoryFolder, seen: MemorySeen
) -> None:
    for name in ("a.csv", "B.CSV", ".half.csv", "c.txt", "d.csv.part", "csv"):
        folder.put(name, name.encode())

    assert paths(passed(folder, seen)[1]) == [f"{FOLDER}/B.CSV", f"{FOLDER}/a.csv"]
    assert paths(passed(folder, seen, pattern="?.TXT")[1]) == [f"{FOLDER}/c.txt"]
    assert paths(passed(folder, seen, pattern=".*")[1]) == [f"{FOLDER}/.half.csv"]


def test_a_dry_run_tells_and_writes_nothing(folder: MemoryFolder, seen: MemorySeen) -> None:
    folder.put("a.csv", b"1")

    report, then = passed(folder, seen, dry_run=True)

    assert (report["outcome"], report["new"], report["files"]) == ("dry_run", 1, ["a.csv"])
    assert (list(then), seen.files) == ([], {})


def test_a_pass_is_bounded_and_the_rest_is_the_next_one_s(
    folder: MemoryFolder, seen: MemorySeen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "MOST", 7)
    monkeypatch.setattr(watch, "AT_ONCE", 5)
    for number in range(10):
        folder.put(f"{number}.csv", str(number).encode())

    first, then = passed(folder, seen)
    second, rest = passed(folder, seen)

    assert (first["new"], first["more"]) == (7, True)
    assert (second["new"], second["more"], second["known"]) == (3, False, 7)
    assert len({*paths(then), *paths(rest)}) == 10


def test_names_in_a_report_are_few_and_the_numbers_tell_of_all(
    folder: MemoryFolder, seen: MemorySeen
) -> None:
    for number in range(30):
        folder.put(f"{number}.csv", str(number).encode())
        folder.put(f"bad {number}.csv", b"")
        folder.broken[f"bad {number}.csv"] = UsageError("bad")

    report, _ = passed(folder, seen)

    assert (report["new"], len(report["files"])) == (30, 20)
    assert (report["unreadable"], len(report["not_read"])) == (30, 20)


def test_near_its_deadline_a_pass_writes_what_it_has_and_says_more(
    folder: MemoryFolder, seen: MemorySeen
) -> None:
    for name in ("a.csv", "b.csv", "c.csv"):
        folder.put(name, name.encode())
    ended: list[bool] = []
    folder.on_read = lambda: ended.append(True)
    within = replace(context(), cancelled=lambda: len(ended) > 1)

    report, then = passed(folder, seen, within)

    assert (report["new"], report["more"], paths(then)) == (1, True, [f"{FOLDER}/a.csv"])


def test_a_file_too_large_for_any_pass_is_told_so(folder: MemoryFolder, seen: MemorySeen) -> None:
    folder.put("a.csv", b"large")
    ended: list[bool] = []
    folder.on_read = lambda: ended.append(True)
    within = replace(context(), cancelled=lambda: bool(ended))

    report, _ = passed(folder, seen, within)

    assert (report["new"], report["more"]) == (0, True)
    assert "within the time" in report["not_read"][0]["reason"]


def test_a_lost_lease_ends_a_pass(folder: MemoryFolder, seen: MemorySeen) -> None:
    folder.put("a.csv", b"1")

    report, then = passed(folder, seen, context(renewals=[False]))

    assert (report["more"], list(then), folder.read) == (True, [], [])


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ({}, "folder: must be"),
        ({"folder": "/etc"}, "folder: /etc is not below"),
        ({"folder": FOLDER, "pattern": "x/*.csv"}, "pattern: names files of the folder itself"),
        ({"folder": FOLDER, "dry_run": "yes"}, "dry_run: must be true or false"),
        ({"folder": FOLDER, "move_to": "/x"}, "move_to"),
        ({"folder": FOLDER, "kind": "absent"}, "no kind of job 'absent' that reads a file"),
        ({"folder": FOLDER, "kind": "watch_folder"}, "no kind of job 'watch_folder'"),
        ({"folder": FOLDER}, "no kind of job 'intake'"),
        ({"folder": FOLDER, "kind": "picky"}, "file_path is no word of mine"),
    ],
)
def test_what_no_pass_could_do_is_refused_before_it_is_made(
    payload: dict[str, object], words: str
) -> None:
    def picky(payload: Mapping[str, object]) -> None:
        raise BadPayloadError(f"{next(iter(payload))} is no word of mine")

    kinds = {"test": TEST, "picky": replace(TEST, name="picky", check=picky)}
    kinds["watch_folder"] = watching().job_kind()
    kind = watching(kinds=kinds).job_kind()

    with pytest.raises(BadPayloadError, match=words):
        kind.check(payload)


def test_what_can_be_done_is_let_through() -> None:
    watching().job_kind().check({**PAYLOAD, "pattern": "*.txt", "dry_run": True})


def test_of_one_folder_one_pass_is_done_at_a_time() -> None:
    kind = watching().job_kind()

    assert kind.key is not None
    assert kind.key(PAYLOAD) == f"watch_folder:{FOLDER}"


def test_a_folder_that_ends_while_it_is_read_ends_the_pass(
    folder: MemoryFolder, seen: MemorySeen, monkeypatch: pytest.MonkeyPatch
) -> None:
    def names(_: MemoryFolder) -> list[str]:
        raise UpstreamUnavailableError("out of reach")

    monkeypatch.setattr(MemoryFolder, "names", names)

    with pytest.raises(UpstreamUnavailableError):
        passed(folder, seen)
