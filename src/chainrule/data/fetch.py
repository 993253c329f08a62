"""Bringing the files of a data set from somewhere else. Whatever brings them, the cache checks their SHA-256.

A source yields (record, blocks) for files that are wanted. When it fails, what it brought so far is kept, and the next
source is asked for the rest: so a host that failed once is not tried again.
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
    """A place that may have files: what to call it, and how to bring those that are wanted.

    bring(wanted, work, report) may use the folder `work`, which is removed afterwards.
    """

    label: str
    bring: Callable[[Sequence[FileRecord], Path, Reporter], Brought]


def fetch(wanted: Sequence[FileRecord], sources: Sequence[Source], folder: Path, report: Reporter) -> list[str]:
    """Bring files into a folder of the cache from the first source that has each.

    Returns nothing when all of them are there, otherwise what was tried and how it failed, a line a source.
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
        except Exception as error:  # the network's, a tool's, or that of whatever decodes a damaged container
            failed.append(f"{source.label}: {_reason(error)}")
        if not missing:
            return []
    return failed


def mirror(host: str, path: str) -> Source:
    """A host that serves each file as https://host/path/NAME.gz."""

    def bring(wanted: Sequence[FileRecord], work: Path, report: Reporter) -> Brought:
        for record in wanted:
            url, shown = f"https://{host}/{path}/{record.name}.gz", f"{record.name} from {host}"
            with opened(url) as (stream, size), report.task(shown, size) as advance:
                packed = io.BufferedReader(_Counted(stream, advance), BLOCK)
                yield record, blocks_of(cast(IO[bytes], gzip.GzipFile(fileobj=packed)))

    return Source(host, bring)


def download(url: str, path: Path, most: int, report: Reporter) -> None:
    """Save what an https address serves; DataError when it is larger than `most` bytes."""
    with opened(url) as (stream, size), path.open("wb") as out, report.task(path.name, size) as advance:
        found = 0
        for block in blocks_of(stream):
            found += len(block)
            if found > most:
                raise DataError(f"{path.name} is larger than the {most} bytes expected")
            out.write(block)
            advance(len(block))


def blocks_of(stream: IO[bytes]) -> Iterator[bytes]:
    """A stream, a quarter of a megabyte at a time."""
    while block := stream.read(BLOCK):
        yield block


@contextmanager
def opened(url: str) -> Generator[tuple[IO[bytes], int | None]]:
    """An https address as (stream, its size in bytes or None); a redirect must stay on https."""
    import urllib.request

    request = urllib.request.Request(url, headers={"User-Agent": "chainrule"})
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
        if not response.url.startswith("https://"):
            raise DataError(f"{url} leads away from https, to {response.url}")
        size = response.headers.get("Content-Length", "")
        yield response, int(size) if size.isdigit() else None


class _Counted(io.RawIOBase):
    """A stream that tells a progress bar how much was read of it."""

    def __init__(self, stream: IO[bytes], advance: Advance) -> None:
        self._stream, self._advance = stream, advance

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "Buffer", /) -> int:
        view = memoryview(buffer).cast("B")
        block = self._stream.read(len(view))
        view[: len(block)] = block
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
