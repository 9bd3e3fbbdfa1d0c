"""The assistant of chats through the real drain: asked, approved, done, taken back, told."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest

from core.chat.assistant_asks import USAGE
from core.chat.model import ROLLED_BACK, Chat
from core.errors import StoreUnavailableError
from core.jobs.model import Status
from infra.postgres.stream_control import PostgresStreams
from tests.support.chats import Talk
from tests.support.site import DRAIN, ROOT, Site

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def chat(site: Site) -> Talk:
    """Two sellers' orders, transactions and payouts, read to the end."""
    site.connect(2)
    site.run()
    return Talk(site)


def name(chat: Talk) -> str:
    return str(chat.site.one("SELECT min(name) FROM ebay.accounts"))


def cursors(chat: Talk) -> Any:
    return chat.site.sql(
        "SELECT account_id, stream, cursor_at FROM ebay.sync_states"
        " WHERE pass = 'new' ORDER BY 1, 2"
    )


def answered(chat: Talk, text: str) -> str:
    chat.say(text)
    chat.drain()
    return chat.told()[-1]


def approved(chat: Talk, text: str) -> Any:
    """The task, after the drain that did what was approved."""
    task = chat.say(text)
    chat.drain()
    chat.say("yes")
    chat.drain()
    return chat.task(task)


@contextmanager
def failing(stream: str, *errors: Exception) -> Iterator[None]:
    """A rewind of this stream fails with each of these in turn."""
    rewind, left = PostgresStreams.rewind, list(errors)

    def instead(self: PostgresStreams, account_id: Any, of: str, decide: Any) -> Any:
        if of == stream and left:
            raise left.pop(0)
        return rewind(self, account_id, of, decide)

    with patch.object(PostgresStreams, "rewind", instead):
        yield


def test_the_orders_of_a_day_are_told_by_the_next_drain(chat: Talk) -> None:
    day, number = chat.site.sql(
        "SELECT (creation_date AT TIME ZONE 'UTC')::date, count(*) FROM ebay.orders"
        f" JOIN ebay.accounts ON accounts.id = account_id WHERE name = '{name(chat)}'"
        " GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1"
    )[0]

    told = answered(chat, f"/orders {day} {name(chat)}")

    assert told.startswith(f"Orders made {day}, {name(chat)}:\n{name(chat)}: {number} order")


def test_a_wrong_word_is_answered_and_is_no_failed_task(chat: Talk) -> None:
    task = chat.say("/pause nobody")
    chat.drain()

    assert chat.told() == ["there is no account 'nobody'; /accounts lists them"]
    assert chat.task(task).status is Status.COMPLETED


def test_a_rewind_is_done_after_the_yes_and_not_before(chat: Talk) -> None:
    before = cursors(chat)
    chat.say(f"/rewind {name(chat)} orders 5d")
    chat.drain()
    planned = chat.told()[-1]
    assert cursors(chat) == before

    chat.say("yes")
    chat.drain()

    assert planned.startswith(f"Set back {name(chat)}/orders from ")
    assert " calls of " in planned
    assert "Reply yes to do this, or no to drop it" in planned
    changed = [new for old, new in zip(before, cursors(chat), strict=True) if old != new]
    assert [stream for _, stream, _ in changed] == ["orders"]
    assert f"{name(chat)}/orders: stands at " in chat.told()[-1]


def test_a_plan_that_is_rejected_changes_nothing(chat: Talk) -> None:
    chat.say(f"/pause {name(chat)}")
    chat.drain()
    chat.say("no")
    chat.drain()

    assert chat.told()[-1] == "Dropped; nothing was done."
    assert chat.site.one("SELECT count(*) FROM ebay.accounts WHERE status <> 'active'") == 0


def test_what_was_done_before_a_step_failed_is_taken_back_and_both_is_told(chat: Talk) -> None:
    before = cursors(chat)
    task = chat.say(f"/rewind {name(chat)} orders,payouts 5d")
    chat.drain()
    chat.say("yes")
    lost = StoreUnavailableError("the connection broke")

    with failing("payouts", lost, lost):
        chat.drain()
        chat.let_retries_come()
        chat.drain()

    assert (chat.task(task).status, chat.task(task).outcome) == (Status.CANCELLED, ROLLED_BACK)
    assert cursors(chat) == before
    told = chat.told()[-1].splitlines()
    assert told[0].startswith(f"Not done: {name(chat)}/payouts: the database did not answer")
    assert told[1] == "Taken back:"
    assert told[2].startswith(f"{name(chat)}/orders: stands at ")


def test_a_second_try_finishes_what_the_first_began(chat: Talk) -> None:
    before = cursors(chat)
    task = chat.say(f"/rewind {name(chat)} orders,payouts 5d")
    chat.drain()
    chat.say("yes")

    with failing("payouts", StoreUnavailableError("the connection broke")):
        chat.drain()
        chat.let_retries_come()
        chat.drain()

    assert chat.task(task).status is Status.COMPLETED
    changed = [new for old, new in zip(before, cursors(chat), strict=True) if old != new]
    assert [stream for _, stream, _ in changed] == ["orders", "payouts"]
    assert chat.site.one("SELECT count(*) FROM ebay.cursor_changes") == 2


def test_what_has_changed_since_the_plan_is_told(chat: Talk) -> None:
    chat.say(f"/pause {name(chat)} orders")
    chat.drain()
    chat.site.sql(f"DELETE FROM ebay.accounts WHERE name = '{name(chat)}'")
    task = chat.say("yes")
    chat.drain()

    assert chat.task(task).outcome == ROLLED_BACK
    assert chat.told()[-1].endswith("Nothing was changed.")


def test_a_run_is_done_by_the_drain_that_was_told_to(chat: Talk) -> None:
    runs = chat.site.one("SELECT count(*) FROM ops.runs WHERE worker = 'ebay-cycle'")

    done = approved(chat, f"/run {name(chat)} orders")
    chat.drain()

    assert done.reply.startswith(f"Queued: a run of ebay-cycle for {name(chat)}/orders.")
    [[status, payload]] = chat.site.sql(
        "SELECT status, payload FROM ops.jobs WHERE kind = 'run_worker'"
    )
    assert status == "completed"
    asked = payload if isinstance(payload, dict) else json.loads(payload)
    assert asked == {"worker": "ebay-cycle", "accounts": [name(chat)], "streams": ["orders"]}
    assert chat.site.one("SELECT count(*) FROM ops.runs WHERE worker = 'ebay-cycle'") == runs + 1


def test_workers_and_queues_are_paused_with_the_reply_and_can_be_resumed_here(chat: Talk) -> None:
    approved(chat, "/pause all")
    approved(chat, "/pause queue http")
    paused = chat.site.sql("SELECT worker FROM ops.workers WHERE NOT enabled ORDER BY 1")
    queues = chat.site.sql("SELECT queue FROM ops.queues WHERE NOT enabled")

    resumed = approved(chat, "/resume all")

    assert (paused, queues) == ([["ebay-cycle"], ["token-refresh"]], [["http"]])
    assert resumed.status is Status.COMPLETED
    assert chat.site.one("SELECT count(*) FROM ops.workers WHERE NOT enabled") == 0
    assert "/resume queue http" in answered(chat, "/status")


def test_dead_jobs_are_counted_tried_again_and_not_twice(chat: Talk) -> None:
    chat.site.sql(
        "INSERT INTO ops.jobs (queue, kind, status, max_attempts, payload, run_at, created_at,"
        " updated_at, finished_at, error_code) SELECT 'default', 'test', 'dead', 1, '{}', now(),"
        " now(), now(), now() - interval '1 minute', 'upstream' FROM generate_series(1, 3)"
    )
    listed = answered(chat, "/retry")

    done = approved(chat, "/retry all")

    assert "  3 test, upstream, newest " in listed
    assert done.reply == "3 dead jobs tried again; the next drain does the work."
    again = "SELECT count(*) FROM ops.jobs WHERE kind = 'test' AND origin IS NOT NULL"
    assert chat.site.one(again) == 3


def test_a_drain_with_nothing_due_imports_nothing_of_the_assistant(site: Site) -> None:
    script = (
        "import sys; from handlers.cli.main import main; main(['queue', '--json']);"
        " print([name for name in sys.modules if 'assistant' in name])"
    )

    ended = site.cli(command=("-c", script))

    assert ended.stdout.splitlines()[-1] == "[]", ended.stderr
    assert site.one(f"SELECT count(*) FROM ops.runs WHERE worker = '{DRAIN}'") == 1


def test_what_the_document_says_can_be_said(chat: Talk) -> None:
    text = (ROOT / "docs" / "sessions.md").read_text()
    [said] = re.findall(r"^```text\n(/.*?)^```$", text, re.MULTILINE | re.DOTALL)
    chat.site.sql(f"UPDATE ebay.accounts SET name = 'shop' WHERE name = '{name(chat)}'")
    tasks = []
    for number, line in enumerate(said.splitlines()):
        tasks.append(chat.say(line, chat=Chat(source="http", chat_id=f"line-{number}")))

    chat.drain()

    replies = [chat.task(task).reply or "" for task in tasks]
    assert all(replies)
    assert not [each for each in replies if "Usage" in each or "there is no" in each]
    assert sum("Reply yes to do this" in each for each in replies) == 3
    for command in USAGE:
        assert f"`/{command}" in text
