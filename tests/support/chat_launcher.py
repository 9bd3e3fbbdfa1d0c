"""Runs the ordinary command line with a processor of few words in the assistant's place.

`say X`: X. `plan X`: proposes X, and says X when it is approved. `undo X`: rolled back.
`shout X`: a megabyte of it, and what is no character. `refuse X`:
what cannot be. `/help`: these words. Anything else is an accident.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from core.chat.model import Answer, Plan, Reply, RolledBack, Turn
from core.errors import UsageError
from handlers.cli.main import main

MEGABYTE = 1024 * 1024


class NobodyForesawError(Exception):
    pass


def processor(turn: Turn, /) -> Answer:
    verb, _, what = turn.text.partition(" ")
    if verb == "/help":
        return Reply(text="say, plan, undo, refuse")
    if verb == "say" or (verb == "plan" and turn.plan is not None):
        return Reply(text=what)
    if verb == "plan":
        return Plan(text=f"Shall I {what}?", steps={"do": what})
    if verb == "shout":
        return Reply(text="\x00\ud83d" + f"{what} " * (MEGABYTE // (len(what) + 1)))
    if verb == "undo":
        return RolledBack(text=f"{what} is undone")
    if verb == "refuse":
        raise UsageError(f"{what} cannot be")
    raise NobodyForesawError


@contextmanager
def in_the_assistants_place() -> Iterator[None]:
    with patch("handlers.chat_kinds.processor", lambda *_: processor):
        yield


if __name__ == "__main__":
    with in_the_assistants_place():
        sys.exit(main(sys.argv[1:]))
