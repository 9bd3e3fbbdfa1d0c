"""Where the intake's files are put together."""

from contextlib import AbstractContextManager

from core.errors import UsageError
from core.intake.places import Places
from core.intake.ports import Files
from core.intake.ports import Opened as File
from handlers.opening import Opened
from infra.intake.allowed import read_folders
from infra.intake.folders import FolderFiles


def files(ready: Opened) -> Files:
    """Nothing is opened, nor connected, before the first file is."""
    settings = ready.settings
    return Places(
        folders=FolderFiles(read_folders(settings.intake_folders)),
        buckets=_Nothing(),
        uploads=_Nothing(),
    )


class _Nothing:
    def check(self, place: str) -> None:
        raise UsageError(f"{place}: this release reads files of folders only")

    def open(self, place: str) -> AbstractContextManager[File]:
        raise UsageError(f"{place}: this release reads files of folders only")
