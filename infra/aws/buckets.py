"""Files in the buckets of S3 that INTAKE_BUCKETS names, read as they arrive.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
"""

import importlib.util
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from core.errors import AppError, UpstreamUnavailableError, UsageError
from core.intake.places import BUCKET
from core.intake.ports import Opened

READ_AT_ONCE = 256 * 1024
NO_SUCH = frozenset({"NoSuchKey", "NoSuchBucket", "NoSuchVersion", "404"})
DENIED = frozenset({"AccessDenied", "AllAccessDisabled", "AccountProblem", "403"})
ARCHIVED = "InvalidObjectState"


@dataclass(frozen=True, slots=True)
class BucketFiles:
    """`allowed`: names of buckets. The credentials are those that boto3 finds."""

    allowed: Sequence[str]

    def check(self, place: str) -> None:
        self._named(place)

    @contextmanager
    def open(self, place: str) -> Iterator[Opened]:
        bucket, key = self._named(place)
        _require_boto3()
        with _told(place):
            found = _client().get_object(Bucket=bucket, Key=key)
        with closing(found["Body"]) as body:
            content = io.BufferedReader(_Arriving(body, place), READ_AT_ONCE)
            name = key.rpartition("/")[2] or key
            yield Opened(name=name, content=content, size=found["ContentLength"])

    def _named(self, place: str) -> tuple[str, str]:
        bucket, _, key = place.removeprefix(BUCKET).partition("/")
        if not key:
            raise UsageError(f"{place}: name the bucket and the key, as s3://bucket/judgments.csv")
        if not self.allowed:
            raise UsageError(
                f"{place}: INTAKE_BUCKETS is not set, so nothing is read from S3;"
                " name in it the buckets that may be"
            )
        if bucket not in self.allowed:
            listed = ", ".join(self.allowed)
            raise UsageError(f"{place} is in no bucket of INTAKE_BUCKETS ({listed})")
        return bucket, key


def _require_boto3() -> None:
    if importlib.util.find_spec("boto3") is None:
        raise UsageError("a place begins with s3://, but boto3 is not installed")


def _client() -> Any:
    import boto3  # noqa: PLC0415  (200 ms that only this needs)
    from botocore.config import Config  # noqa: PLC0415  (the same)

    limits = Config(connect_timeout=3, read_timeout=15, retries={"total_max_attempts": 2})
    # Of its own: the one that boto3 keeps is not to be used by several threads.
    return boto3.session.Session().client("s3", config=limits)


class _Arriving(io.RawIOBase):
    """What breaks off, or comes short of its length, is told and never taken for an end."""

    def __init__(self, body: Any, place: str) -> None:
        super().__init__()
        self._body = body
        self._place = place

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        with _told(self._place):
            arrived: bytes = self._body.read(len(buffer))
        buffer[: len(arrived)] = arrived
        return len(arrived)


@contextmanager
def _told(place: str) -> Iterator[None]:
    from botocore.exceptions import (  # noqa: PLC0415  (as above)
        BotoCoreError,
        ClientError,
        NoCredentialsError,
        PartialCredentialsError,
    )
    from urllib3.exceptions import HTTPError  # noqa: PLC0415  (boto3's own, read through)

    try:
        yield
    except ClientError as error:
        raise _refusal(place, error.response) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise UsageError(f"{place}: there are no AWS credentials to read it with") from error
    except (BotoCoreError, HTTPError, OSError) as error:
        raise UpstreamUnavailableError(
            f"{place} is out of reach: {type(error).__name__}"
        ) from error


def _refusal(place: str, response: Mapping[str, Any]) -> AppError:
    code = str(response.get("Error", {}).get("Code", ""))
    if code in NO_SUCH:
        return UsageError(f"{place}: there is no such file ({code})")
    if code in DENIED:
        return UsageError(
            f"{place}: AWS denies s3:GetObject on it ({code}); or it is not there, which AWS says"
            " to those only who have s3:ListBucket too"
        )
    if code == ARCHIVED:
        return UsageError(f"{place} is archived; restore it in S3 first")
    return UpstreamUnavailableError(f"{place} is out of reach: S3 said {code or 'no reason'}")
