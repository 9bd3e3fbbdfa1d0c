"""Log lines: one event, one line, for programs and for people."""

import io
import json
import sys
from datetime import UTC, datetime

import pytest

from core.errors import StoreUnavailableError
from core.ids import AccountId
from core.report import Outcome
from core.secret import Secret
from infra.logs import make_log


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_json_line_holds_the_event_and_its_facts() -> None:
    stream = io.StringIO()

    make_log("info", "json", stream).warning(
        "run.finished", outcome=Outcome.DONE, counts={"written": 3}, account_id=AccountId(7)
    )

    line = json.loads(stream.getvalue())
    assert datetime.fromisoformat(line.pop("timestamp")).tzinfo == UTC
    assert line == {
        "level": "warning",
        "event": "run.finished",
        "outcome": "done",
        "counts": {"written": 3},
        "account_id": 7,
    }


@pytest.mark.parametrize("form", ["json", "text"])
def test_an_event_is_one_line_whatever_its_facts_hold(form: str) -> None:
    stream = io.StringIO()

    make_log("info", form, stream).info(
        "unit.failed", account="shop\nrun.finished outcome=done", error="a\u2028b\x1b[31m\r\x85c"
    )

    assert len(stream.getvalue().splitlines()) == 1
    assert "\x1b" not in stream.getvalue()


class Full(io.StringIO):
    def write(self, text: str, /) -> int:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("form", ["json", "text", None])
def test_a_log_that_cannot_be_written_stops_nobody(
    form: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    closed = io.StringIO()
    log = make_log("info", form, closed)
    closed.close()

    log.info("run.finished")
    make_log("info", form, Full()).info("run.finished")
    monkeypatch.setattr(sys, "stderr", None)
    make_log("info", form).info("run.finished")
    monkeypatch.undo()

    assert capsys.readouterr().err == ""


def test_text_is_readable_and_leaves_out_what_is_not_known() -> None:
    stream = io.StringIO()

    make_log("info", "text", stream).info(
        "run.finished", worker="ebay-cycle", reason=None, detail="no such host", counts={"pages": 2}
    )

    told = stream.getvalue().split(" ", 1)[1]
    assert told == (
        'info     run.finished worker=ebay-cycle detail="no such host" counts={"pages": 2}\n'
    )


def test_a_terminal_gets_text_and_everything_else_json() -> None:
    terminal, pipe = Terminal(), io.StringIO()

    make_log("info", None, terminal).info("api.started")
    make_log("info", None, pipe).info("api.started")

    assert " api.started\n" in terminal.getvalue()
    assert json.loads(pipe.getvalue())["event"] == "api.started"


def test_a_level_leaves_out_what_is_below_it() -> None:
    stream = io.StringIO()
    log = make_log("warning", "json", stream)

    log.debug("a.b")
    log.info("a.b")
    log.warning("a.b")
    log.error("a.b")
    log.critical("a.b")

    levels = [json.loads(line)["level"] for line in stream.getvalue().splitlines()]
    assert levels == ["warning", "error", "critical"]


@pytest.mark.parametrize("form", ["json", "text"])
def test_an_exception_comes_with_its_traceback_and_without_values(form: str) -> None:
    stream = io.StringIO()
    log = make_log("info", form, stream)

    def ask(token: Secret) -> None:
        raise StoreUnavailableError(f"the database did not answer, token {token!r}")

    try:
        ask(Secret("canary"))
    except StoreUnavailableError:
        log.exception("worker.raised", token=Secret("canary"))

    assert "Traceback" in stream.getvalue()
    assert "StoreUnavailableError" in stream.getvalue()
    assert "***" in stream.getvalue()
    assert "canary'" not in stream.getvalue().replace('Secret("canary")', "")


def test_what_cannot_be_encoded_does_not_stop_the_line(capfd: pytest.CaptureFixture[str]) -> None:
    make_log("info", "json", sys.__stderr__).info("unit.failed", title="\ud800")

    line = capfd.readouterr().err
    assert "Logging error" not in line
    assert json.loads(line)["event"] == "unit.failed"
