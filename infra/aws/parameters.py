"""Secrets at run time from AWS Systems Manager: the parameters below SSM_PREFIX.

https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParametersByPath.html
"""

import time
from collections.abc import Mapping

from core.errors import ConfigurationError

KEEP_S, RETRY_S = 300.0, 30.0

_kept: dict[str, tuple[float, Mapping[str, str]]] = {}


def parameters_below(prefix: str) -> Mapping[str, str]:
    """Names without the prefix, opened; kept for five minutes, so a rotated one is soon seen.

    What was read before stays good while AWS is in trouble. Raises ConfigurationError where boto3
    is missing, where AWS denies access, and where nothing was read yet.
    """
    read_at, values = _kept.get(prefix, (-KEEP_S, {}))
    now = time.monotonic()
    if prefix in _kept and now - read_at < KEEP_S:
        return values
    try:
        values = _read(prefix.rstrip("/"))
    except _TroubleError as error:
        if prefix not in _kept:
            raise ConfigurationError(str(error)) from error
        now += RETRY_S - KEEP_S
    _kept[prefix] = (now, values)
    return values


class _TroubleError(Exception):
    """AWS does not answer, or not now."""


def _read(prefix: str) -> Mapping[str, str]:
    try:
        import boto3  # noqa: PLC0415  (200 ms that only this needs)
        from botocore.config import Config  # noqa: PLC0415  (the same)
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  (the same)
    except ImportError as error:
        raise ConfigurationError("SSM_PREFIX is set, but boto3 is not installed") from error
    # The defaults, a minute and five tries, are longer than a call over HTTP may take.
    limits = Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 2})
    failed = f"SSM_PREFIX: the parameters below {prefix} cannot be read"
    try:
        pages = boto3.client("ssm", config=limits).get_paginator("get_parameters_by_path")
        found = [
            parameter
            for page in pages.paginate(Path=prefix, WithDecryption=True, Recursive=False)
            for parameter in page["Parameters"]
        ]
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        kind = ConfigurationError if code.startswith("AccessDenied") else _TroubleError
        raise kind(f"{failed}: {code}") from error
    except BotoCoreError as error:
        raise _TroubleError(f"{failed}: {type(error).__name__}") from error
    return {each["Name"].removeprefix(f"{prefix}/"): each["Value"] for each in found}
