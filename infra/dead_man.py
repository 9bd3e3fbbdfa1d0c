"""Pings to a dead man's switch: it tells somebody when cron itself has died.

The URL of a check as Healthchecks.io and Better Stack give it; `/fail` behind it reports a failure.
https://healthchecks.io/docs/http_api/
"""

from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from core.events import Log
from core.report import Outcome, RunReport
from core.secret import Secret

TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class DeadManPings:
    """The `Pings` port. `urls` by worker; the address itself is the secret, so it is not logged."""

    urls: Mapping[str, Secret]
    log: Log

    def ping(self, worker: str, report: RunReport) -> None:
        url = self.urls.get(worker)
        if url is None:
            return
        address = url.reveal().rstrip("/")
        if report.outcome is Outcome.FAILED:
            address += "/fail"
        try:
            with httpx.Client(timeout=TIMEOUT_S, trust_env=False) as client:
                client.post(address, params={"rid": str(report.run_id)}).raise_for_status()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            self.log.warning("ping.failed", worker=worker, error=type(error).__name__)
