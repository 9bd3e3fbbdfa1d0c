"""Where eBay answers, by environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from core.errors import ConfigurationError
from core.sync.model import Environment


class Host(StrEnum):
    """eBay serves each API on one of its hosts only; on the other one it answers 404."""

    API = "api"
    APIZ = "apiz"


@dataclass(frozen=True, slots=True)
class Hosts:
    """Base addresses, without a slash at the end."""

    api: str
    apiz: str

    def base(self, host: Host) -> str:
        match host:
            case Host.API:
                return self.api
            case Host.APIZ:
                return self.apiz


EBAY_HOSTS: Mapping[Environment, Hosts] = {
    Environment.PRODUCTION: Hosts("https://api.ebay.com", "https://apiz.ebay.com"),
    Environment.SANDBOX: Hosts("https://api.sandbox.ebay.com", "https://apiz.sandbox.ebay.com"),
}

CONSENT_PATH = "/oauth2/authorize"
_CONSENT_HOSTS: Mapping[Environment, str] = {
    Environment.PRODUCTION: "https://auth.ebay.com",
    Environment.SANDBOX: "https://auth.sandbox.ebay.com",
}


@dataclass(frozen=True, slots=True)
class EbayHosts:
    """The hosts of every environment. The simulator runs where its user started it."""

    simulator: Hosts | None = None

    @classmethod
    def with_simulator(cls, api_url: str | None, apiz_url: str | None = None) -> "EbayHosts":
        """`apiz_url` defaults to `api_url`. Raises ConfigurationError, naming the variable."""
        if not api_url:
            return cls()
        api = _checked("EBAY_SIMULATOR_API_URL", api_url)
        apiz = _checked("EBAY_SIMULATOR_APIZ_URL", apiz_url) if apiz_url else api
        return cls(Hosts(api, apiz))

    def of(self, environment: Environment) -> Hosts:
        if environment is not Environment.SIMULATOR:
            return EBAY_HOSTS[environment]
        if self.simulator is None:
            raise ConfigurationError(
                "EBAY_SIMULATOR_API_URL is not set, and an account of the simulator needs it;"
                " start one with `python -m core.run simulator` and set it to the address shown"
            )
        return self.simulator

    def consent_page(self, environment: Environment) -> str:
        """For a browser. The simulator's is on its api host."""
        return (_CONSENT_HOSTS.get(environment) or self.of(environment).api) + CONSENT_PATH


def _checked(variable: str, url: str) -> str:
    try:
        parts = urlsplit(url.strip())
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
        parts = urlsplit("")
    if not usable or parts.username is not None or parts.query or parts.fragment:
        raise ConfigurationError(
            f"{variable} must look like http://127.0.0.1:8900, without user, query or fragment"
        )
    return url.strip().rstrip("/")
