"""Our stand-in for Lambda behaves as Lambda does."""

from pathlib import Path

import pytest

from tests.support.lambda_runtime import LambdaError, LambdaRuntime

FUNCTION = """
import os, sys
calls = 0
def echo(event, context):
    global calls
    calls += 1
    print("seen", event)
    return {
        "event": event,
        "calls": calls,
        "remaining_ms": context.get_remaining_time_in_millis(),
        "request": context.aws_request_id,
        "name": context.function_name,
        "variable": os.environ["MINE"],
    }
def nothing(event, context):
    return None
def boom(event, context):
    raise RuntimeError("boom")
def die(event, context):
    os._exit(7)
def hang(event, context):
    import time
    time.sleep(60)
def libraries(event, context):
    import importlib.util
    return [name for name in event if importlib.util.find_spec(name)]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    task = tmp_path / "task"
    task.mkdir()
    (task / "function.py").write_text(FUNCTION, "utf-8")
    return task


def test_a_function_is_called_with_its_event_and_context(folder: Path) -> None:
    with LambdaRuntime(folder, "function.echo", {"MINE": "x"}) as runtime:
        first = runtime.invoke({"a": "ä"}, remaining_s=29)
        second = runtime.invoke({})

        log = runtime.log

    assert first["event"] == {"a": "ä"}
    assert first["variable"] == "x"
    assert 20_000 < first["remaining_ms"] <= 29_000
    assert 800_000 < second["remaining_ms"] <= 900_000
    assert (first["calls"], second["calls"]) == (1, 2)
    assert first["request"] != second["request"]
    assert "seen {'a': 'ä'}" in log


def test_nothing_returned_is_null(folder: Path) -> None:
    with LambdaRuntime(folder, "function.nothing", {}) as runtime:
        answer = runtime.invoke({})

    assert answer is None


@pytest.mark.parametrize(
    ("handler", "wait_s", "complaint"),
    [
        ("function.boom", 30, "boom"),
        ("function.absent", 30, "absent"),
        ("nowhere.handler", 30, "nowhere"),
        ("function.die", 30, "ended with 7"),
        ("function.hang", 1, "did not answer in time"),
    ],
)
def test_what_goes_wrong_is_told(folder: Path, handler: str, wait_s: float, complaint: str) -> None:
    with (
        LambdaRuntime(folder, handler, {}) as runtime,
        pytest.raises(LambdaError, match=complaint),
    ):
        runtime.invoke({}, wait_s=wait_s)


def test_no_library_of_the_tests_reaches_the_function(folder: Path) -> None:
    names = ["json", "httpx", "sqlalchemy", "pytest", "click", "core"]

    with LambdaRuntime(folder, "function.libraries", {}) as runtime:
        found = runtime.invoke(names)

    assert found == ["json"]
