"""The client that every other one stands on: what it keeps to itself."""

import logging
from datetime import UTC, datetime
from uuid import UUID

import pytest

from core.ids import RunId
from core.report import Outcome, RunReport, Trigger
from core.secret import Secret
from infra.dead_man import DeadManPings
from infra.http.client import BoundedHttp, UnusableBodyError
from tests.support.log import ListLog
from tests.support.raw_server import fixed, http, raw_server

CANARY = "canary-5e1f"
AT = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)
REPORT = RunReport(
    run_id=RunId(UUID("0f8fad5b-d9cb-469f-a165-70867728950e")),
    worker="ebay-cycle",
    trigger=Trigger(via="cli"),
    outcome=Outcome.DONE,
    reason=None,
    started_at=AT,
    finished_at=AT,
    duration_ms=1,
)


def test_an_address_is_told_to_no_logger(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    log = ListLog()
    with raw_server(fixed(http(b"OK"))) as server:
        DeadManPings({"ebay-cycle": Secret(f"{server.url}/{CANARY}")}, log).ping(
            "ebay-cycle", REPORT
        )

        assert CANARY.encode() in server.requests[0]

    assert CANARY not in caplog.text
    assert log.told == []


def test_a_switch_that_says_too_much_was_pinged_all_the_same() -> None:
    log = ListLog()
    with raw_server(fixed(http(b"x" * 100_000))) as server:
        DeadManPings({"ebay-cycle": Secret(server.url)}, log).ping("ebay-cycle", REPORT)

    assert log.told == []


def test_a_body_over_the_limit_tells_its_status() -> None:
    client = BoundedHttp(max_connections=1)
    with raw_server(fixed(http(b"x" * 11, status="201 Created"))) as server:
        with pytest.raises(UnusableBodyError) as caught:
            client.exchange("GET", server.url, timeout=5, limit=10)

        body = client.exchange("GET", server.url, timeout=5, limit=11).body

    client.close()
    assert caught.value.status == 201
    assert len(body) == 11
