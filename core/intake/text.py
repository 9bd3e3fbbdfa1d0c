"""A file's bytes as text: which encoding it is in, and the digest of all that was read."""

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from core.errors import UsageError

UTF_8, UTF_16, WINDOWS = "utf-8", "utf-16", "windows-1252"
REPLACED = "\ufffd"
AT_ONCE = 256 * 1024
HEAD = 4096
MAX_FILE = 4 * 2**30
_BOMS_16 = (b"\xff\xfe", b"\xfe\xff")
_BOM_8 = b"\xef\xbb\xbf"
# A byte order mark is none of the text.
_PYTHONS = {UTF_8: "utf-8-sig"}


@dataclass(frozen=True, slots=True)
class Encoding:
    """`strict`: a byte that is none of it ends the reading; else U+FFFD stands in its place."""

    name: str
    strict: bool


class Hashed(io.BufferedIOBase):
    """A file that is read once, from its beginning, and its digest.

    `pause` is called with each piece that is read, and may raise. `seen`: there was something other
    than ASCII before the last one.
    """

    def __init__(self, content: BinaryIO, pause: Callable[[], None]) -> None:
        super().__init__()
        self.seen = False
        self._content = content
        self._pause = pause
        self._digest = hashlib.sha256()
        self._size = 0
        self._head: bytes | None = None
        self._ascii = True

    @property
    def name(self) -> str:
        """Of a file that is read; this one's is not to be told."""
        return ""

    def readable(self) -> bool:
        return True

    def read1(self, _: int = -1, /) -> bytes:
        """As much as is read at once, however little was asked for."""
        if self._head is not None:
            head, self._head = self._head, None
            return head
        return self._read()

    def head(self) -> bytes:
        """How it begins, asked before anything is read; it is read all the same."""
        self._head = self._read()
        return self._head[:HEAD]

    def digest(self) -> str:
        """Of the whole file: what nobody read is read now."""
        while self._read():
            pass
        return self._digest.hexdigest()

    def _read(self) -> bytes:
        self._pause()
        block = self._content.read(AT_ONCE)
        self._digest.update(block)
        self._size += len(block)
        if self._size > MAX_FILE:
            raise UsageError(f"the file is larger than {MAX_FILE // 2**30} GB; split it")
        self.seen = self.seen or not self._ascii
        self._ascii = block.isascii()
        return block


def begins_as(head: bytes) -> Encoding:
    """What the first bytes say: a mark, or every second byte of them a zero."""
    if head.startswith(_BOMS_16):
        return Encoding(UTF_16, strict=True)
    for name, zeros in (("utf-16-le", head[1::2]), ("utf-16-be", head[::2])):
        if zeros and zeros.count(0) > len(zeros) // 2:
            return Encoding(name, strict=True)
    return Encoding(UTF_8, strict=True)


def instead(encoding: Encoding, error: UnicodeDecodeError, *, seen: bool) -> Encoding:
    """What else a file may be that is not what it seemed. `seen`: other than ASCII before.

    Who writes Windows-1252 does not write whole characters of UTF-8 by chance: that is a file with
    a few broken bytes. Raises UsageError.
    """
    if encoding.name != UTF_8:
        raise UsageError(f"the file begins as {encoding.name} and is not: {error.reason}")
    before = bytes(error.object[: error.start])
    rest = bytes(error.object[error.start :]).decode(errors="replace")
    whole = sum(not each.isascii() for each in rest) - rest.count(REPLACED)
    is_utf_8 = seen or not before.isascii() or whole > rest.count(REPLACED)
    return Encoding(UTF_8 if is_utf_8 else WINDOWS, strict=False)


def opened(source: Hashed, encoding: Encoding) -> io.TextIOWrapper:
    """Line ends as they are: a quoted field may hold any."""
    errors = "strict" if encoding.strict else "replace"
    name = _PYTHONS.get(encoding.name, encoding.name)
    return io.TextIOWrapper(source, name, errors, newline="")
