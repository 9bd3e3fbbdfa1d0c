"""What one key suffers, the others do not wait for: counted in runs and claims, not in seconds."""

from collections.abc import Iterator

import pytest

from core.jobs.model import NewJob
from infra.postgres.jobs import PostgresJobs
from tests.support.postgres import Server, open_database
from tests.support.queue_site import QueueSite, queue_site
from tests.support.storm_kinds import KINDS, POISON_ATTEMPTS

pytestmark = pytest.mark.timeout(120)

KEYS, EACH, BEHIND = 40, 3, 60
BATCH = KINDS["storm.write"].batch
INNOCENT = [
    NewJob(
        kind="storm.write",
        ordering_key=f"innocent-{key}",
        payload={"stream": f"innocent-{key}", "n": n + 1},
    )
    for n in range(EACH)
    for key in range(KEYS)
]


def troubled(head: NewJob) -> list[NewJob]:
    """First in line, as long a line behind it as that."""
    key = str(head.ordering_key)
    behind = [
        NewJob(kind="storm.write", ordering_key=key, payload={"stream": key, "n": n + 1})
        for n in range(BEHIND)
    ]
    return [head, *behind]


POISONED = troubled(NewJob(kind="storm.poison", ordering_key="poisoned"))
FAILING = troubled(NewJob(kind="storm.count", ordering_key="failing", payload={"fails": 4}))
WAITING = troubled(NewJob(kind="storm.wait", ordering_key="waiting"))


@pytest.fixture
def site(postgres_server: Server, database_name: str) -> Iterator[QueueSite]:
    """One thread to a drain: what a dead one had in its hands is one batch."""
    url = postgres_server.admin.with_database(database_name)
    with queue_site(url, url, lease_s=1.0, parallel=1) as made:
        yield made


def enqueue(site: QueueSite, jobs: list[NewJob]) -> None:
    database = open_database(site.url)
    PostgresJobs(database, KINDS).enqueue(jobs)
    database.dispose()


def innocents_open(site: QueueSite) -> int:
    ((count,),) = site.sql(
        "SELECT count(*) FROM ops.jobs WHERE ordering_key LIKE 'innocent-%' AND due_at IS NOT NULL"
    )
    return int(count)


def test_keys_that_fail_or_wait_cost_the_others_no_run_and_no_claim(site: QueueSite) -> None:
    enqueue(site, [*FAILING, *WAITING, *INNOCENT])

    site.drain()

    assert innocents_open(site) == 0
    ((most,),) = site.sql("SELECT max(attempts) FROM ops.jobs WHERE ordering_key LIKE 'innocent-%'")
    assert most == 1
    site.drain_all()
    site.oracle.judge()


def test_poison_costs_the_others_one_batch_once_and_is_dead_after_exactly_its_attempts(
    site: QueueSite,
) -> None:
    enqueue(site, [*POISONED, *INNOCENT])
    kills = 0

    while innocents_open(site):
        kills += site.drain().killed
        site.wait_until_due()
    twice = site.sql(
        "SELECT id FROM ops.jobs WHERE ordering_key LIKE 'innocent-%' AND attempts > 1"
    )

    assert 1 <= kills <= POISON_ATTEMPTS
    assert len(twice) < BATCH
    while site.sql("SELECT FROM ops.jobs WHERE kind = 'storm.poison' AND status <> 'dead'"):
        kills += site.drain().killed
        site.wait_until_due()
    assert kills == POISON_ATTEMPTS
    site.drain_all()
    site.oracle.judge()
