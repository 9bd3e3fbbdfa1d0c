"""A seller at the simulated consent page, without a browser: signs in, agrees or declines."""

import html
import re
from urllib.parse import urljoin

import httpx

from tests.support.closing import Closing
from tests.support.simulated import NO_TLS

ACTION = re.compile(r'<form method="post" action="([^"]*)"')


class AtEbay(Closing):
    """Keeps eBay's cookies, as a browser does. What it returns is where eBay sends it back to."""

    def __init__(self) -> None:
        self.http = httpx.Client(timeout=30, trust_env=False, verify=NO_TLS)

    def close(self) -> None:
        self.http.close()

    def consents(self, link: str, seller: str) -> str:
        return self._answers(link, seller, "agree")

    def declines(self, link: str, seller: str) -> str:
        return self._answers(link, seller, "decline")

    def _answers(self, link: str, seller: str, answer: str) -> str:
        page = self.http.get(link)
        page = self.submit(page, seller=seller, follow=True)
        return self.submit(page, answer=answer).headers["location"]

    def submit(self, page: httpx.Response, *, follow: bool = False, **form: str) -> httpx.Response:
        found = ACTION.search(page.text)
        assert found is not None, page.text
        place = urljoin(str(page.url), html.unescape(found[1]))
        return self.http.post(place, data=form, follow_redirects=follow)


def consent(link: str, seller: str = "seller-1") -> str:
    with AtEbay() as browser:
        return browser.consents(link, seller)
