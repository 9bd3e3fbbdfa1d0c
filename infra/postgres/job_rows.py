"""Rows of jobs, written on somebody's open transaction."""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from core.jobs.admission import Admitted, Kinds, admit, check_depth
from core.jobs.model import MAX_DEPTH, Enqueued, JobId, NewJob
from infra.postgres.errors import ConflictError
from infra.postgres.queries import load

Line = tuple[str, str]
"""Queue and ordering key."""
TRIES = 3


def run(connection: sa.Connection, name: str, /, **values: object) -> sa.CursorResult[Any]:
    return connection.execute(load("jobs")[name], values)


def enqueue(connection: sa.Connection, jobs: Sequence[NewJob], kinds: Kinds) -> list[Enqueued]:
    """Inside the caller's transaction: they stand or fall with it.

    No key row is locked here, or two transactions that write to each other's keys would deadlock:
    a keyed job joins its line with the next drain. So the depth of a line is one that was seen:
    some who ask at once may all be let in. Raises BadPayloadError, UsageError.
    """
    admitted = admit(jobs, kinds)
    joining = Counter(each.line for each in admitted if each.line)
    if joining:
        _check_depths(connection, joining)
    return stage(connection, admitted)


def stage(connection: sa.Connection, admitted: Sequence[Admitted]) -> list[Enqueued]:
    """However deep their lines are: what was done must not be undone for what comes of it."""
    made = insert(connection, admitted, staged=True)
    keyed = [one.id for each, one in zip(admitted, made, strict=True) if each.line and one.created]
    if keyed:
        run(connection, "stage", ids=keyed)
    return made


def enqueue_in_line(connection: sa.Connection, admitted: Sequence[Admitted]) -> list[Enqueued]:
    """In a transaction of its own: the keys' rows are held until it commits.

    So the order of a line is that of the commits.
    """
    joining = Counter(each.line for each in admitted if each.line)
    if joining:
        _join(connection, joining)
    made = insert(connection, admitted, staged=False)
    if joining:
        refresh(connection, joining)
    return made


def _join(connection: sa.Connection, joining: Mapping[Line, int]) -> None:
    run(connection, "lock_new_lines", lines=lines_json(joining))
    staged = _check_depths(connection, joining)
    if staged:
        # They have asked before.
        place_staged(connection, staged)


def _check_depths(connection: sa.Connection, joining: Mapping[Line, int]) -> list[Line]:
    """Those of the lines for which something is staged. Raises UsageError."""
    rows = run(connection, "depths", lines=lines_json(joining), most=MAX_DEPTH + 1).all()
    for row in rows:
        line = (row.queue, row.ordering_key)
        check_depth(line, row.depth + row.staged, joining[line])
    return [(row.queue, row.ordering_key) for row in rows if row.staged]


def place_staged(
    connection: sa.Connection, lines: Collection[Line], *, each: int | None = None
) -> int:
    """Into lines whose key rows are locked; `each` of a line at most. How many."""
    if not lines:
        return 0
    return len(run(connection, "place_staged", lines=lines_json(lines), each=each).all())


def insert(
    connection: sa.Connection, admitted: Sequence[Admitted], *, staged: bool
) -> list[Enqueued]:
    """One statement for all; a second one where some of them stand there already."""
    made: list[Enqueued | None] = [None] * len(admitted)
    left = list(range(len(admitted)))
    for _ in range(TRIES):
        inserted = _insert(connection, [admitted[place] for place in left], staged=staged)
        for place, one in zip(left, inserted, strict=True):
            made[place] = one
        left = [place for place in left if made[place] is None]
        if not left:
            return [one for one in made if one is not None]
        for place, existing in _same(connection, admitted, left):
            made[place] = Enqueued(id=existing, created=False)
        # The other one may have ended in between, and with it its dedupe key.
        left = [place for place in left if made[place] is None]
        if not left:
            return [one for one in made if one is not None]
    raise ConflictError("jobs with the same keys come and go faster than one can be enqueued")


def _insert(
    connection: sa.Connection, admitted: Sequence[Admitted], *, staged: bool
) -> list[Enqueued | None]:
    if not admitted:
        return []
    jobs = f"[{','.join(_row(each) for each in admitted)}]"
    number = len(admitted)
    row = run(connection, "enqueue", jobs=jobs, staged=staged, number=number).one()
    wanted = json.loads(row.wanted)
    # Which were made is told only where not all were.
    made = set(wanted if row.made is None else json.loads(row.made))
    return [Enqueued(id=JobId(UUID(id_)), created=True) if id_ in made else None for id_ in wanted]


def _row(admitted: Admitted) -> str:
    """The payload is JSON text already, and not to be parsed again."""
    job = admitted.job
    fields = {
        "queue": admitted.queue,
        "kind": job.kind,
        "status": admitted.status,
        "ordering_key": admitted.ordering_key,
        "priority": int(job.priority),
        "run_at": None if job.run_at is None else job.run_at.isoformat(),
        "max_attempts": admitted.max_attempts,
        **_keys(admitted),
    }
    told = json.dumps({name: value for name, value in fields.items() if value is not None})
    return f'{told[:-1]},"payload":{admitted.payload}}}'


def _keys(admitted: Admitted) -> dict[str, object]:
    job = admitted.job
    return {
        "idempotency_key": job.idempotency_key,
        "dedupe_key": job.dedupe_key,
        "origin": None if job.origin is None else str(job.origin),
    }


def _same(
    connection: sa.Connection, admitted: Sequence[Admitted], places: Iterable[int]
) -> Iterable[tuple[int, JobId]]:
    wanted = [
        {"place": place, "queue": admitted[place].queue, **_keys(admitted[place])}
        for place in places
    ]
    rows = run(connection, "same", wanted=json.dumps(wanted))
    return [(row.place, JobId(row.id)) for row in rows]


def refresh(connection: sa.Connection, lines: Collection[Line]) -> None:
    """Of lines whose key rows are locked: what their heads say."""
    if lines:
        run(connection, "refresh_keys", lines=lines_json(lines))


def lock(connection: sa.Connection, lines: Collection[Line]) -> None:
    if lines:
        run(connection, "lock_lines", lines=lines_json(lines))


def staged_lines(connection: sa.Connection, most: int) -> list[Line]:
    return _lines(run(connection, "staged_lines", most=most))


def lock_free(connection: sa.Connection, lines: Collection[Line]) -> list[Line]:
    """Those that nobody holds, made where they are new, and locked."""
    if lines:
        run(connection, "make_lines", lines=lines_json(lines))
    return free_lines(connection, lines)


def free_lines(connection: sa.Connection, lines: Collection[Line]) -> list[Line]:
    """As `lock_free`, of lines that are there."""
    if not lines:
        return []
    return _lines(run(connection, "lock_free_lines", lines=lines_json(lines)))


def _lines(rows: Iterable[sa.Row[Any]]) -> list[Line]:
    return [(row.queue, row.ordering_key) for row in rows]


def lines_json(lines: Iterable[Line]) -> str:
    return json.dumps([{"queue": queue, "ordering_key": key} for queue, key in sorted(set(lines))])
