"""Shared fixtures for data tests: a separate cache, IDX files, a small data set known by its hashes."""

import gzip
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from chainrule.data import Dataset, DatasetInfo, load
from chainrule.data.cache import FileRecord
from chainrule.errors import DataError


def idx_bytes(array: np.ndarray, *, sizes: Sequence[int] | None = None, kind: int = 8) -> bytes:
    """Encode an IDX file; `sizes` and `kind` may falsify its header."""
    sizes = array.shape if sizes is None else sizes
    head = bytes([0, 0, kind, len(sizes)]) + np.array(sizes, ">u4").tobytes()
    return head + array.astype(np.uint8).tobytes()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CHAINRULE_DATA", raising=False)
    monkeypatch.delenv("CHAINRULE_OFFLINE", raising=False)


class Mini:
    """A data set of 6 + 4 images 5×3 in three classes, with its files and hashes."""

    def __init__(self) -> None:
        rng = np.random.default_rng(1)
        self.arrays = {
            "train-images-idx3-ubyte": rng.integers(0, 256, (6, 5, 3), np.uint8),
            "train-labels-idx1-ubyte": np.array([0, 1, 2, 0, 1, 2], np.uint8),
            "t10k-images-idx3-ubyte": rng.integers(0, 256, (4, 5, 3), np.uint8),
            "t10k-labels-idx1-ubyte": np.array([2, 1, 0, 0], np.uint8),
        }
        self.files = {name: idx_bytes(array) for name, array in self.arrays.items()}
        records = tuple(FileRecord(n, len(b), hashlib.sha256(b).hexdigest()) for n, b in self.files.items())
        self.info = DatasetInfo("mini", "Mini", ("a", "b", "c"), (1, 5, 3), 6, 4, "us", "MIT", records)

    def write(self, folder: Path, *, packed: bool = False) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.files.items():
            path = folder / (name + ".gz" if packed else name)
            path.write_bytes(gzip.compress(content) if packed else content)
        return folder

    def check(self, sets: tuple[Dataset, Dataset]) -> None:
        arrays = list(self.arrays.values())
        for part, (x, y) in zip(sets, (arrays[:2], arrays[2:]), strict=True):
            np.testing.assert_array_equal(part.x[:, 0], x)
            np.testing.assert_array_equal(part.y, y)
            assert part.y.dtype == np.int64
            assert part.classes == ("a", "b", "c")


@pytest.fixture
def mini() -> Mini:
    return Mini()


@pytest.fixture(scope="session")
def real_mnist() -> tuple[Dataset, Dataset]:
    """Fetch MNIST itself as users do."""
    try:
        return load("mnist", progress=False)
    except DataError as error:
        pytest.skip(f"MNIST is out of reach: {error}")
