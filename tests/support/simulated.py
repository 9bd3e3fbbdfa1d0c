"""A caller of the simulator, as plain as can be: no retries, no client of ours."""

import ssl
from collections.abc import Mapping
from typing import Any

import httpx

from infra.simulator.oauth import CLIENT_ID, CLIENT_SECRET
from infra.simulator.server import Simulator
from tests.support.closing import Closing

# Reading the certificate authorities would take longer than most tests.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
TOKEN_PATH = "/identity/v1/oauth2/token"
ORDERS = "/sell/fulfillment/v1/order"
TRANSACTIONS = "/sell/finances/v1/transaction"
PAYOUTS = "/sell/finances/v1/payout"
USER = "/commerce/identity/v1/user/"
RATE_LIMITS = "/developer/analytics/v1_beta/rate_limit/"


class Caller(Closing):
    """Calls as the `account`th seller; its token is got at the first call that needs one."""

    def __init__(self, simulator: Simulator, account: int = 0) -> None:
        self.simulator = simulator
        self.account = simulator.world.accounts[account]
        self.http = httpx.Client(timeout=10, trust_env=False, verify=NO_TLS)
        self.token: str | None = None

    def close(self) -> None:
        self.http.close()

    def mint(self, **form: str) -> httpx.Response:
        return self.mint_as((CLIENT_ID, CLIENT_SECRET), form)

    def mint_as(self, auth: tuple[str, str], form: Mapping[str, str]) -> httpx.Response:
        return self.http.post(self.simulator.api_url + TOKEN_PATH, auth=auth, data=form)

    def refresh(self) -> str:
        answer = self.mint(grant_type="refresh_token", refresh_token=self.account.refresh_token)
        token: str = answer.json()["access_token"]
        self.token = token
        return token

    def get(self, path: str, **parameters: Any) -> httpx.Response:
        token = self.token or self.refresh()
        headers = {"Authorization": f"Bearer {token}"}
        return self.http.get(
            self.simulator.api_url + path, params=parameters or None, headers=headers
        )

    def error_id(self, path: str, **parameters: Any) -> tuple[int, int]:
        """(status, errorId) of an answer that is an error."""
        answer = self.get(path, **parameters)
        return answer.status_code, answer.json()["errors"][0]["errorId"]

    def pages(self, path: str, member: str, **parameters: Any) -> list[dict[str, Any]]:
        """All rows, by `next` from the first page on."""
        rows: list[dict[str, Any]] = []
        answer = self.get(path, **parameters)
        while answer.status_code == 200:
            body = answer.json()
            rows += body[member]
            if "next" not in body:
                break
            answer = self.get(body["next"].removeprefix(self.simulator.api_url))
        return rows

    def control(self, method: str, path: str, given: Any = None) -> Any:
        url = f"{self.simulator.api_url}/_simulator{path}"
        answer = self.http.request(method, url, json=given)
        assert answer.status_code == 200, answer.text
        return answer.json()
