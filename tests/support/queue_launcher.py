"""Runs the ordinary command line with the kinds of `storm_kinds` beside the shipped ones; or, as
`produce …`, a producer of such jobs. Its arguments are those of `launcher`.
"""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import infra.postgres.engine
import infra.postgres.queries
from handlers import draining, job_kinds
from handlers.cli.main import main as command_line
from tests.support import producer, storm_kinds
from tests.support.forks import NAME
from tests.support.launcher import launch

STATEMENTS = Path(__file__).parent / "storm.sql"


def command(arguments: Sequence[str]) -> int:
    if arguments[0] == "produce":
        return producer.main(arguments[1:])
    return command_line(arguments)


def name_sessions(name: str) -> None:
    """So that the oracle knows whose step each was."""
    connect = infra.postgres.engine.connect

    def named(*arguments: object, **options: object) -> object:
        return connect(*arguments, **options | {"application_name": name})

    infra.postgres.engine.connect = named


def add_kinds() -> None:
    read = infra.postgres.queries._read
    infra.postgres.queries._read = lambda path: (
        STATEMENTS.read_text() if path == STATEMENTS.name else read(path)
    )
    shipped = job_kinds.job_kinds
    draining.job_kinds = lambda *about: {**shipped(*about), **storm_kinds.KINDS}


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    name_sessions(os.environ[NAME])
    add_kinds()
    sys.exit(launch(command))
