"""Reading of untrusted files: regular files only, with every failure of a decoder turned into a `ChainruleError`.

A library that reads a format (Pillow, zipfile, tarfile) may raise any exception on a damaged file. It is called
inside `decoding` or `reading`, so that no list of its exceptions has to be kept.
"""

import os
import stat
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from chainrule.errors import ChainruleError, DataError, FileTooLargeError, FormatError, OptionError, printable

if TYPE_CHECKING:
    import zipfile

BOMB_BYTES, BOMB_RATIO = 100_000_000, 100  # a file beyond both is a decompression bomb
ZIP_PACKING, ZIP_ENCRYPTED = (0, 8), 1  # numbers of the methods "stored" and "deflated"; bit of a member's flags
NOT_REGULAR = 0  # errno that no operating system uses
KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


@contextmanager
def open_regular(path: Path, error_type: type[ChainruleError] = DataError) -> Generator[BinaryIO]:
    """Open a regular file for reading bytes, without blocking: a pipe or a device is refused.

    refusal   error to raise when the path cannot be opened or read, or is not a regular file
    """
    if "\0" in str(path):
        raise error_type(f"{path}: cannot be read (its name holds a null byte)")
    try:
        with open(path, "rb", opener=_open_descriptor) as stream:
            yield stream
    except OSError as error:
        if error.errno is None:  # raised by a decoder, not by the operating system
            raise
        raise error_type(f"{path}: cannot be read ({error.strerror or error})") from None


@contextmanager
def decoding(path: Path | str, what: str) -> Generator[None]:
    """Turn any exception that a library raises while decoding a file into a FormatError naming file and exception.

    what   kind of file, for the message, such as "image"
    """
    try:
        with warnings.catch_warnings():  # the library's warnings are not for our users
            warnings.simplefilter("ignore")
            yield
    except ChainruleError:
        raise
    except MemoryError:
        raise FileTooLargeError(f"{path}: not enough memory for this {what}") from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise _damaged(path, what, error) from error
    except Exception as error:
        raise _damaged(path, what, error) from error


@contextmanager
def reading(path: Path, what: str, error_type: type[ChainruleError] = DataError) -> Generator[BinaryIO]:
    """Open a regular file and decode it: `open_regular` combined with `decoding`."""
    with open_regular(path, error_type) as stream, decoding(path, what):
        yield stream


def read_bytes(path: Path, max_bytes: int, error_type: type[ChainruleError] = DataError) -> bytes:
    """Read the bytes of a regular file; FormatError when there are more than ``max_bytes``."""
    with open_regular(path, error_type) as stream:
        if (size := os.fstat(stream.fileno()).st_size) > max_bytes:
            raise FormatError(f"{path}: {size} bytes; expected at most {max_bytes}")
        return stream.read()


def refuse_bomb(path: Path | str, packed: int, unpacked: int) -> None:
    """Raise FormatError for content that would unpack to more than 100 MB and more than 100 times its packed size."""
    if unpacked > BOMB_BYTES and unpacked > BOMB_RATIO * packed:
        found = f"its header promises {unpacked} bytes, packed into {packed}"
        raise FormatError(f"{path}: {found}; expected at most {BOMB_RATIO} times as many")


def read_zip_member(archive: "zipfile.ZipFile", info: "zipfile.ZipInfo", place: str) -> bytes:
    """Return a member of a zip archive; FormatError unless it is plain or deflated, and unpacks to its stated size.

    `ZipFile.read` unpacks everything that the compressed bytes hold, whatever size the archive states. Here unpacking
    ends at the stated size, which must not be that of a bomb.
    """
    check_zip_member(info, place)
    refuse_bomb(place, info.compress_size, info.file_size)
    with archive.open(info) as stream:
        content = stream.read(info.file_size + 1)  # one more, so that zipfile meets the end and checks the checksum
    if len(content) != info.file_size:
        raise FormatError(f"{place}: {len(content)} bytes; its archive promises {info.file_size}")
    return content


def check_zip_member(info: "zipfile.ZipInfo", place: str) -> None:
    """Raise FormatError for a member that zipfile cannot unpack in bounded memory: neither plain nor deflated."""
    if info.compress_type not in ZIP_PACKING or info.flag_bits & ZIP_ENCRYPTED:
        raise FormatError(f"{place}: encrypted, or packed by method {info.compress_type}; expected plain or deflated")


def kind_of(mode: int) -> str:
    """Return the kind of file for a mode (`os.stat_result.st_mode`) in words, such as "a pipe"."""
    return next((name for is_kind, name in KINDS if is_kind(mode)), "a file")


def expanded(path: str | Path) -> Path:
    """Return a path with ~ and ~user replaced by the home folder; OptionError when there is no such user."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise OptionError(f"{path}: there is no such home folder") from None


def _open_descriptor(path: str, flags: int) -> int:
    handle = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    mode = os.fstat(handle).st_mode
    if stat.S_ISREG(mode):
        return handle
    os.close(handle)
    raise OSError(NOT_REGULAR, f"it is {kind_of(mode)}; expected a file")


def _damaged(path: Path | str, what: str, error: Exception) -> FormatError:
    said = printable(" ".join(str(error).split()))
    return FormatError(f"{path}: damaged {what} ({type(error).__name__}{f': {said}' if said else ''})")
