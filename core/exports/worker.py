"""From a table to a file, a batch at a time."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from core.errors import OutOfTimeError
from core.exports.lines import Format, first_lines, lines
from core.exports.model import Request
from core.exports.ports import RowStore


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportTable:
    store: RowStore
    stopping: Callable[[], bool]
    observe: Callable[[int], None]
    """Called with the rows so far."""

    def run(self, request: Request, form: Format, write: Callable[[bytes], object]) -> int:
        """How many rows were written. Raises OutOfTimeError when it is asked to stop before."""
        rows = 0
        with closing(self.store.batches(request)) as batches:
            for number, batch in enumerate(batches):
                if self.stopping():
                    raise OutOfTimeError(
                        f"stopped after {rows} rows: the export is not whole; run it again"
                    )
                if not number:
                    write(first_lines(form, batch))
                write(lines(form, batch))
                rows += len(batch.rows)
                self.observe(rows)
        return rows
