"""Grading of a folder of submissions: each runs in its own process, is judged in this one, and becomes a row.

The process of a submission returns only arrays and plain values (`host`). SECURITY.md says what this protects from.
"""

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chainrule.check.entries import Submission, entries
from chainrule.check.entry import check_gradients
from chainrule.check.host import Limits, Permissions, host_file, package_folders
from chainrule.check.report import Report, Row
from chainrule.check.verifying import Assignment, verify
from chainrule.errors import ChainruleError, one_line
from chainrule.files import csv_bytes, write_atomic

SECONDS, MEMORY = 30, 2048  # limits of each submission; memory in MB
SEEDS = 1 << 32
COLUMNS = ("submission", "passed", "parts", "diagnosis", "remark", "seconds", "seed")
MISSING = " (a submission may import NumPy and the standard library; --package NAME exposes more)"


@dataclass(frozen=True)
class Grade:
    """The row of a submission.

    passed, parts   number of right parts (the output and the gradients), and number of all parts
    diagnosis       short names of the mistakes by part: "dx: kernel-not-rotated"
    remark          the same in sentences, or the reason why the submission could not be used
    seconds         time taken
    output          beginning of what the submission printed
    judged          False if there was nothing to judge, or the grader itself failed
    seed            seed of the values that the submission was given
    """

    submission: str
    passed: int
    parts: int
    diagnosis: str
    remark: str
    seconds: float
    output: str = ""
    judged: bool = True
    seed: int = 0

    @property
    def ok(self) -> bool:
        """Whether every part is right."""
        return self.judged and self.passed == self.parts


def grade(
    folder: Path,
    against: str,
    *,
    shape: Sequence[int] | None = None,
    seed: int | None = None,
    seconds: int = SECONDS,
    memory: int = MEMORY,
    packages: Sequence[str] = (),
) -> Iterator[Grade]:
    """Yield the row of every entry of a folder, one after the other, in the order of `entries`.

    against   the layer to be written, as an expression, or the name of a loss
    shape     shape of one input, without the batch axis; chosen when not given
    seed      seed of the values that submissions are given; random when not given, so that they are unpredictable
    seconds   limit on the time that the process of a submission takes over its answers
    memory    limit on its memory, in MB
    packages  packages that submissions may import besides NumPy and the standard library
    """
    task = Assignment.of(against, None if shape is None else tuple(shape))
    number = secrets.randbelow(SEEDS) if seed is None else seed
    folders, found = package_folders(packages), entries(folder)
    return (_row(entry, task, number, seconds, Permissions(entry.readable, folders, memory << 20)) for entry in found)


def write_csv(rows: Sequence[Grade], path: Path) -> None:
    """Write the rows as CSV for a spreadsheet; no cell is interpreted as a formula."""
    write_atomic(path, csv_bytes([COLUMNS, *([getattr(row, column) for column in COLUMNS] for row in rows)]))


def _row(entry: Submission, task: Assignment, seed: int, seconds: int, stranger: Permissions) -> Grade:
    """Return the row of an entry; a failure of any kind becomes its remark."""
    begin, printed = time.monotonic(), list[str]()

    def row(passed: int, diagnosis: str, remark: str, judged: bool = True) -> Grade:
        took = round(time.monotonic() - begin, 2)
        return Grade(entry.name, passed, len(task.parts), diagnosis, remark, took, "".join(printed), judged, seed)

    if entry.file is None:
        return row(0, "", f"not judged: {entry.reason}", judged=False)
    try:
        limits = Limits(seconds, task.reply)
        with host_file(entry.file, limits, loss=task.is_loss, stranger=stranger, printed=printed.append) as guest:
            report = check_gradients(
                guest.subject, against=task.against, input_shape=task.shape, seed=seed, name=guest.name
            )
            wrong = verify(guest.subject, task, report, seed)
        return row(*_summary(report, task.parts, wrong))
    except ChainruleError as error:
        return row(0, "", str(error) + MISSING * ("No module named" in str(error)))
    except Exception as error:  # a mistake of the grader: the other submissions are still graded
        said = one_line(f"{type(error).__name__}: {error}")
        return row(0, "", f"could not be judged, by a mistake of the grader: {said}", judged=False)


def _summary(report: Report, parts: Sequence[str], unverified: Mapping[str, str]) -> tuple[int, str, str]:
    """Return the number of right parts, and the mistakes by name and in sentences.

    unverified  sentences about parts that do not count, whatever the report says
    """
    names: list[str] = []
    told: list[str] = []
    for part in parts:
        rows = [row for row in report.rows if row.title == part]
        wrong = next((row for row in rows if row.ok is not True), None)
        if wrong is not None:
            names.append(f"{part}: {', '.join(one.name for one in wrong.diagnoses) or 'wrong'}")
            told.append(_sentence(wrong))
        elif part in unverified or not rows:
            names.append(f"{part}: wrong")
            told.append(unverified.get(part, f"{part} was not checked."))
    others = [row for row in report.rows if row.title not in parts and not row.ok]
    told += [_sentence(row) for row in others]
    right = min(len(parts) - len(names), len(parts) - bool(others))  # no full marks where something was not checked
    return right, "; ".join(names), " ".join(dict.fromkeys(told))


def _sentence(row: Row) -> str:
    """Return the sentence about a wrong part."""
    if row.diagnoses:
        return f"{row.title} {' Or: '.join(map(str, row.diagnoses))}."
    if row.notes:
        return f"{'; '.join(row.notes)}."
    return f"{row.title} is wrong: {row.worst}." if row.worst else f"{row.title} is wrong."
