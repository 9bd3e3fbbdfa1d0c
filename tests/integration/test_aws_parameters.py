"""Secrets on AWS, read with the real client from a stand-in for Systems Manager."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from core.errors import ConfigurationError
from infra.aws import parameters

PAGES = {
    None: {
        "Parameters": [{"Name": "/cronshot/dev/DATABASE_URL", "Value": "postgres://db"}],
        "NextToken": "second",
    },
    "second": {"Parameters": [{"Name": "/cronshot/dev/CRON_SECRET", "Value": "s3cret"}]},
}


class SystemsManager(ThreadingHTTPServer):
    """Answers GetParametersByPath with two pages, or refuses."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.asked: list[dict[str, Any]] = []
        self.refusal = ""


class Answering(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, SystemsManager)
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append({"operation": self.headers["X-Amz-Target"], **asked})
        answer = json.dumps(
            {"__type": self.server.refusal, "message": "s3cret"}
            if self.server.refusal
            else PAGES[asked.get("NextToken")]
        ).encode()
        self.send_response(400 if self.server.refusal else 200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_request(self, *_: object) -> None:
        pass


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[SystemsManager]:
    with SystemsManager() as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        for name, value in {
            "AWS_ENDPOINT_URL_SSM": address,
            "AWS_REGION": "eu-central-1",
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "nobody",
            "AWS_SECRET_ACCESS_KEY": "nothing",
            "AWS_EC2_METADATA_DISABLED": "true",
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(parameters, "_kept", {})
        yield server
        server.shutdown()


def test_parameters_are_read_page_by_page_and_opened(manager: SystemsManager) -> None:
    found = parameters.parameters_below("/cronshot/dev/")

    assert found == {"DATABASE_URL": "postgres://db", "CRON_SECRET": "s3cret"}
    assert [asked["operation"] for asked in manager.asked] == ["AmazonSSM.GetParametersByPath"] * 2
    assert {(asked["Path"], asked["WithDecryption"]) for asked in manager.asked} == {
        ("/cronshot/dev", True)
    }


def test_parameters_are_kept_between_the_calls_of_one_function(manager: SystemsManager) -> None:
    first = parameters.parameters_below("/cronshot/dev")
    second = parameters.parameters_below("/cronshot/dev")

    assert second == first
    assert len(manager.asked) == 2


@pytest.mark.parametrize("refusal", ["AccessDeniedException", "ThrottlingException"])
def test_a_refusal_names_the_setting_and_no_value(manager: SystemsManager, refusal: str) -> None:
    manager.refusal = refusal

    with pytest.raises(ConfigurationError, match=f"SSM_PREFIX: .*: {refusal}") as refused:
        parameters.parameters_below("/cronshot/dev")

    assert "s3cret" not in str(refused.value)


def let_time_pass(seconds: float) -> None:
    parameters._kept.update(
        {prefix: (at - seconds, values) for prefix, (at, values) in parameters._kept.items()}
    )


@pytest.mark.parametrize("trouble", ["ThrottlingException", "InternalServerError", "gone"])
def test_what_was_read_stays_good_while_aws_is_in_trouble(
    manager: SystemsManager, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = parameters.parameters_below("/cronshot/dev")
    let_time_pass(parameters.KEEP_S)
    manager.refusal = trouble
    if trouble == "gone":
        monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", "http://127.0.0.1:1")

    during = parameters.parameters_below("/cronshot/dev")
    asked = len(manager.asked)
    at_once = parameters.parameters_below("/cronshot/dev")

    assert during == at_once == before
    assert len(manager.asked) == asked


def test_parameters_are_read_again_after_a_while_and_soon_after_trouble(
    manager: SystemsManager,
) -> None:
    parameters.parameters_below("/cronshot/dev")
    let_time_pass(parameters.KEEP_S)
    manager.refusal = "ThrottlingException"
    parameters.parameters_below("/cronshot/dev")
    manager.refusal = ""
    asked = len(manager.asked)

    let_time_pass(parameters.RETRY_S)
    parameters.parameters_below("/cronshot/dev")

    assert len(manager.asked) == asked + 2


def test_access_that_is_withdrawn_is_told(manager: SystemsManager) -> None:
    parameters.parameters_below("/cronshot/dev")
    let_time_pass(parameters.KEEP_S)
    manager.refusal = "AccessDeniedException"

    with pytest.raises(ConfigurationError, match="AccessDeniedException"):
        parameters.parameters_below("/cronshot/dev")
