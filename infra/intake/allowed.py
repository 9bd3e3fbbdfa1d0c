"""INTAKE_FOLDERS and INTAKE_BUCKETS, read. Each raises ValueError, which repeats no value."""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

_BETWEEN = re.compile(f"[,{re.escape(os.pathsep)}]")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def read_folders(listed: str) -> tuple[Path, ...]:
    """`/srv/intake:/srv/court`, or with commas between."""
    return tuple(dict.fromkeys(_folder(each.strip()) for each in _BETWEEN.split(listed) if each))


def _folder(text: str) -> Path:
    try:
        folder = Path(text).expanduser()
    except RuntimeError as error:
        raise ValueError("names a home folder that is not there") from error
    if not folder.is_absolute() or len(folder.parts) == 1 or ".." in folder.parts:
        raise ValueError(f"must look like /srv/intake{os.pathsep}/srv/court, never the whole of /")
    return folder


def read_buckets(listed: str) -> tuple[str, ...]:
    """`court-files,other-bucket`."""
    buckets = tuple(dict.fromkeys(each.strip() for each in listed.split(",") if each.strip()))
    if not all(_BUCKET.fullmatch(each) for each in buckets):
        raise ValueError("must look like court-files,other-bucket: names of buckets, no s3://")
    return buckets


READERS: Mapping[str, Callable[[str], object]] = {
    "intake_folders": read_folders,
    "intake_buckets": read_buckets,
}
