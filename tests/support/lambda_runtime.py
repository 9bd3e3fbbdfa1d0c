"""AWS Lambda on this machine: the real runtime client against a Runtime API of ours.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import json
import queue
import shutil
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import files
from pathlib import Path
from types import TracebackType
from typing import Any, Self

RUNTIME_CLIENT = ("awslambdaric", "simplejson", "snapshot-restore-py")
INVOCATION = "/2018-06-01/runtime/invocation/"
ARN = "arn:aws:lambda:eu-central-1:123456789012:function:cronshot"


class LambdaError(Exception):
    """The function raised, could not be imported, died or did not answer in time."""


@dataclass(frozen=True, slots=True)
class Invocation:
    id: str
    event: Any
    deadline_ms: int


@dataclass(frozen=True, slots=True)
class Reply:
    """`kind` is `response`, `error` (the function raised) or `init` (it could not be imported)."""

    kind: str
    invocation_id: str
    body: Any


class LambdaRuntime:
    """One instance of a function: started with the first call, kept for the next ones.

    The function sees the standard library, the runtime client and `folder`, and `environment`
    beside what Lambda itself sets; nothing of this process.
    """

    def __init__(self, folder: Path, handler: str, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._handler = handler
        self._environment = environment
        self._invocations: queue.Queue[Invocation] = queue.Queue()
        self._replies: queue.Queue[Reply] = queue.Queue()
        self._log = folder.with_name(folder.name + ".log")

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._api())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-S", "-m", "awslambdaric", self._handler],
                cwd=self._folder,
                env=self._variables(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._server.shutdown()
        self._server.server_close()

    @property
    def log(self) -> str:
        """What the function has written to stdout and stderr so far."""
        return self._log.read_text("utf-8")

    @property
    def process_id(self) -> int:
        return self._process.pid

    def invoke(self, event: Any, *, remaining_s: float = 900.0, wait_s: float = 30.0) -> Any:
        """What the function returns. `remaining_s` is what it is told, `wait_s` what it gets."""
        deadline_ms = int((time.time() + remaining_s) * 1000)
        sent = Invocation(str(uuid.uuid4()), event, deadline_ms)
        self._invocations.put(sent)
        reply = self._next_reply(time.monotonic() + wait_s)
        if reply.kind != "response":
            raise LambdaError(f"{reply.kind}: {json.dumps(reply.body, indent=1)}\n{self.log}")
        assert reply.invocation_id == sent.id
        return reply.body

    def _next_reply(self, until: float) -> Reply:
        while time.monotonic() < until:
            try:
                return self._replies.get(timeout=0.05)
            except queue.Empty:
                if self._process.poll() is not None and self._replies.empty():
                    raise LambdaError(
                        f"it ended with {self._process.returncode}\n{self.log}"
                    ) from None
        raise LambdaError(f"it did not answer in time\n{self.log}")

    def _variables(self) -> dict[str, str]:
        host, port = self._server.server_address[:2]
        return {
            "AWS_LAMBDA_RUNTIME_API": f"{host!s}:{port}",
            "AWS_LAMBDA_FUNCTION_NAME": "cronshot",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "768",
            "AWS_REGION": "eu-central-1",
            "LAMBDA_TASK_ROOT": str(self._folder),
            "PYTHONPATH": f"{self._folder}:{runtime_client(self._folder.parent)}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            **self._environment,
        }

    def _api(self) -> type[BaseHTTPRequestHandler]:
        invocations, replies = self._invocations, self._replies

        class RuntimeApi(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # one send per answer: two cost 40 ms by Nagle and the delayed ACK

            def do_GET(self) -> None:
                invocation = invocations.get()
                body = json.dumps(invocation.event).encode()
                self.send_response(200)
                self.send_header("Lambda-Runtime-Aws-Request-Id", invocation.id)
                self.send_header("Lambda-Runtime-Deadline-Ms", str(invocation.deadline_ms))
                self.send_header("Lambda-Runtime-Invoked-Function-Arn", ARN)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()
                replies.put(reply_of(self.path, body))

            def log_request(self, *_: object) -> None:
                pass

        return RuntimeApi


def reply_of(path: str, body: bytes) -> Reply:
    said = json.loads(body) if body else None
    if not path.startswith(INVOCATION):
        return Reply("init", "", said)
    invocation_id, kind = path.removeprefix(INVOCATION).split("/")
    return Reply(kind, invocation_id, said)


def runtime_client(beside: Path) -> Path:
    """A folder with the runtime client alone: no library of the tests reaches the function."""
    folder = beside / "runtime-client"
    if not folder.exists():
        unfinished = beside / f"runtime-client-{uuid.uuid4()}"
        for package in RUNTIME_CLIENT:
            for file in files(package) or []:
                if ".." not in file.parts and file.suffix != ".pyc":
                    target = unfinished / file
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(file.locate(), target)
        unfinished.rename(folder)
    return folder


def http_event(method: str, path: str, **headers: str) -> dict[str, Any]:
    """What an HTTP API (payload 2.0) sends for a request without body or query."""
    return {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": "abc123.execute-api.eu-central-1.amazonaws.com", **headers},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abc123",
            "domainName": "abc123.execute-api.eu-central-1.amazonaws.com",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.7",
                "userAgent": "Mozilla/4.0 (compatible; cron-job.org; http://cron-job.org/abuse/)",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": f"{method} {path}",
            "stage": "$default",
            "time": "22/Nov/2026:05:00:00 +0000",
            "timeEpoch": 1795323600000,
        },
        "isBase64Encoded": False,
    }


def rest_event(method: str, path: str, **headers: str) -> dict[str, Any]:
    """As a REST API sends it, with the stage beside the path."""
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": {"Host": "abc123.execute-api.eu-central-1.amazonaws.com", **headers},
        "multiValueHeaders": None,
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": {"proxy": path.lstrip("/")},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abc123",
            "httpMethod": method,
            "identity": {"sourceIp": "203.0.113.7", "userAgent": "curl/8"},
            "path": f"/dev{path}",
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "stage": "dev",
        },
        "body": None,
        "isBase64Encoded": False,
    }


def old_http_event(method: str, path: str, **headers: str) -> dict[str, Any]:
    """As an HTTP API with payload format 1.0 sends it, with the stage before the path."""
    return rest_event(method, f"/dev{path}", **headers) | {"version": "1.0"}


def load_balancer_event(method: str, path: str, **headers: str) -> dict[str, Any]:
    group = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/cronshot/6d0ecf83"
    return {
        "requestContext": {"elb": {"targetGroupArn": group}},
        "httpMethod": method,
        "path": path,
        "queryStringParameters": {},
        "headers": {"host": "cronshot.example.com", "x-forwarded-for": "203.0.113.7", **headers},
        "body": "",
        "isBase64Encoded": False,
    }


def schedule_event(worker: str, scheduled_time: str) -> dict[str, Any]:
    """What the schedule of serverless.yml sends, its placeholders filled in."""
    return {
        "worker": worker,
        "schedule_arn": f"arn:aws:scheduler:eu-central-1:123456789012:schedule/default/{worker}",
        "scheduled_time": scheduled_time,
    }
