"""The cache: files are complete or absent, with several writers and after any failure."""

import gzip
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from chainrule.data.cache import (
    PARTIAL,
    CacheWriteError,
    FileRecord,
    idx_blocks,
    read_verified,
    store,
    work_folder,
)
from chainrule.errors import FormatError

ARRAY = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
CONTENT = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, *range(24)])
RECORD = FileRecord("file", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


def put(content: bytes, folder: Path) -> Path:
    with work_folder(folder) as work:
        assert work.name.startswith(PARTIAL)
        return store(RECORD, content, work, folder)


def test_blocks_of_an_array_are_its_idx_file() -> None:
    assert b"".join(idx_blocks(ARRAY)) == CONTENT
    assert b"".join(idx_blocks(ARRAY.transpose(2, 0, 1).copy().transpose(1, 2, 0))) == CONTENT


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT + b"x", CONTENT[:-1] + b"x"])
def test_wrong_bytes_leave_nothing_and_are_found_when_reading(tmp_path: Path, content: bytes) -> None:
    message = "expected 40 bytes, found" if len(content) != 40 else "not the known file .*: expected SHA-256"
    with pytest.raises(FormatError, match=f"file: {message}"):
        put(content, tmp_path)
    assert os.listdir(tmp_path) == []
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(FormatError, match="file: "):
        read_verified(path, RECORD)
    path.write_bytes(gzip.compress(CONTENT))
    np.testing.assert_array_equal(read_verified(path, RECORD), ARRAY)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file, not a folder")
    with pytest.raises(CacheWriteError, match=r"cannot write the cache .*taken.*set CHAINRULE_CACHE"):
        put(CONTENT, tmp_path / "taken" / "inner")
    with pytest.raises(CacheWriteError, match=r"cannot write the cache .*absent \(No such file"):
        store(RECORD, CONTENT, tmp_path, tmp_path / "absent")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Path.open
    monkeypatch.setattr(Path, "open", lambda path, mode="r": opened(Path("/dev/full"), "wb"))
    with pytest.raises(CacheWriteError, match=r"cannot write the cache .*\(No space left on device\)"):
        put(CONTENT, tmp_path)


def test_only_old_leftovers_are_cleared_out(tmp_path: Path) -> None:
    old, new, folder = (tmp_path / f"{PARTIAL}{name}" for name in ("old", "new", "folder"))
    for path in (old, new):
        path.write_bytes(b"part")
    folder.mkdir()
    (folder / "inner").write_bytes(b"part")
    for path in (old, folder):
        os.utime(path, (0, 0))
    put(CONTENT, tmp_path)
    assert sorted(os.listdir(tmp_path)) == [new.name, "file"]
