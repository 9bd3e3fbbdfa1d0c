"""Files in buckets, read with the real client from a stand-in for S3."""

import importlib.util
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import pytest

from core.errors import UpstreamUnavailableError, UsageError
from infra.aws.buckets import BucketFiles

LARGE = bytes(each % 251 for each in range(700_001))
KEPT = {
    "/court/judgments.csv": b"Case Number\n1\n",
    "/court/2026/nov ember.csv": LARGE,
    "/court/empty.csv": b"",
}
FILES = BucketFiles(("court", "gone"))
REFUSAL = "<Error><Code>{}</Code><Message>canary</Message></Error>"


class Shelves(ThreadingHTTPServer):
    """Answers GetObject, refuses with `refusal`, or breaks off after `most` bytes."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.refusal: tuple[int, str] | None = None
        self.most: int | None = None
        self.asked: list[str] = []


class Answering(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Shelves)
        path = unquote(self.path.partition("?")[0])
        self.server.asked.append(path)
        status, content = 200, KEPT.get(path, b"")
        if self.server.refusal is not None:
            status, code = self.server.refusal
            content = REFUSAL.format(code).encode()
        elif path not in KEPT:
            absent = "NoSuchKey" if path.startswith("/court/") else "NoSuchBucket"
            status, content = 404, REFUSAL.format(absent).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: self.server.most])
        self.close_connection = True

    def log_request(self, *_: object) -> None:
        pass


@pytest.fixture
def shelves(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelves]:
    with Shelves() as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        for name, value in {
            "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{server.server_address[1]}",
            "AWS_REGION": "eu-central-1",
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "nobody",
            "AWS_SECRET_ACCESS_KEY": "nothing",
            "AWS_EC2_METADATA_DISABLED": "true",
        }.items():
            monkeypatch.setenv(name, value)
        yield server
        server.shutdown()


def read(place: str) -> bytes:
    with FILES.open(place) as opened:
        return opened.content.read()


def test_a_file_is_read_by_bucket_and_key(shelves: Shelves) -> None:
    with FILES.open("s3://court/2026/nov ember.csv") as opened:
        assert (opened.name, opened.size) == ("nov ember.csv", len(LARGE))
        assert opened.content.read(10) == LARGE[:10]
        assert opened.content.read() == LARGE[10:]
    assert read("s3://court/judgments.csv").splitlines() == [b"Case Number", b"1"]
    assert read("s3://court/empty.csv") == b""


@pytest.mark.parametrize("place", ["s3://court/absent.csv", "s3://gone/a.csv"])
def test_what_is_not_there_is_told(place: str, shelves: Shelves) -> None:
    with pytest.raises(UsageError, match=r"there is no such file \(NoSuch"):
        read(place)


def test_what_aws_denies_is_told_with_the_permission(shelves: Shelves) -> None:
    shelves.refusal = (403, "AccessDenied")

    with pytest.raises(UsageError, match="denies s3:GetObject") as told:
        read("s3://court/judgments.csv")

    assert "canary" not in str(told.value)


def test_what_is_archived_is_told(shelves: Shelves) -> None:
    shelves.refusal = (403, "InvalidObjectState")

    with pytest.raises(UsageError, match="restore it"):
        read("s3://court/judgments.csv")


@pytest.mark.parametrize("refusal", [(503, "SlowDown"), (500, "InternalError"), (400, "Expired")])
def test_trouble_is_told_as_trouble(refusal: tuple[int, str], shelves: Shelves) -> None:
    shelves.refusal = refusal

    with pytest.raises(UpstreamUnavailableError, match=refusal[1]):
        read("s3://court/judgments.csv")


def test_s3_out_of_reach_is_told(shelves: Shelves, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")

    with pytest.raises(UpstreamUnavailableError, match="out of reach"):
        read("s3://court/judgments.csv")


def test_what_breaks_off_is_never_taken_for_the_end(shelves: Shelves) -> None:
    shelves.most = 300_000

    with (
        FILES.open("s3://court/2026/nov ember.csv") as opened,
        pytest.raises(UpstreamUnavailableError, match="out of reach"),
    ):
        opened.content.read()


def test_without_credentials_they_are_asked_for(
    shelves: Shelves, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")

    with pytest.raises(UsageError, match="no AWS credentials"):
        read("s3://court/judgments.csv")


def test_without_boto3_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)

    with pytest.raises(UsageError, match="boto3 is not installed"):
        read("s3://court/judgments.csv")


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("s3://other/a.csv", r"in no bucket of INTAKE_BUCKETS \(court, gone\)"),
        ("s3://court", "the bucket and the key"),
        ("s3://court/", "the bucket and the key"),
    ],
)
def test_other_buckets_are_never_asked(place: str, words: str, shelves: Shelves) -> None:
    with pytest.raises(UsageError, match=words):
        read(place)

    assert shelves.asked == []


def test_without_the_setting_nothing_is_read_and_the_setting_is_named() -> None:
    with pytest.raises(UsageError, match="INTAKE_BUCKETS is not set"):
        BucketFiles(()).check("s3://court/a.csv")
