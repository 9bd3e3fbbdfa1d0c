"""The kind `chat` is what was said of it before it was made, and is imported with its first job."""

import subprocess
import sys
from datetime import timedelta

from core.chat.performing import PerformChats
from handlers.late_kinds import CHATS, late_kinds
from tests.support.chats import echo
from tests.support.memory_chats import MemoryChatTasks
from tests.unit.test_late_kinds import ROOT, assert_true

LATE = {"core.chat", "handlers.chat_kinds", "handlers.assistant", "infra.postgres.chat_tasks"}


def test_what_is_said_of_chats_before_it_is_made_is_true() -> None:
    made = {"chat": PerformChats(process=echo, tasks=MemoryChatTasks()).kind()}

    assert_true({kind.name: kind for kind in late_kinds(lambda: made, CHATS)}, made)


def test_t9_a_task_may_take_ten_minutes_and_three_tries() -> None:
    [told] = CHATS

    assert (told.longest, told.max_attempts) == (timedelta(seconds=600), 3)
    assert told.overdue_is_dead


def test_a_drain_without_sessions_imports_nothing_of_them() -> None:
    code = f"import sys, handlers.draining; print(sorted({LATE} & set(sys.modules)))"

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert (done.stdout.strip(), done.stderr) == ("[]", "")
