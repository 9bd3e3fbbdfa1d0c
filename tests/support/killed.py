"""A run that is killed while eBay keeps it waiting, and what follows."""

import signal
import subprocess

from tests.support.site import Site

RUN_OUT = """
UPDATE ebay.sync_states SET leased_until = clock_timestamp() - interval '1 second',
       due_at = clock_timestamp() - interval '1 second' WHERE leased_by IS NOT NULL
"""


def kill_when(site: Site, stream: str, reached: str) -> None:
    """Kill a run of that stream once the query says true; its leases have then run out."""
    process = site.start("ebay", "--stream", stream, "--json")
    while not site.one(reached):
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
        out, err = process.communicate()
        raise AssertionError(f"it ended by itself: {out}{err}")
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    site.sql(RUN_OUT)
