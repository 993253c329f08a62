"""docs/mutation.md: the table of counts is generated, the reasons for surviving mutants are written by hand."""

import fnmatch
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from mutation.changes import Change
from mutation.subjects import ROOT, Subject

from chainrule.plotting.markdown import MARKS, insert, table

HEAD = ("module", "mutants", "killed", "endless", "survived", "killed, %", "seconds", "source")
REASON = re.compile(r"^\| `(?P<module>[^`]+)` \| `+ ?(?P<part>.+?) ?`+ \| (?P<why>.+) \|$", re.M)


@dataclass(frozen=True)
class Outcome:
    """Results for the changes of one module. Those that never end are among the killed: no test can pass on them."""

    mutants: int
    killed: int
    endless: int
    survivors: list[Change]
    seconds: float


def digest(subject: Subject) -> str:
    """Return the first letters of the source's SHA-256, which ties a row to this version of the module."""
    return hashlib.sha256((ROOT / subject.source).read_bytes()).hexdigest()[:8]


def row(subject: Subject, outcome: Outcome) -> tuple[str, ...]:
    """Return a module's row of the table."""
    counts = (outcome.mutants, outcome.killed, outcome.endless, len(outcome.survivors))
    percent = _percent(outcome.killed, outcome.mutants)
    return (subject.module, *map(str, counts), percent, f"{outcome.seconds:.0f}", digest(subject))


def kept(page: Path, subjects: dict[str, Subject]) -> dict[str, tuple[str, ...]]:
    """Return the page's existing rows of unchanged modules."""
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    lines = text.partition(MARKS[0])[2].partition(MARKS[1])[0].splitlines()
    rows = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines if line.startswith("| ")]
    return {one[0]: one for one in rows if one[0] in subjects and one[-1] == digest(subjects[one[0]])}


def write(page: Path, rows: dict[str, tuple[str, ...]], subjects: dict[str, Subject]) -> None:
    """Write the table to the page in the order of the subjects, with the total and the modules not run."""
    ordered = [rows[module] for module in subjects if module in rows]
    absent = [module for module in subjects if module not in rows]
    end = f"Not run on the source as it is: {', '.join(absent)}." if absent else "Every module has been run."
    insert(page, f"{table([HEAD, *ordered, total(ordered)])}\n\n{end}")


def total(rows: list[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the total of all rows."""
    mutants, killed, endless, survived = (sum(int(one[column]) for one in rows) for column in range(1, 5))
    seconds = sum(int(one[6]) for one in rows)
    return (
        "total",
        *map(str, (mutants, killed, endless, survived)),
        _percent(killed, mutants),
        str(seconds),
        "",
    )


def _percent(killed: int, mutants: int) -> str:
    return f"{100 * killed / mutants:.1f}" if mutants else "–"


def without_reason(page: Path, subject: Subject, survivors: list[Change]) -> list[Change]:
    """Return the survivors for which the page gives no reason.

    A row names a module or a pattern of modules, and quotes a part of the mutated line.
    """
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    parts = [
        found["part"].replace("\\|", "|")
        for found in REASON.finditer(text)
        if fnmatch.fnmatch(subject.module, found["module"])
    ]
    return [survivor for survivor in survivors if not any(part in survivor.after for part in parts)]
