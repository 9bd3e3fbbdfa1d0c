"""Where the intake's files are put together: those it reads, that are sent, that are watched."""

from collections.abc import Callable, Mapping

from core.intake.places import Places
from core.intake.ports import Files
from core.intake.uploads import KeepUploads
from core.intake.watch_kind import WatchFolders
from core.jobs.kinds import JobKind
from handlers.opening import Opened, WallClock
from infra.aws.buckets import BucketFiles
from infra.intake.allowed import read_buckets, read_folders
from infra.intake.folders import FolderFiles
from infra.intake.watched import WatchedFolders
from infra.postgres.uploads import PostgresUploads
from infra.postgres.watch import PostgresSeenFiles


def files(ready: Opened) -> Files:
    """Nothing is opened, nor connected, before the first file is."""
    return Places(
        folders=_folders(ready),
        buckets=BucketFiles(read_buckets(ready.settings.intake_buckets)),
        uploads=PostgresUploads(ready.database),
    )


def keep_uploads(ready: Opened) -> KeepUploads:
    return KeepUploads(store=PostgresUploads(ready.database))


def watch_folder(ready: Opened, kinds: Callable[[], Mapping[str, JobKind]]) -> JobKind:
    """`kinds`: all that there are, asked when there is a job of it."""
    watching = WatchFolders(
        folders=WatchedFolders(_folders(ready)),
        seen=PostgresSeenFiles(ready.database),
        kinds=kinds,
        # The files' times are this machine's, not the database's.
        now=WallClock().now,
    )
    return watching.job_kind()


def _folders(ready: Opened) -> FolderFiles:
    return FolderFiles(read_folders(ready.settings.intake_folders))
