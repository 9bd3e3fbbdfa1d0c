"""Files of this machine: below the allowed folders only, whatever lies in the way."""

import errno
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from core.errors import UpstreamUnavailableError, UsageError
from infra.intake import folders
from infra.intake.allowed import read_buckets, read_folders
from infra.intake.folders import FolderFiles

SECRET = b"what nobody was meant to read"


@pytest.fixture
def intake(tmp_path: Path) -> Path:
    folder = tmp_path / "intake"
    (folder / "court").mkdir(parents=True)
    (folder / "a b.csv").write_bytes(b"Case Number\n1\n")
    (folder / "court" / "deep.csv").write_bytes(b"deep")
    (tmp_path / "secret.csv").write_bytes(SECRET)
    return folder


def read(intake: Path, place: str) -> bytes:
    with FolderFiles((intake,)).open(place) as opened:
        content = opened.content.read()
    assert opened.size == len(content)
    return content


def refused(intake: Path, place: str, *words: str) -> None:
    files = FolderFiles((intake,))
    with pytest.raises(UsageError) as told, files.open(place) as opened:
        raise AssertionError(opened.content.read())
    for word in words:
        assert word in str(told.value)


@pytest.mark.parametrize(
    "form",
    [
        "{}/a b.csv",
        "{}/./a b.csv",
        "{}//a b.csv",
        "file://{}/a%20b.csv",
        "file://{}/a b.csv",
        "file://localhost{}/a%20b.csv",
    ],
)
def test_a_file_is_read_by_its_path_and_as_a_uri(form: str, intake: Path) -> None:
    assert read(intake, form.format(intake)) == b"Case Number\n1\n"


def test_a_file_deeper_down_is_read_and_bears_its_own_name(intake: Path) -> None:
    with FolderFiles((Path("/nowhere/else"), intake)).open(f"{intake}/court/deep.csv") as opened:
        assert (opened.name, opened.size, opened.content.readline()) == ("deep.csv", 4, b"deep")


def test_without_the_setting_nothing_is_read_and_the_setting_is_named(intake: Path) -> None:
    with pytest.raises(UsageError, match="INTAKE_FOLDERS is not set"):
        FolderFiles(()).check(f"{intake}/a b.csv")


@pytest.mark.parametrize(
    "form",
    [
        "{}/../secret.csv",
        "{}/court/../../secret.csv",
        "file://{}/%2e%2e/secret.csv",
        "file://{}/%2E%2E%2Fsecret.csv",
        "file://{}/a%00b.csv",
        "file://{}/a%0Ab.csv",
    ],
)
def test_no_path_leads_out_of_an_allowed_folder(form: str, intake: Path) -> None:
    refused(intake, form.format(intake), "the whole path", "`..`")


@pytest.mark.parametrize("form", ["{}-other/a.csv", "/etc/passwd", "file:///etc/passwd", "/"])
def test_what_is_not_below_an_allowed_folder_is_refused(form: str, intake: Path) -> None:
    refused(intake, form.format(intake), "not below a folder of INTAKE_FOLDERS", str(intake))


def test_a_file_of_another_machine_is_refused(intake: Path) -> None:
    refused(intake, f"file://elsewhere{intake}/a.csv", "another machine")


def test_no_symbolic_link_is_followed(intake: Path) -> None:
    (intake / "link.csv").symlink_to(intake.parent / "secret.csv")
    (intake / "inside.csv").symlink_to(intake / "a b.csv")
    (intake / "up").symlink_to(intake.parent)

    refused(intake, f"{intake}/link.csv", "a symbolic link")
    refused(intake, f"{intake}/inside.csv", "a symbolic link")
    refused(intake, f"{intake}/up/secret.csv", "a symbolic link")


def test_the_allowed_folder_itself_may_be_a_link(intake: Path) -> None:
    link = intake.parent / "called"
    link.symlink_to(intake)

    assert read(link, f"{link}/court/deep.csv") == b"deep"


def test_what_is_no_regular_file_is_named_and_never_waited_for(intake: Path) -> None:
    os.mkfifo(intake / "fifo.csv")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(intake / "s"))

        refused(intake, f"{intake}/fifo.csv", "is a FIFO")
        refused(intake, f"{intake}/s", "is a socket")
    refused(intake, f"{intake}/court", "is a folder")
    refused(intake, str(intake), "is a folder")
    refused(Path("/dev"), "/dev/null", "is a device")


def test_what_is_not_there_is_told(intake: Path) -> None:
    refused(intake, f"{intake}/absent.csv", "no such file")
    refused(intake, f"{intake}/absent/a.csv", "no such file")
    refused(intake, f"{intake}/{'n' * 300}", "no such file")
    refused(intake, f"{intake}/a b.csv/c.csv", "no folder")
    refused(intake.parent / "gone", f"{intake.parent}/gone/a.csv", "INTAKE_FOLDERS", "no such")


@pytest.mark.parametrize("refusal", [errno.EACCES, errno.EPERM])
def test_a_file_of_another_user_is_named_with_who_may_not_read_it(
    refusal: int, intake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "open", failing(os.open, "a b.csv", refusal))

    refused(intake, f"{intake}/a b.csv", f"uid {os.getuid()}", "may not be read")


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_a_file_that_we_may_not_read_is_told(intake: Path) -> None:
    (intake / "a b.csv").chmod(0)

    refused(intake, f"{intake}/a b.csv", "may not be read")


def test_a_disk_out_of_reach_is_no_fault_of_the_file(
    intake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "open", failing(os.open, "a b.csv", errno.ESTALE))

    with (
        pytest.raises(UpstreamUnavailableError, match="out of reach"),
        FolderFiles((intake,)).open(f"{intake}/a b.csv"),
    ):
        pass


def test_a_disk_that_fails_while_it_is_read_is_told_so(
    intake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def readv(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    with FolderFiles((intake,)).open(f"{intake}/a b.csv") as opened:
        monkeypatch.setattr(os, "readv", readv)
        with pytest.raises(UpstreamUnavailableError, match="Input/output error"):
            opened.content.read()


def test_a_folder_that_is_swapped_for_a_link_after_the_look_leads_nowhere(
    intake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (intake.parent / "deep.csv").write_bytes(SECRET)
    real = folders.open_regular

    def swapped(folder: int, name: str, path: str) -> folders.Content:
        (intake / "court").rename(intake / "was")
        (intake / "court").symlink_to(intake.parent)
        return real(folder, name, path)

    monkeypatch.setattr(folders, "open_regular", swapped)

    assert read(intake, f"{intake}/court/deep.csv") == b"deep"


@pytest.mark.parametrize("into", ["link", "fifo"])
def test_a_file_that_is_swapped_between_the_look_and_the_opening_is_refused(
    into: str, intake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, file = os.open, intake / "a b.csv"

    def swapping(path: str, *rest: Any, **options: Any) -> int:
        if path == "a b.csv":
            file.unlink()
            if into == "link":
                file.symlink_to(intake.parent / "secret.csv")
            else:
                os.mkfifo(file)
        return real(path, *rest, **options)

    monkeypatch.setattr(os, "open", swapping)

    refused(intake, f"{intake}/a b.csv", "symbolic link" if into == "link" else "FIFO")


def test_no_descriptor_stays_open(intake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(intake / "fifo.csv")
    open_, close, held = os.open, os.close, set()

    def opening(*given: Any, **options: Any) -> int:
        held.add(descriptor := open_(*given, **options))
        return descriptor

    def closing(descriptor: int) -> None:
        held.discard(descriptor)
        close(descriptor)

    monkeypatch.setattr(os, "open", opening)
    monkeypatch.setattr(os, "close", closing)
    for name in ("a b.csv", "court/deep.csv"):
        read(intake, f"{intake}/{name}")
    for name in ("fifo.csv", "absent.csv", "court"):
        refused(intake, f"{intake}/{name}")

    assert held == set()


def failing(real: Callable[..., int], name: str, code: int) -> Callable[..., int]:
    def open_(path: str, *rest: Any, **options: Any) -> int:
        if path == name:
            raise OSError(code, os.strerror(code))
        return real(path, *rest, **options)

    return open_


@contextmanager
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setenv("HOME", "/home/me")
        yield


def test_folders_are_listed_with_colons_or_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    with home(monkeypatch):
        found = read_folders("/srv/a:/srv/b, ~/c,,/srv/a")

    assert found == (Path("/srv/a"), Path("/srv/b"), Path("/home/me/c"))
    assert read_folders("") == ()


@pytest.mark.parametrize("listed", ["srv", "/", "/srv/..", "/srv/a:b", "~nobody-of-that-name/x"])
def test_a_wrong_folder_is_refused(listed: str) -> None:
    with pytest.raises(ValueError, match=r"must look like|home folder"):
        read_folders(listed)


def test_buckets_are_listed_with_commas() -> None:
    assert read_buckets("court-files, other.bucket,") == ("court-files", "other.bucket")


@pytest.mark.parametrize("listed", ["s3://court", "a", "Court", "court/files"])
def test_a_wrong_bucket_is_refused(listed: str) -> None:
    with pytest.raises(ValueError, match="names of buckets"):
        read_buckets(listed)
