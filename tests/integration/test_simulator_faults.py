"""What goes wrong on purpose, as a client sees it on the wire."""

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from infra.simulator.faults import Kind
from infra.simulator.server import Simulator
from tests.support.simulated import ORDERS, PAYOUTS, TOKEN_PATH, TRANSACTIONS, USER, Caller


@pytest.fixture
def caller() -> Iterator[Caller]:
    with Simulator(seed=8, orders=60, accounts=2) as simulator, Caller(simulator) as caller:
        caller.refresh()
        yield caller


@pytest.mark.parametrize(
    ("kind", "status", "content"),
    [
        ("server_error", 500, b'"errorId": 2003'),
        ("unavailable", 503, b"Service Unavailable"),
        ("rate_limited", 429, b'"errorId": 2001'),
        ("unauthorized", 401, b'"errorId": 1001'),
        ("missing_scope", 403, b'"errorId": 1100'),
        ("signature_required", 403, b'"errorId": 215001'),
        ("html", 200, b"<!DOCTYPE html>"),
        ("empty_body", 200, b""),
        ("no_content", 204, b""),
    ],
)
def test_an_answer_can_be_replaced(caller: Caller, kind: str, status: int, content: bytes) -> None:
    caller.simulator.faults.add(kind, times=1)

    replaced, usual = caller.get(ORDERS), caller.get(ORDERS)

    assert replaced.status_code == status
    assert content in replaced.content
    assert usual.status_code == 200
    assert caller.simulator.faults.counts == {kind: 1}


@pytest.mark.parametrize(
    "retry_after", ["120", "0", "-1", "1e9", "Wed, 21 Oct 2026 07:28:00 GMT", "soon", ""]
)
def test_retry_after_goes_out_as_it_was_given(caller: Caller, retry_after: str) -> None:
    for kind in ("rate_limited", "unavailable", "status"):
        caller.simulator.faults.add(kind, retry_after=retry_after, times=1)

        assert caller.get(ORDERS).headers["retry-after"] == retry_after


def test_any_status_body_and_headers_can_be_sent(caller: Caller) -> None:
    caller.simulator.faults.add(
        "status", status=418, body="tea", headers={"Content-Type": "text/x", "X-Pot": "1"}
    )

    answer = caller.get(ORDERS)

    assert (answer.status_code, answer.text) == (418, "tea")
    assert (answer.headers["content-type"], answer.headers["x-pot"]) == ("text/x", "1")


def test_rules_match_operation_account_offset_and_limit(caller: Caller) -> None:
    with Caller(caller.simulator, 1) as other:
        caller.simulator.faults.add(
            "server_error", operation="getOrders", account="seller-1", offset=20, limit=10
        )

        hit = caller.get(ORDERS, offset=20, limit=10).status_code
        missed = [
            caller.get(ORDERS, limit=10).status_code,
            caller.get(ORDERS, offset=20, limit=20).status_code,
            caller.get(TRANSACTIONS, offset=20, limit=10).status_code,
            other.get(ORDERS, offset=20, limit=10).status_code,
        ]

    assert hit == 500
    assert missed == [200, 200, 200, 200]


def test_rules_count_and_let_the_first_through(caller: Caller) -> None:
    rule = caller.simulator.faults.add("server_error", after=2, times=3)

    statuses = [caller.get(USER).status_code for _ in range(7)]

    assert statuses == [200, 200, 500, 500, 500, 200, 200]
    assert rule.hits == 3


def test_chance_is_seeded() -> None:
    def statuses() -> list[int]:
        with Simulator(seed=8, orders=1) as simulator, Caller(simulator) as caller:
            caller.refresh()
            simulator.faults.add("server_error", probability=0.5)
            return [caller.get(USER).status_code for _ in range(40)]

    first, again = statuses(), statuses()

    assert first == again
    assert 5 < first.count(500) < 35


def test_faults_reach_the_token_endpoint(caller: Caller) -> None:
    caller.simulator.faults.add("unavailable", operation="token", account="seller-1", times=1)

    answer = caller.mint(grant_type="refresh_token", refresh_token=caller.account.refresh_token)

    assert answer.status_code == 503


def test_a_token_can_end_in_mid_run(caller: Caller) -> None:
    caller.simulator.faults.add("expire_token", operation="getOrders", after=1, times=1)

    statuses = [caller.get(ORDERS).status_code for _ in range(3)]
    caller.refresh()

    assert statuses == [200, 401, 401]
    assert caller.get(ORDERS).status_code == 200


def test_json_can_be_cut(caller: Caller) -> None:
    caller.simulator.faults.add("truncated_json")

    answer = caller.get(ORDERS)

    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        answer.json()


def test_a_body_can_be_shorter_than_it_says(caller: Caller) -> None:
    caller.simulator.faults.add("truncated_body")

    with pytest.raises(httpx.RemoteProtocolError, match="peer closed connection"):
        caller.get(ORDERS)


def test_a_gzip_bomb_is_small_on_the_wire(caller: Caller) -> None:
    caller.simulator.faults.add("gzip_bomb", size=30_000_000)

    answer = caller.get(ORDERS)

    assert int(answer.headers["content-length"]) < 100_000
    assert len(answer.content) == 30_000_000
    assert answer.json()["total"] == 1


def test_a_body_can_be_too_big(caller: Caller) -> None:
    caller.simulator.faults.add("big_body", size=11_000_000)

    answer = caller.get(ORDERS)

    assert len(answer.content) > 11_000_000
    assert answer.json()["total"] == 60


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("nul_escape", b"\\u0000"),
        ("lone_surrogate", b"\\ud83d"),
        ("invalid_utf8", b"\xff\xfe\xc3"),
        ("huge_number", b"1e400"),
    ],
)
@pytest.mark.parametrize("path", [ORDERS, TRANSACTIONS, PAYOUTS])
def test_rows_can_hold_what_a_database_refuses(
    caller: Caller, kind: str, content: bytes, path: str
) -> None:
    caller.simulator.faults.add(kind, rows=2)

    answer = caller.get(path)

    assert answer.content.count(content) == 2
    assert b"@@" not in answer.content


@pytest.mark.parametrize(
    ("path", "member", "variant", "probe"),
    [
        (ORDERS, "orders", "money", lambda row: row["pricingSummary"]["total"]["value"] == "12,5x"),
        (ORDERS, "orders", "date", lambda row: row["creationDate"].startswith("2026-13")),
        (ORDERS, "orders", "null_id", lambda row: row["orderId"] is None),
        (ORDERS, "orders", "missing_id", lambda row: "orderId" not in row),
        (TRANSACTIONS, "transactions", "money", lambda row: row["amount"]["value"] == "12,5x"),
        (PAYOUTS, "payouts", "date", lambda row: row["payoutDate"].startswith("2026-13")),
    ],
)
def test_rows_can_be_bad(
    caller: Caller, path: str, member: str, variant: str, probe: Callable[[dict[str, Any]], bool]
) -> None:
    caller.simulator.faults.add("bad_row", variant=variant, rows=3)

    rows = caller.get(path, limit=20).json()[member]

    assert [probe(row) for row in rows] == [True] * 3 + [False] * 17


def test_one_row_can_be_bad_wherever_it_comes(caller: Caller) -> None:
    key = caller.account.ledger.orders[-7].order_id
    caller.simulator.faults.add("bad_row", keys=[key])

    rows = caller.pages(ORDERS, "orders", limit=5)

    bad = [row["orderId"] for row in rows if row["pricingSummary"]["total"]["value"] == "12,5x"]
    assert bad == [key]


def test_next_can_lead_away(caller: Caller) -> None:
    caller.simulator.faults.add("foreign_next")

    assert caller.get(ORDERS).json()["next"].startswith("http://ebay.invalid/")


def test_an_offset_can_be_ignored(caller: Caller) -> None:
    caller.simulator.faults.add("same_page")

    first, second = (caller.get(ORDERS, limit=10, offset=each).json() for each in (0, 10))

    assert first["orders"] == second["orders"]
    assert "offset=10" in second["next"]


@pytest.mark.parametrize(
    ("variant", "kind"),
    [("object", dict), ("numbers", list), ("string", str), ("null", type(None))],
)
def test_rows_can_have_another_shape(caller: Caller, variant: str, kind: type) -> None:
    caller.simulator.faults.add("wrong_shape", variant=variant)

    assert type(caller.get(ORDERS).json()["orders"]) is kind


def test_rows_can_be_missing_or_stand_alone(caller: Caller) -> None:
    caller.simulator.faults.add("wrong_shape", variant="missing", times=1)
    caller.simulator.faults.add("wrong_shape", variant="list", times=1)

    assert "orders" not in caller.get(ORDERS).json()
    assert type(caller.get(ORDERS).json()) is list


def test_totals_can_be_hidden_or_wrong(caller: Caller) -> None:
    caller.simulator.faults.add("hide_total", times=1)
    caller.simulator.faults.add("wrong_total", value=5, times=1)

    assert "total" not in caller.get(ORDERS).json()
    assert caller.get(ORDERS).json()["total"] == 65


def test_a_connection_can_be_reset_before_and_after_the_work(caller: Caller) -> None:
    caller.simulator.world.behaviour.mutations_per_request = 1
    version = caller.account.ledger.version
    caller.simulator.faults.add("reset_before", times=1)

    with pytest.raises(httpx.TransportError):
        caller.get(ORDERS)
    before = caller.account.ledger.version
    caller.simulator.faults.add("reset_after", times=1)
    with pytest.raises(httpx.TransportError):
        caller.get(ORDERS)

    assert before == version
    assert caller.account.ledger.version > version
    assert [entry.fault for entry in caller.simulator.requests.entries(operation="getOrders")] == [
        "reset_before",
        "reset_after",
    ]


def test_a_connection_can_be_reset_in_mid_body(caller: Caller) -> None:
    caller.simulator.faults.add("reset_mid_body")

    with pytest.raises(httpx.TransportError):
        caller.get(ORDERS)


def test_something_can_answer_that_is_not_http(caller: Caller) -> None:
    caller.simulator.faults.add("garbage")

    with pytest.raises(httpx.RemoteProtocolError):
        caller.get(ORDERS)


def test_a_server_can_say_nothing(caller: Caller) -> None:
    caller.simulator.faults.add("hang")

    with pytest.raises(httpx.ReadTimeout):
        caller.http.get(
            caller.simulator.api_url + USER,
            headers={"Authorization": f"Bearer {caller.token}"},
            timeout=0.2,
        )


@pytest.mark.parametrize("kind", ["drip", "slow_headers"])
def test_bytes_can_come_one_at_a_time(caller: Caller, kind: str) -> None:
    whole = caller.get(USER).content
    caller.simulator.faults.add(kind, seconds=0.0001)

    pieces = []
    headers = {"Authorization": f"Bearer {caller.token}"}
    with caller.http.stream("GET", caller.simulator.api_url + USER, headers=headers) as answer:
        pieces = list(answer.iter_raw())

    assert b"".join(pieces) == whole
    assert len(pieces) > 10


def test_a_delay_changes_nothing_but_the_time(caller: Caller) -> None:
    caller.simulator.faults.add("delay", seconds=0.05)

    assert caller.get(ORDERS).json()["total"] == 60
    assert caller.simulator.requests.entries(operation="getOrders")[0].duration_ms >= 50


@pytest.mark.parametrize("kind", ["hang", "drip", "delay"])
def test_stopping_ends_every_wait(kind: str) -> None:
    simulator = Simulator(orders=1).start()
    with Caller(simulator) as caller:
        caller.refresh()
        simulator.faults.add(kind, seconds=1000)
        waiting = threading.Thread(target=_call_and_forget, args=(caller, USER))
        waiting.start()
        while not simulator.faults.counts[kind]:
            waiting.join(0.01)

        simulator.stop()
        waiting.join(5)

    assert not waiting.is_alive()


def _call_and_forget(caller: Caller, path: str) -> None:
    try:
        caller.get(path, limit=1)
    except httpx.TransportError:
        return


ONLY_TRADING = {Kind.FAILURE, Kind.XML_BOMB, Kind.SHORT_PAGE}


def test_every_kind_is_counted_and_listed(caller: Caller) -> None:
    kinds = [kind for kind in Kind if kind not in ONLY_TRADING]
    for kind in kinds:
        caller.simulator.faults.add(kind, operation="getOrders", times=1, seconds=0.0001)
        _call_and_forget(caller, ORDERS)
        caller.simulator.faults.clear()
        caller.refresh()

    logged = [entry.fault for entry in caller.simulator.requests.entries(operation="getOrders")]
    assert caller.simulator.faults.counts == dict.fromkeys(kinds, 1)
    assert logged == kinds


def test_damage_that_has_nothing_to_damage_does_not_count(caller: Caller) -> None:
    rule = caller.simulator.faults.add("bad_row", operation="getTransactions", times=1)

    empty = caller.get(TRANSACTIONS, offset=9999).status_code
    missed = (rule.hits, caller.simulator.faults.counts["bad_row"])
    caller.get(TRANSACTIONS)

    assert (empty, missed) == (204, (0, 0))
    assert (rule.hits, caller.simulator.faults.counts["bad_row"]) == (1, 1)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("earthquake", {}, "earthquake"),
        ("hang", {"operation": "getorders"}, "no operation 'getorders'"),
        ("hang", {"tims": 1}, "unknown options"),
        ("hang", {"times": "1"}, "times must be"),
        ("rate_limited", {"retry_after": 120}, "retry_after must be"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(
    caller: Caller, kind: str, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        caller.simulator.faults.add(kind, **options)


def test_the_token_endpoint_can_lose_its_answer(caller: Caller) -> None:
    caller.simulator.faults.add("reset_after", operation="token", times=1)

    with pytest.raises(httpx.TransportError):
        caller.refresh()

    entry = caller.simulator.requests.entries(operation="token")[-1]
    assert (entry.path, entry.status, entry.fault) == (TOKEN_PATH, 200, "reset_after")
