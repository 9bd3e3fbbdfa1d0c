import pytest

from core.errors import ConfigurationError
from core.sync.model import Environment
from infra.ebay.hosts import EbayHosts, Host, Hosts
from tests.support.ebay_shared import contract


def test_each_environment_has_its_own_hosts() -> None:
    hosts = EbayHosts.with_simulator("http://127.0.0.1:8900")

    assert hosts.of(Environment.PRODUCTION) == Hosts(
        "https://api.ebay.com", "https://apiz.ebay.com"
    )
    assert hosts.of(Environment.SANDBOX) == Hosts(
        "https://api.sandbox.ebay.com", "https://apiz.sandbox.ebay.com"
    )
    assert hosts.of(Environment.SIMULATOR) == Hosts(
        "http://127.0.0.1:8900", "http://127.0.0.1:8900"
    )


def test_the_simulator_may_have_two_addresses_and_slashes_at_their_ends() -> None:
    hosts = EbayHosts.with_simulator("http://localhost:1/", "https://sim.test/apiz/")

    assert hosts.of(Environment.SIMULATOR) == Hosts("http://localhost:1", "https://sim.test/apiz")


def test_a_simulator_without_an_address_names_the_variable_and_the_command() -> None:
    with pytest.raises(ConfigurationError, match=r"EBAY_SIMULATOR_API_URL.*core\.run simulator"):
        EbayHosts.with_simulator(None).of(Environment.SIMULATOR)


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8900",
        "ftp://host",
        "http://",
        "http://user:canary@host",
        "http://host?x=canary",
        "http://host:99999",
        "http://[::1",
        "not an address",
    ],
)
def test_an_unusable_address_is_refused_by_the_name_of_its_variable(url: str) -> None:
    with pytest.raises(ConfigurationError, match="EBAY_SIMULATOR_APIZ_URL") as caught:
        EbayHosts.with_simulator("http://127.0.0.1:1", url)

    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "path", "host"),
    [
        ("sell_fulfillment_v1", "/sell/fulfillment/v1", Host.API),
        ("sell_finances_v1", "/sell/finances/v1", Host.APIZ),
        ("commerce_identity_v1", "/commerce/identity/v1", Host.APIZ),
        ("developer_analytics_v1_beta", "/developer/analytics/v1_beta", Host.API),
    ],
)
def test_production_hosts_are_those_of_the_contracts(name: str, path: str, host: Host) -> None:
    server = contract(name)["servers"][0]

    assert server["variables"]["basePath"]["default"] == path
    assert server["url"].removesuffix("{basePath}") == (
        EbayHosts().of(Environment.PRODUCTION).base(host)
    )
