"""The encryption keys: from the setting, or made once beside the embedded database."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import ConfigurationError
from infra.crypto import AesGcmCipher, generate_key, parse_keys


def cipher_from(setting: str) -> AesGcmCipher:
    return AesGcmCipher(keyring=parse_keys(setting))


def cipher_beside(folder: Path) -> AesGcmCipher:
    """The key of an embedded database, made once with mode 0600; the first of two makers wins."""
    path = folder / "keys"
    try:
        if not path.exists():
            _make(path)
        text = path.read_text().strip()
    except PermissionError as error:
        raise ConfigurationError(f"{path} belongs to another user; set ENCRYPTION_KEYS") from error
    except (OSError, UnicodeDecodeError) as error:
        why = type(error).__name__
        raise ConfigurationError(f"{path} cannot be used ({why}); set ENCRYPTION_KEYS") from None
    try:
        return cipher_from(text)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path} is damaged ({error})") from error


def _make(path: Path) -> None:
    """In place when it is whole: nobody reads half a key."""
    with _alone_in(path.parent):
        if path.exists():
            return
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".keys-")
        try:
            with os.fdopen(handle, "w") as file:
                file.write(f"local:{generate_key()}\n")
                # Tokens are sealed with it from now on: it must outlive a power cut as they do.
                file.flush()
                os.fsync(file.fileno())
            Path(draft).rename(path)
        finally:
            Path(draft).unlink(missing_ok=True)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Not by a hard link, which FAT and some network file systems do not have."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)
