"""Jobs that reach outside, from the command that makes them to what arrives."""

import base64
import hashlib
import hmac
import json
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.support.answering import Asked, Said, service
from tests.support.site import Site, served
from tests.support.smtp_server import MailServer, mail_server
from tests.support.typed import refused, typed

pytestmark = pytest.mark.timeout(120)
CANARY = "canary_3f8e"
BOT_TOKEN = f"123456789:{CANARY}_{CANARY}_{CANARY}"
HOOK_KEY = base64.b64encode(f"{CANARY}-signing-key-of-32-bytes".encode()).decode()
TOKEN_OF_HOST = f"{CANARY}-of-the-executor"
TAKEN = Said({"ok": True, "result": {"message_id": 7}})
NOTES: dict[str, dict[str, object]] = {
    "notify.telegram": {"chat_id": 1, "text": "x"},
    "notify.webhook": {"type": "x"},
    "notify.email": {"to": "a@b.example", "subject": "s", "text": "t"},
}
TABLES = ("jobs", "job_events", "job_staging", "runs", "run_events", "queues")


def with_services(site: Site, **settings: str) -> Site:
    """Everything is set, so that each secret could be shown."""
    return site.with_settings(
        **{
            "HTTP_ALLOWED_HOSTS": "127.0.0.1",
            "HTTP_ALLOW_LOOPBACK": "1",
            "HTTP_BEARER_TOKENS": f"127.0.0.1={TOKEN_OF_HOST}",
            "TELEGRAM_BOT_TOKEN": BOT_TOKEN,
            "NOTIFY_WEBHOOK_SECRET": f"whsec_{HOOK_KEY}",
            "SMTP_FROM": "cronshot@example.com",
            **settings,
        }
    )


def enqueue(site: Site, kind: str, payload: dict[str, object], *more: str) -> str:
    made = typed(site, "jobs", "enqueue", kind, json.dumps(payload), "--json", *more)
    assert made.returncode == 0, made.stderr
    found: str = json.loads(made.stdout)["id"]
    return found


def drain(site: Site) -> subprocess.CompletedProcess[str]:
    return typed(site, "queue", "--json", "-v")


def job(site: Site, job_id: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(typed(site, "jobs", "show", job_id, "--json").stdout)
    return told


def due_now(site: Site) -> None:
    """As if the time went by."""
    site.sql(
        "UPDATE ops.jobs SET run_at = now() WHERE status = 'pending';"
        "UPDATE ops.job_keys SET visible_at = now() WHERE visible_at IS NOT NULL;"
        "UPDATE ops.jobs SET leased_until = now() WHERE status = 'processing'"
    )


def stored(site: Site) -> str:
    return "\n".join(
        str(row[0])
        for table in TABLES
        for row in site.sql(f"SELECT CAST(each AS text) FROM ops.{table} each")
    )


def signed(asked: Asked) -> bool:
    """As a receiver verifies it."""
    content = f"{asked.headers['webhook-id']}.{asked.headers['webhook-timestamp']}.".encode()
    digest = hmac.digest(base64.b64decode(HOOK_KEY), content + asked.body, hashlib.sha256)
    return asked.headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"


def test_an_executor_is_given_the_task_and_its_answer_is_the_result(site: Site) -> None:
    with service(lambda _: Said({"success": True, "kind": "fast_path", "n": 3})) as executor:
        place = with_services(site)
        made = enqueue(place, "http_request", {"url": executor.url, "params": {"item": 5}})
        drain(place)

        told = job(place, made)
    assert executor.asked[0].json == {
        "task_id": made, "type": "http_request", "params": {"item": 5},
    }  # fmt: skip
    assert executor.asked[0].headers["idempotency-key"] == made
    assert (told["status"], told["outcome"]) == ("completed", "fast_path")
    assert told["result"] == {"success": True, "kind": "fast_path", "n": 3}


def test_s8_an_answer_without_success_fails_the_job(site: Site) -> None:
    with service(lambda _: Said({"sucess": True})) as executor:
        place = with_services(site)
        made = enqueue(place, "http_request", {"url": executor.url})
        drain(place)

    told = job(place, made)
    assert (told["status"], told["error_code"]) == ("failed", "no_success")


def test_a_task_is_submitted_to_an_executor_under_its_own_id(site: Site, tmp_path: Path) -> None:
    token = "an-api-token-of-enough-length"
    with service(lambda _: Said({"success": True, "n": 3})) as executor:
        place = with_services(site, API_TOKEN=token)
        params = {"url": executor.url, "type": "index", "params": {"item": 5}}
        with served(place.environment(), tmp_path / "log") as server:
            headers = {"Authorization": f"Bearer {token}"}
            asked = {"type": "http_request", "description": "item 5", "params": params}
            made = server.bare("POST", "/api/v1/tasks", headers=headers, json=asked)
            drain(place)
            task = server.bare("GET", f"/api/v1/tasks/{made.json()['id']}", headers=headers).json()

    assert made.status_code == 202
    assert executor.asked[0].json == {"task_id": task["id"], "type": "index", "params": {"item": 5}}
    assert (task["status"], task["result"]) == ("completed", {"success": True, "n": 3})


def test_messages_of_a_chat_arrive_in_order_and_another_chat_does_not_wait(site: Site) -> None:
    throttled = threading.Event()

    def answer(asked: Asked) -> Said:
        if asked.json["chat_id"] == 1 and not throttled.is_set():
            throttled.set()
            return Said({"ok": False, "error_code": 429, "parameters": {"retry_after": 60}}, 429)
        return TAKEN

    with service(answer) as telegram:
        place = with_services(site, TELEGRAM_API_URL=telegram.url)
        chats = [(1, "a"), (1, "b"), (2, "x"), (1, "c")]
        jobs = [enqueue(place, "notify.telegram", {"chat_id": n, "text": t}) for n, t in chats]
        drain(place)
        first = [(asked.json["chat_id"], asked.json["text"]) for asked in telegram.asked]
        waiting = job(place, jobs[0])
        due_now(place)
        drain(place)
        after = [(asked.json["chat_id"], asked.json["text"]) for asked in telegram.asked]

    assert sorted(first) == [(1, "a"), (2, "x")]
    assert (waiting["status"], waiting["attempts"]) == ("pending", 0)
    assert after[len(first) :] == [(1, "a"), (1, "b"), (1, "c")]
    assert {job(place, each)["status"] for each in jobs} == {"completed"}


def test_a_throttle_in_the_middle_of_a_long_text_does_not_send_its_beginning_again(
    site: Site,
) -> None:
    answers = [TAKEN, Said({"ok": False, "error_code": 429}, 429), TAKEN, TAKEN]
    with service(lambda _: answers.pop(0)) as telegram:
        place = with_services(site, TELEGRAM_API_URL=telegram.url)
        text = "\n".join(each * 4000 for each in "abc")
        made = enqueue(place, "notify.telegram", {"chat_id": 1, "text": text})
        drain(place)
        halfway = job(place, made)
        due_now(place)
        drain(place)
        sent = [asked.json["text"][0] for asked in telegram.asked]

    assert sent == ["a", "b", "b", "c"]
    assert (halfway["status"], halfway["phase"], halfway["attempts"]) == ("pending", "sent 1", 0)
    assert job(place, made)["status"] == "completed"


def test_a_chat_that_blocked_the_bot_is_told_with_its_code_and_the_next_goes_on(
    site: Site,
) -> None:
    blocked = Said(
        {"ok": False, "error_code": 403, "description": "Forbidden: bot was blocked"}, 403
    )
    answers = [blocked, TAKEN]
    with service(lambda _: answers.pop(0)) as telegram:
        place = with_services(site, TELEGRAM_API_URL=telegram.url)
        first, second = (
            enqueue(place, "notify.telegram", {"chat_id": 1, "text": text}) for text in "ab"
        )
        drain(place)

    told = job(place, first)
    assert (told["status"], told["error_code"]) == ("failed", "telegram_403")
    assert "bot was blocked" in told["error_detail"]
    assert job(place, second)["status"] == "completed"


def test_a_mail_arrives(site: Site) -> None:
    with mail_server(MailServer()) as server:
        place = with_services(site, SMTP_URL=f"smtp://127.0.0.1:{server.port}")
        made = enqueue(
            place, "notify.email",
            {"to": "seller@example.com", "subject": "Bestellungen: 3 ✓", "text": "ü"},
        )  # fmt: skip
        drain(place)

    [mail] = server.mails
    told = job(place, made)
    assert (mail.to, mail.message["Subject"]) == ("seller@example.com", "Bestellungen: 3 ✓")
    assert told["status"] == "completed"
    assert told["result"] == {"message_id": mail.message["Message-ID"]}


class Killer:
    """Kills who asks it first, in the middle of the request; answers everybody else."""

    def __init__(self, answer: Said) -> None:
        self._answer = answer
        self._first = True
        self._there, self._dead = threading.Event(), threading.Event()
        self._process: subprocess.Popen[str] | None = None

    def answer(self, _: Asked) -> Said:
        if self._first:
            self._first = False
            assert self._there.wait(60)
            assert self._process is not None
            self._process.kill()
            assert self._dead.wait(60)
        return self._answer

    def kills(self, process: subprocess.Popen[str]) -> None:
        """Returns when it is dead."""
        self._process = process
        self._there.set()
        process.communicate()
        self._dead.set()


@pytest.mark.parametrize("kind", ["http_request", "notify.telegram", "notify.webhook"])
def test_o8_what_a_killed_run_may_have_sent_is_sent_again_and_can_be_recognised(
    site: Site, kind: str
) -> None:
    killer = Killer(Said({"success": True, "ok": True, "result": {}}))
    with service(killer.answer) as remote:
        place = with_services(site, TELEGRAM_API_URL=remote.url, ALERT_WEBHOOK_URL=remote.url)
        payloads: dict[str, dict[str, object]] = {
            "http_request": {"url": remote.url},
            "notify.telegram": {"chat_id": 1, "text": "hello"},
            "notify.webhook": {"type": "order.shipped", "data": {"n": 1}},
        }
        made = enqueue(place, kind, payloads[kind])
        killer.kills(place.start("queue", "--json"))
        due_now(place)
        drain(place)
        told = job(place, made)

    first, again = remote.asked
    assert (told["status"], told["attempts"]) == ("completed", 2)
    if kind == "notify.telegram":
        assert [first.json["text"], again.json["text"]] == ["hello", "(resent) hello"]
    else:
        name = "idempotency-key" if kind == "http_request" else "webhook-id"
        assert first.headers[name] == again.headers[name]
        assert first.body == again.body
    if kind == "notify.webhook":
        assert signed(first)
        assert signed(again)


def test_a_worker_is_run_by_a_job(site: Site) -> None:
    site.connect()

    made = enqueue(site, "run_worker", {"worker": "ebay-cycle", "streams": ["orders"]})
    drain(site)

    told = job(site, made)
    [run] = site.sql("SELECT outcome, via FROM ops.runs WHERE worker = 'ebay-cycle'")
    assert (told["status"], told["outcome"]) == ("completed", "done")
    assert [unit["stream"] for unit in told["result"]["units"]] == ["orders"]
    assert tuple(run) == ("done", "job")


def test_a_worker_that_is_running_already_is_run_later(site: Site) -> None:
    site.connect()
    site.hold_lease()

    made = enqueue(site, "run_worker", {"worker": "ebay-cycle"})
    drain(site)

    told = job(site, made)
    assert (told["status"], told["attempts"]) == ("pending", 0)


@pytest.mark.parametrize(
    ("kind", "payload", "words"),
    [
        ("run_worker", {"worker": "queue-drain"}, ("worker:", "name another one")),
        ("http_request", {"url": "https://evil.example/"}, ("url:", "HTTP_ALLOWED_HOSTS")),
        ("http_request", {"url": "http://169.254.169.254/latest"}, ("url:", "https://")),
        ("notify.webhook", {"type": "x", "url": "https://evil.example/"}, ("HTTP_ALLOWED_HOSTS",)),
        ("notify.telegram", {"chat_id": 1, "text": ""}, ("text:",)),
        ("notify.email", {"to": "a@b.example\nBcc: x", "subject": "s", "text": "t"}, ("to:",)),
    ],
)
def test_e12_what_cannot_be_sent_is_not_enqueued(
    site: Site, kind: str, payload: dict[str, object], words: tuple[str, ...]
) -> None:
    made = typed(with_services(site), "jobs", "enqueue", kind, json.dumps(payload))

    refused(made, 65, *words)
    assert site.one("SELECT count(*) FROM ops.jobs") == 0


def test_o9_no_secret_is_in_a_row_or_a_log_whatever_the_others_answer(site: Site) -> None:
    def repeats(asked: Asked) -> Said:
        known = f"whsec_{HOOK_KEY}" if "webhook-id" in asked.headers else ""
        told = f"{asked.path} {asked.headers.get('authorization')} {known}"
        return Said({"ok": False, "description": told, "error": told}, 400)

    with service(repeats) as remote, mail_server(MailServer(password="right")) as server:
        place = with_services(
            site,
            TELEGRAM_API_URL=remote.url,
            ALERT_WEBHOOK_URL=f"{remote.url}/{CANARY}",
            SMTP_URL=f"smtp://user:{CANARY}-password@127.0.0.1:{server.port}",
        )
        enqueue(place, "http_request", {"url": remote.url})
        for kind, payload in NOTES.items():
            enqueue(place, kind, payload)
        drained = drain(place)

    assert len(remote.asked) == 3
    assert "AUTH" in server.commands
    assert CANARY not in stored(place)
    assert HOOK_KEY not in stored(place)
    assert CANARY not in drained.stdout + drained.stderr


def test_what_is_not_set_is_named_and_the_job_waits_for_it(site: Site) -> None:
    made = {kind: enqueue(site, kind, payload) for kind, payload in NOTES.items()}
    drain(site)

    told = {kind: job(site, job_id) for kind, job_id in made.items()}
    assert {each["status"] for each in told.values()} == {"pending"}
    assert {each["error_code"] for each in told.values()} == {"not_configured"}
    assert "TELEGRAM_BOT_TOKEN" in told["notify.telegram"]["error_detail"]
    assert "SMTP_URL" in told["notify.email"]["error_detail"]


def test_df12_an_alert_is_the_same_one_until_it_was_sent_and_spent_by_success_only(
    site: Site,
) -> None:
    """Who remembers is the database: each command here is one more process to it."""
    answers = [Said(status=503), Said(status=400), Said()]
    with service(lambda _: answers.pop(0)) as receiver:
        place = with_services(site, ALERT_WEBHOOK_URL=receiver.url)
        key = ("--dedupe-key", "alert:late:ebay-cycle")
        first = enqueue(place, "notify.webhook", {"type": "late"}, *key)
        drain(place)
        not_sent_yet = enqueue(place, "notify.webhook", {"type": "late"}, *key)
        due_now(place)
        drain(place)
        after_failure = enqueue(place, "notify.webhook", {"type": "late"}, *key)
        drain(place)

    assert not_sent_yet == first
    assert job(place, first)["status"] == "failed"
    assert after_failure != first
    assert job(place, after_failure)["status"] == "completed"
    assert len(receiver.asked) == 3
