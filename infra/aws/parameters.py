"""Secrets at run time from AWS Systems Manager: the parameters below SSM_PREFIX.

https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParametersByPath.html
"""

import time
from collections.abc import Mapping

from core.errors import ConfigurationError

KEEP_S = 300.0

_kept: dict[str, tuple[float, Mapping[str, str]]] = {}


def parameters_below(prefix: str) -> Mapping[str, str]:
    """Names without the prefix, opened; kept for five minutes, so a rotated one is soon seen.

    Raises ConfigurationError where boto3 is missing or AWS refuses.
    """
    read_at, values = _kept.get(prefix, (0.0, {}))
    if prefix in _kept and time.monotonic() - read_at < KEEP_S:
        return values
    values = _read(prefix.rstrip("/"))
    _kept[prefix] = (time.monotonic(), values)
    return values


def _read(prefix: str) -> Mapping[str, str]:
    try:
        import boto3  # noqa: PLC0415  (200 ms that only this needs)
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  (the same)
    except ImportError as error:
        raise ConfigurationError("SSM_PREFIX is set, but boto3 is not installed") from error
    try:
        pages = boto3.client("ssm").get_paginator("get_parameters_by_path")
        found = [
            parameter
            for page in pages.paginate(Path=prefix, WithDecryption=True, Recursive=False)
            for parameter in page["Parameters"]
        ]
    except (BotoCoreError, ClientError) as error:
        raise ConfigurationError(
            f"SSM_PREFIX: the parameters below {prefix} cannot be read: {type(error).__name__}"
        ) from error
    return {each["Name"].removeprefix(f"{prefix}/"): each["Value"] for each in found}
