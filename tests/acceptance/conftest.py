"""An installation for each module, as new for each test, and `serve` over it."""

from collections.abc import Iterator

import pytest

from infra.simulator.server import Simulator
from tests.support.postgres import Server, free_port
from tests.support.site import Served, Site, served


@pytest.fixture(scope="module")
def _module_site(_session_server: Server, _template: str) -> Iterator[Site]:
    name = _session_server.create_database(_template)
    with Simulator(accounts=10, orders=3, days=20, port=free_port()) as simulator:
        yield Site(
            url=_session_server.client.with_database(name).reveal(),
            admin=_session_server.admin.with_database(name),
            simulator=simulator,
            ebay_url=simulator.api_url,
        )
    _session_server.drop_database(name)


@pytest.fixture
def site(_module_site: Site, postgres_server: Server) -> Site:
    _module_site.reset()
    return _module_site


@pytest.fixture(scope="module")
def _module_server(
    _module_site: Site, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    log = tmp_path_factory.mktemp("serve") / "log"
    with served(_module_site.environment(), log) as server:
        yield server


@pytest.fixture
def server(_module_server: Served, site: Site) -> Served:
    return _module_server
