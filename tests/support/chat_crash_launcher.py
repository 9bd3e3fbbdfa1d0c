"""Runs the ordinary command line with a processor of chats that leaves a job behind whatever it
did. Its arguments are those of `launcher`.
"""

import signal
import sys
from dataclasses import replace
from unittest.mock import patch

from core.chat.model import Answer, Reply, Turn
from core.jobs.model import NewJob
from handlers import chat_kinds
from handlers.cli.main import main
from tests.support.chats import echo
from tests.support.launcher import launch


def leaves_a_job(turn: Turn) -> Answer:
    answer = echo(turn)
    if isinstance(answer, Reply):
        return replace(answer, then=[NewJob(kind="test", payload={"done": turn.text})])
    return answer


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    patch.object(chat_kinds, "processor", lambda *_: leaves_a_job).start()
    sys.exit(launch(main))
