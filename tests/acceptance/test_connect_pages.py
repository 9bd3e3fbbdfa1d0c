"""`/ebay/connect` and `/ebay/callback`, as a browser sees them, with the simulator as eBay."""

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from handlers import connect
from infra.simulator.behaviour import Behaviour
from tests.acceptance.test_connect import accounts, link, steps
from tests.support.seller import AtEbay, consent
from tests.support.site import Gate, Served, Site, served

pytestmark = pytest.mark.timeout(150)
ADMIN_TOKEN = "canary-admin-token-0123456789"
SHOP = {"name": "shop", "environment": "simulator"}


@pytest.fixture(scope="module")
def shop_server(_module_site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    log = tmp_path_factory.mktemp("serve") / "log"
    environment = _module_site.environment(
        ADMIN_TOKEN=ADMIN_TOKEN, BASE_PATH="/shop", LOG_LEVEL="debug"
    )
    with served(environment, log) as server:
        yield server


@pytest.fixture
def here(shop_server: Served, site: Site) -> Iterator[str]:
    """Where we answer, below a prefix; eBay sends browsers back there."""
    behaviour = site.simulator.world.behaviour
    behaviour.accept_url = f"{shop_server.url}/shop/ebay/callback"
    yield f"{shop_server.url}/shop"
    behaviour.accept_url = Behaviour().accept_url


@pytest.fixture
def browser() -> Iterator[AtEbay]:
    with AtEbay() as browser:
        yield browser


def begin(here: str, browser: AtEbay, **form: str) -> httpx.Response:
    asked = {**SHOP, "token": ADMIN_TOKEN} | form
    return browser.http.post(f"{here}/ebay/connect", data=asked)


def consented(here: str, browser: AtEbay, seller: str = "seller-1", **form: str) -> str:
    return browser.consents(begin(here, browser, **form).headers["location"], seller)


def guarded(page: httpx.Response) -> None:
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "frame-ancestors 'none'; base-uri 'none'" in policy
    assert "script" not in policy
    assert "unsafe" not in policy
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["x-content-type-options"] == "nosniff"


def test_a_form_leads_to_ebay_and_back_to_an_account(
    here: str, browser: AtEbay, site: Site
) -> None:
    form = browser.http.get(f"{here}/ebay/connect")
    off = browser.submit(
        form, name="shop", environment="simulator", token=ADMIN_TOKEN,
        marketplace="EBAY_AT EBAY_CH",
    )  # fmt: skip
    page = browser.http.get(browser.consents(off.headers["location"], "seller-1"))

    assert off.status_code == 302
    asked = parse_qs(urlsplit(off.headers["location"]).query)
    assert asked["prompt"] == ["login"]
    assert asked["redirect_uri"] == ["cronshot-simulator-runame"]
    assert page.status_code == 200
    assert "shop is connected: simulated_seller_1, in simulator." in page.text
    assert 'href="/shop/ebay/connect"' in page.text
    guarded(form)
    guarded(page)
    assert accounts(site) == [["shop", "simulated_seller_1", "active"]]
    assert site.one("SELECT marketplace_ids FROM ebay.accounts") == ["EBAY_AT", "EBAY_CH"]
    assert site.one("SELECT count(*) FROM ebay.sync_states WHERE due_at <= now()") > 0
    assert steps(site) == [
        "begun", "callback_received", "code_exchanged", "identity_looked_up", "connected",
    ]  # fmt: skip
    assert site.run().outcome == "done"


def test_a_script_begins_with_a_bearer(here: str, browser: AtEbay) -> None:
    off = browser.http.get(
        f"{here}/ebay/connect", params=SHOP, headers={"Authorization": f"Bearer {ADMIN_TOKEN}"}
    )

    assert off.status_code == 302
    assert "/oauth2/authorize?" in off.headers["location"]
    assert off.headers["cache-control"] == "no-store"


def test_nobody_begins_without_the_token(here: str, browser: AtEbay, site: Site) -> None:
    """R71. In an address it is no token: those are kept in histories and logs."""
    place = f"{here}/ebay/connect"

    answers = [
        browser.http.get(place, params=SHOP),
        browser.http.get(place, params=SHOP | {"token": ADMIN_TOKEN}),
        browser.http.get(place, params=SHOP, headers={"Authorization": "Bearer wrong"}),
        begin(here, browser, token="käse"),
        begin(here, browser, token=""),
    ]

    assert [answer.status_code for answer in answers] == [200, 200, 401, 401, 200]
    assert all(ADMIN_TOKEN not in answer.text for answer in answers)
    assert "This is not the ADMIN_TOKEN." in answers[2].text
    assert steps(site) == []


def test_without_an_admin_token_it_is_closed(site: Site, browser: AtEbay, tmp_path: Any) -> None:
    with served(site.environment(), tmp_path / "log") as server:
        answer = browser.http.get(f"{server.url}/ebay/connect")

    assert answer.status_code == 503
    assert "ADMIN_TOKEN is not set" in answer.text
    assert "accounts connect --name NAME" in answer.text
    guarded(answer)


@pytest.mark.parametrize(
    ("form", "status", "said"),
    [
        ({"name": ""}, 400, "cannot be used"),
        ({"name": "<b>shop</b>", "marketplace": "DE"}, 400, "does not look like EBAY_DE"),
        ({"environment": "staging"}, 400, "no environment"),
        ({"environment": "production"}, 503, "EBAY_PRODUCTION_CLIENT_ID"),
    ],
)
def test_what_cannot_be_begun_is_said_above_the_form(
    here: str, browser: AtEbay, form: dict[str, str], status: int, said: str
) -> None:
    answer = begin(here, browser, **form)

    assert answer.status_code == status
    assert said in answer.text
    assert "<form" in answer.text
    assert "<b>" not in answer.text
    assert ADMIN_TOKEN not in answer.text
    guarded(answer)


def test_a_body_that_is_too_large_is_refused(here: str, browser: AtEbay) -> None:
    large = begin(here, browser, name="x" * 20_000)
    many = browser.http.post(f"{here}/ebay/connect", content="a=1&" * 200)

    assert [large.status_code, many.status_code] == [413, 400]


def test_other_methods_are_refused(here: str, browser: AtEbay) -> None:
    answers = [
        browser.http.put(f"{here}/ebay/connect"),
        browser.http.post(f"{here}/ebay/callback"),
        browser.http.head(f"{here}/ebay/callback"),
    ]

    assert [answer.status_code for answer in answers] == [405] * 3


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("", "state_missing"),
        ("code=v%5E1.1%23canary", "state_missing"),
        ("state=&code=x", "state_missing"),
        ("state=%00&code=x", "state_unparseable"),
        ("state=<script>&code=x", "state_unparseable"),
        (f"state={'x' * 43}&state={'x' * 43}&code=x", "state_unparseable"),
        (f"state={'x' * 43}&code=x", "state_unknown"),
        (f"state={'x' * 43}&error=access_denied", "state_unknown"),
        ("%", "state_missing"),
    ],
)
def test_an_answer_that_nobody_began_stores_nothing(
    here: str, browser: AtEbay, site: Site, query: str, reason: str
) -> None:
    """R69."""
    site.simulator.requests.clear()

    page = browser.http.get(f"{here}/ebay/callback?{query}")

    assert page.status_code == 400
    assert "Begin again" in page.text
    assert "script" not in page.text
    guarded(page)
    assert steps(site) == [f"refused: {reason}"]
    assert accounts(site) == []
    assert len(site.simulator.requests) == 0


@pytest.mark.parametrize("target", [b"/callback?state=\xff&code=\xfe", b"/connect?name=\xff"])
def test_bytes_that_are_no_text_are_no_mistake_of_ours(shop_server: Served, target: bytes) -> None:
    place = urlsplit(shop_server.url)
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=60) as wire:
        wire.sendall(b"GET /shop/ebay" + target + b" HTTP/1.0\r\nHost: here\r\n\r\n")
        status = wire.makefile("rb").readline()

    assert status.split()[1] in {b"200", b"400"}


def test_an_answer_is_good_once(here: str, browser: AtEbay, site: Site) -> None:
    address = consented(here, browser)

    first, second = browser.http.get(address), browser.http.get(address)

    assert [first.status_code, second.status_code] == [200, 400]
    assert "<h1>Connected already</h1>" in second.text
    assert "used already" in second.text
    assert "Not connected" not in second.text
    assert len(site.simulator.requests.entries(operation="getUser")) >= 1
    assert steps(site)[-1] == "refused: state_replayed"


def test_an_answer_is_good_for_ten_minutes(here: str, browser: AtEbay, site: Site) -> None:
    address = consented(here, browser)
    site.sql("UPDATE ebay.connect_states SET expires_at = clock_timestamp()")

    page = browser.http.get(address)

    assert page.status_code == 400
    assert "more than ten minutes ago" in page.text
    assert accounts(site) == []


def test_r69_another_browser_does_not_finish_what_this_one_began(
    here: str, browser: AtEbay, site: Site
) -> None:
    """Whoever is sent such a link would put his shop into somebody else's database."""
    address = consented(here, browser)

    with AtEbay() as other:
        other.http.cookies.set("cronshot_connect", "y" * 43)
        foreign = other.http.get(address)
    own = browser.http.get(address)

    assert foreign.status_code == 403
    assert "begun elsewhere" in foreign.text
    assert own.status_code == 200
    assert steps(site).count("refused: state_foreign") == 1


def test_two_tabs_do_not_take_the_cookie_from_each_other(
    here: str, browser: AtEbay, site: Site
) -> None:
    first = consented(here, browser, name="one")
    second = consented(here, browser, "seller-2", name="two")

    pages = [browser.http.get(first), browser.http.get(second)]

    assert [page.status_code for page in pages] == [200, 200]
    assert [name for name, *_ in accounts(site)] == ["one", "two"]


def test_what_was_begun_on_the_command_line_any_browser_finishes(
    here: str, browser: AtEbay, site: Site
) -> None:
    page = browser.http.get(consent(link(site)))

    assert page.status_code == 200
    assert accounts(site) == [["shop", "simulated_seller_1", "active"]]


def test_a_declined_consent_is_told(here: str, browser: AtEbay, site: Site) -> None:
    address = browser.declines(begin(here, browser).headers["location"], "seller-1")

    page = browser.http.get(address)

    assert page.status_code == 400
    assert "<h1>Declined</h1>" in page.text
    assert "declined the request" not in page.text
    assert steps(site)[-1] == "refused: declined"
    assert accounts(site) == []


def test_two_answers_at_once_have_one_effect(here: str, browser: AtEbay, site: Site) -> None:
    address = consented(here, browser)
    cookies = dict(browser.http.cookies)
    together = threading.Barrier(4)

    def bring(_: int) -> int:
        together.wait()
        return httpx.get(address, cookies=cookies, timeout=60, trust_env=False).status_code

    with ThreadPoolExecutor(4) as threads:
        statuses = sorted(threads.map(bring, range(4)))

    assert statuses == [200, 400, 400, 400]
    assert len(accounts(site)) == 1
    assert steps(site).count("connected") == 1
    assert steps(site).count("refused: state_replayed") == 3


@pytest.mark.parametrize(
    ("fault", "operation", "status", "said"),
    [
        ({"kind": "server_error"}, "token", 503, "eBay"),
        ({"kind": "status", "status": 400, "body": '{"error": "invalid_grant"}'}, "token", 400,
         "does not accept the code"),
        ({"kind": "status", "status": 401, "body": '{"error": "invalid_client"}'}, "token", 503,
         "A setting is missing or wrong"),
        ({"kind": "unauthorized"}, "getUser", 502, "Not connected"),
        ({"kind": "missing_scope"}, "getUser", 400, "commerce.identity.readonly"),
    ],
)  # fmt: skip
def test_whatever_fails_at_ebay_is_a_page_with_a_way_out(
    here: str, browser: AtEbay, site: Site, fault: dict[str, Any], operation: str, status: int,
    said: str,
) -> None:  # fmt: skip
    address = consented(here, browser)
    site.simulator.faults.add(**fault, operation=operation)

    page = browser.http.get(address)

    assert page.status_code == status
    assert said in page.text
    assert "Begin again" in page.text
    guarded(page)
    assert accounts(site) == []


def test_who_pauses_the_account_meanwhile_finds_it_paused(
    here: str, browser: AtEbay, site: Site
) -> None:
    browser.http.get(consented(here, browser))
    address = consented(here, browser)

    with Gate(site.simulator, "getUser") as gate, ThreadPoolExecutor(1) as threads:
        page = threads.submit(browser.http.get, address)
        gate.wait()
        site.sql("UPDATE ebay.accounts SET status = 'paused'")
        gate.open()

    assert "still paused" in page.result().text
    assert accounts(site)[0][2] == "paused"


def test_behind_https_the_cookie_is_of_this_host_alone(
    site: Site, browser: AtEbay, tmp_path: Any
) -> None:
    environment = site.environment(
        ADMIN_TOKEN=ADMIN_TOKEN, PUBLIC_URL="https://cronshot.example.com/"
    )
    with served(environment, tmp_path / "log") as server:
        cookie = begin(server.url, browser).headers["set-cookie"]

    assert cookie.startswith("__Host-cronshot_connect=")
    for attribute in ("Secure", "HttpOnly", "SameSite=lax", "Path=/", "Max-Age=600"):
        assert attribute in cookie


def test_a_database_that_is_away_is_a_page_that_says_so(site: Site) -> None:
    gone = "postgresql://u:canary@127.0.0.1:1/x?sslmode=disable"

    with site.in_this_process(ADMIN_TOKEN=ADMIN_TOKEN, DATABASE_URL=gone):
        answer = _event("GET", "/ebay/callback", f"state={'x' * 43}&code=x")

    assert answer["statusCode"] == 503
    assert "database cannot be reached" in answer["body"]
    assert "canary" not in json.dumps(answer)


def test_on_lambda_the_same_pages_stand_below_the_stage(site: Site) -> None:
    with site.in_this_process(ADMIN_TOKEN=ADMIN_TOKEN):
        form = _event("GET", "/dev/ebay/connect", "name=shop", stage="dev")
        refused = _event("GET", "/dev/ebay/callback", "code=x", stage="dev")

    assert form["statusCode"] == 200
    assert 'action="/dev/ebay/connect"' in form["body"]
    assert 'value="shop"' in form["body"]
    assert refused["statusCode"] == 400
    assert 'href="/dev/ebay/connect"' in refused["body"]


def _event(method: str, path: str, query: str, stage: str = "$default") -> dict[str, Any]:
    event = {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"host": "x.execute-api.eu-central-1.amazonaws.com"},
        "isBase64Encoded": False,
        "requestContext": {
            "stage": stage,
            "http": {"method": method, "path": path, "sourceIp": "127.0.0.1"},
        },
    }
    return connect.handler(event, None)


def test_nothing_secret_is_logged_or_shown(
    here: str, browser: AtEbay, site: Site, shop_server: Served
) -> None:
    """O9."""
    off = begin(here, browser)
    address = browser.consents(off.headers["location"], "seller-1")
    state, code = (parse_qs(urlsplit(address).query)[name][0] for name in ("state", "code"))
    [cookie] = [each for each in browser.http.cookies.jar if each.name == "cronshot_connect"]

    pages = [browser.http.get(address), browser.http.get(address)]

    said = shop_server.log.read_text() + "".join(page.text for page in pages)
    tables = site.sql("SELECT schemaname || '.' || tablename FROM pg_tables"
                      " WHERE schemaname IN ('ebay', 'ops')")  # fmt: skip
    rows = [row[0] for (name,) in tables for row in
            site.sql(f"SELECT to_jsonb(t)::text FROM {name} t")]  # fmt: skip
    assert "connect.connected" in said
    for secret in (state, code, code[-20:], ADMIN_TOKEN, cookie.value or "?", "#t^eyJ", "r^1#p^3"):
        assert secret not in said
        assert all(secret not in row for row in rows)
