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
    lines = list[str]()
    for row in rows:
        cells = [cell.replace("|", "\\|") for cell in row]
        lines.append(f"| {' | '.join(cells)} |")
    lines.insert(1, f"|{' --- |' * len(rows[0])}")
    return "\n".join(lines)


def write(
    path: Path,
    rows: Sequence[Sequence[str]],
    engine: str,
    threads: int,
    remark: str | None = None,
    marks: tuple[str, str] = MARKS,
) -> None:
    """Write a table, followed by engine, machine, versions and a remark, to a page; see `insert`."""
    origin = [f"{engine} engine", machine()]
    if engine == "compiled":
        origin[0] += f", {threads} thread{'s' if threads > 1 else ''}"
    if remark is not None:
        origin.append(remark)
    insert(path, f"{table(rows)}\n\n{'; '.join(origin)}", marks)


def insert(path: Path, generated: str, marks: tuple[str, str] = MARKS) -> None:
    """Write generated text to a page, between the comments `marks`; a page without them is replaced."""
    generated = f"{generated}\n"
    before, begin, rest = _read(path).partition(marks[0])
    _, end, after = rest.partition(marks[1])
    page = generated
    if end:
        page = f"{before}{begin}\n\n{generated}\n{end}{after}"
    files.write_atomic(path, page.encode())


def rows(path: Path, marks: tuple[str, str] = MARKS) -> list[list[str]]:
    """Return the rows of the table between the comments `marks` of a page, without its heading; [] if there is none."""
    _, _, rest = _read(path).partition(marks[0])
    generated, _, _ = rest.partition(marks[1])
    lines = [line for line in generated.splitlines() if line.startswith("|")]
    cells_by_row = list[list[str]]()
    for line in lines[2:]:
        cells = line.strip("|").split(" | ")
        cells_by_row.append([cell.strip() for cell in cells])
    return cells_by_row


def _read(path: Path) -> str:
    """Return the text of a page; "" if there is none."""
    if not path.is_file():
        return ""
    return path.read_text(encoding="utf-8")


def machine() -> str:
    """Describe this machine and the versions of chainrule, Python and NumPy in one line."""
    system = f"{_processor()}, {processors()} processors, {platform.system()}"
    versions = f"chainrule {__version__}, Python {platform.python_version()}, numpy {metadata.version('numpy')}"
    return f"{system}; {versions}"


def _processor() -> str:
    """Return the name of the processor as reported by the system."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
