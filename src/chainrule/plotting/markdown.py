"""Markdown tables for documentation pages, with the machine and the software versions that produced them."""

import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from chainrule._io import files
from chainrule.engines.options import processors
from chainrule.version import __version__

MARKS = ("<!-- table -->", "<!-- end of table -->")


def table(rows: Sequence[Sequence[str]]) -> str:
    """Format rows as a Markdown table; the first row is the heading."""
    head, *rest = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join([head, f"|{' --- |' * len(rows[0])}", *rest])


def write(
    path: Path,
    rows: Sequence[Sequence[str]],
    engine: str,
    threads: int,
    more: str = "",
    marks: tuple[str, str] = MARKS,
) -> None:
    """Write a table, followed by engine, machine, versions and the text `more`, to a page; see `insert`."""
    engine_text = f"{engine} engine"
    if engine == "compiled":
        engine_text += f", {threads} thread{'s' if threads > 1 else ''}"
    insert(path, f"{table(rows)}\n\n{'; '.join(filter(None, (engine_text, machine(), more)))}", marks)


def insert(path: Path, generated: str, marks: tuple[str, str] = MARKS) -> None:
    """Write generated text to a page, between the comments `marks`; a page without them is replaced."""
    page = path.read_text(encoding="utf-8") if path.is_file() else ""
    files.write_atomic(path, _replace_between(page, f"{generated}\n", marks).encode())


def rows(path: Path, marks: tuple[str, str] = MARKS) -> list[list[str]]:
    """Return the rows of the table between the comments `marks` of a page, without its heading; [] if there is none."""
    page = path.read_text(encoding="utf-8") if path.is_file() else ""
    lines = [line for line in page.partition(marks[0])[2].partition(marks[1])[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def _replace_between(page: str, generated: str, marks: tuple[str, str]) -> str:
    """Return the page with generated text between the comments `marks`, or only this text if they are missing."""
    before, begin, rest = page.partition(marks[0])
    _, end, after = rest.partition(marks[1])
    return f"{before}{begin}\n\n{generated}\n{end}{after}" if end else generated


def machine() -> str:
    """Describe this machine and the versions of chainrule, Python, NumPy and llvmlite in one line."""
    system = f"{_processor()}, {processors()} processors, {platform.system()}"
    versions = [f"chainrule {__version__}", f"Python {platform.python_version()}"]
    for name in ("numpy", "llvmlite"):
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return f"{system}; {', '.join(versions)}"


def _processor() -> str:
    """Return the name of the processor as reported by the system."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()
