"""Post-Order of the simulator: its searches, its oddities, and eBay's documents."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from infra.simulator.behaviour import Behaviour, Counts
from infra.simulator.claims import Kind
from infra.simulator.clock import SimulatorClock, iso, to_ms
from infra.simulator.server import Simulator
from infra.simulator.world import World
from tests.integration.test_simulator_contract import missing
from tests.support.ebay_shared import post_order, post_order_sample, sample
from tests.support.simulated import Caller

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
ROOT = "/post-order/v2"
ALL = {"from": 90, "to": 0}
SEARCHES = {
    "cases": ("/casemanagement/search", "case_creation_date_range", "members"),
    "inquiries": ("/inquiry/search", "inquiry_creation_date_range", "members"),
    "returns": ("/return/search", "creation_date_range", "members"),
    "cancellations": ("/cancellation/search", "creation_date_range", "cancellations"),
}
SCHEMAS = {
    "cases": "CaseSearchResponse",
    "inquiries": "InquirySearchResponse",
    "returns": "GetSummaryResponse",
    "cancellations": "FindCancelResponse",
}
DETAILS = {
    "inquiries": ("/inquiry", "inquiryId", "InquiryDetailsResponse"),
    "returns": ("/return", "returnId", "GetDetailResponse"),
    "cancellations": ("/cancellation", "cancelId", "GetCancelDetailResponse"),
}
EVERY = pytest.mark.parametrize("kind", list(SEARCHES))


class Buyer(Caller):
    """Calls Post-Order as its documents want it called."""

    def ask(self, path: str, scheme: str = "IAF", **parameters: Any) -> httpx.Response:
        headers = {
            "Authorization": f"{scheme} {self.token or self.refresh()}",
            "X-EBAY-C-MARKETPLACE-ID": "EBAY_US",
            "Content-Type": "application/json",
        }
        url = self.simulator.api_url + ROOT + path
        return self.http.get(url, params=parameters or None, headers=headers)

    def search(self, kind: str, days: dict[str, float] | None = None, **more: Any) -> Any:
        """`days`: how long ago the range begins and ends."""
        path, dates, _ = SEARCHES[kind]
        given = {
            f"{dates}_{end}": iso(to_ms(NOW - timedelta(days=ago)))
            for end, ago in (ALL if days is None else days).items()
        }
        answer = self.ask(path, **given, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def rows(self, kind: str, days: dict[str, float] | None = None, **more: Any) -> list[Any]:
        found: list[Any] = self.search(kind, days, **{"limit": 200, **more})[SEARCHES[kind][2]]
        return found


@pytest.fixture(scope="module")
def _caller() -> Iterator[Buyer]:
    world = World(seed=4, orders=3000, clock=SimulatorClock(source=lambda: NOW))
    with Simulator(world) as simulator, Buyer(simulator) as buyer:
        yield buyer


@pytest.fixture
def buyer(_caller: Buyer) -> Iterator[Buyer]:
    """Time stands still, and every switch is put back."""
    _caller.token = None
    yield _caller
    behaviour, usual = _caller.simulator.world.behaviour, Behaviour()
    for each in fields(Behaviour):
        if each.name.startswith("post_order"):
            setattr(behaviour, each.name, getattr(usual, each.name))
    _caller.simulator.quotas.set_count("post-order.return", 0)


def validator(schema: str) -> Draft202012Validator:
    components = deepcopy(post_order()["components"])
    return Draft202012Validator(
        {"$ref": f"#/components/schemas/{schema}", "components": components}
    )


@EVERY
@pytest.mark.parametrize("integers", [False, True])
def test_answers_keep_the_documents(buyer: Buyer, kind: str, *, integers: bool) -> None:
    behaviour = buyer.simulator.world.behaviour
    behaviour.post_order_integers = integers and kind in {"cases", "inquiries"}

    body = buyer.search(kind, limit=200)

    assert [error.message for error in validator(SCHEMAS[kind]).iter_errors(body)] == []


@pytest.mark.parametrize("kind", list(DETAILS))
def test_answers_for_one_id_keep_the_documents(buyer: Buyer, kind: str) -> None:
    path, name, schema = DETAILS[kind]

    for row in buyer.rows(kind):
        body = buyer.ask(f"{path}/{row[name]}").json()
        assert [error.message for error in validator(schema).iter_errors(body)] == []


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("cases", "searchCases_200"),
        ("inquiries", "searchInquiries_200"),
        ("returns", "searchReturns_200"),
        ("cancellations", "searchCancellations_200"),
    ],
)
def test_rows_have_every_member_of_the_samples(buyer: Buyer, kind: str, name: str) -> None:
    wanted = post_order_sample(name)
    field = SEARCHES[kind][2]
    given = buyer.search(kind, limit=200)
    if kind == "cancellations":
        given[field] += buyer.rows(kind, role="BUYER")
        # eBay's samples have round amounts without a fraction.
        for row in wanted[field]:
            row["requestRefundAmount"]["value"] = 1.5
    wanted.pop("countSummary", None)

    assert missing(wanted, given) == {}


def test_the_empty_searches_are_those_of_the_samples(buyer: Buyer) -> None:
    nothing: dict[str, float] = {"from": 400, "to": 399}

    assert buyer.search("returns", nothing) == post_order_sample("searchReturns_empty")
    assert buyer.search("cancellations", nothing) == post_order_sample("searchCancellations_empty")


def test_another_scheme_is_refused_as_ebay_does_and_a_bad_token_otherwise(buyer: Buyer) -> None:
    wanted = sample("postorder_error_401_bad_scheme")
    path = SEARCHES["returns"][0]

    bearer = buyer.ask(path, scheme="Bearer")
    buyer.token = "v^1.1#nobody"
    unknown = buyer.ask(path)

    assert (bearer.status_code, bearer.json()) == (wanted["status"], wanted["body"])
    assert unknown.status_code == 401
    assert unknown.json()["errorMessage"]["error"][0]["message"] == "Invalid access token"


@pytest.mark.parametrize("header", ["X-EBAY-C-MARKETPLACE-ID", "Content-Type"])
def test_the_headers_are_demanded(buyer: Buyer, header: str) -> None:
    headers = {
        "Authorization": f"IAF {buyer.refresh()}",
        "X-EBAY-C-MARKETPLACE-ID": "EBAY_US",
        "Content-Type": "application/json",
    }
    del headers[header]

    url = buyer.simulator.api_url + ROOT + SEARCHES["cases"][0]

    assert buyer.http.get(url, headers=headers).status_code == 400


def test_without_a_role_a_search_hides_what_buyers_asked_for(buyer: Buyer) -> None:
    usual = buyer.rows("cancellations")
    sellers = buyer.rows("cancellations", role="SELLER")
    buyers = buyer.rows("cancellations", role="BUYER")

    assert usual == sellers
    assert {row["requestorType"] for row in sellers} == {"SELLER"}
    assert {row["requestorType"] for row in buyers} == {"BUYER"}


@EVERY
def test_a_from_alone_means_the_90_days_after_it(buyer: Buyer, kind: str) -> None:
    account = buyer.account
    with buyer.simulator.world.lock:
        old = account.claims.open(
            Kind(kind), account.ledger.orders[0], to_ms(NOW - timedelta(days=200))
        )
        old.variety = 4

    alone = buyer.rows(kind, {"from": 201})
    recent = buyer.rows(kind, {"from": 85, "to": 0})

    assert len(alone) == 1
    assert len(recent) > 1


@pytest.mark.parametrize("counts_pages", [False, True])
def test_an_offset_counts_entries_or_pages(buyer: Buyer, *, counts_pages: bool) -> None:
    buyer.simulator.world.behaviour.post_order_offset_is_page = counts_pages
    everything = buyer.rows("returns")

    second = buyer.rows("returns", limit=10, offset=2)

    start = 10 if counts_pages else 2
    assert second == everything[start : start + 10]
    assert buyer.rows("returns", limit=10, offset=1)[0] == everything[0 if counts_pages else 1]


@EVERY
@pytest.mark.parametrize("parameters", [{"limit": 501}, {"limit": 0}, {"limit": "x"}])
def test_a_limit_out_of_range_is_refused(
    buyer: Buyer, kind: str, parameters: dict[str, Any]
) -> None:
    answer = buyer.ask(SEARCHES[kind][0], **parameters)

    assert answer.status_code == 400
    assert answer.json()["errorMessage"]["error"][0]["errorId"] == 1408


def test_limits_are_as_documented(buyer: Buyer) -> None:
    limits = {kind: buyer.search(kind)["paginationOutput"]["limit"] for kind in SEARCHES}

    assert limits == {"cases": 25, "inquiries": 25, "returns": 25, "cancellations": 10}


def test_escalated_inquiries_are_left_out_and_found_by_their_id(buyer: Buyer) -> None:
    escalated = next(
        each for each in buyer.account.claims.by_kind[Kind.INQUIRIES] if each.is_escalated
    )

    shown = {row["inquiryId"] for row in buyer.rows("inquiries")}
    detail = buyer.ask(f"/inquiry/{escalated.claim_id}")

    assert str(escalated.claim_id) not in shown
    assert "escalationDate" in detail.json()["inquiryDetails"]


@pytest.mark.parametrize(("status", "error_id"), [(500, 2003), (404, 2002)])
def test_an_unknown_id_is_answered_in_the_other_envelope(
    buyer: Buyer, status: int, error_id: int
) -> None:
    buyer.simulator.world.behaviour.post_order_unknown_id_status = status

    answer = buyer.ask("/return/1")

    assert answer.status_code == status
    assert answer.json()["error"][0]["errorId"] == error_id


def test_a_claim_changes_its_state_and_keeps_its_place(buyer: Buyer) -> None:
    before = {row["returnId"]: row for row in buyer.rows("returns")}

    buyer.control("POST", "/mutate", {"account": buyer.account.name, "what": "argue", "count": 60})

    after = {row["returnId"]: row for row in buyer.rows("returns")}
    moved = [key for key in before if before[key]["state"] != after[key]["state"]]
    assert moved
    assert all(before[key]["creationInfo"] == after[key]["creationInfo"] for key in before)
    assert len(after) > len(before)


@pytest.mark.parametrize("counts", list(Counts))
def test_counts_can_be_said_in_every_way(buyer: Buyer, counts: Counts) -> None:
    buyer.control("POST", "/behaviour", {"post_order_counts": counts.value})

    body = buyer.search("cases", limit=200)

    page = body.get("paginationOutput")
    entries = None if page is None else page["totalEntries"]
    total = len(body["members"])
    assert (entries, body.get("totalNumberOfCases")) == {
        Counts.USUAL: (total, total),
        Counts.ZERO: (0, total),
        Counts.WITHOUT_PAGE: (None, total),
        Counts.NONE: (None, None),
    }[counts]


def test_each_family_has_a_quota_of_its_own(buyer: Buyer) -> None:
    quotas = buyer.simulator.quotas
    quotas.set_count("post-order.return", 5000)

    spent = buyer.ask(SEARCHES["returns"][0])
    other = buyer.ask(SEARCHES["cases"][0])

    assert (spent.status_code, other.status_code) == (429, 200)
    assert spent.json()["errorMessage"]["error"][0]["errorId"] == 2001


def test_truth_leaves_out_what_no_search_has_ever_shown() -> None:
    """Of a world of its own: other tests open claims before what a search reaches."""
    world = World(seed=4, orders=3000, clock=SimulatorClock(source=lambda: NOW))
    with Simulator(world) as simulator, Buyer(simulator) as buyer:
        told = simulator.truth(buyer.account.name, "inquiries")
        shown = {(row["inquiryId"],) for row in buyer.rows("inquiries")}

    assert set(told) == shown
    assert len(shown) < len(buyer.account.claims.by_kind[Kind.INQUIRIES])
