"""Runs the ordinary command line with the kinds of `storm_kinds` beside the shipped ones; or, as
`produce …`, a producer of such jobs. Its arguments are those of `launcher`.
"""

import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from core.jobs.kinds import JobKind
from handlers import job_desk
from handlers.cli.main import main as command_line
from handlers.job_kinds import job_kinds
from infra.postgres import engine, queries
from infra.postgres.connect import Connection, connect
from infra.postgres.url import DatabaseUrl
from tests.support import producer
from tests.support.forks import NAME
from tests.support.launcher import launch
from tests.support.storm_kinds import KINDS

STATEMENTS = Path(__file__).parent / "storm.sql"


def command(arguments: Sequence[str]) -> int:
    if arguments[0] == "produce":
        return producer.main(arguments[1:])
    return command_line(arguments)


def prepare(name: str) -> None:
    """For the rest of this process. Sessions are named, so that the oracle knows whose step each
    was.
    """

    def connected(url: DatabaseUrl, *, application_name: str, timeout: float) -> Connection:
        return connect(url, application_name=name, timeout=timeout)

    patch.object(engine, "connect", connected).start()
    patch.object(job_desk, "job_kinds", _kinds).start()
    patch.object(queries, "_read", partial(_read, queries._read)).start()


def _kinds(*about: Any) -> Mapping[str, JobKind]:
    return {**job_kinds(*about), **KINDS}


def _read(original: Callable[[str], str], path: str) -> str:
    return STATEMENTS.read_text() if path == STATEMENTS.name else original(path)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    prepare(os.environ[NAME])
    sys.exit(launch(command))
