"""The IDX reader: accepted and refused inputs."""

import gzip
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from data.conftest import idx_bytes
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


WRONG_BYTE = bytearray(gzip.compress(header((20, 10, 10)) + np.random.default_rng(0).bytes(2000)))
WRONG_BYTE[1000] ^= 1
LYING = {
    (2, 3, 5): "truncated: expected 46 bytes from its header, found 40 bytes",
    (2, 3, 3): r"too long: expected 34 bytes from its header, found (40|at least 35) bytes",
    (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF): "79228162458924105385300197391 bytes",
    (2, 3): "header says 2 axes; expected 3",
    (2, 3, 2, 2, 1): "header says 5 axes; expected 3",
    (): "header says 0 axes; expected 3",
}
REFUSED = {
    **{pack(idx_bytes(IMAGES, sizes=sizes)): LYING[sizes] for sizes in LYING for pack in (bytes, gzip.compress)},
    idx_bytes(IMAGES, kind=0x0D): "IDX type 0x0d is not supported; expected 0x08",
    bytes(WRONG_BYTE): "damaged gzip file",
    b"": "expected a header of at least 8 bytes, found 0 bytes",
    b"\0\0\x08": "found 3 bytes",
    b"Some text, and more of it": "expected it to begin with 0000, found 536f",
    b"\0\0\x08\x03\0\0\0\x01": "expected a header of 16 bytes, found 8 bytes",
}


@pytest.mark.parametrize("content", REFUSED, ids=REFUSED.values())
def test_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(FormatError, match=REFUSED[content]):
        read_idx(tmp_path / "file", axes=3)
    with pytest.raises(DataError, match=r"nowhere: cannot be read \(No such file"):
        read_idx(tmp_path / "nowhere")


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
