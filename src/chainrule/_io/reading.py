"""Reading of untrusted files: only regular files are opened, and decoder exceptions are converted to `ChainruleError`.

For damaged files, decoders (Pillow, zipfile, tarfile) may raise any exception. They are called inside `decoding` or
`reading`, which makes lists of their exceptions unnecessary.
"""

import logging
import os
import stat
import sys
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from chainrule.errors import ChainruleError, DataError, FileTooLargeError, FormatError, OptionError, printable

if TYPE_CHECKING:
    import zipfile

BOMB_BYTES, BOMB_RATIO = 100_000_000, 100  # unpacked bytes, and ratio to the packed bytes; a bomb exceeds both
ZIP_PACKING, ZIP_ENCRYPTED = (0, 8), 1  # method numbers of "stored" and "deflated"; bit in a member's flags
NOT_REGULAR = 0  # an errno not used by any operating system
KINDS = {"d": "a folder", "p": "a pipe", "c": "a device", "b": "a device", "s": "a socket"}
MAX_DIRECTORY = 1 << 20  # bytes of the directory of a zip archive, which lists the members: 10,000 or more


for library in ("PIL", "matplotlib"):  # without a handler, Python would print their messages beside those of commands
    logging.getLogger(library).addHandler(logging.NullHandler())


@contextmanager
def open_regular(path: Path, error_type: type[ChainruleError] = DataError) -> Generator[BinaryIO]:
    """Open a regular file for reading, without blocking on pipes or devices.

    error_type   error to raise if the path cannot be opened or read, or is not a regular file
    """
    if "\0" in str(path):
        raise error_type(f"{path}: cannot be read (its name contains a null byte)")
    try:
        with open(path, "rb", opener=_open_descriptor) as stream:
            yield stream
    except OSError as error:
        if error.errno is None:  # raised by a decoder rather than by the operating system
            raise
        raise error_type(f"{path}: cannot be read ({error.strerror or error})") from None


@contextmanager
def decoding(path: Path | str, what: str) -> Generator[None]:
    """Convert any exception raised while decoding a file to a FormatError with the file's name and the exception.

    A MemoryError becomes a FileTooLargeError. Errors of this package and of the operating system are not converted.

    what   kind of file for the message, such as "image"
    """
    try:
        with warnings.catch_warnings():  # the library's warnings do not help users
            warnings.simplefilter("ignore")
            yield
    except ChainruleError:
        raise
    except MemoryError:
        raise FileTooLargeError(f"{path}: not enough memory for this {what}") from None
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise _damaged(path, what, error) from error


@contextmanager
def reading(path: Path, what: str, error_type: type[ChainruleError] = DataError) -> Generator[BinaryIO]:
    """Combine `open_regular` and `decoding`: open a regular file to decode it."""
    with open_regular(path, error_type) as stream, decoding(path, what):
        yield stream


def read_bytes(path: Path, max_bytes: int, error_type: type[ChainruleError] = DataError) -> bytes:
    """Read the bytes of a regular file; raise FormatError if there are more than ``max_bytes``."""
    with open_regular(path, error_type) as stream:
        if (size := os.fstat(stream.fileno()).st_size) > max_bytes:
            raise FormatError(f"{path}: {size} bytes; expected at most {max_bytes}")
        return stream.read()


def refuse_bomb(path: Path | str, packed: int, unpacked: int) -> None:
    """Raise FormatError if the unpacked size exceeds 100 MB and 100 times the packed size."""
    if unpacked > BOMB_BYTES and unpacked > BOMB_RATIO * packed:
        actual = f"its header states {unpacked} bytes, compressed to {packed}"
        raise FormatError(f"{path}: {actual}; expected a ratio of at most {BOMB_RATIO}")


class _LimitedReads:
    """A stream that reads at most as much at once as the directory of a zip archive may have."""

    def __init__(self, stream: BinaryIO) -> None:
        self.limit = MAX_DIRECTORY
        self.seek = stream.seek
        self.tell = stream.tell
        self.seekable = stream.seekable
        self._stream = stream
        self.name = stream.name

    def read(self, count: int = -1) -> bytes:
        """Read up to ``count`` bytes; FormatError if more bytes than the limit would be read."""
        if not 0 <= count <= self.limit:
            count = self.limit + 1
        content = self._stream.read(count)
        if len(content) > self.limit:
            raise FormatError(f"{self.name}: a directory of more than {self.limit} bytes")
        return content


def open_zip(stream: BinaryIO) -> "zipfile.ZipFile":
    """Open a zip archive; raise FormatError if listing its members would take long."""
    import zipfile

    limited = _LimitedReads(stream)
    archive = zipfile.ZipFile(limited)
    limited.limit = sys.maxsize - 1
    return archive


def read_zip_member(archive: "zipfile.ZipFile", info: "zipfile.ZipInfo", place: str) -> bytes:
    """Return a member of a zip archive; raise FormatError unless it is stored or deflated and has its stated size.

    `ZipFile.read` ignores the size stated in the archive and unpacks all compressed bytes. Here, unpacking stops at the
    stated size, after a check that it is not a decompression bomb.
    """
    check_zip_member(info, place)
    with archive.open(info) as stream:
        content = stream.read(
            info.file_size + 1
        )  # one byte more, so that zipfile reads to the end and verifies the checksum
    if len(content) != info.file_size:
        raise FormatError(f"{place}: {len(content)} bytes; its archive states {info.file_size}")
    return content


def check_zip_member(info: "zipfile.ZipInfo", place: str) -> None:
    """Raise FormatError if a member is encrypted, neither stored nor deflated, or a decompression bomb.

    For other compression methods, zipfile might need unlimited memory.
    """
    if info.compress_type not in ZIP_PACKING or info.flag_bits & ZIP_ENCRYPTED:
        method = f"encrypted, or compressed by method {info.compress_type}"
        raise FormatError(f"{place}: {method}; expected stored or deflated")
    refuse_bomb(place, info.compress_size, info.file_size)


def kind_of(mode: int) -> str:
    """Describe the kind of a file with a mode (`os.stat_result.st_mode`), such as "a pipe"."""
    return KINDS.get(stat.filemode(mode)[0], "a file")


def expanded(path: str | Path) -> Path:
    """Return a path with ~ and ~user replaced by the home folder; raise OptionError if it is unknown."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise OptionError(f"{path}: unknown home folder") from None


def _open_descriptor(path: str, flags: int) -> int:
    handle = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    mode = os.fstat(handle).st_mode
    if stat.S_ISREG(mode):
        return handle
    os.close(handle)
    raise OSError(NOT_REGULAR, f"it is {kind_of(mode)}; expected a file")


def _damaged(path: Path | str, what: str, error: Exception) -> FormatError:
    message = printable(" ".join(str(error).split()))
    return FormatError(f"{path}: damaged {what} ({type(error).__name__}{f': {message}' if message else ''})")
