"""The containers of CIFAR-10 in miniature, which must give the same arrays."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from chainrule.data import cifar, loading
from chainrule.data.cache import FileRecord
from chainrule.data.known import CIFAR10
from chainrule.data.loading import find_known
from chainrule.errors import FormatError

COUNT = 4
NAMES = [*cifar.TRAIN, *cifar.TEST]
RNG = np.random.default_rng(0)
PIXELS = {name: RNG.integers(0, 256, (COUNT, 3, 32, 32), np.uint8) for name in NAMES}
LABELS = {name: RNG.integers(0, 10, COUNT, np.uint8) for name in NAMES}


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Make the archives in miniature the known ones."""
    monkeypatch.setattr(cifar, "BATCH_RECORDS", COUNT)
    monkeypatch.setattr(loading, "verified", lambda array, record, place: array)
    for known, files in (("ARCHIVE", binary()), ("PACKAGE", pictures())):
        content = archive(tmp_path / known, files).read_bytes()
        monkeypatch.setattr(cifar, known, FileRecord(known, len(content), hashlib.sha256(content).hexdigest()))


def binary() -> dict[str, bytes]:
    return {
        f"{name}.bin": b"".join(bytes([y]) + x.tobytes() for x, y in zip(PIXELS[name], LABELS[name], strict=True))
        for name in NAMES
    }


def pictures() -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for name in NAMES:
        out = io.BytesIO()
        Image.fromarray(PIXELS[name].transpose(0, 2, 3, 1).reshape(COUNT, 1024, 3)).save(out, "PNG")
        files[f"{name}.png"] = out.getvalue()
    files["train_lables.json"] = json.dumps(np.concatenate([LABELS[n] for n in cifar.TRAIN]).tolist()).encode()
    files["test_lables.json"] = json.dumps(LABELS["test_batch"].tolist()).encode()
    return files


def archive(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as out:
        for name, content in files.items():
            info = tarfile.TarInfo(f"some/folder/{name}")
            info.size = len(content)
            out.addfile(info, io.BytesIO(content))
    return path


def test_both_containers_and_the_unpacked_one_are_found_and_agree(tmp_path: Path) -> None:
    (tmp_path / cifar.FOLDER).mkdir()
    for name, content in binary().items():
        (tmp_path / cifar.FOLDER / name).write_bytes(content)
    for place in (cifar.FOLDER, "ARCHIVE", "PACKAGE"):
        arrays = find_known(tmp_path, CIFAR10) or []
        expected = [
            np.concatenate([of[n] for n in part]) for part in (cifar.TRAIN, cifar.TEST) for of in (PIXELS, LABELS)
        ]
        for array, values in zip(arrays, expected, strict=True):
            assert_array_equal(array, values)
        (tmp_path / place).rename(tmp_path / f"no {place}")
    assert find_known(tmp_path, CIFAR10) is None
    unpacked = tmp_path / f"no {cifar.FOLDER}"
    (unpacked / "data_batch_3.bin").write_bytes(b"short")
    with pytest.raises(FormatError, match=r"data_batch_3.bin: expected 12292 bytes, found 5 bytes"):
        find_known(unpacked, CIFAR10)


@pytest.mark.parametrize("known", ["ARCHIVE", "PACKAGE"])
def test_other_archives_are_not_unpacked(tmp_path: Path, known: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(tarfile, "open")
    whole = (tmp_path / known).read_bytes()
    for content in (b"", whole[:-1], whole + b"\0", bytes([whole[0] ^ 1]) + whole[1:]):
        (tmp_path / "other").write_bytes(content)
        with pytest.raises(FormatError, match="other"):
            (cifar.from_archive if known == "ARCHIVE" else cifar.from_package)(tmp_path / "other")
