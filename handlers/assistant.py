"""Where the processor of chats that is shipped is put together. Imported with the first message."""

from collections.abc import Mapping

from core.chat.assistant import Assistant
from core.chat.assistant_doing import Doing
from core.chat.assistant_names import Names
from core.chat.assistant_pauses import Pauses
from core.chat.assistant_plans import Plans
from core.chat.assistant_reads import Reads
from core.chat.assistant_rereading import Rereading
from core.chat.assistant_retrying import RetryJobs
from core.chat.assistant_switching import Switching
from core.chat.model import QUEUE, Process
from core.jobs.kinds import JobKind
from core.jobs.shipped.telegram import QUEUE as ANSWERS
from handlers.opening import Opened
from handlers.stream_control import TERMS, control_streams, judge
from infra.ebay.streams.registry import STREAM_ALIASES, STREAMS
from infra.postgres.accounts import PostgresAccounts
from infra.postgres.assistant import PostgresFacts, SettlingSwitches
from infra.postgres.history import PostgresHistory
from infra.postgres.job_control import PostgresJobControl
from infra.postgres.job_view import PostgresJobView

RUNNABLE = {
    "ebay-cycle": "ebay-cycle",
    "ebay": "ebay-cycle",
    "token-refresh": "token-refresh",
    "tokens": "token-refresh",
}
"""What `run_worker` runs, by its names on the command line; the first one reads streams."""
FINANCES = {"finances": ("transactions", "payouts")}
"""What the replaced connector called both."""
DRAIN = "queue-drain"


def assistant(ready: Opened, kinds: Mapping[str, JobKind]) -> Process:
    """`kinds`: every kind of job that there is."""
    database = ready.database
    streams = control_streams(ready)
    facts = PostgresFacts(database=database, lag=TERMS.lag)
    names = Names(
        facts=facts, streams=[each.name for each in STREAMS], aliases={**STREAM_ALIASES, **FINANCES}
    )
    jobs, control = PostgresJobView(database, kinds), PostgresJobControl(database, kinds)
    workers, accounts = PostgresHistory(database), PostgresAccounts(database, STREAMS)
    return Assistant(
        reads=Reads(
            facts=facts,
            names=names,
            streams=streams.store,
            judge=judge(),
            jobs=jobs,
            workers=workers,
        ),
        plans=Plans(names=names, streams=streams, jobs=jobs, runnable=RUNNABLE),
        pauses=Pauses(
            names=names,
            streams=streams,
            jobs=jobs,
            workers=workers,
            aliases=RUNNABLE,
            needed_worker=DRAIN,
            needed_queues=(QUEUE, ANSWERS),
        ),
        doing=Doing(
            switching=Switching(
                accounts=accounts,
                streams=streams,
                jobs=jobs,
                workers=workers,
                switches=SettlingSwitches(),
            ),
            rereading=Rereading(accounts=accounts, streams=streams),
            retrying=RetryJobs(control=control),
        ),
    )
