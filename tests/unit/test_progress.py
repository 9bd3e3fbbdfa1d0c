"""How far a long run is, told now and then."""

import io
from dataclasses import dataclass, field

import pytest

from core.context import Observation
from handlers.cli import progress
from handlers.cli.progress import Progress


@dataclass
class Terminal(io.StringIO):
    is_one: bool = False
    written: list[str] = field(default_factory=list)

    def isatty(self) -> bool:
        return self.is_one

    def write(self, text: str, /) -> int:
        self.written.append(text)
        return len(text)


@pytest.fixture(autouse=True)
def _told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "EVERY_S", 0.0)
    monkeypatch.setattr(progress, "BAR_EVERY_S", 0.0)


def seen(fetched: int, total: int | None, stream: str = "orders") -> Observation:
    return Observation(account="shop", stream=stream, fetched=fetched, total=total)


def test_a_file_gets_lines() -> None:
    terminal = Terminal()

    Progress(terminal).observe(seen(25, 100))

    assert terminal.written == ["progress:  25% 25 of about 100 rows\n"]


def test_a_terminal_gets_a_bar_that_goes_away() -> None:
    terminal = Terminal(is_one=True)
    shown = Progress(terminal)

    shown.observe(seen(50, 100))
    shown.clear()

    assert terminal.written == [
        "\r\x1b[K[############            ]  50% 50 of about 100 rows",
        "\r\x1b[K",
    ]


def test_where_nobody_knows_how_many_there_are_no_share_is_made_up() -> None:
    terminal = Terminal()
    shown = Progress(terminal)

    shown.observe(seen(1000, None))
    shown.observe(seen(10, 40, "payouts"))

    assert terminal.written == [
        "progress: 1000 rows\n",
        "progress:  97% 1010 of about 1040 rows\n",
    ]
