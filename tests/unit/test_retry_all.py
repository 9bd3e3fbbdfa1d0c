"""Trying dead jobs again, while others die."""

from typing import Any

from core.jobs.control import DeadFilter
from handlers import job_desk


class Dying:
    """Each that is tried again is dead again at once."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def retry_dead(self, _: DeadFilter, most: int) -> int:
        self.asked.append(most)
        return most


def test_what_dies_again_meanwhile_is_not_tried_for_ever() -> None:
    dying: Any = Dying()

    assert job_desk.retry_all(dying, DeadFilter(), 1_200) == 1_200
    assert dying.asked == [500, 500, 200]
