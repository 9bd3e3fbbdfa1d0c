"""Each known defect of a replaced system has a test whose name says its number."""

import re

from tests.architecture import tree

ANSWERED = {*range(1, 25), *range(26, 35), *range(38, 62), *range(69, 73)}
"""R1 to R72, but those of loops that are not built yet: notices, retention, buying, reminders."""
SESSIONS = {*range(1, 12)}
"""T1 to T11, of sessions."""
NAMED = re.compile(r"^ *def (test_(?:[a-z]{1,2}\d+_)+)", re.MULTILINE)


def names() -> list[str]:
    files = (tree.ROOT / "tests").rglob("test_*.py")
    return [name for file in files for name in NAMED.findall(file.read_text())]


def numbers(letter: str) -> set[int]:
    return {
        int(number) for name in names() for number in re.findall(rf"(?<![a-z]){letter}(\d+)_", name)
    }


def test_every_requirement_that_is_answered_has_a_test_with_its_number() -> None:
    assert sorted(ANSWERED - numbers("r")) == []


def test_every_requirement_of_sessions_has_a_test_with_its_number() -> None:
    assert sorted(SESSIONS - numbers("t")) == []
