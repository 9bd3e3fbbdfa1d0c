"""The simulator's signatures: keys as eBay makes them, and each refusal with eBay's own code."""

import base64
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import load_der_private_key
from jsonschema import Draft202012Validator

from core.secret import Secret
from infra.ebay.signature import load_private_key, signed_headers
from infra.ebay.signer import parts_of
from infra.simulator import jwe, signatures, signing_api
from infra.simulator.oauth import CLIENT_ID
from infra.simulator.server import Simulator
from tests.support.ebay_shared import FOLDER, contract
from tests.support.simulated import PAYOUTS, TRANSACTIONS, Caller

SCOPE = "https://api.ebay.com/oauth/api_scope"
GERMAN, AMERICAN = 0, 1


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(seed=5, accounts=2, orders=20) as running:
        running.world.behaviour.signatures = True
        yield running


@pytest.fixture
def caller(simulator: Simulator) -> Iterator[Caller]:
    simulator.world.signing_keys.clear()
    with Caller(simulator, GERMAN) as calling:
        yield calling


def management(caller: Caller, method: str, below: str = "", **how: Any) -> httpx.Response:
    token = caller.mint(grant_type="client_credentials", scope=SCOPE).json()["access_token"]
    return caller.http.request(
        method,
        caller.simulator.apiz_url + signing_api.PATH + below,
        headers={"Authorization": f"Bearer {token}"},
        **how,
    )


def made(caller: Caller, cipher: str = "ED25519") -> dict[str, Any]:
    answer = management(caller, "POST", json={"signingKeyCipher": cipher})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def headers_of(
    caller: Caller, key: dict[str, Any], path: str = TRANSACTIONS, *, age_s: int = 0
) -> dict[str, str]:
    return signed_headers(
        parts_of("GET", caller.simulator.apiz_url + path, b""),
        jwe=key["jwe"],
        private_key=load_private_key(Secret(key["privateKey"])),
        created=int(caller.simulator.clock.now().timestamp()) - age_s,
    )


def call(
    caller: Caller, headers: dict[str, str], path: str = TRANSACTIONS, query: str = "?limit=5"
) -> httpx.Response:
    token = caller.token or caller.refresh()
    return caller.http.get(
        caller.simulator.apiz_url + path + query,
        headers={"Authorization": f"Bearer {token}", **headers},
    )


def refusal(answer: httpx.Response) -> int:
    """eBay's code, in eBay's form."""
    assert answer.status_code == 403, answer.text
    [error] = answer.json()["errors"]
    assert (error["domain"], error["category"]) == ("ACCESS", "REQUEST")
    assert error["longMessage"] == f"{error['message']} to fulfill the request."
    assert error["message"] == signatures.MESSAGES[error["errorId"]]
    return int(error["errorId"])


@pytest.mark.parametrize("cipher", ["ED25519", "RSA"])
def test_a_made_key_signs_and_keeps_the_contract(caller: Caller, cipher: str) -> None:
    document = contract("developer_key_management_v1")
    schema = {"$ref": "#/components/schemas/SigningKey", "components": document["components"]}

    key = made(caller, cipher)

    assert list(Draft202012Validator(schema).iter_errors(key)) == []
    assert set(key) == set(document["components"]["schemas"]["SigningKey"]["properties"])
    assert key["expirationTime"] - key["creationTime"] == 3 * 365 * 86400
    load_der_private_key(base64.b64decode(key["privateKey"]), password=None)
    assert call(caller, headers_of(caller, key)).status_code == 200
    assert call(caller, headers_of(caller, key, PAYOUTS), PAYOUTS).status_code in {200, 204}


def test_a_key_is_shown_again_without_its_private_half(caller: Caller) -> None:
    key = made(caller)
    public = {name: value for name, value in key.items() if name != "privateKey"}

    assert management(caller, "GET").json() == {"signingKeys": [public]}
    assert management(caller, "GET", f"/{key['signingKeyId']}").json() == public
    missing = management(caller, "GET", "/nobody")
    assert (missing.status_code, missing.json()["errors"][0]["errorId"]) == (404, 210002)


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", 210006), (b"[]", 210006), (b"{", 210006), (b"{}", 210001),
     (b'{"signingKeyCipher": "DSA"}', 210001)],
)  # fmt: skip
def test_what_is_no_request_for_a_key_is_refused(caller: Caller, content: bytes, code: int) -> None:
    answer = management(caller, "POST", content=content)

    assert (answer.status_code, answer.json()["errors"][0]["errorId"]) == (400, code)
    assert caller.simulator.world.signing_keys == []


def test_keys_are_the_applications_and_wanted_on_apiz_only() -> None:
    with Simulator(accounts=1, orders=1, split_hosts=True) as split, Caller(split) as caller:
        token = caller.mint(grant_type="client_credentials", scope=SCOPE).json()["access_token"]
        for base, status in ((split.api_url, 404), (split.apiz_url, 200)):
            answer = caller.http.post(
                base + signing_api.PATH,
                json={"signingKeyCipher": "ED25519"},
                headers={"Authorization": f"Bearer {token}"},
            )
            assert answer.status_code == status
        assert caller.http.get(split.apiz_url + signing_api.PATH).status_code == 401


def test_keys_outlive_the_simulator_that_made_them(caller: Caller) -> None:
    key = made(caller)
    opened = jwe.open_sealed(key["jwe"], caller.simulator.world.secret(signing_api.MASTER))
    assert (opened["appid"], opened["pkey"]) == (CLIENT_ID, key["publicKey"])

    with Simulator(seed=5, accounts=1, orders=5) as later, Caller(later) as again:
        later.world.behaviour.signatures = True
        assert call(again, headers_of(again, key)).status_code in {200, 204}


@pytest.mark.parametrize(
    ("left_out", "code"),
    [("x-ebay-signature-key", 215001), ("signature", 215111), ("signature-input", 215112)],
)
def test_a_header_that_is_missing_is_named(caller: Caller, left_out: str, code: int) -> None:
    headers = headers_of(caller, made(caller))
    del headers[left_out]

    assert refusal(call(caller, headers)) == code


def test_a_body_without_a_digest_is_refused(caller: Caller) -> None:
    headers = headers_of(caller, made(caller))
    token = caller.refresh()

    answer = caller.http.request(
        "GET",
        caller.simulator.apiz_url + TRANSACTIONS,
        headers={"Authorization": f"Bearer {token}", **headers},
        content=b"{}",
    )

    assert refusal(answer) == 215000


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"signature": "sig1=nothing"}, 215120),
        ({"signature": "sig1=:AAAA:"}, 215122),
        ({"signature-input": "sig2=()"}, 215120),
        ({"signature-input": 'sig1=("@method");created=1'}, 215114),
        ({"signature-input": 'sig1=("@method")'}, 215113),
        ({"signature-input": 'sig1=("@method");created=soon'}, 215113),
        ({"x-ebay-signature-key": "not.a.jwe"}, 215116),
        ({"x-ebay-signature-key": "e30.a.b.c.d"}, 215116),
        ({"content-digest": "md5=:AAAA:"}, 215103),
        ({"content-digest": "sha-256=:?:"}, 215104),
        ({"content-digest": "sha-256=:AAAA:"}, 215105),
        ({"content-digest": "sha-512=:AAAA:"}, 215106),
    ],
)
def test_what_is_wrong_is_refused_with_its_code(
    caller: Caller, changes: dict[str, str], code: int
) -> None:
    headers = headers_of(caller, made(caller)) | changes

    assert refusal(call(caller, headers)) == code


def test_another_path_and_another_key_do_not_fit(caller: Caller) -> None:
    key, other = made(caller), made(caller)

    assert refusal(call(caller, headers_of(caller, key, PAYOUTS))) == 215122
    mixed = headers_of(caller, key) | {"x-ebay-signature-key": other["jwe"]}
    assert refusal(call(caller, mixed)) == 215122
    assert call(caller, headers_of(caller, key), query="?limit=7&offset=1").status_code == 200


@pytest.mark.parametrize(
    ("age_s", "good"), [(200, True), (400, False), (-200, True), (-400, False)]
)
def test_signatures_are_good_for_five_minutes(caller: Caller, age_s: int, *, good: bool) -> None:
    answer = call(caller, headers_of(caller, made(caller), age_s=age_s))

    assert answer.status_code == 200 if good else refusal(answer) == 215114


def test_how_long_they_are_good_can_be_chosen(caller: Caller) -> None:
    headers = headers_of(caller, made(caller))
    caller.control("POST", "/behaviour", {"signature_window_s": 7200})
    try:
        caller.simulator.clock.shift(timedelta(hours=1))
        assert call(caller, headers).status_code == 200
    finally:
        caller.simulator.clock.shift(timedelta(hours=-1))
        caller.control("POST", "/behaviour", {"signature_window_s": 300})


def test_for_sellers_elsewhere_wrong_ones_and_none_are_as_good(simulator: Simulator) -> None:
    nonsense = {"x-ebay-signature-key": "x", "signature": "y", "signature-input": "z"}
    with Caller(simulator, AMERICAN) as caller:
        assert call(caller, {}).status_code == 200
        assert call(caller, nonsense).status_code == 200


def test_where_a_seller_lives_can_be_changed(simulator: Simulator) -> None:
    with Caller(simulator, AMERICAN) as caller:
        caller.control("POST", "/account", {"account": "seller-2", "country": "IE"})
        try:
            assert refusal(call(caller, {})) == 215001
        finally:
            caller.control("POST", "/account", {"account": "seller-2", "country": "US"})
        assert call(caller, {}).status_code == 200


def test_calls_outside_of_finances_want_none(caller: Caller) -> None:
    assert caller.get("/sell/fulfillment/v1/order").status_code == 200
    assert caller.get("/commerce/identity/v1/user/").status_code == 200


def test_the_messages_are_ebays() -> None:
    if not FOLDER.is_dir():
        pytest.skip(f"{FOLDER} is not there")
    told = json.loads((FOLDER / "error_codes.json").read_text())["digital_signature"]["codes"]

    assert {int(code): text for code, text in told.items()} == dict(signatures.MESSAGES)
