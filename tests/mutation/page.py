"""docs/mutation.md: the table of counts is generated, the reasons for surviving mutants are written by hand."""

import fnmatch
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from mutation.changes import Change
from mutation.subjects import ROOT, Subject

from chainrule.plotting.markdown import MARKS, insert, table

PAGE = ROOT / "docs/mutation.md"
HEAD = ("name", "mutants", "killed", "endless", "survived", "killed, %", "seconds", "commit")
TOTAL = "all"
MUTANTS, PERCENT = HEAD.index("mutants"), HEAD.index("killed, %")
REASON = re.compile(r"^\| `(?P<module>[^`]+)` \| `+ ?(?P<part>.+?) ?`+ \| (?P<why>.+) \|$", re.M)


@dataclass(frozen=True)
class Outcome:
    """Results for the changes of one subject. Those that never end are among the killed: no test can pass on them."""

    mutants: int
    killed: int
    endless: int
    survivors: list[Change]
    seconds: float


def commit() -> str:
    """Return the beginning of the current commit's hash, or "" outside a clone."""
    command = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def row(subject: Subject, outcome: Outcome) -> tuple[str, ...]:
    """Return a subject's row of the table."""
    counts = (outcome.mutants, outcome.killed, outcome.endless, len(outcome.survivors))
    percent = _percent(outcome.killed, outcome.mutants)
    return (subject.name, *map(str, counts), percent, f"{outcome.seconds:.0f}", commit())


def stored(page: Path) -> dict[str, tuple[str, ...]]:
    """Return the page's rows by name."""
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    lines = text.partition(MARKS[0])[2].partition(MARKS[1])[0].splitlines()
    rows = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines if line.startswith("| ")]
    return {row[0]: row for row in rows if row[0] not in (HEAD[0], "---", TOTAL)}


def write(page: Path, rows: dict[str, tuple[str, ...]]) -> None:
    """Write the table to the page, with the total."""
    ordered = [rows[name] for name in sorted(rows)]
    insert(page, table([HEAD, *ordered, total(ordered)]))


def total(rows: list[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the total of all rows."""
    mutants, killed, endless, survived, seconds = (
        sum(int(row[HEAD.index(name)]) for row in rows) for name in (*HEAD[1:5], "seconds")
    )
    return (TOTAL, *map(str, (mutants, killed, endless, survived)), _percent(killed, mutants), str(seconds), "")


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
