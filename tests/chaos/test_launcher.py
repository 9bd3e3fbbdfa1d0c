"""What the launcher tells of a process is heard, however late somebody listens."""

import os
import select
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.ground import Launcher


def test_an_end_told_together_with_the_beginning_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = select.select

    def late(*arguments: Any) -> Any:
        time.sleep(1)
        return at_once(*arguments)

    with Launcher(tmp_path) as launcher:
        monkeypatch.setattr(select, "select", late)
        launcher.start(["--help"], dict(os.environ))

        ended = launcher.wait(10)

    assert ended.status == 0
    assert "usage: python -m core.run" in ended.out
