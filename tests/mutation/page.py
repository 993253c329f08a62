"""docs/mutation.md: the table of counts is generated, the reasons for surviving mutants are written by hand."""

import fnmatch
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from mutation.changes import Change
from mutation.subjects import ROOT, Subject, packages, subject

from chainrule.plotting.markdown import MARKS, insert, table

PAGE = ROOT / "docs/mutation.md"
HEAD = ("name", "mutants", "killed", "endless", "survived", "killed, %", "seconds", "source")
PERCENT = HEAD.index("killed, %")
LEAST = 75.0  # per cent of the mutants of each package that its tests kill
REASON = re.compile(r"^\| `(?P<module>[^`]+)` \| `+ ?(?P<part>.+?) ?`+ \| (?P<why>.+) \|$", re.M)


@dataclass(frozen=True)
class Outcome:
    """Results for the changes of one subject. Those that never end are among the killed: no test can pass on them."""

    mutants: int
    killed: int
    endless: int
    survivors: list[Change]
    seconds: float


def digest(subject: Subject) -> str:
    """Return the first letters of the sources' SHA-256, which ties a row to this version of them."""
    return hashlib.sha256(b"".join(file.read_bytes() for file in subject.files)).hexdigest()[:8]


def row(subject: Subject, outcome: Outcome) -> tuple[str, ...]:
    """Return a subject's row of the table."""
    counts = (outcome.mutants, outcome.killed, outcome.endless, len(outcome.survivors))
    percent = _percent(outcome.killed, outcome.mutants)
    return (subject.name, *map(str, counts), percent, f"{outcome.seconds:.0f}", digest(subject))


def kept(page: Path) -> dict[str, tuple[str, ...]]:
    """Return the page's rows of sources that have not changed since."""
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    lines = text.partition(MARKS[0])[2].partition(MARKS[1])[0].splitlines()
    rows = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines if line.startswith("| ")]
    return {row[0]: row for row in rows if row[-1] not in (HEAD[-1], "") and row[-1] == digest(subject(row[0]))}


def write(page: Path, rows: dict[str, tuple[str, ...]]) -> None:
    """Write the table to the page, with the total and the packages not run."""
    ordered = [rows[name] for name in sorted(rows)]
    absent = [each.name for each in packages() if each.name not in rows]
    end = f"Not run on the source as it is: {', '.join(absent)}." if absent else "Every package has been run."
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


def without_reason(page: Path, survivors: list[Change]) -> list[Change]:
    """Return the survivors for which the page gives no reason.

    A row names a module or a pattern of modules, and quotes a part of the mutated line.
    """
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    reasons = [(row["module"], row["part"].replace("\\|", "|")) for row in REASON.finditer(text)]
    return [
        survivor
        for survivor in survivors
        if not any(fnmatch.fnmatch(survivor.module, module) and part in survivor.after for module, part in reasons)
    ]
