"""eBay's samples and contracts, which stay outside the repository."""

import json
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest

FOLDER = Path(__file__).parents[3] / "shared" / "ebay"


def sample(name: str) -> dict[str, Any]:
    """`{status, headers, body}`; the test is skipped where the folder is absent."""
    return _json(f"samples/{name}.json")


def sample_body(name: str) -> bytes:
    return json.dumps(sample(name)["body"]).encode()


def contract(name: str) -> dict[str, Any]:
    return _json(f"contracts/{name}.json")


def _json(path: str) -> dict[str, Any]:
    if not FOLDER.is_dir():
        pytest.skip(f"{FOLDER} is not there")
    return _read(path)


@cache
def _read(path: str) -> dict[str, Any]:
    return cast("dict[str, Any]", json.loads((FOLDER / path).read_text(encoding="utf-8")))


def trading_sample(name: str) -> bytes:
    """The XML of `trading/samples/<name>.xml`; skipped where the folder is absent."""
    if not FOLDER.is_dir():
        pytest.skip(f"{FOLDER} is not there")
    return (FOLDER / "trading" / "samples" / f"{name}.xml").read_bytes()


def post_order() -> dict[str, Any]:
    """The read side of Post-Order, transcribed from its documents."""
    return _json("post_order/post_order_v2_transcribed_oas3.json")


def post_order_sample(name: str) -> dict[str, Any]:
    return _json(f"post_order/samples/{name}.json")


def vectors(name: str) -> dict[str, Any]:
    """Published test vectors: `vectors/<name>.json`."""
    return _json(f"vectors/{name}.json")
