"""The encryption keys: from the setting, or made once beside the embedded database."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from core.errors import ConfigurationError
from infra.crypto import AesGcmCipher, generate_key, parse_keys


def cipher_from(setting: str) -> AesGcmCipher:
    return AesGcmCipher(keyring=parse_keys(setting))


def cipher_beside(folder: Path) -> AesGcmCipher:
    """The key of an embedded database, made once with mode 0600; the first of two makers wins.

    Linked into place when it is whole: nobody reads half a key.
    """
    path = folder / "keys"
    if not path.exists():
        _make(path)
    return cipher_from(_read(path))


def _make(path: Path) -> None:
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".keys-")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(f"local:{generate_key()}\n")
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        Path(draft).unlink()


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except PermissionError as error:
        raise ConfigurationError(f"{path} belongs to another user; set ENCRYPTION_KEYS") from error
