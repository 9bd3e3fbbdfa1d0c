"""docs/sessions.md: its commands and calls, typed as they stand there; its processor, run."""

import json
import re
import shlex
import subprocess
from pathlib import Path

from core.chat.assistant_asks import USAGE
from core.chat.model import REJECTED, ROLLED_BACK, UNANSWERED, Decision
from core.jobs.shipped.telegram import BLOCKED
from handlers.cli.main import GROUPS
from handlers.rest import session_forms
from infra.settings import Settings
from tests.support.site import ROOT, Site, served
from tests.support.typed import typed

TEXT = (ROOT / "docs" / "sessions.md").read_text()
COMMANDS, CALLS = re.findall(r"^```sh\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
[PROCESSOR] = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
TOKEN = "canary-api-token-0123456789"
OURS = ".venv/bin/python -m core.run "


def test_its_commands_do_what_it_says(site: Site) -> None:
    told = []
    for line in COMMANDS.splitlines():
        ended = typed(site, *shlex.split(line.removeprefix(OURS)))
        assert ended.returncode == 0, ended.stderr
        told.append(ended.stdout)

    sent, _, shown, listed = told
    assert "queued" in sent
    assert "completed" in shown
    assert "I understand these commands:\n/help\n/status\n" in shown
    assert "http:me" in listed


def test_its_calls_answer_as_it_says(site: Site, tmp_path: Path) -> None:
    with served(site.environment(API_TOKEN=TOKEN), tmp_path / "log") as server:
        done = subprocess.run(
            ["bash", "-euc", CALLS.replace("http://127.0.0.1:8000", server.url)],
            env={"API_TOKEN": TOKEN, "PATH": "/usr/bin:/bin"},
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
    decoder, text, told = json.JSONDecoder(), done.stdout.strip(), []
    while text:
        value, end = decoder.raw_decode(text)
        told.append(value)
        text = text[end:].lstrip()

    made, one, all_ = told
    assert (made["said"], made["position_in_queue"]) == ("queued", 0)
    assert one["tasks"][0]["id"] == made["task_id"]
    assert all_["total"] == 1


def test_its_processor_works() -> None:
    there: dict[str, object] = {}
    exec(compile(PROCESSOR, "docs/sessions.md", "exec"), there)  # the document's own test

    test = there["test_boxes_are_ordered_when_that_is_approved"]
    assert callable(test)
    test()


def test_it_names_settings_fields_and_commands_that_there_are() -> None:
    words = set(re.findall(r"`([A-Za-z_]+)`", TEXT))
    settings = {word for word in words if word.startswith("TELEGRAM_")}

    assert settings <= {name.upper() for name in Settings.model_fields}
    assert set(session_forms.Received.model_fields) - {"created", "phase", "reply"} <= words
    assert {"awaiting_input", "plan", "reply", "events"} <= words
    assert "sessions" in GROUPS


def test_it_names_every_command_and_every_word_of_a_drain() -> None:
    assert {f"/{command}" for command in USAGE} <= set(re.findall(r"`(/[a-z]+)", TEXT))
    assert {decision.value for decision in Decision} <= set(re.findall(r"`([a-z_]+)`", TEXT))
    assert {ROLLED_BACK, REJECTED, UNANSWERED, BLOCKED} <= set(re.findall(r"`([a-z_]+)`", TEXT))
