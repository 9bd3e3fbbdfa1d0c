"""Where the intake's files are put together: those it reads, and those that are sent to us."""

from core.intake.places import Places
from core.intake.ports import Files
from core.intake.uploads import KeepUploads
from handlers.opening import Opened
from infra.aws.buckets import BucketFiles
from infra.intake.allowed import read_buckets, read_folders
from infra.intake.folders import FolderFiles
from infra.postgres.uploads import PostgresUploads


def files(ready: Opened) -> Files:
    """Nothing is opened, nor connected, before the first file is."""
    settings = ready.settings
    return Places(
        folders=FolderFiles(read_folders(settings.intake_folders)),
        buckets=BucketFiles(read_buckets(settings.intake_buckets)),
        uploads=PostgresUploads(ready.database),
    )


def keep_uploads(ready: Opened) -> KeepUploads:
    return KeepUploads(store=PostgresUploads(ready.database))
