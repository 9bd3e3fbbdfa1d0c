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
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".keys-")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(f"local:{generate_key()}\n")
            # Tokens are sealed with it from now on: it must outlive a power cut as they do.
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        Path(draft).unlink()
