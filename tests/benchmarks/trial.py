"""One contender, phase after phase in a new database, and what each phase used."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.benchmarks import measure
from tests.benchmarks.contenders import Contender, Phase, Place
from tests.benchmarks.ground import Ground
from tests.benchmarks.report import Sample

MEGABYTE = 1_000_000


def folder_in(ground: Ground) -> Path:
    return Path(tempfile.mkdtemp(dir=ground.folder))


def trial(
    ground: Ground, contender: Contender, phases: Sequence[Phase], repetition: int, expected: int
) -> Iterator[Sample]:
    """Ends the benchmark where a phase has not stored `expected` rows."""
    database, folder = ground.server.create_database(ground.template), folder_in(ground)
    try:
        place = Place(ground, database, folder, datetime.now(UTC))
        settings = contender.set_up(place)
        for phase in phases:
            command = contender.command(place, phase)
            ground.settle()
            wal = ground.wal_bytes()
            used = measure.run(command, settings=settings, folder=folder)
            wal = ground.wal_bytes() - wal
            stored = contender.stored(place)
            if stored != expected:
                name = contender.name
                raise SystemExit(f"{name}: stored {stored} of {expected} rows: {used.output}")
            yield Sample(
                contender=contender.name,
                phase=phase,
                repetition=repetition,
                wall_s=used.wall_s,
                cpu_s=used.cpu_s,
                peak_mb=used.peak_mb,
                wal_mb=wal / MEGABYTE,
            )
    finally:
        ground.server.drop_database(database)
        shutil.rmtree(folder)
