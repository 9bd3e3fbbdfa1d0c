"""What a command asks a person: who goes away instead of answering is not held."""

import io
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from core.errors import UsageError
from handlers.cli.given import read_line, read_stdin
from handlers.opening import STOP


@pytest.fixture
def _asked_to_stop(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As runs are: the first signal only asks."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda *_: STOP.set())
    yield
    STOP.clear()
    for number, handler in before.items():
        signal.signal(number, handler)


class Hesitant(io.BytesIO):
    """Somebody who does something else before he types."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(b"yes\n")
        self.number = number

    def readline(self, size: int | None = -1, /) -> bytes:
        signal.raise_signal(self.number)
        return super().readline(size)

    def read(self, size: int | None = -1, /) -> bytes:
        signal.raise_signal(self.number)
        return super().read(size)


def stdin(monkeypatch: pytest.MonkeyPatch, body: io.BytesIO, *, terminal: bool = True) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=body, isatty=lambda: terminal))


@pytest.mark.usefixtures("_asked_to_stop")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_at_a_question_ends_the_command(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals, code: int
) -> None:
    stdin(monkeypatch, Hesitant(number))
    before = signal.getsignal(number)

    with pytest.raises(SystemExit) as ended:
        read_line()

    assert ended.value.code == code
    assert signal.getsignal(number) is before


@pytest.mark.usefixtures("_asked_to_stop")
def test_a_signal_ends_a_command_that_waits_for_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    stdin(monkeypatch, Hesitant(signal.SIGINT), terminal=False)

    with pytest.raises(SystemExit):
        read_stdin("--refresh-token-file")


@pytest.mark.usefixtures("_asked_to_stop")
def test_who_has_stopped_the_command_already_is_asked_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stdin(monkeypatch, io.BytesIO(b"yes\n"))
    STOP.set()

    with pytest.raises(SystemExit) as ended:
        read_line()

    assert ended.value.code == 130


def test_an_answer_is_read_in_any_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    stdin(monkeypatch, io.BytesIO(b"yes\nno\n"))

    with ThreadPoolExecutor(1) as elsewhere:
        said = elsewhere.submit(read_line).result(), read_line()

    assert said == ("yes\n", "no\n")


def test_a_closed_stdin_answers_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)

    assert read_line() == ""
    with pytest.raises(UsageError, match="closed"):
        read_stdin("--refresh-token-file")
