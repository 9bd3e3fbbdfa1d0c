"""Which calls are signed, when their signer is made, and what is told of a refusal."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
import respx

from core.errors import SignatureRequiredError, UpstreamUnavailableError
from core.ids import AccountId
from core.secret import Secret
from core.signing.model import Owner, SigningKey
from core.sync.model import Account, Environment, PageQuery
from infra.ebay.answer import Answer
from infra.ebay.client import EbayHttp
from infra.ebay.errors import refusal
from infra.ebay.hosts import EbayHosts
from infra.ebay.signed_calls import SIGNED_OPERATIONS, LateSignatures
from infra.ebay.signer import EbaySigner
from infra.ebay.source import EbayPages
from infra.ebay.stream_api import Ebay
from infra.ebay.streams.registry import STREAM_APIS
from tests.support.ebay import TOKEN, clock
from tests.support.ebay_shared import contract

GERMAN = Account(
    id=AccountId(1), name="shop", environment=Environment.PRODUCTION, signs=True,
    marketplace_ids=("EBAY_DE",),
)  # fmt: skip
NOW = clock().now()
QUERY = PageQuery(from_=NOW - timedelta(days=1), to=NOW, limit=200, offset=0)


@dataclass
class Signer:
    prepared: list[tuple[str, float]] = field(default_factory=list)
    signed: list[tuple[str, str, str, bytes]] = field(default_factory=list)

    def prepare(self, environment: str, *, timeout: float) -> None:
        self.prepared.append((environment, timeout))

    def headers(self, environment: str, method: str, url: str, body: bytes) -> Mapping[str, str]:
        self.signed.append((environment, method, url, body))
        return {"signature": f"sig1=:{len(self.signed)}:"}


@dataclass
class Desk:
    """A signer that is made when it is needed, and eBay."""

    router: respx.MockRouter
    http: EbayHttp
    signer: Signer = field(default_factory=Signer)
    made: int = 0

    def __post_init__(self) -> None:
        self.pages = EbayPages(
            ebay=Ebay(
                http=self.http,
                hosts=EbayHosts(),
                clock=clock(),
                signatures=LateSignatures(self._make),
            )
        )

    def _make(self) -> Signer:
        self.made += 1
        return self.signer

    def fetch(self, stream: str, account: Account) -> list[str | None]:
        api = STREAM_APIS[stream]
        self.pages.prepare(account, api.stream, timeout=9)
        self.pages.fetch(account, api.stream, QUERY, TOKEN, timeout=5)
        return [call.request.headers.get("signature") for call in self.router.calls]


@pytest.fixture
def desk() -> Iterator[Desk]:
    http = EbayHttp()
    with respx.mock(assert_all_called=False) as router:
        router.get(path__startswith="/sell/finances/").respond(204)
        router.get(path="/sell/fulfillment/v1/order").respond(200, json={"total": 0, "orders": []})
        yield Desk(router, http)
    http.close()


@pytest.mark.parametrize("stream", ["transactions", "payouts"])
def test_each_call_of_finances_is_signed_anew(desk: Desk, stream: str) -> None:
    desk.fetch(stream, GERMAN)

    assert desk.fetch(stream, GERMAN) == ["sig1=:1:", "sig1=:2:"]

    assert desk.made == 1
    assert desk.signer.prepared == [("production", 9), ("production", 9)]
    environment, method, url, body = desk.signer.signed[0]
    assert (environment, method, body) == ("production", "GET", b"")
    assert url.startswith("https://apiz.ebay.com/sell/finances/v1/")
    assert "?" not in url


def test_other_calls_and_other_sellers_need_no_signer(desk: Desk) -> None:
    desk.fetch("orders", GERMAN)
    signatures = desk.fetch("transactions", replace(GERMAN, signs=False))

    assert signatures == [None, None]
    assert desk.made == 0


def test_every_method_of_finances_is_among_those_that_are_signed() -> None:
    named = {
        operation["operationId"]
        for path in contract("sell_finances_v1")["paths"].values()
        for operation in path.values()
        if "operationId" in operation
    }

    assert named <= SIGNED_OPERATIONS
    assert {name for name, api in STREAM_APIS.items() if api.operation in SIGNED_OPERATIONS} == {
        "transactions",
        "payouts",
    }


@dataclass
class Keys:
    key: SigningKey

    def get(self, environment: str, *, timeout: float) -> SigningKey:
        return self.key


def test_a_stored_key_that_cannot_sign_says_what_to_do() -> None:
    key = SigningKey(key_id="1", cipher="RSA", jwe="a.b.c.d.e", private_key=Secret("canary"))
    signer = EbaySigner(keys=Keys(key), clock=clock())

    with pytest.raises(
        SignatureRequiredError, match="signing-key renew --environment sandbox"
    ) as e:
        signer.prepare("sandbox", timeout=5)

    assert "canary" not in str(e.value)


def refused(error_id: int, signed_by: str | None, date: str | None = "Sun, 01 Nov 2026") -> str:
    answer = Answer(
        place="GET https://apiz.ebay.com/x",
        status=403,
        headers={} if date is None else {"date": date},
        body=b'{"errors": [{"errorId": %d, "message": "no"}]}' % error_id,
    )
    error = refusal(answer, scope="s", now=NOW, signed_by=signed_by)
    assert isinstance(error, SignatureRequiredError)
    assert error.facts.error_id == error_id
    return str(error)


@pytest.mark.parametrize(
    ("error_id", "signed_by", "said"),
    [
        (215001, None, "eBay wants a message signature for this seller"),
        (215122, None, "eBay wants a message signature for this seller"),
        (215114, "production", "and eBay's says Sun, 01 Nov 2026: set the clock"),
        (215117, "production", "does not take our signing key; `python -m core.run signing-key"),
        (215122, "production", "try another key with `python -m core.run signing-key renew"),
        (215001, "production", "if that does not help, report it"),
    ],
)
def test_a_refusal_names_the_code_and_the_way_out(
    error_id: int, signed_by: str | None, said: str
) -> None:
    told = refused(error_id, signed_by)

    assert f"403, error {error_id}: no" in told
    assert said in told


def test_a_refusal_without_a_date_says_so() -> None:
    assert "and eBay's says nothing" in refused(215113, "sandbox", date=None)


@pytest.mark.parametrize("error_id", [215002, 215003, 215109])
def test_faults_of_ebays_own_are_tried_again(error_id: int) -> None:
    answer = Answer(
        place="GET x", status=403, headers={}, body=b'{"errors": [{"errorId": %d}]}' % error_id
    )

    error = refusal(answer, scope="s", now=NOW, signed_by="production")

    assert isinstance(error, UpstreamUnavailableError)


@pytest.mark.parametrize("client_id", ["app", "an/odd/one", ""])
def test_a_field_leads_back_to_its_owner(client_id: str) -> None:
    owner = Owner("production", client_id)

    assert Owner.of_field(owner.field) == owner
    assert "production" in owner.place
