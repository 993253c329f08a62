"""Grade a folder of submissions. Each submission runs in its own process, and its results are checked in this process.

A submission's process returns only arrays and plain values (`host`). SECURITY.md describes the protection that this
provides. The level of hints determines how much a report reveals, from verdicts only to mistakes and corrections.
"""

import re
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from chainrule._io.files import csv_bytes, write_atomic
from chainrule.check import contracts
from chainrule.check.assignments import Assignment, StudentTask, draw_task, load_layer
from chainrule.check.checked_file import CheckedFile
from chainrule.check.file_assignments import CourseAssignment, FileAssignment
from chainrule.check.file_checks import check_file
from chainrule.check.host import (
    Limits,
    Permissions,
    available_protection,
    open_file,
    package_folders,
)
from chainrule.check.host.process import SLOW
from chainrule.check.learner_checks import check_layer
from chainrule.check.learner_task import LearnerTask
from chainrule.check.report import NOT_CHECKED, SINGLE_ONLY, UNWRITTEN, Diagnosis, Report, Row
from chainrule.check.submissions import Submission, entries, single_entry, student_of
from chainrule.check.wrong_numbers import FirstWrong, WorstEntry
from chainrule.custom.calls import FormError
from chainrule.errors import ChainruleError, OptionError, one_line

REFUSAL = re.compile("a submission may not .*: it is checked in isolation")  # printed by guest/fence.py
VERDICTS, NUMBERS, TERMS, ALL = range(4)  # levels of hints
LEVELS = (
    "verdicts only",
    "the first wrong number of each result, and its index",
    "the terms of its sum, expected and found, and the page of the derivation",
    "the mistake, and how to correct it",
)
ALWAYS_SHOWN = (UNWRITTEN, "not-checked", "fails", "not-finite")  # diagnoses that are shown at every level
SECONDS, MEMORY = 30, 2048  # default limits of a submission: time in seconds, and memory in MB
SEED_COUNT = 1 << 32
COLUMNS = ("submission", "passed", "parts", "diagnosis", "remark", "seconds", "seed", "draw", "protection", "unjudged")
NOT_RUN = "not run"  # protection of an entry without a file to grade
IMPORT_HINT = " (a submission may import NumPy and the standard library; --package NAME exposes more)"


def limit_hints(report: Report, level: int) -> Report:
    """Return a report that reveals no more than a level of hints allows. ``level`` is an index of `LEVELS`."""
    return replace(report, rows=tuple(_limit_row(row, level) for row in report.rows))


def _limit_row(row: Row, level: int) -> Row:
    """Return a row without what its level of hints withholds: diagnoses, then the terms of the first wrong number."""
    if level >= ALL or row.is_right:
        return row
    shown = list[Diagnosis]()
    pages = dict[str, None]()
    for diagnosis in row.diagnoses:
        if diagnosis.name in ALWAYS_SHOWN:
            shown.append(diagnosis)
        if diagnosis.page is not None:
            pages[diagnosis.page] = None
    if level == VERDICTS:
        return replace(row, error=None, diagnoses=tuple(shown), notes=(), worst=None, first=None)
    first = row.first
    notes = list(row.notes)
    if first is not None and level < TERMS:
        first = FirstWrong(first.index, first.actual, first.expected)
    elif level >= TERMS and (first is None or not first.page):  # the first wrong number would name its page itself
        for page in pages:
            notes.append(f"{row.title} is derived in {page}")
    return replace(row, diagnoses=tuple(shown), first=first, notes=tuple(notes))


@dataclass(frozen=True)
class PartResult:
    """The verdict on one part of a submission: the output, a gradient, a function or a class.

    diagnosis   short names of the mistakes; empty if the part is right
    remark      description of the mistakes in sentences
    details     lines with the first wrong number and the terms of its sum
    verdict     verdict of `check`; empty if the part was not checked
    """

    part: str
    ok: bool
    diagnosis: str = ""
    remark: str = ""
    details: str = ""
    verdict: str = ""


@dataclass(frozen=True)
class Grade:
    """The result of grading a submission.

    passed, parts   number of right parts, and total number of parts
    diagnosis       short names of the mistakes by part, such as "dx: kernel-not-rotated"
    remark          description of the mistakes in sentences, or the reason why the submission could not be used
    seconds         grading time
    output          beginning of the submission's printed output
    judged          False if there was nothing to grade, its form is unknown, or the grader itself failed
    seed            seed of the values
    results         verdicts by part; empty if nothing was graded
    draw            input shape and seed drawn from the student's name; empty if they are equal for all students
    unjudged        names of the parts in a form that the checker cannot read, about which a person has to decide
    protection      what protected the grader from the submission, in one line
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
    results: tuple[PartResult, ...] = ()
    draw: str = ""
    protection: str = NOT_RUN
    unjudged: str = ""

    @property
    def ok(self) -> bool:
        """Whether every part is right."""
        return self.judged and self.passed == self.parts

    @property
    def complete(self) -> bool:
        """Whether every part was judged, right or wrong."""
        return self.judged and not self.unjudged


def grade(
    folder: Path,
    against: str | None,
    *,
    contract: str | None = None,
    course: str | None = None,
    shape: Sequence[int] | None = None,
    seed: int | None = None,
    seconds: int = SECONDS,
    memory: int = MEMORY,
    packages: Sequence[str] = (),
    single: bool = False,
    by_name: bool = False,
    student: str | None = None,
    hints: int = ALL,
    ties: str | None = None,
    samples: str | None = None,
) -> Iterator[Grade]:
    """Yield the grade of each entry of a folder, in the order of `submissions.entries`.

    against   an expression for the layer to implement, the name of a loss, or names of functions and classes
    contract  how the code is called, as text or the name of a file; None: find out
    course    name of a course whose contracts apply, to the names in ``against`` or to all of its own; None: none
    shape     shape of one input, without the batch axis; None: choose one
    seed      seed of the values; None: a random seed, so that submissions cannot predict the values
    seconds   time limit for a submission's code; if it has several functions and classes, for each of them
    memory    memory limit in MB
    packages  packages that submissions may import in addition to NumPy and the standard library
    single    whether the folder, or a file, is one submission
    by_name   whether values and input shapes are drawn from each student's name (`assignments.draw_task`)
    student   student's name for a single submission; default: the name of its file or folder
    hints     how much the grades reveal, from 0 (verdicts) to 3 (mistakes)
    ties      "first" if max pooling must pass dy to the first of several largest elements
    samples   "one" if submissions should take one sample at a time; what fails for batches otherwise earns no points
    """
    task = assignment(against, None if shape is None else tuple(shape), course)
    base = LearnerTask(ties=ties, samples=samples, contract=None if contract is None else contracts.read(contract))
    if seed is None:
        grading_seed = secrets.randbelow(SEED_COUNT)
    else:
        grading_seed = seed
    folders = package_folders(packages)
    if single:
        submissions = [single_entry(folder, task.definitions)]
    else:
        submissions = entries(folder, task.definitions)

    def row(entry: Submission) -> Grade:
        name = student or student_of(entry.name)
        if by_name:
            drawn = draw_task(task, grading_seed, name)
        else:
            drawn = StudentTask(task, grading_seed)
        permissions = Permissions(entry.readable, folders, memory << 20)
        return _grade_entry(entry, drawn, grading_seed, seconds, permissions, hints, base)

    return map(row, submissions)


def assignment(
    against: str | None, shape: tuple[int, ...] | None, course: str | None = None
) -> Assignment | FileAssignment:
    """Return the assignment for a layer expression, a loss name, or names of functions and classes of known formats.

    course  name of the course that the names belong to; None: any
    """
    if course is not None:
        return CourseAssignment.of_course(course, against)
    if against is None:
        raise OptionError("state what to grade: --against LAYER, or --course NAME")
    file_assignment = FileAssignment.of(against)
    if file_assignment is not None and shape is not None:
        raise OptionError("the input shape applies to a single layer: functions and classes have fixed input shapes")
    return file_assignment or Assignment.of(against, shape)


def file_report(
    file: CheckedFile, title: str, name: str | None, against: str | None, base: LearnerTask, seed: int
) -> Report:
    """Return the report of a file, as `chainrule check` prints it.

    name      a class, an object or a function in the file; None: all
    against   the layer or loss to implement, or names of functions and classes; None: find out
    base      the contract or the course, the input shape, names of constants, the treatment of ties and of samples

    With ``against`` or a shape, the report is on a single layer or loss, or on the functions and classes that
    ``against`` names. Otherwise, it is on NAME or the whole file, if these are functions or classes in known formats.
    """
    names = None if name is None else [name]
    if base.course is not None:
        return contracts.course_report(file, base.course, base, seed, title, names)
    if against is not None:
        return assignment(against, base.shape).report(file, seed, name, base)[0]
    if base.contract is not None:
        return contracts.stated_report(file, base.contract, None, base, seed)
    if base.shape is None:
        report = check_file(file, title, seed, base, names)
    else:
        report = None
    if report is not None:
        return report
    return check_layer(*load_layer(file, name, base, {}), seed)


def write_csv(rows: Sequence[Grade], path: Path, extra_columns: Sequence[Mapping[str, float]] | None = None) -> None:
    """Write the grades as a CSV file for a spreadsheet. No cell can be interpreted as a formula.

    extra_columns  additional columns of each row by name, such as its points; None: none
    """
    header: list[Any] = list(COLUMNS)
    if extra_columns:
        header += extra_columns[0]
    table = [header]
    for number, row in enumerate(rows):
        cells = [getattr(row, name) for name in COLUMNS]
        if extra_columns:
            cells += extra_columns[number].values()
        table.append(cells)
    write_atomic(path, csv_bytes(table))


def _grade_entry(
    entry: Submission,
    drawn: StudentTask,
    seed: int,
    seconds: int,
    permissions: Permissions,
    hints: int,
    base: LearnerTask,
) -> Grade:
    """Return the grade of an entry. If grading fails, the remark describes the failure."""
    begin = time.monotonic()
    printed = list[str]()
    task = drawn.task
    if entry.file is None:
        protection = NOT_RUN
    else:
        protection = str(available_protection())

    def row(
        passed: int, diagnosis: str, remark: str, results: tuple[PartResult, ...] = (), judged: bool = True
    ) -> Grade:
        took = round(time.monotonic() - begin, 2)
        text = "".join(printed)
        refusals = list[Any]()
        for refusal in dict.fromkeys(REFUSAL.findall(text)):
            if refusal not in remark:
                refusals.append(refusal)
        remark = " ".join(filter(None, (remark, *(f"{refusal}." for refusal in refusals))))
        count = len(task.parts)
        unjudged = [result.part for result in results if result.verdict == NOT_CHECKED]
        return Grade(
            entry.name,
            passed,
            count,
            diagnosis,
            remark,
            took,
            text,
            judged,
            seed,
            results,
            drawn.record,
            protection,
            ", ".join(unjudged),
        )

    if entry.file is None:
        return row(0, "", f"not judged: {entry.reason}", judged=False)
    try:
        limits = Limits(seconds, task.max_reply, len(task.parts) if isinstance(task, FileAssignment) else 1)
        with open_file(entry.file, limits, permissions=permissions, on_output=printed.append) as file:
            report, wrong = task.report(file, drawn.seed, base=base)
        return row(*_summary(limit_hints(report, hints), task, wrong))
    except FormError as error:
        return row(0, "", f"not judged: {error}", judged=False)
    except ChainruleError as error:
        return row(0, "", str(error) + IMPORT_HINT * ("No module named" in str(error)))
    except Exception as error:  # a bug in the grader must not prevent the grading of other submissions
        message = one_line(f"{type(error).__name__}: {error}")
        return row(0, "", f"could not be judged because of an error in the grader: {message}", judged=False)


def _summary(
    report: Report, task: Assignment | FileAssignment, unverified: Mapping[str, str]
) -> tuple[int, str, str, tuple[PartResult, ...]]:
    """Return the number of right parts, the mistakes by name and in sentences, and the verdicts by part.

    unverified  sentences about parts that do not count, even if the report calls them right
    """
    by_part: dict[str, list[Row]] = {part: [] for part in task.parts}
    others = list[Row]()
    for row in report.rows:
        part = task.part(row)
        if part in by_part:
            by_part[part].append(row)
        elif not row.is_right:
            others.append(row)
    results = list[PartResult]()
    mistakes = list[str]()
    remarks = dict[str, str]()  # without the name of the part, so that a mistake in several parts is described once
    for part, rows in by_part.items():
        result = _part_result(part, rows, unverified.get(part))
        results.append(result)
        if not result.ok:
            mistakes.append(f"{part}: {result.diagnosis}")
        if result.remark:
            remarks.setdefault(result.remark.removeprefix(part), result.remark)
    sentences = [*remarks.values(), *map(_sentence, others)]
    for note in report.notes:
        if SLOW in note:
            sentences.append(f"{note}.")
    right = len(by_part) - max(len(mistakes), bool(others))  # no full marks if anything else is wrong or unchecked
    return right, "; ".join(mistakes), " ".join(dict.fromkeys(sentences)), tuple(results)


def _part_result(part: str, rows: Sequence[Row], unverified: str | None) -> PartResult:
    """Return the verdict on a part: right if it has rows, all of them are right, and the verification succeeds."""
    unearned = [row for row in rows if not row.is_earned]
    if unearned:
        decisive = min(unearned, key=lambda row: row.single)
        names = ", ".join(diagnosis.name for diagnosis in decisive.diagnoses) or "wrong"
        if decisive.verdict == SINGLE_ONLY:
            names = "single-samples"
        details = ""
        if decisive.first is not None:
            details = "\n".join(decisive.first.lines(decisive.title))
        return PartResult(part, False, names, _sentence(decisive), details, decisive.verdict)
    if unverified is not None or not rows:
        return PartResult(part, False, "wrong", unverified or f"{part} was not checked.")
    remark = " ".join(_sentence(row) for row in rows if row.accepted)
    return PartResult(part, True, "", remark, "", rows[0].verdict)


def _sentence(row: Row) -> str:
    """Return a sentence about a part that is wrong or earns no points."""
    if row.verdict == SINGLE_ONLY:
        return f"{row.title} is {SINGLE_ONLY}."
    if row.diagnoses:
        return f"{row.title} {' Or: '.join(map(str, row.diagnoses))}."
    if row.notes:
        return f"{'; '.join(row.notes)}."
    if row.first:
        shown = WorstEntry(row.first.index, row.first.actual, row.first.expected)
    else:
        shown = row.worst
    if shown:
        return f"{row.title} is wrong: {shown}."
    return f"{row.title} is wrong."
