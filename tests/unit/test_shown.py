"""What the command line shows of runs, and of texts that somebody else has written."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from core.ids import AccountId, RunId
from core.report import Outcome, Reason, RunReport, Trigger, UnitReport
from handlers.cli.runs import EVENTS_SHOWN, show_events
from handlers.cli.text import report_text, shown, span, table

AT = datetime(2026, 11, 22, 5, 0, 0, tzinfo=UTC)


def unit(**facts: Any) -> UnitReport:
    whose: dict[str, Any] = {"account_id": AccountId(1), "account": "shop", "stream": "orders"}
    return UnitReport(**{**whose, "outcome": Outcome.DONE, **facts})


def report(*units: UnitReport, written: int = 0, **facts: Any) -> RunReport:
    whole: dict[str, Any] = {
        "run_id": RunId(UUID("0f8fad5b-d9cb-469f-a165-70867728950e")),
        "worker": "ebay-cycle",
        "trigger": Trigger(via="cli"),
        "outcome": Outcome.DONE,
        "started_at": AT,
        "finished_at": AT,
        "duration_ms": 700,
        "counts": {"written": written},
        "units": units,
    }
    return RunReport(**{**whole, **facts})


def test_nothing_of_a_cell_is_obeyed_by_a_terminal() -> None:
    told = table(("error",), [("\x1b[2Jgone\r\nnext\x9b1m",)])

    assert told.splitlines() == ["error", "-" * 17, " [2Jgone  next 1m"]
    assert shown(None) == "None"


@pytest.mark.parametrize(
    ("worker", "written", "dry_run", "said"),
    [
        ("ebay-cycle", 3902, True, "done: 3902 rows would be written in 0.7 s"),
        ("ebay-cycle", 1, True, "done: 1 row would be written in"),
        ("ebay-cycle", 3902, False, "done: 3902 rows written in"),
        ("ebay-cycle", 1, False, "done: 1 row written in"),
        ("token-refresh", 1, False, "done: 1 token refreshed in"),
        ("token-refresh", 0, True, "done: 0 tokens refreshed in"),
    ],
)
def test_what_a_run_did_is_no_more_than_it_did(
    worker: str, written: int, dry_run: bool, said: str
) -> None:
    told = report_text(report(worker=worker, written=written), dry_run=dry_run)

    assert f"{worker}: {said}" in told


def test_a_run_that_was_stopped_does_not_say_that_its_time_was_over() -> None:
    cut: dict[str, Any] = {"outcome": Outcome.PARTIAL, "reason": Reason.DEADLINE}
    run = report(unit(**cut), **cut)

    stopped, over = report_text(run, stopped=True), report_text(run)

    assert stopped.count("stopped by Ctrl-C or SIGTERM; what was read is saved") == 2
    assert "time for this run" not in stopped
    assert over.count("The time for this run was used up") == 2


def test_what_has_no_cursor_is_not_called_never_read() -> None:
    told = report_text(
        report(unit(), unit(pass_="open"), unit(stream="token"), unit(cursor_after=AT))
    )

    ends = [line.split()[-1] for line in told.splitlines()[2:6]]
    assert ends == ["never", "0", "0", "05:00:00Z"]


@pytest.mark.parametrize(
    ("seconds", "typed"), [(0, "0d"), (90, "90s"), (1800, "30m"), (21_600, "6h"), (172_800, "2d")]
)
def test_a_span_is_shown_as_it_would_be_typed(seconds: int, typed: str) -> None:
    assert span(timedelta(seconds=seconds)) == typed


def test_of_a_long_run_the_end_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Its units would be gone from the screen."""
    call = {"at": AT, "level": "info", "event": "ebay.called", "account": "shop", "stream": None}
    events = [{**call, "facts": {"number": number}} for number in range(EVENTS_SHOWN + 1)]

    show_events(events)
    long = capsys.readouterr().out.splitlines()
    show_events(events[1:])
    short = capsys.readouterr().out.splitlines()

    assert long[0] == "2026-11-22 05:00:00Z info ebay.called shop/ number=1"
    assert (
        long[-1]
        == f"the last {EVENTS_SHOWN} of {EVENTS_SHOWN + 1} pages and calls; --json has them all"
    )
    assert long[:-1] == short
