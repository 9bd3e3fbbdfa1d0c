"""Before the routes and around them: what comes too slowly, and what breaks."""

import json
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import pytest
from starlette.types import Message, Receive, Scope, Send

from handlers import api

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
