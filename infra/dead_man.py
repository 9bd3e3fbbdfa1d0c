"""Pings to a dead man's switch: it tells somebody when cron itself has died.

The URL of a check as Healthchecks.io and Better Stack give it; `/fail` behind its path reports a
failure. https://healthchecks.io/docs/http_api/
"""

from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from core.events import Log
from core.report import Outcome, RunReport
from core.secret import Secret
from infra.http.client import BoundedHttp, UnusableBodyError

TIMEOUT_S = 2.0
LONGEST_BODY = 65_536


@dataclass(frozen=True, slots=True)
class DeadManPings:
    """The `Pings` port. `urls` by worker; the address itself is the secret, so it is not logged."""

    urls: Mapping[str, Secret]
    log: Log

    def ping(self, worker: str, report: RunReport) -> None:
        url = self.urls.get(worker)
        if url is None:
            return
        try:
            status = _get(_address(url, report))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            self.log.warning("ping.failed", worker=worker, error=type(error).__name__)
        else:
            if not httpx.codes.is_success(status):
                self.log.warning("ping.failed", worker=worker, status=status)


def _address(url: Secret, report: RunReport) -> httpx.URL:
    """What stands behind a `?` stays where it is: Uptime Kuma's addresses have a query."""
    address = httpx.URL(url.reveal())
    if report.outcome is Outcome.FAILED:
        address = address.copy_with(path=address.path.rstrip("/") + "/fail")
    return address.copy_merge_params({"rid": str(report.run_id)})


def _get(address: httpx.URL) -> int:
    """Two seconds for everything, the host's name included; httpx limits each wait by itself."""
    http = BoundedHttp(max_connections=1)
    try:
        return http.exchange("GET", address, timeout=TIMEOUT_S, limit=LONGEST_BODY).status
    except UnusableBodyError as error:
        # What it says does not matter.
        return error.status
    finally:
        http.close()
