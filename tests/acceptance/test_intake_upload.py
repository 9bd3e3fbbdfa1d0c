"""Files that are sent to us over HTTP: `/api/v1/intake/files`."""

import base64
import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from handlers import api
from infra.postgres.uploads import PostgresUploads
from tests.support.lambda_runtime import http_event
from tests.support.postgres import Server
from tests.support.site import Served, Site, new_site, served

pytestmark = pytest.mark.timeout(150)
TOKEN = "canary-api-token-0123456789"
FILES = "/api/v1/intake/files"
CONTENT = b"Case Number,Plaintiff\n1,A\n" * 40_000
CSV = {"Content-Type": "text/csv"}


@pytest.fixture(scope="module")
def _module_site(_session_server: Server, _template: str) -> Iterator[Site]:
    with new_site(_session_server, _template, seed=9, accounts=1, orders=1) as site:
        yield site.with_settings(API_TOKEN=TOKEN)


@pytest.fixture(scope="module")
def _module_server(
    _module_site: Site, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    log = tmp_path_factory.mktemp("serve") / "log"
    with served(_module_site.environment(), log) as server:
        yield server


@pytest.fixture
def site(_module_site: Site, postgres_server: Server) -> Site:
    _module_site.sql("TRUNCATE intake.uploads CASCADE")
    return _module_site


@pytest.fixture
def server(_module_server: Served, site: Site) -> Served:
    return _module_server


def send(server: Served, content: Any, path: str = FILES, **headers: str) -> httpx.Response:
    told = {"Authorization": f"Bearer {TOKEN}", **CSV, **headers}
    return server.bare("POST", path, content=content, headers=told)


def kept(site: Site, place: str) -> tuple[str, bytes]:
    with site.opened() as database, PostgresUploads(database).open(place) as opened:
        return opened.name, opened.content.read()


def uploads(site: Site) -> int:
    return int(site.one("SELECT count(*) FROM intake.uploads"))


def test_a_file_larger_than_other_bodies_is_kept_and_named(server: Served, site: Site) -> None:
    answer = send(server, CONTENT, f"{FILES}?name=judgments.csv")

    told = answer.json()
    assert answer.status_code == 201, answer.text
    assert told["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert (told["size"], told["created"]) == (len(CONTENT), True)
    assert kept(site, told["place"]) == ("judgments.csv", CONTENT)
    assert answer.headers["cache-control"] == "no-store"


def test_the_same_content_again_is_the_same_place(server: Served, site: Site) -> None:
    first = send(server, CONTENT)

    again = send(server, CONTENT, f"{FILES}/")

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json() | {"created": False}
    assert uploads(site) == 1


def test_a_file_whose_length_nobody_says_is_kept_too(server: Served, site: Site) -> None:
    answer = send(server, (CONTENT[at : at + 9_999] for at in range(0, len(CONTENT), 9_999)))

    assert answer.status_code == 201, answer.text
    assert kept(site, answer.json()["place"])[1] == CONTENT


def test_as_typed_with_curl(server: Served, site: Site, tmp_path: Path) -> None:
    file = tmp_path / "judgments.csv"
    file.write_bytes(CONTENT)

    done = subprocess.run(
        ["curl", "-sS", "-H", f"Authorization: Bearer {TOKEN}", "--data-binary", f"@{file}",
         f"{server.url}{FILES}?name=judgments.csv"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip

    assert kept(site, json.loads(done.stdout)["place"]) == ("judgments.csv", CONTENT)


@pytest.mark.parametrize(
    ("content", "path", "headers", "status", "words"),
    [
        (b"", FILES, {}, 400, "the body is the file"),
        (b"x", f"{FILES}?name=%07", {}, 400, "control characters"),
        (b"x", f"{FILES}?name={'n' * 256}", {}, 422, "name"),
        (b"x", FILES, {"Content-Type": "multipart/form-data; boundary=x"}, 415, "--data-binary"),
        (b"x", FILES, {"Authorization": "Bearer nobody"}, 401, ""),
    ],
)
def test_what_is_refused_is_told_and_leaves_nothing(
    content: bytes,
    path: str,
    headers: dict[str, str],
    status: int,
    words: str,
    server: Served,
    site: Site,
) -> None:
    answer = send(server, content, path, **headers)

    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.json()["detail"]
    assert uploads(site) == 0


def test_on_lambda_a_file_comes_as_its_gateway_packs_it(site: Site) -> None:
    content = bytes(range(256)) * 1_000
    event = http_event("POST", FILES, authorization=f"Bearer {TOKEN}") | {
        "body": base64.b64encode(content).decode(),
        "isBase64Encoded": True,
    }

    with site.in_this_process():
        answer = api.handler(event, None)

    assert answer["statusCode"] == 201, answer
    assert kept(site, json.loads(answer["body"])["place"])[1] == content


def test_other_routes_keep_their_limit(server: Served) -> None:
    body = json.dumps({"type": "test", "description": "x" * 70_000}).encode()

    answer = send(server, body, "/api/v1/tasks", **{"Content-Type": "application/json"})

    assert answer.status_code == 413, answer.text
