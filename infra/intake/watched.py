"""Folders below INTAKE_FOLDERS, to be watched: the `Folders` port."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from core.intake.watch import Stamp
from infra.intake.folders import FolderFiles, open_regular, opened_folder, require_regular, told


@dataclass(frozen=True, slots=True)
class OpenedFolder:
    """Everything is done below its descriptor, wherever its name leads meanwhile."""

    descriptor: int
    path: Path

    def names(self) -> Iterator[str]:
        with told(str(self.path)), os.scandir(self.descriptor) as entries:
            for entry in entries:
                yield entry.name

    def stamp(self, name: str) -> Stamp:
        path = str(self.path / name)
        with told(path):
            found = os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        require_regular(found, path)
        return Stamp(name=name, path=path, size=found.st_size, changed_ns=found.st_mtime_ns)

    @contextmanager
    def content(self, name: str) -> Iterator[BinaryIO]:
        with open_regular(self.descriptor, name, str(self.path / name)) as content:
            yield io.BufferedReader(content)


@dataclass(frozen=True, slots=True)
class WatchedFolders:
    files: FolderFiles

    def check(self, place: str) -> None:
        self.files.spot(place)

    @contextmanager
    def opened(self, place: str) -> Iterator[OpenedFolder]:
        spot = self.files.spot(place)
        with opened_folder(spot) as descriptor:
            yield OpenedFolder(descriptor, spot.path)
