"""A seller connects his account in a real browser, at the simulator's consent page."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from infra.simulator.behaviour import Behaviour
from infra.simulator.server import Simulator
from tests.support.postgres import Server, free_port
from tests.support.site import Served, Site, served

pytestmark = [pytest.mark.timeout(150), pytest.mark.xdist_group("browser")]
ADMIN_TOKEN = "canary-admin-token-0123456789"


@pytest.fixture(scope="module")
def _module_site(_session_server: Server, _template: str) -> Iterator[Site]:
    name = _session_server.create_database(_template)
    with Simulator(accounts=3, orders=3, days=20, port=free_port()) as simulator:
        yield Site(
            url=_session_server.client.with_database(name).reveal(),
            admin=_session_server.admin.with_database(name),
            simulator=simulator,
            ebay_url=simulator.api_url,
        )
    _session_server.drop_database(name)


@pytest.fixture(scope="module")
def shop_server(
    chromium: Any, _module_site: Site, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """Only where there is a browser."""
    log = tmp_path_factory.mktemp("serve") / "log"
    environment = _module_site.environment(ADMIN_TOKEN=ADMIN_TOKEN, BASE_PATH="/shop")
    with served(environment, log) as server:
        yield server


@pytest.fixture
def site(_module_site: Site, postgres_server: Server) -> Site:
    _module_site.reset()
    return _module_site


@pytest.fixture
def here(shop_server: Served, site: Site) -> Iterator[str]:
    behaviour = site.simulator.world.behaviour
    behaviour.accept_url = f"{shop_server.url}/shop/ebay/callback"
    yield f"{shop_server.url}/shop/ebay/connect"
    behaviour.accept_url = Behaviour().accept_url


@contextmanager
def window(chromium: Any, *, scripts: bool = True) -> Iterator[Any]:
    """With cookies of its own. Whatever it complains of (a policy, above all) fails the test."""
    context = chromium.new_context(java_script_enabled=scripts)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    places: list[str] = []
    page.on("request", lambda request: places.append(urlsplit(request.url).hostname or ""))
    yield page
    context.close()
    # Chromium's word for every status from 400 on.
    assert [each for each in complaints if not each.startswith("Failed to load resource")] == []
    assert set(places) == {"127.0.0.1"}


def begin(page: Any, here: str, name: str) -> None:
    page.goto(here)
    page.fill("[name=name]", name)
    page.select_option("[name=environment]", "simulator")
    page.fill("[name=token]", ADMIN_TOKEN)
    page.click("text=Continue to eBay")


def sign_in(page: Any, seller: str, answer: str = "agree") -> None:
    """Up to the page that eBay sends him back to: a click does not wait for where it leads."""
    page.click(f"button[value={seller}]")
    page.click(f"button[value={answer}]")
    page.wait_for_url("**/shop/ebay/callback?*")


def accounts(site: Site) -> list[list[Any]]:
    rows = site.sql("SELECT name, username, status FROM ebay.accounts ORDER BY id")
    return [list(row) for row in rows]


@pytest.mark.parametrize("scripts", [True, False])
def test_a_seller_connects_with_and_without_scripts(
    chromium: Any, here: str, site: Site, *, scripts: bool
) -> None:
    with window(chromium, scripts=scripts) as page:
        begin(page, here, "shop")
        sign_in(page, "seller-1")

        title, text = page.inner_text("h1"), page.inner_text("main")

    assert title == "Connected"
    assert "shop is connected: simulated_seller_1, in simulator." in text
    assert accounts(site) == [["shop", "simulated_seller_1", "active"]]
    assert site.run().outcome == "done"


def test_a_second_seller_comes_out_of_the_same_browser(
    chromium: Any, here: str, site: Site
) -> None:
    with window(chromium) as page:
        begin(page, here, "one")
        sign_in(page, "seller-1")
        page.get_by_role("link", name="Connect another account").click()
        page.wait_for_url("**/shop/ebay/connect*")
        begin(page, page.url, "two")
        sign_in(page, "seller-2")

    assert accounts(site) == [
        ["one", "simulated_seller_1", "active"],
        ["two", "simulated_seller_2", "active"],
    ]


def test_who_declines_is_told_and_may_begin_again(chromium: Any, here: str, site: Site) -> None:
    with window(chromium) as page:
        begin(page, here, "shop")
        sign_in(page, "seller-1", "decline")
        title = page.inner_text("h1")
        page.get_by_role("link", name="Begin again").click()
        page.wait_for_url("**/shop/ebay/connect*")

    assert title == "Declined"
    assert accounts(site) == []


def test_reloading_the_last_page_has_no_effect(chromium: Any, here: str, site: Site) -> None:
    with window(chromium) as page:
        begin(page, here, "shop")
        sign_in(page, "seller-1")
        address = page.url
        page.reload()
        again = page.inner_text("main")

    with window(chromium) as other:
        other.goto(address)
        elsewhere = other.inner_text("main")

    assert "used already" in again
    assert "used already" in elsewhere
    assert len(accounts(site)) == 1


def test_another_browser_does_not_finish_what_this_one_began(
    chromium: Any, here: str, site: Site
) -> None:
    """The seller's answer is caught on its way, and opened by somebody else."""
    with window(chromium) as page, window(chromium) as other:
        begin(page, here, "shop")
        page.click("button[value=seller-1]")
        page.wait_for_selector("button[value=agree]")
        place = page.locator("form").evaluate("form => form.action")
        sent_back = page.request.post(place, form={"answer": "agree"}, max_redirects=0)
        address = sent_back.headers["location"]
        other.goto(address)
        foreign = other.inner_text("main")
        page.goto(address)
        own = page.inner_text("h1")

    assert "begun elsewhere" in foreign
    assert own == "Connected"
