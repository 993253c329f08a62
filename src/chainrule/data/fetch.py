"""Fetching the files of a data set from several sources. The cache verifies every file by its SHA-256.

A source yields (record, blocks) for the wanted files. When it fails, the files fetched so far are kept, and the next
source is tried for the rest; a host that failed once is not tried again.
"""

import gzip
import io
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeAlias, cast

from chainrule.data.cache import PARTIAL, Blocks, CacheWriteError, FileRecord, make_folder, store
from chainrule.data.progress import Advance, Reporter
from chainrule.errors import DataError

if TYPE_CHECKING:
    from typing_extensions import Buffer

Brought: TypeAlias = Generator[tuple[FileRecord, Blocks]]
BLOCK = 1 << 18
TIMEOUT_SECONDS = 8.0


@dataclass(frozen=True)
class Source:
    """A source of files: its name in messages, and the function that fetches wanted files.

    bring(wanted, work, report) may use the folder `work`, which is removed afterwards.
    """

    label: str
    bring: Callable[[Sequence[FileRecord], Path, Reporter], Brought]


def fetch(wanted: Sequence[FileRecord], sources: Sequence[Source], folder: Path, report: Reporter) -> list[str]:
    """Fetch files into a folder of the cache, each from the first source that has it.

    Return an empty list on success, otherwise a line per source that says how it failed.
    """
    make_folder(folder)
    missing = list(wanted)
    failed: list[str] = []
    for source in sources:
        try:
            with _work_folder(folder) as work, closing(source.bring(tuple(missing), work, report)) as brought:
                for record, blocks in brought:
                    store(record, blocks, folder)
                    missing.remove(record)
        except CacheWriteError:
            raise
        except Exception as error:  # from the network, a tool, or the decoder of a damaged container
            failed.append(f"{source.label}: {_reason(error)}")
        if not missing:
            return []
    return failed


def mirror(host: str, path: str) -> Source:
    """Return the source for a host that serves each file as https://host/path/NAME.gz."""

    def bring(wanted: Sequence[FileRecord], work: Path, report: Reporter) -> Brought:
        for record in wanted:
            url, shown = f"https://{host}/{path}/{record.name}.gz", f"{record.name} from {host}"
            with open_https(url) as (stream, size), report.task(shown, size) as advance:
                packed = io.BufferedReader(_Counted(stream, advance, record), BLOCK)
                yield record, blocks_of(cast(IO[bytes], gzip.GzipFile(fileobj=packed)))

    return Source(host, bring)


def download(url: str, path: Path, max_bytes: int, report: Reporter) -> None:
    """Download an https address to a file; DataError when it is larger than `max_bytes` bytes."""
    with open_https(url) as (stream, size), path.open("wb") as out, report.task(path.name, size) as advance:
        found = 0
        for block in blocks_of(stream):
            found += len(block)
            if found > max_bytes:
                raise DataError(f"{path.name} is larger than the {max_bytes} bytes expected")
            out.write(block)
            advance(len(block))


def blocks_of(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield a stream in blocks of a quarter of a megabyte."""
    while block := stream.read(BLOCK):
        yield block


@contextmanager
def open_https(url: str) -> Generator[tuple[IO[bytes], int | None]]:
    """Open an https address as (stream, size in bytes or None); a redirect must stay on https."""
    import urllib.request

    request = urllib.request.Request(url, headers={"User-Agent": "chainrule"})
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
        if not response.url.startswith("https://"):
            raise DataError(f"{url} leads away from https, to {response.url}")
        size = response.headers.get("Content-Length", "")
        yield response, int(size) if size.isdigit() else None


class _Counted(io.RawIOBase):
    """A compressed stream that reports the number of bytes read to a progress bar.

    Errors   DataError when it is larger than the unpacked file, as a stream of empty gzip members without end is
    """

    def __init__(self, stream: IO[bytes], advance: Advance, record: FileRecord) -> None:
        self._stream, self._advance, self._name = stream, advance, record.name
        self._left = record.size + BLOCK  # gzip makes nothing much larger

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "Buffer", /) -> int:
        view = memoryview(buffer).cast("B")
        block = self._stream.read(len(view))
        view[: len(block)] = block
        self._left -= len(block)
        if self._left < 0:
            raise DataError(f"{self._name}.gz is larger than the file that it should hold")
        self._advance(len(block))
        return len(block)


@contextmanager
def _work_folder(folder: Path) -> Generator[Path]:
    try:
        work = tempfile.TemporaryDirectory(prefix=PARTIAL, dir=folder, ignore_cleanup_errors=True)
    except OSError as error:
        raise CacheWriteError(f"cannot write the cache {folder} ({error.strerror or error})") from error
    with work as path:
        yield Path(path)


def _reason(error: BaseException) -> str:
    import urllib.error

    cause = error.reason if isinstance(error, urllib.error.URLError) and not str(error).startswith("HTTP") else error
    text = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
    return " ".join(text.split()) or type(error).__name__
