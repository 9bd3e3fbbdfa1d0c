"""Before the routes and around them: what comes too slowly, and what breaks."""

import json
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any
from uuid import UUID

import anyio
import pytest
from starlette.types import Message, Receive, Scope, Send

from core.intake.uploads import LARGEST, KeepUploads, Upload, UploadId
from handlers import api
from handlers.rest import intake

TOKEN = "a-token-that-is-long-enough"


def in_a_thread(call: Callable[[], Awaitable[Any]]) -> Any:
    """This one's event loop is Mangum's: anyio would leave it lying there, unclosed."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(anyio.run, call).result()


def asked(path: str = "/api/v1/streams") -> Scope:
    headers = [(b"authorization", f"Bearer {TOKEN}".encode())]
    return {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "headers": headers,
    }


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("nobody gets here")


def answered(app: Any, receive: Receive) -> tuple[int, dict[str, Any]]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def call() -> None:
        await app(asked(), receive, send)

    in_a_thread(call)
    return sent[0]["status"], json.loads(sent[1]["body"])


async def _empty() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_TOKEN", TOKEN)


def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "BODY_S", 0.01)

    async def never() -> Message:
        await anyio.sleep_forever()
        raise AssertionError

    status, told = answered(api.Guarded(_nothing), never)

    assert (status, told["status"]) == (408, 408)


def test_what_breaks_is_an_answer_without_what_broke(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("canary")

    status, told = answered(api.Guarded(broken), _empty)

    assert (status, told["title"]) == (500, "Internal Server Error")
    assert "canary" not in json.dumps(told)
    log = capsys.readouterr().err
    assert "api.failed" in log
    assert "canary" in log


def test_a_mistake_of_a_route_is_an_answer_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise RuntimeError("canary")

    monkeypatch.setattr("handlers.opening.load_settings", broken)
    made = api.make_api()

    async def call() -> list[Message]:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {**asked(), "method": "GET"}
        with pytest.raises(RuntimeError):
            await made(scope, _empty, send)
        return sent

    sent = in_a_thread(call)

    assert sent[0]["status"] == 500
    assert dict(sent[0]["headers"])[b"content-type"] == b"application/problem+json"
    assert b"canary" not in sent[1]["body"]


def file_sent(
    messages: list[Message], monkeypatch: pytest.MonkeyPatch, **headers: str
) -> tuple[int, str]:
    """As a file, to a database that takes everything; the last message is waited for for ever."""
    monkeypatch.setattr(intake, "database", nullcontext)
    monkeypatch.setattr(intake, "keep_uploads", lambda _: KeepUploads(store=Bottomless()))
    monkeypatch.setattr(intake, "PIECE_S", 0.01)
    sent: list[Message] = []

    async def receive() -> Message:
        if not messages:
            await anyio.sleep_forever()
        return messages.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    async def call() -> None:
        scope = asked(intake.FILES)
        scope["headers"] += [(name.encode(), told.encode()) for name, told in headers.items()]
        await api.Guarded(api.make_api())(scope, receive, send)

    in_a_thread(call)
    return sent[0]["status"], json.loads(sent[1]["body"])["detail"]


class Bottomless:
    def begin(self, name: str | None) -> UploadId:
        return UploadId(UUID(int=1))

    def add(self, upload_id: UploadId, number: int, content: bytes) -> None:
        """Kept nowhere."""

    def finish(self, upload_id: UploadId, size: int, sha256: str) -> Upload:
        raise AssertionError("it never came to its end")

    def discard(self, upload_id: UploadId) -> None:
        """It was kept nowhere."""


def piece(size: int = 5) -> Message:
    return {"type": "http.request", "body": bytes(size), "more_body": True}


def test_a_file_that_stops_arriving_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert file_sent([piece()], monkeypatch) == (
        408, "nothing arrived for 0 seconds, or not all within 300",
    )  # fmt: skip


def test_a_file_that_takes_too_long_in_all_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(intake, "WHOLE_S", 0.0)

    status, _ = file_sent([], monkeypatch)

    assert status == 408


def test_a_sender_who_goes_away_is_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    told = file_sent([piece(), {"type": "http.disconnect"}], monkeypatch)

    assert told == (400, "the file broke off: its sender is gone")


def test_a_file_that_grows_beyond_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    status, detail = file_sent([piece(2**20) for _ in range(101)], monkeypatch)

    assert status == 413
    assert "INTAKE_FOLDERS" in detail


def test_a_file_that_says_it_is_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    length = {"content-length": str(LARGEST + 1)}

    assert file_sent([], monkeypatch, **length) == (413, f"the file is larger than {LARGEST} bytes")
