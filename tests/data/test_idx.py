"""The IDX reader: accepted and refused inputs."""

import gzip
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from selection import draws

from chainrule.data import read_idx
from chainrule.data.idx import header
from chainrule.errors import DataError, FormatError

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


@settings(max_examples=draws(8))
@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5)), st.booleans())
def test_any_array_comes_back(tmp_path_factory: pytest.TempPathFactory, array: np.ndarray, packed: bool) -> None:
    path = tmp_path_factory.mktemp("idx") / "file"
    content = header(array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(content) if packed else content)
    np.testing.assert_array_equal(read_idx(path), array)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: cannot be read \(No such file"):
        read_idx(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["plain", "packed.gz"])
@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((2, 3, 5), "truncated: expected 46 bytes from its header, found 40 bytes"),
        ((2, 3, 3), r"too long: expected 34 bytes from its header, found (40|at least 35) bytes"),
        ((0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF), "79228162458924105385300197391 bytes"),
        ((2, 3), "header says 2 axes; expected 3"),
        ((2, 3, 2, 2, 1), "header says 5 axes; expected 3"),
        ((), "header says 0 axes; expected 3"),
    ],
)
def test_lying_headers(write_idx: Callable[..., Path], name: str, sizes: tuple[int, ...], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        read_idx(write_idx(IMAGES, name, sizes=sizes), axes=3)


def test_other_types_are_refused(write_idx: Callable[..., Path]) -> None:
    with pytest.raises(FormatError, match="IDX type 0x0d is not supported; expected 0x08"):
        read_idx(write_idx(IMAGES, kind=0x0D))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected a header of at least 8 bytes, found 0 bytes"),
        (b"\0\0\x08", "found 3 bytes"),
        (b"Some text, and more of it", "expected it to begin with 0000, found 536f"),
        (b"\0\0\x08\x03\0\0\0\x01", "expected a header of 16 bytes, found 8 bytes"),
    ],
)
def test_what_is_no_idx_file(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=message):
        read_idx(path)


def test_a_gzip_file_with_a_wrong_byte(tmp_path: Path) -> None:
    content = bytearray(gzip.compress(header((2000,)) + np.random.default_rng(0).bytes(2000)))
    content[1000] ^= 1
    path = tmp_path / "wrong.gz"
    path.write_bytes(content)
    with pytest.raises(FormatError, match="damaged gzip file"):
        read_idx(path)


@pytest.mark.parametrize("sizes", [(100,), (0xFFFFFFFF, 16)])
def test_bombs_and_lies_get_no_memory(tmp_path: Path, sizes: tuple[int, ...]) -> None:
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(header(sizes) + bytes(50_000_000), compresslevel=1))
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match="its header"):
            read_idx(path)
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()
