"""A body, unpacked within a limit."""

import io
import zlib
from collections.abc import Iterable, Iterator

_STEP = 65_536
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_PACKED = frozenset({"gzip", "x-gzip", "deflate"})


class BodyTooLargeError(Exception):
    pass


class BodyBrokenError(Exception):
    pass


def unpack(chunks: Iterable[bytes], encoding: str, limit: int) -> bytes:
    """The whole body; never more than `limit` bytes and one step of it are in memory.

    Raises BodyTooLargeError as soon as the limit is passed, packed or unpacked, and
    BodyBrokenError where the packing is broken, ends early or is one that we did not ask for.
    """
    bounded = _within(chunks, limit)
    encoding = encoding.strip().lower()
    if encoding in _PACKED:
        bounded = _within(_inflated(bounded), limit)
    elif encoding not in {"", "identity"}:
        raise BodyBrokenError("its content encoding is not the one that was asked for")
    body = io.BytesIO()
    for chunk in bounded:
        body.write(chunk)
    return body.getvalue()


def _within(chunks: Iterable[bytes], limit: int) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise BodyTooLargeError
        yield chunk


def _inflated(chunks: Iterable[bytes]) -> Iterator[bytes]:
    # httpx's own decoder inflates a whole chunk at once: 64 KB of it can become 64 MB.
    inflater = zlib.decompressobj(_GZIP_OR_ZLIB)
    begun = False
    try:
        for chunk in chunks:
            rest = chunk
            while rest:
                begun = True
                yield inflater.decompress(rest, _STEP)
                rest = inflater.unconsumed_tail
                if inflater.eof:
                    # RFC 1952: a file may be several members, one after another.
                    rest = inflater.unused_data
                    inflater, begun = zlib.decompressobj(_GZIP_OR_ZLIB), False
        yield inflater.flush()
    except zlib.error as error:
        raise BodyBrokenError("its packing is broken") from error
    if begun:
        raise BodyBrokenError("it is truncated: its packing ends early")
