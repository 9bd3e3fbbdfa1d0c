"""The key beside the embedded database: made once, whole, and for its owner only."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import ConfigurationError
from core.ids import AccountId
from core.secret import Secret
from infra.keyring import cipher_beside, cipher_from

ACCOUNT = AccountId(1)
MAKE = "import sys, pathlib, infra.keyring as k; k.cipher_beside(pathlib.Path(sys.argv[1]))"


def opens(folder: Path, sealed: str) -> str:
    return cipher_beside(folder).open(sealed, account_id=ACCOUNT, field="f").reveal()


def test_the_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    sealed = cipher_beside(tmp_path).seal(Secret("token"), account_id=ACCOUNT, field="f")

    assert opens(tmp_path, sealed) == "token"
    assert [path.name for path in tmp_path.iterdir()] == ["keys"]
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o600


def test_the_key_file_is_what_encryption_keys_may_be_set_to(tmp_path: Path) -> None:
    sealed = cipher_beside(tmp_path).seal(Secret("token"), account_id=ACCOUNT, field="f")

    setting = (tmp_path / "keys").read_text()

    opened = cipher_from(setting).open(sealed, account_id=ACCOUNT, field="f")
    assert opened.reveal() == "token"


def test_eight_processes_that_make_it_at_once_share_one_key(tmp_path: Path) -> None:
    makers = [
        subprocess.Popen([sys.executable, "-c", MAKE, str(tmp_path)], cwd=Path(__file__).parents[2])
        for _ in range(8)
    ]

    assert [maker.wait(60) for maker in makers] == [0] * 8
    assert [path.name for path in tmp_path.iterdir()] == ["keys"]
    assert (tmp_path / "keys").read_text().startswith("local:")


def test_a_file_system_without_hard_links_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    sealed = cipher_beside(tmp_path).seal(Secret("token"), account_id=ACCOUNT, field="f")

    assert opens(tmp_path, sealed) == "token"


def test_who_comes_second_uses_the_key_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both looked before either had made one."""
    first = cipher_beside(tmp_path).seal(Secret("token"), account_id=ACCOUNT, field="f")
    seen = iter([False, True])
    monkeypatch.setattr(Path, "exists", lambda _: next(seen))

    assert opens(tmp_path, first) == "token"
    assert [path.name for path in tmp_path.iterdir()] == ["keys"]


@pytest.mark.parametrize("content", [b"", b"local:canary\n", b"\xff\xfe canary"])
def test_a_damaged_key_file_is_named_and_not_shown(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "keys").write_bytes(content)

    with pytest.raises(ConfigurationError, match=f"{tmp_path}/keys") as caught:
        cipher_beside(tmp_path)

    assert "canary" not in str(caught.value)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="set ENCRYPTION_KEYS"):
        cipher_beside(tmp_path / "nowhere")


def test_another_os_users_key_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As open(2) refuses it; root, who may be running this, is refused nothing."""

    def refuse(_: Path) -> str:
        raise PermissionError(13, "Permission denied")

    cipher_beside(tmp_path)
    monkeypatch.setattr(Path, "read_text", refuse)

    with pytest.raises(ConfigurationError, match="belongs to another user"):
        cipher_beside(tmp_path)
