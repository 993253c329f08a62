"""Tests with every register width and number of threads that this processor can run: `make test-processors`.

PYTHONPATH=tests python -m processors [--markdown PAGE] [options of pytest]

Each combination is a process of pytest. The page keeps the results of other versions of Python and other widths, which
other environments and machines wrote. The last line states what was not run.
"""

import argparse
import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from chainrule.engines.native.build import WIDTHS
from chainrule.engines.native.library import VARIABLE, WIDTH
from chainrule.engines.options import THREADS_VARIABLE
from chainrule.plotting import markdown

ROOT = Path(__file__).parents[2]
FOLDERS = [f"tests/{name}" for name in ("engines", "interop", "layers", "models", "networks", "training")]
THREADS = (1, 2, 3)
MARKS = ("<!-- processors -->", "<!-- end of processors -->")
HEADS = ("Python", "NumPy", "register bits", *(f"threads: {count}" for count in THREADS), "commit")
NOT_RUN = "not run"


def main() -> int:
    """Run the tests in every combination; return 1 if one fails."""
    parser = argparse.ArgumentParser(prog="processors", allow_abbrev=False)
    parser.add_argument("--markdown", type=Path, metavar="PAGE", help="write the results between the marks of a page")
    options, more = parser.parse_known_args()
    python = ".".join(platform.python_version_tuple()[:2])
    results = {bits: [_outcome(bits, count, more) for count in THREADS] for bits in WIDTHS if bits <= 8 * WIDTH}
    if options.markdown:
        rows = {(version, str(bits)): _row(version, bits) for version in _pythons() for bits in WIDTHS}
        rows |= {(row[0], row[2]): row for row in markdown.rows(options.markdown, MARKS)}
        rows |= {(python, str(bits)): _row(python, bits, cells) for bits, cells in results.items()}
        markdown.insert(options.markdown, f"{markdown.table([HEADS, *rows.values()])}\n\n{markdown.machine()}", MARKS)
    wider = [f"{bits} bits (this processor has registers of {8 * WIDTH})" for bits in WIDTHS if bits not in results]
    others = [f"Python {version} (VENV=… PYTHON=python{version})" for version in _pythons() if version != python]
    print("not run here:", ", ".join([*wider, *others]) or "nothing")
    return int(any("failed" in cell or "error" in cell for cells in results.values() for cell in cells))


def _outcome(bits: int, threads: int, more: Sequence[str]) -> str:
    """Return the counts that pytest prints at its end; print them too."""
    environment = {**os.environ, VARIABLE: str(bits), THREADS_VARIABLE: str(threads)}
    command = [sys.executable, "-m", "pytest", "-q", "-m", "", *more, *FOLDERS]
    done = subprocess.run(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    counts = re.findall(r"(\d+) (passed|failed|skipped|errors?)\b", done.stdout.strip().rpartition("\n")[2])
    shown = ", ".join(f"{int(count):,} {what}" for count, what in counts) or f"error: exit code {done.returncode}"
    if done.returncode:
        print(done.stdout)
    print(f"{bits} bits, threads: {threads}: {shown}", flush=True)
    return shown


def _row(python: str, bits: int, cells: Sequence[str] = (NOT_RUN,) * len(THREADS)) -> list[str]:
    has_run = NOT_RUN not in cells
    return [python, metadata.version("numpy") if has_run else "–", str(bits), *cells, _commit() if has_run else "–"]


def _pythons() -> list[str]:
    """Return the versions of Python that the package names as supported."""
    classifiers = metadata.metadata("chainrule").get_all("Classifier") or []
    return re.findall(r"^Programming Language :: Python :: (3\.\d+)$", "\n".join(classifiers), re.M)


def _commit() -> str:
    """Return the current commit, marked if files are changed."""
    words = ["git", "describe", "--always", "--dirty=, changed", "--exclude=*"]
    return subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False).stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main())
