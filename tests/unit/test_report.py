"""What a run says at its end: small, whole, and with a sentence for each reason."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest

from core.ids import AccountId, RunId
from core.report import (
    SENTENCES,
    UNITS_HELD,
    Holder,
    Outcome,
    Reason,
    RunReport,
    Trigger,
    UnitReport,
    instant,
)

AT = datetime(2026, 11, 22, 5, 0, 0, 123456, tzinfo=UTC)
RUN = RunId(UUID("0f8fad5b-d9cb-469f-a165-70867728950e"))
KEYS = [
    "run_id", "worker", "outcome", "reason", "message", "detail", "more", "started_at",
    "finished_at", "duration_ms", "counts", "next_due_at", "trigger", "units", "omitted",
]  # fmt: skip


def unit(
    number: int = 1, outcome: Outcome = Outcome.DONE, name: str = "shop", **facts: Any
) -> UnitReport:
    return UnitReport(
        account_id=AccountId(number),
        account=f"{name}-{number}",
        stream="orders",
        outcome=outcome,
        reason=Reason.UPSTREAM if outcome is Outcome.FAILED else None,
        cursor_after=AT,
        **facts,
    )


def report(
    *units: UnitReport,
    reason: Reason | None = None,
    detail: str | None = None,
    delivery_id: str | None = None,
    holder: Holder | None = None,
) -> RunReport:
    return RunReport(
        run_id=RUN,
        worker="ebay-cycle",
        trigger=Trigger(via="http", delivery_id=delivery_id),
        outcome=Outcome.DONE,
        reason=reason,
        detail=detail,
        started_at=AT,
        finished_at=AT + timedelta(seconds=1),
        duration_ms=1000,
        units=units,
        holder=holder,
    )


def test_r27_every_reason_has_one_sentence() -> None:
    assert set(SENTENCES) == set(Reason)
    assert all(sentence.endswith((".", "`.")) for sentence in SENTENCES.values())
    assert all("\n" not in sentence and len(sentence) < 200 for sentence in SENTENCES.values())


def test_a_report_has_the_keys_that_people_script_against() -> None:
    told = report(unit()).as_json()

    assert list(told) == KEYS
    assert told["run_id"] == "0f8fad5b-d9cb-469f-a165-70867728950e"
    assert told["started_at"] == "2026-11-22T05:00:00.123Z"
    assert told["trigger"] == {"via": "http", "delivery_id": None}
    assert told["units"] == [
        {
            "account": "shop-1",
            "stream": "orders",
            "outcome": "done",
            "reason": None,
            "fetched": 0,
            "written": 0,
            "cursor": "2026-11-22T05:00:00.123Z",
        }
    ]


def test_a_reason_comes_with_its_sentence() -> None:
    told = report(reason=Reason.PAUSED).as_json()

    assert told["reason"] == "paused"
    assert told["message"] == SENTENCES[Reason.PAUSED]


def test_units_held_by_other_runs_are_told_in_other_words_than_a_worker() -> None:
    held = report(unit(), reason=Reason.ALREADY_RUNNING)
    worker = report(reason=Reason.ALREADY_RUNNING)

    assert held.message == UNITS_HELD
    assert worker.message == SENTENCES[Reason.ALREADY_RUNNING]


@pytest.mark.parametrize(
    ("holder", "expected"),
    [
        (Holder(), {"run_id": None, "since": None, "until": None}),
        (
            Holder(run_id=RUN, since=AT, until=AT),
            {
                "run_id": str(RUN),
                "since": "2026-11-22T05:00:00.123Z",
                "until": "2026-11-22T05:00:00.123Z",
            },
        ),
    ],
)
def test_who_stood_in_the_way_is_told_as_far_as_known(
    holder: Holder, expected: dict[str, object]
) -> None:
    assert report(holder=holder).as_json()["holder"] == expected


def test_at_most_twenty_units_are_told_and_the_rest_counted() -> None:
    told = report(*(unit(number, name="s") for number in range(50))).as_json()

    assert isinstance(told["units"], list)
    assert len(told["units"]) == 20
    assert told["omitted"] == 30


def test_trouble_is_told_before_what_went_well() -> None:
    units = [unit(number) for number in range(50)] + [unit(99, Outcome.FAILED)]

    told = report(*units).as_json()["units"]

    assert isinstance(told, list)
    assert (told[0]["account"], told[0]["reason"]) == ("shop-99", "upstream")
    assert told[1]["account"] == "shop-0"


@pytest.mark.parametrize("letter", ["x", "ü", "漢", "😀", "\ud800", '"', "\\", "\n"])
def test_an_answer_stays_under_four_kilobytes(letter: str) -> None:
    units = [unit(number, name=letter * 255) for number in range(50)]

    told = report(
        *units, reason=Reason.UPSTREAM, detail=letter * 5000, delivery_id="é" * 255
    ).as_json()

    sent = json.dumps(told, ensure_ascii=False).encode(errors="surrogatepass")
    assert len(sent) < 4096
    assert isinstance(told["units"], list)
    assert told["omitted"] == 50 - len(told["units"])


def test_a_stored_report_is_told_as_it_was() -> None:
    stored = {"run_id": "another", "outcome": "done"}
    replayed = RunReport(
        run_id=RUN,
        worker="ebay-cycle",
        trigger=Trigger(via="http"),
        outcome=Outcome.DONE,
        started_at=AT,
        finished_at=AT,
        duration_ms=0,
        stored=stored,
    )

    assert replayed.as_json() == stored


def test_r33_every_fetched_row_is_accounted_for() -> None:
    whole = unit(fetched=10, inserted=1, updated=2, unchanged=3, quarantined=4)

    assert whole.written == 3
    with pytest.raises(AssertionError, match="accounted for"):
        unit(fetched=1)


def test_an_instant_is_told_in_utc_with_milliseconds() -> None:
    elsewhere = AT.astimezone(timezone(timedelta(hours=2)))

    assert instant(None) is None
    assert instant(AT) == "2026-11-22T05:00:00.123Z"
    assert instant(elsewhere) == "2026-11-22T05:00:00.123Z"
