"""Connecting a seller in a real browser: our form, eBay's consent page, and back."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from infra.simulator.behaviour import Behaviour
from tests.acceptance.test_connect import accounts
from tests.support.site import Served, Site, served

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.timeout(150),
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here"),
]
ADMIN_TOKEN = "canary-admin-token-0123456789"


@pytest.fixture
def server(site: Site, tmp_path: Path) -> Iterator[Served]:
    environment = site.environment(ADMIN_TOKEN=ADMIN_TOKEN, BASE_PATH="/shop")
    with served(environment, tmp_path / "log") as server:
        site.simulator.world.behaviour.accept_url = f"{server.url}/shop/ebay/callback"
        yield server
    site.simulator.world.behaviour.accept_url = Behaviour().accept_url


@pytest.fixture
def page() -> Iterator[Page]:
    """What its own policy keeps a page from doing fails the test."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(ignore_https_errors=True)
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        yield page
        browser.close()
    assert [each for each in complaints if "Content Security Policy" in each] == []


def began(page: Page, server: Served, name: str) -> None:
    page.goto(f"{server.url}/shop/ebay/connect")
    page.get_by_label("What you want to call the account").fill(name)
    page.get_by_label("Environment").select_option("simulator")
    page.get_by_label("ADMIN_TOKEN").fill(ADMIN_TOKEN)
    page.locator("button[type=submit]").click()


def test_two_sellers_consent_one_after_the_other_in_one_browser(
    site: Site, server: Served, page: Page
) -> None:
    for name, seller in (("one", "simulated_seller_1"), ("two", "simulated_seller_2")):
        began(page, server, name)
        page.get_by_role("button", name=seller, exact=True).click()
        page.get_by_role("button", name="Agree").click()
        assert f"{name} is connected: {seller}" in page.inner_text("body")
        assert page.url.startswith(f"{server.url}/shop/ebay/callback")

    assert accounts(site) == [
        ["one", "simulated_seller_1", "active"], ["two", "simulated_seller_2", "active"],
    ]  # fmt: skip


def test_who_declines_is_told_and_nothing_is_stored(site: Site, server: Served, page: Page) -> None:
    began(page, server, "shop")
    page.get_by_role("button", name="simulated_seller_1", exact=True).click()
    page.get_by_role("button", name="Decline").click()

    assert "declined" in page.inner_text("body")
    assert accounts(site) == []


def test_going_back_and_sending_the_answer_again_is_refused(
    site: Site, server: Served, page: Page
) -> None:
    began(page, server, "shop")
    page.get_by_role("button", name="simulated_seller_1", exact=True).click()
    page.get_by_role("button", name="Agree").click()
    used = page.url

    page.goto(used)

    assert "used" in page.inner_text("body")
    assert accounts(site) == [["shop", "simulated_seller_1", "active"]]
