"""Arrays in archives: NumPy's files are read back; files with anything but plain arrays are refused."""

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from chainrule.data import load, npz
from chainrule.errors import FormatError

DTYPES = [f"{order}{kind}" for order in "<>" for kind in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u8", "c8", "c16")]
DTYPES += ["|b1", "|u1", "<U1", ">U3", "<U7", "|S1", "|S5"]
IN_PLACE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def saved(array: np.ndarray, version: tuple[int, int] | None = None) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, version, allow_pickle=False)
    return stream.getvalue()


def member(path: Path, content: bytes, method: int = zipfile.ZIP_STORED) -> np.ndarray:
    """Read a .npy file back from an archive."""
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("x.npy", content)
    with zipfile.ZipFile(path) as archive:
        return npz.read_member(archive, archive.getinfo("x.npy"), path)


@IN_PLACE
@given(
    array=st.sampled_from(DTYPES).flatmap(
        lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4))
    ),
    version=st.sampled_from([(1, 0), (2, 0), (3, 0)]),
    fortran=st.booleans(),
    method=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
)
def test_arrays_that_numpy_writes_are_read(
    tmp_path: Path, array: np.ndarray, version: tuple[int, int], fortran: bool, method: int
) -> None:
    ordered = np.array(array, order="F" if fortran else "C")
    actual = member(tmp_path / "some.npz", saved(ordered, version), method)
    assert (actual.dtype, actual.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(actual, array)


def header(text: str, version: int = 1) -> bytes:
    size = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes((version, 0)) + size + text.encode("latin-1")


def test_the_entries_of_a_header_have_no_order(tmp_path: Path) -> None:
    text = "{'shape': (3L, 2L), 'descr': '|u1', 'fortran_order': False}   \n"  # as Python 2 wrote them
    array = member(tmp_path / "some.npz", header(text) + bytes(range(6)))
    np.testing.assert_array_equal(array, [[0, 1], [2, 3], [4, 5]])


WHOLE = "{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }"


@pytest.mark.parametrize(
    "text",
    [
        *("", "{}", WHOLE[:-1], WHOLE + "}", WHOLE + "; x", "(" * 200, WHOLE[:-1] + "'more': 1}"),
        *(WHOLE.replace("'|u1'", descr) for descr in ("'|V3'", "'<M8[s]'", "'<U0'", "'|u3'", "7", "[('a', '<f4')]")),
        *(WHOLE.replace("'|u1'", descr) for descr in ("'u1,u1'", "__import__('os')", "'object'")),
        *(
            WHOLE.replace("3,", sizes)
            for sizes in ("-3,", "3.0,", "None,", "3,,", f"{10**30},", "9" * 4000 + ",", 9 * "1,")
        ),
        *(WHOLE.replace("(3,)", "3"), WHOLE.replace("False", "0"), WHOLE.replace("'shape'", "'descr'")),
    ],
    ids=lambda text: text[:60],
)
def test_a_header_of_anything_else(text: str, tmp_path: Path) -> None:
    for version in (1, 2, 3):
        with pytest.raises(FormatError, match=r"some.npz: array x.npy"):
            member(tmp_path / "some.npz", header(text, version) + bytes(3))


def test_other_beginnings_and_ways_of_packing_are_refused(tmp_path: Path) -> None:
    for content in (b"", b"\x93NUMPY", b"\x93NUMPY\4\0" + bytes(99), b"\x93NUMPY\2\0\xff\xff\xff\xff"):
        with pytest.raises(FormatError, match=r"some.npz: array x.npy"):
            member(tmp_path / "some.npz", content)
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with pytest.raises(FormatError, match="by method"):
            member(tmp_path / "some.npz", saved(np.arange(9)), method)


def test_every_damaged_pixel_is_noticed(tmp_path: Path) -> None:
    """Detect damage by the archive's checksum, which is compared only at the end of a member."""
    x, path = np.arange(10 * 6 * 5).astype(np.uint8).reshape(10, 6, 5), tmp_path / "some.npz"
    np.savez(path, x=x, y=np.arange(10) % 3)
    whole = path.read_bytes()
    start = whole.index(x.tobytes())
    for place in range(start, start + x.size):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        with pytest.raises(FormatError, match="CRC"):
            load(path)
