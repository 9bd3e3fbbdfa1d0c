"""The simulated world: the same for a seed, changing while it is read, and told truly."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from infra.simulator import truth
from infra.simulator.accounts import Account
from infra.simulator.ageing import age
from infra.simulator.claims import Kind
from infra.simulator.clock import SimulatorClock, iso, to_ms
from infra.simulator.server import Options, Simulator, build, live_a_little
from infra.simulator.world import World
from tests.support.simulated import ORDERS, PAYOUTS, TRANSACTIONS, USER, Caller

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
ROOT = Path(__file__).parents[2]
KINDS = ("orders", "transactions", "payouts")
ALL_KINDS = (
    *KINDS, "messages", "best_offers", "active_inventory", "buyer", "inventory_offers", "disputes",
    "cases", "inquiries", "returns", "cancellations",
)  # fmt: skip


@pytest.fixture
def caller() -> Iterator[Caller]:
    clock = SimulatorClock(source=lambda: NOW)
    world = World(seed=2, orders=300, clock=clock)
    with Simulator(world) as simulator, Caller(simulator) as caller:
        yield caller


def everything(world: World) -> list[bytes]:
    return [
        line
        for account in world.accounts
        for kind in KINDS
        for line in truth.lines(world, account, kind, digests=False)
    ]


def test_the_same_seed_and_time_make_the_same_world() -> None:
    first, again = (everything(World(seed=3, orders=200, now=NOW)) for _ in range(2))

    assert first == again


def test_another_seed_or_time_makes_another_world() -> None:
    first = everything(World(seed=3, orders=50, now=NOW))
    other_seed = everything(World(seed=4, orders=50, now=NOW))
    later = everything(World(seed=3, orders=50, now=NOW + timedelta(days=1)))

    assert first != other_seed
    assert first != later


def test_the_same_seed_lives_the_same_life() -> None:
    worlds = [World(seed=3, orders=200, clock=SimulatorClock(source=lambda: NOW)) for _ in range(2)]

    for world in worlds:
        world.life.mutate(world.accounts[0], 200)

    assert everything(worlds[0]) == everything(worlds[1])


def lists(world: World) -> dict[str, set[bytes]]:
    """What every list shows, by its name."""
    return {
        kind: {line for account in world.accounts for line in shown(world, account, kind)}
        for kind in ALL_KINDS
    }


def shown(world: World, account: Account, kind: str) -> Iterator[bytes]:
    return truth.lines(world, account, kind, digests=False)


def aged(minutes: int, seed: int = 7) -> tuple[World, World]:
    """As it was when history ended, and so much later."""
    before, after = (World(seed=seed, orders=300, now=NOW) for _ in range(2))
    age(after, NOW + timedelta(minutes=minutes))
    return before, after


def test_half_an_hour_changes_every_list() -> None:
    """As much as the first `demo --live` finds."""
    before, after = (lists(world) for world in aged(28))

    assert {kind for kind in ALL_KINDS if before[kind] == after[kind]} == set()


def test_minutes_are_the_same_whenever_they_are_lived() -> None:
    (_, once), (_, again) = aged(60), aged(60)

    assert lists(once) == lists(again)


def test_in_an_hour_messages_offers_and_returns_come_and_others_end() -> None:
    old, new = (begun_and_ended(world) for world in aged(60))

    came, ended = new[0] - old[0], new[1] - old[1]
    assert {kind for kind, _ in came} == {"message", "offer", "listing", *Kind}
    assert {kind for kind, _ in ended} >= {"listing", "cases", "returns"}


def begun_and_ended(world: World) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """(what, id) of all that is there, and of what is over."""
    begun: set[tuple[str, str]] = set()
    ended: set[tuple[str, str]] = set()
    for account in world.accounts:
        stock, claims = world.stock(account), account.claims.by_kind
        begun |= {("message", each.message_id) for each in account.mailbox.messages}
        begun |= {("offer", each.offer_id) for each in account.offers.offers}
        begun |= {("listing", each.item_id) for each in (*stock.active, *stock.ended)}
        ended |= {("listing", each.item_id) for each in stock.ended}
        for each in (claim for kind in Kind for claim in claims[kind]):
            named = (each.kind.value, str(each.claim_id))
            begun.add(named)
            ended |= {named} if each.is_final else set()
    return begun, ended


def test_in_an_hour_prices_change() -> None:
    before, after = (prices(world) for world in aged(60))

    assert sum(before[item] != after[item] for item in before.keys() & after.keys()) >= 10


def prices(world: World) -> dict[str, int]:
    listings = [each for account in world.accounts for each in world.stock(account).active]
    return {each.item_id: each.cents for each in listings}


def test_history_ends_three_minutes_ago_and_begins_inside_its_days() -> None:
    world = World(seed=3, orders=500, days=90, now=NOW)
    end, start = iso(to_ms(NOW - timedelta(minutes=3))), iso(to_ms(NOW - timedelta(days=90)))

    versions = [
        version
        for account in world.accounts
        for kind in KINDS
        for _, version, _ in truth.rows(world, account, kind)
    ]

    assert start < min(versions)
    assert max(versions) <= end


def test_a_big_world_is_made_quickly_and_orders_are_of_real_size() -> None:
    begun = time.process_time()
    world = World(seed=1, accounts=1, orders=10_000, now=NOW)
    spent = time.process_time() - begun

    sizes = [len(text) for _, _, text in truth.rows(world, world.accounts[0], "orders")]

    print(f"10,000 orders in {spent:.2f} s of CPU")
    assert 3_800 < sum(sizes) / len(sizes) < 4_600


def test_truth_is_what_the_lists_give(caller: Caller) -> None:
    told = {kind: caller.simulator.truth("seller-1", kind) for kind in KINDS}

    orders = caller.pages(ORDERS, "orders", limit=200)
    transactions = caller.pages(TRANSACTIONS, "transactions", limit=1000)
    payouts = caller.pages(PAYOUTS, "payouts", limit=200)

    assert {key: row for key, (_, row) in told["orders"].items()} == {
        (row["orderId"],): row for row in orders
    }
    assert {key: row for key, (_, row) in told["transactions"].items()} == {
        (row["transactionId"], row["transactionType"]): row for row in transactions
    }
    assert {key: row for key, (_, row) in told["payouts"].items()} == {
        (row["payoutId"],): row for row in payouts
    }


def test_pages_change_the_source_when_told_to(caller: Caller) -> None:
    caller.simulator.world.behaviour.mutations_per_request = 5
    window = f"lastmodifieddate:[{iso(to_ms(NOW - timedelta(days=90)))}..{iso(to_ms(NOW) - 1)}]"

    totals = [caller.get(ORDERS, filter=window, limit=1).json()["total"] for _ in range(20)]
    fresh = caller.get(ORDERS, filter=f"lastmodifieddate:[{iso(to_ms(NOW))}..]", limit=200).json()

    assert totals == sorted(totals, reverse=True)
    assert totals[-1] < 260
    assert fresh["total"] > 50


def test_a_modified_order_leaves_its_closed_window_and_differs(caller: Caller) -> None:
    world, account = caller.simulator.world, caller.account
    order = account.ledger.orders[5]
    before = caller.simulator.truth("seller-1", "orders")[order.order_id,]
    window = f"lastmodifieddate:[{before[0]}..{iso(to_ms(NOW - timedelta(minutes=2)))}]"

    caller.simulator.clock.shift(timedelta(seconds=30))
    world.life.modify(account, order)
    after = caller.simulator.truth("seller-1", "orders")[order.order_id,]
    rows = caller.pages(ORDERS, "orders", filter=window, limit=200)

    assert after[0] == iso(to_ms(NOW + timedelta(seconds=30)))
    assert after[1] != before[1]
    assert order.order_id not in {row["orderId"] for row in rows}


def test_every_modification_can_be_told_from_the_last(caller: Caller) -> None:
    order = caller.account.ledger.orders[0]
    seen = set()

    for _ in range(30):
        caller.simulator.world.life.modify(caller.account, order)
        seen.add(order.modified)

    assert len(seen) == 30


def test_a_sale_comes_with_its_transaction(caller: Caller) -> None:
    life = caller.simulator.world.life

    sold = [life.sell(caller.account) for _ in range(20)]

    sales = caller.simulator.truth("seller-1", "transactions")
    paid = [order for order in sold if order.is_paid]
    assert all((order.order_id, "SALE") in sales for order in paid)
    assert len(paid) > 15
    assert caller.get(ORDERS).json()["orders"][0]["orderId"] == sold[-1].order_id


def test_paying_out_changes_rows_that_do_not_move(caller: Caller) -> None:
    before = caller.simulator.truth("seller-1", "transactions")
    caller.simulator.clock.shift(timedelta(days=3))

    made = caller.simulator.world.life.pay_out(caller.account)

    after = caller.simulator.truth("seller-1", "transactions")
    changed = {key for key in before if before[key] != after[key]}
    assert made
    assert {after[key][1]["payoutId"] for key in changed if "payoutId" in after[key][1]} == {
        payout.payout_id for payout in made
    }
    assert all(before[key][0] == after[key][0] for key in changed)
    assert caller.get(PAYOUTS).json()["payouts"][0]["payoutStatus"] == "INITIATED"


def test_strange_fields_and_values_can_be_switched_off(caller: Caller) -> None:
    def count(text: bytes) -> int:
        return sum(text in line for line in everything(caller.simulator.world))

    strange = [count(b"sustainability"), count(b"LIVE_STREAM"), count(b"CARBON_OFFSET_ID")]
    caller.control("POST", "/behaviour", {"unknown_fields": False, "unknown_enums": False})

    assert all(strange)
    assert [count(b"sustainability"), count(b"LIVE_STREAM"), count(b"CARBON_OFFSET_ID")] == [0] * 3


def test_the_log_names_calls_and_no_secret(caller: Caller) -> None:
    token = caller.refresh()
    caller.get(ORDERS, limit=10, offset=20)
    caller.simulator.faults.add("server_error", operation="getUser")
    caller.get(USER)

    entries = caller.simulator.requests.entries()
    mint, orders, user = entries[-3:]
    text = json.dumps(caller.control("GET", "/requests"))

    assert [mint.operation, orders.operation, user.operation] == ["token", "getOrders", "getUser"]
    assert (orders.account, orders.limit, orders.offset) == ("seller-1", "10", "20")
    assert (orders.status, orders.fault, user.status, user.fault) == (
        200,
        None,
        500,
        "server_error",
    )
    assert orders.at == iso(to_ms(NOW))
    assert mint.account == "seller-1"
    for secret in (token, caller.account.refresh_token, "cronshot-simulator-secret"):
        assert secret not in text
    assert orders.headers["authorization"].startswith("Bearer sha256:")


def test_control_works_from_outside(caller: Caller) -> None:
    state = caller.control("GET", "/state")
    caller.control("POST", "/clock", {"shift_s": 86_400})
    caller.control("POST", "/mutate", {"account": "seller-1", "what": "sell", "count": 3})
    caller.control("POST", "/mutate", {"account": "seller-1", "count": 9})
    caller.control("POST", "/mutate", {"account": "seller-1", "what": "pay_out"})
    caller.control(
        "POST",
        "/mutate",
        {"account": "seller-1", "what": "modify", "order_id": "10-00000-00001"},
    )
    moved = caller.control("GET", "/state")

    assert [each["name"] for each in state["accounts"]] == ["seller-1", "seller-2"]
    assert state["accounts"][0]["refresh_token"] == caller.account.refresh_token
    assert moved["now"] == iso(to_ms(NOW + timedelta(days=1)))
    assert moved["accounts"][0]["orders"] >= state["accounts"][0]["orders"] + 3
    assert caller.simulator.truth("seller-1", "orders")["10-00000-00001",][0] == moved["now"]


def test_control_breaks_and_mends(caller: Caller) -> None:
    rule = caller.control("POST", "/faults", {"kind": "html", "operation": "getUser"})
    broken = caller.get(USER).headers["content-type"]
    listed = caller.control("GET", "/faults")
    caller.control("DELETE", f"/faults?id={rule['id']}")
    mended = caller.get(USER).headers["content-type"]

    assert (broken, mended) == ("text/html", "application/json")
    assert listed["counts"] == {"html": 1}
    assert listed["faults"][0]["hits"] == 1


def test_control_manages_accounts_and_quotas(caller: Caller) -> None:
    caller.refresh()
    code = caller.control("POST", "/authorization_code", {"account": "seller-2"})["code"]
    caller.control("POST", "/quota", {"resource": "sell.fulfillment", "limit": 7, "count": 7})
    refused = caller.error_id(ORDERS)
    scope = "https://api.ebay.com/oauth/api_scope/sell.finances"
    caller.control("POST", "/account", {"account": "seller-1", "without_scopes": [scope]})
    denied = caller.error_id(TRANSACTIONS)
    caller.control("POST", "/account", {"account": "seller-1", "expire_tokens": True})
    ended = caller.error_id(USER)
    revoked = caller.control("POST", "/account", {"account": "seller-1", "revoked": True})

    assert code
    assert (refused, denied, ended) == ((429, 2001), (403, 1100), (401, 1001))
    assert revoked["revoked"] is True


def test_control_adds_transactions(caller: Caller) -> None:
    window = {"from": "2026-10-30T00:00:00Z", "to": "2026-10-30T01:00:00Z"}

    caller.control("POST", "/transactions", {"account": "seller-1", "count": 50, **window})

    found = caller.get(
        TRANSACTIONS,
        limit=1000,
        filter="transactionDate:[2026-10-30T00:00:00.000Z..2026-10-30T01:00:00.000Z]",
    ).json()
    assert found["total"] >= 50


def test_control_tells_the_truth_in_lines(caller: Caller) -> None:
    url = f"{caller.simulator.api_url}/_simulator/truth?account=seller-1&kind=orders"

    rows = [json.loads(line) for line in caller.http.get(url).text.split("\n") if line]
    digests = [
        json.loads(line) for line in caller.http.get(f"{url}&form=digest").text.split("\n") if line
    ]

    assert len(rows) == len(digests) == 300
    assert rows[0]["key"] == [rows[0]["row"]["orderId"]]
    assert rows[0]["version"] == rows[0]["row"]["lastModifiedDate"]
    assert digests[0]["sha256"] == truth.digest(rows[0]["row"])


@pytest.mark.parametrize(
    ("method", "path", "given", "status"),
    [
        ("GET", "/nothing", None, 404),
        ("POST", "/faults", {"kind": "nonsense"}, 400),
        ("POST", "/faults", {"kind": "hang", "nonsense": 1}, 400),
        ("POST", "/behaviour", {"nonsense": 1}, 400),
        ("POST", "/behaviour", {"mutations_per_request": "many"}, 400),
        ("POST", "/behaviour", {"order_sort": "sideways"}, 400),
        ("POST", "/mutate", {"account": "seller-9"}, 400),
        ("POST", "/mutate", {"account": "seller-1", "what": "explode"}, 400),
        ("POST", "/mutate", {}, 400),
        ("DELETE", "/faults?id=99", None, 400),
        ("GET", "/truth?account=seller-1&kind=nonsense", None, 400),
        ("POST", "/quota", {"resource": "nonsense", "count": 1}, 400),
    ],
)
def test_control_names_what_is_wrong(
    caller: Caller, method: str, path: str, given: object, status: int
) -> None:
    answer = caller.http.request(method, f"{caller.simulator.api_url}/_simulator{path}", json=given)

    assert answer.status_code == status
    assert answer.json()["error"]


def test_a_live_simulator_changes_by_itself() -> None:
    with build(Options(port=0, orders=50, live=True)) as simulator:
        before = [account.ledger.version for account in simulator.world.accounts]
        for _ in range(20):
            live_a_little(simulator)

        after = [account.ledger.version for account in simulator.world.accounts]

    assert all(new > old for old, new in zip(before, after, strict=True))


def test_an_error_of_its_own_is_not_silent() -> None:
    simulator = Simulator(orders=1).start()
    del simulator.world.accounts[0].ledger.orders[0].lines
    with Caller(simulator) as caller:
        caller.refresh()
        with pytest.raises(httpx.TransportError):
            caller.get(ORDERS)

    with pytest.raises(AttributeError):
        simulator.stop()


def test_a_child_process_prints_where_it_is_and_ends_on_a_signal() -> None:
    arguments = [
        "--port",
        "0",
        "--apiz-port",
        "0",
        "--accounts",
        "3",
        "--orders",
        "20",
        "--seed",
        "5",
        "--render-all",
    ]
    command = [sys.executable, "-m", "infra.simulator.main", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, env={}, text=True) as child:
        assert child.stdout is not None
        told = json.loads(child.stdout.readline())

        state = httpx.get(told["api_url"] + "/_simulator/state", trust_env=False).json()
        child.send_signal(signal.SIGTERM)
        code = child.wait(10)

    assert [each["refresh_token"] for each in told["accounts"]] == [
        account.refresh_token for account in World(seed=5, accounts=3, orders=1).accounts
    ]
    assert told["apiz_url"] != told["api_url"]
    assert state["accounts"][2]["orders"] == 20
    assert code == 0
