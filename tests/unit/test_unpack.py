import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.http.unpack import BodyBrokenError, BodyTooLargeError, unpack


@given(st.lists(st.binary(max_size=3000), max_size=5), st.integers(min_value=1, max_value=999))
def test_members_cut_anywhere_come_out_whole(members: list[bytes], size: int) -> None:
    packed = b"".join(gzip.compress(member) for member in members)
    chunks = [packed[at : at + size] for at in range(0, len(packed), size)]

    assert unpack(chunks, "gzip", 20_000) == b"".join(members)


@given(st.binary(min_size=1, max_size=500), st.data())
def test_a_packing_cut_short_is_never_taken_for_whole(body: bytes, data: st.DataObject) -> None:
    packed = gzip.compress(body)
    kept = data.draw(st.integers(min_value=1, max_value=len(packed) - 1))

    with pytest.raises(BodyBrokenError):
        unpack([packed[:kept]], "gzip", 1000)


@pytest.mark.parametrize("encoding", ["", "identity", "gzip", "X-GZIP", " deflate "])
def test_a_limit_is_reached_and_not_passed(encoding: str) -> None:
    body = b"x" * 1000
    packed = {
        "gzip": gzip.compress(body),
        "x-gzip": gzip.compress(body),
        "deflate": zlib.compress(body),
    }.get(encoding.strip().lower(), body)

    assert unpack([packed], encoding, 1000) == body
    with pytest.raises(BodyTooLargeError):
        unpack([packed], encoding, 999)


def test_packed_bytes_count_too() -> None:
    empty_members = gzip.compress(b"") * 100

    with pytest.raises(BodyTooLargeError):
        unpack([empty_members], "gzip", 1000)


def test_nothing_packed_is_nothing() -> None:
    assert unpack([], "gzip", 10) == b""


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "zstd"])
def test_a_packing_that_was_not_asked_for_is_broken(encoding: str) -> None:
    with pytest.raises(BodyBrokenError):
        unpack([b"x"], encoding, 10)
