"""Client and simulator together: a whole account over HTTP, and faults by their kind of error."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from core.errors import (
    AccessTokenRefusedError,
    AppError,
    ApplicationRefusedError,
    BadAnswerError,
    MissingScopeError,
    RateLimitedError,
    ReauthorizationRequiredError,
    SignatureRequiredError,
    UpstreamUnavailableError,
)
from core.ids import AccountId
from core.secret import Secret
from core.sync.model import Account, Environment, Page, PageQuery
from infra.ebay.client import EbayHttp
from infra.ebay.hosts import EbayHosts
from infra.ebay.identity import Identity
from infra.ebay.oauth import ApplicationKeys, ApplicationTokens, OAuth
from infra.ebay.rate_limits import RateLimits
from infra.ebay.rest import RestList
from infra.ebay.source import EbayPages
from infra.ebay.stream_api import Ebay as EbayReach
from infra.simulator.oauth import CLIENT_ID, CLIENT_SECRET
from infra.simulator.server import Simulator
from tests.support.ebay import clock
from tests.support.stream_lists import REST_LISTS

EVERY = pytest.mark.parametrize("api", REST_LISTS.values(), ids=list(REST_LISTS))
SIMULATOR = Environment.SIMULATOR
SELLER = Account(id=AccountId(1), name="seller-1", environment=SIMULATOR)


@dataclass
class Ebay:
    simulator: Simulator
    http: EbayHttp

    def __post_init__(self) -> None:
        hosts = EbayHosts.with_simulator(self.simulator.api_url, self.simulator.apiz_url)
        keys = {
            SIMULATOR: ApplicationKeys(client_id=CLIENT_ID, client_secret=Secret(CLIENT_SECRET))
        }
        shared: dict[str, Any] = {"http": self.http, "hosts": hosts, "clock": clock()}
        self.oauth = OAuth(keys=keys, **shared)
        self.pages = EbayPages(ebay=EbayReach(**shared))
        self.identity = Identity(**shared)
        self.limits = RateLimits(tokens=ApplicationTokens(self.oauth), **shared)

    def token(self) -> Secret:
        held = Secret(self.simulator.world.accounts[0].refresh_token)
        return self.oauth.refresh("simulator", held, timeout=5).access_token

    def page(
        self, api: RestList, *, offset: int = 0, limit: int | None = None, timeout: float = 5
    ) -> Page:
        now = self.simulator.clock.now()
        asked = PageQuery(
            from_=now - timedelta(days=90),
            to=now - timedelta(seconds=1),
            limit=limit or api.stream.page_size,
            offset=offset,
        )
        return self.pages.fetch(SELLER, api.stream, asked, self.token(), timeout=timeout)


@pytest.fixture
def ebay() -> Iterator[Ebay]:
    http = EbayHttp()
    with Simulator(seed=3, accounts=1, orders=450, split_hosts=True) as simulator:
        yield Ebay(simulator, http)
    http.close()


@EVERY
def test_a_whole_account_arrives_as_it_is(ebay: Ebay, api: RestList) -> None:
    truth = ebay.simulator.truth("seller-1", api.stream.name)
    found: dict[tuple[str, ...], Any] = {}
    limit = {"payouts": 5, "disputes": 5}.get(api.stream.name, 200)
    offset: int | None = 0

    while offset is not None:
        page = ebay.page(api, offset=offset, limit=limit)
        for row in map(json.loads, page.rows):
            found[tuple(row[field] for field in api.key_fields)] = row
        assert json.loads(page.text)[api.stream.list_field] == [
            json.loads(row) for row in page.rows
        ]
        offset = page.next_offset

    assert len(truth) > 2 * limit
    assert found == {key: row for key, (_, row) in truth.items()}


@pytest.mark.parametrize("stream", [name for name in REST_LISTS if name != "orders"])
def test_keys_and_instants_are_those_of_the_truth(ebay: Ebay, stream: str) -> None:
    truth = ebay.simulator.truth("seller-1", stream)
    page = ebay.page(REST_LISTS[stream])

    read = dict(zip(page.keys, page.instants, strict=True))

    assert read
    versions = {"|".join(key): version for key, (version, _) in truth.items()}
    assert {
        key: at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        for key, at in read.items()
    } == {key: versions[key] for key in read}


NEVER_ENDING = {"hang", "drip", "slow_headers"}


@EVERY
@pytest.mark.parametrize(
    ("fault", "how", "kind"),
    [
        ("server_error", {}, UpstreamUnavailableError),
        ("unavailable", {"retry_after": "30"}, UpstreamUnavailableError),
        ("rate_limited", {}, RateLimitedError),
        ("unauthorized", {}, AccessTokenRefusedError),
        ("expire_token", {}, AccessTokenRefusedError),
        ("missing_scope", {}, MissingScopeError),
        ("signature_required", {}, SignatureRequiredError),
        ("html", {}, UpstreamUnavailableError),
        ("empty_body", {}, UpstreamUnavailableError),
        ("gzip_bomb", {}, BadAnswerError),
        ("big_body", {}, BadAnswerError),
        ("hang", {}, UpstreamUnavailableError),
        ("drip", {"seconds": 0.05}, UpstreamUnavailableError),
        ("slow_headers", {"seconds": 0.05}, UpstreamUnavailableError),
        ("garbage", {}, UpstreamUnavailableError),
        ("reset_before", {}, UpstreamUnavailableError),
        ("reset_after", {}, UpstreamUnavailableError),
        ("reset_mid_body", {}, UpstreamUnavailableError),
        ("truncated_json", {}, UpstreamUnavailableError),
        ("truncated_body", {}, UpstreamUnavailableError),
        ("foreign_next", {}, BadAnswerError),
        ("wrong_shape", {"variant": "object"}, BadAnswerError),
        ("wrong_shape", {"variant": "numbers"}, BadAnswerError),
        ("wrong_shape", {"variant": "missing"}, BadAnswerError),
        ("wrong_shape", {"variant": "null"}, BadAnswerError),
        ("wrong_shape", {"variant": "list"}, BadAnswerError),
        ("wrong_shape", {"variant": "string"}, BadAnswerError),
        ("status", {"status": 404}, BadAnswerError),
        ("status", {"status": 418, "body": "teapot"}, BadAnswerError),
    ],
)
def test_a_fault_is_an_error_of_its_kind_and_the_next_request_works(
    ebay: Ebay, api: RestList, fault: str, how: dict[str, Any], kind: type[AppError]
) -> None:
    ebay.simulator.faults.add(fault, operation=api.operation, times=1, **how)

    with pytest.raises(kind) as caught:
        ebay.page(api, timeout=0.5 if fault in NEVER_ENDING else 20)

    assert type(caught.value) is kind
    assert ebay.page(api).rows


@EVERY
@pytest.mark.parametrize(
    "fault", ["nul_escape", "lone_surrogate", "invalid_utf8", "huge_number", "bad_row"]
)
def test_one_odd_row_still_arrives_with_its_page(ebay: Ebay, api: RestList, fault: str) -> None:
    sound = ebay.page(api)
    ebay.simulator.faults.add(fault, operation=api.operation, times=1)

    page = ebay.page(api)

    assert len(page.rows) == len(sound.rows)
    assert page.text != sound.text
    assert len(page.keys) == len(page.instants) == len(sound.keys)


@EVERY
def test_a_page_that_was_not_asked_for_is_an_outage(ebay: Ebay, api: RestList) -> None:
    ebay.simulator.faults.add("same_page", operation=api.operation, times=1)

    with pytest.raises(UpstreamUnavailableError, match="offset 0 where 1 was asked for"):
        ebay.page(api, offset=1)


def test_r57_no_content_is_nothing_of_finances_and_an_outage_of_orders(ebay: Ebay) -> None:
    for operation in ("getOrders", "getTransactions"):
        ebay.simulator.faults.add("no_content", operation=operation, times=1)

    assert ebay.page(REST_LISTS["transactions"]).rows == ()
    with pytest.raises(UpstreamUnavailableError):
        ebay.page(REST_LISTS["orders"])


def test_a_hidden_total_matters_to_moving_lists_only(ebay: Ebay) -> None:
    ebay.simulator.faults.add("hide_total")

    assert ebay.page(REST_LISTS["transactions"]).total is None
    with pytest.raises(BadAnswerError, match="total"):
        ebay.page(REST_LISTS["orders"])


def test_a_spent_quota_says_so_and_the_limits_agree(ebay: Ebay) -> None:
    ebay.simulator.world.behaviour.quota_limits["sell.fulfillment"] = 1
    ebay.page(REST_LISTS["orders"])

    with pytest.raises(RateLimitedError) as caught:
        ebay.page(REST_LISTS["orders"])

    left = {row.resource: row for row in ebay.limits.read(SIMULATOR, timeout=5)}
    assert caught.value.quota
    assert left["sell.fulfillment"].remaining == 0
    assert left["sell.fulfillment"].reset_at is not None


def test_a_token_belongs_to_its_seller(ebay: Ebay) -> None:
    user = ebay.identity.user(SIMULATOR, ebay.token(), timeout=5)

    assert user.username == ebay.simulator.world.accounts[0].username


def test_refresh_tokens_and_keys_are_refused_as_by_ebay(ebay: Ebay) -> None:
    stranger = OAuth(
        http=ebay.http,
        hosts=ebay.oauth.hosts,
        keys={SIMULATOR: ApplicationKeys(client_id="x", client_secret=Secret("y"))},
        clock=clock(),
    )

    with pytest.raises(ReauthorizationRequiredError):
        ebay.oauth.refresh("simulator", Secret("v^1.1#nobody"), timeout=5)
    with pytest.raises(ApplicationRefusedError):
        stranger.refresh("simulator", Secret("v^1.1#nobody"), timeout=5)
