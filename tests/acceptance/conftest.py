"""An installation for each module, as new for each test, and `serve` over it."""

from collections.abc import Iterator

import pytest

from tests.support.postgres import Server, free_port
from tests.support.site import Served, Site, new_site, served


@pytest.fixture(scope="module")
def _module_site(_session_server: Server, _template: str) -> Iterator[Site]:
    world = {"accounts": 10, "orders": 3, "days": 20, "port": free_port()}
    with new_site(_session_server, _template, **world) as site:
        yield site


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
