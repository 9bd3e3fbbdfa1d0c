"""Where looking after streams is put together."""

from collections.abc import Mapping
from datetime import datetime

from core.streams.control import ControlStreams
from core.streams.model import Cost, StreamRule, Terms
from core.streams.standing import Judge
from core.sync.begin import CLOCK_STEP
from core.sync.budget import share_of, usual_limit_of
from core.sync.cost import cost_of_reading
from core.sync.model import BACKFILL, LAG, OVERLAP, Stream, Walk
from handlers.opening import Opened
from infra.ebay.streams.registry import STREAM_ALIASES, STREAMS
from infra.postgres.accounts import OPEN_PASS_INTERVAL
from infra.postgres.stream_control import PostgresStreams

READER = "ebay-cycle"
"""The worker whose switch stands over every stream."""
TERMS = Terms(overlap=OVERLAP, lag=LAG, backfill=BACKFILL, step=CLOCK_STEP)


class WalkCosts:
    """The `Costs` port: what the sync's own way of reading costs."""

    def __init__(self, streams: Mapping[str, Stream]) -> None:
        self._streams = streams

    def of(
        self, stream: str, cursor_at: datetime, now: datetime, *, rows: int, missing: int
    ) -> Cost:
        cost = cost_of_reading(self._streams[stream], cursor_at, now, rows=rows, missing=missing)
        return Cost(windows=cost.windows, pages=cost.pages, calls=cost.calls)


def control_streams(ready: Opened) -> ControlStreams:
    streams = {stream.name: stream for stream in STREAMS}
    return ControlStreams(
        store=PostgresStreams(
            database=ready.database,
            streams=streams,
            worker=READER,
            open_interval=OPEN_PASS_INTERVAL,
        ),
        costs=WalkCosts(streams),
        rules=_rules(),
        aliases=STREAM_ALIASES,
        terms=TERMS,
    )


def judge() -> Judge:
    return Judge(rules=_rules(), terms=TERMS)


def _rules() -> Mapping[str, StreamRule]:
    return {stream.name: _rule(stream) for stream in STREAMS}


def _rule(stream: Stream) -> StreamRule:
    return StreamRule(
        name=stream.name,
        api=stream.api,
        keeps=None if stream.walk is Walk.SNAPSHOT else stream.keeps,
        share=share_of(stream),
        usual_limit=usual_limit_of(stream),
    )
