"""A client without an eBay behind it: what it is answered, a test says."""

from collections.abc import Iterator

import pytest
import respx

from infra.ebay.client import EbayHttp
from infra.ebay.hosts import EbayHosts
from infra.ebay.source import EbayPages
from infra.ebay.stream_api import Ebay
from tests.support.ebay import clock


@pytest.fixture
def http() -> Iterator[EbayHttp]:
    client = EbayHttp()
    yield client
    client.close()


@pytest.fixture
def source(http: EbayHttp) -> EbayPages:
    return EbayPages(ebay=Ebay(http=http, hosts=EbayHosts(), clock=clock()))


@pytest.fixture
def ebay() -> Iterator[respx.MockRouter]:
    with respx.mock(assert_all_called=False) as router:
        yield router
