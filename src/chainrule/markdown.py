"""Tables for pages, with the machine and the versions that they were made with."""

import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from chainrule import engines, files
from chainrule.version import __version__

MARKS = ("<!-- table -->", "<!-- end of table -->")


def table(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first row is its heading."""
    head, *rest = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join([head, f"|{' --- |' * len(rows[0])}", *rest])


def write(path: Path, rows: Sequence[Sequence[str]], engine: str, threads: int) -> None:
    """Write a table and what it was made with; a page that has `MARKS` keeps its text and gets them in between."""
    used = f"{engine} engine, {threads} thread{'s' if threads > 1 else ''}" if engine == "numba" else f"{engine} engine"
    insert(path, f"{table(rows)}\n\n{used}; {machine()}")


def insert(path: Path, made: str, marks: tuple[str, str] = MARKS) -> None:
    """Write what was made to a page, between its marks where it has them."""
    page = path.read_text(encoding="utf-8") if path.is_file() else ""
    files.write_whole(path, _inserted(page, f"{made}\n", marks).encode())


def _inserted(page: str, made: str, marks: tuple[str, str]) -> str:
    """The page with what was made between its marks; what was made alone where there are none."""
    before, begin, rest = page.partition(marks[0])
    _, end, after = rest.partition(marks[1])
    return f"{before}{begin}\n\n{made}\n{end}{after}" if end else made


def machine() -> str:
    """This machine and the versions of what computes on it, in a line."""
    system = f"{_processor()}, {engines.processors()} processors, {platform.system()}"
    versions = [f"chainrule {__version__}", f"Python {platform.python_version()}"]
    for name in ("numpy", "numba"):
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return f"{system}; {', '.join(versions)}"


def _processor() -> str:
    """The name of the processor, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()
