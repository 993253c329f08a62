"""Grade a folder of submissions. Each submission runs in its own process, and its results are checked in this process.

A submission's process returns only arrays and plain values (`host`). SECURITY.md describes the protection that this
provides. The level of hints determines how much a report reveals, from verdicts only to mistakes and corrections.
"""

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from chainrule._io.files import csv_bytes, write_atomic
from chainrule.check import contracts
from chainrule.check.assignments import MAX_REPLY, Assignment, StudentTask, draw_task, is_expression
from chainrule.check.checked_file import CheckedFile
from chainrule.check.file_checks import check_file
from chainrule.check.host import (
    Limits,
    Permissions,
    available_protection,
    open_file,
    package_folders,
)
from chainrule.check.host.process import SLOW
from chainrule.check.learner_task import LearnerTask
from chainrule.check.report import NOT_CHECKED, SINGLE_ONLY, UNWRITTEN, CheckResult, Diagnosis, Report
from chainrule.check.submissions import Submission, entries, single_entry, student_of
from chainrule.check.wrong_numbers import FirstWrong, WorstEntry
from chainrule.custom.calls import InterfaceError
from chainrule.errors import ChainruleError, one_line

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
COLUMNS = ("submission", "passed", "parts", "diagnosis", "remark", "seconds", "seed", "draw", "protection", "ungraded")
NOT_RUN = "not run"  # protection of an entry without a file to grade
IMPORT_HINT = " (a submission may import NumPy and the standard library; --package NAME exposes more)"


def limit_hints(report: Report, level: int) -> Report:
    """Return a report that reveals no more than a level of hints allows. ``level`` is an index of `LEVELS`."""
    return replace(report, results=tuple(_limit_result(result, level) for result in report.results))


def _limit_result(result: CheckResult, level: int) -> CheckResult:
    """Return a result without what a level of hints withholds: diagnoses, then the terms of the first wrong number."""
    if level >= ALL or result.is_right:
        return result
    shown = list[Diagnosis]()
    pages = dict[str, None]()
    for diagnosis in result.diagnoses:
        if diagnosis.name in ALWAYS_SHOWN:
            shown.append(diagnosis)
        if diagnosis.page is not None:
            pages[diagnosis.page] = None
    if level == VERDICTS:
        return replace(result, error=None, diagnoses=tuple(shown), notes=(), worst=None, first=None)
    first = result.first
    notes = list(result.notes)
    if first is not None and level < TERMS:
        first = FirstWrong(first.index, first.actual, first.expected)
    elif level >= TERMS and (first is None or first.page is None):  # the first wrong number would name its page itself
        for page in pages:
            notes.append(f"{result.title} is derived in {page}")
    return replace(result, diagnoses=tuple(shown), first=first, notes=tuple(notes))


@dataclass(frozen=True)
class PartResult:
    """The verdict on one part of a submission: the output, a gradient, a function or a class.

    diagnosis   short names of the mistakes; None if the part is right
    remark      description of the mistakes in sentences; None if there is nothing to say
    details     lines with the first wrong number and the terms of its sum; None if no number is wrong
    verdict     verdict of `check`; None if the part was not checked
    """

    part: str
    ok: bool
    diagnosis: str | None = None
    remark: str | None = None
    details: str | None = None
    verdict: str | None = None


@dataclass(frozen=True)
class Grade:
    """The result of grading a submission.

    passed, parts   number of right parts, and total number of parts
    diagnosis       short names of the mistakes by part, such as "dx: kernel-not-rotated"; None without mistakes
    remark          description of the mistakes in sentences, or the reason why the submission could not be used
    seconds         grading time
    output          beginning of the submission's printed output
    graded          False if there was nothing to grade, its interface is unknown, or the grader itself failed
    seed            seed of the values
    results         verdicts by part; empty if nothing was graded
    draw            input shape and seed drawn from the student's name; None if they are equal for all students
    ungraded        names of the parts whose interface is unknown, which a person has to grade
    protection      what protected the grader from the submission, in one line
    """

    submission: str
    passed: int
    parts: int
    diagnosis: str | None
    remark: str
    seconds: float
    output: str = ""
    graded: bool = True
    seed: int = 0
    results: tuple[PartResult, ...] = ()
    draw: str | None = None
    protection: str = NOT_RUN
    ungraded: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every part is right."""
        return self.graded and self.passed == self.parts

    @property
    def complete(self) -> bool:
        """Whether every part was graded, right or wrong."""
        return self.graded and not self.ungraded


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
    shared: Sequence[str] = (),
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
    shared    names of entries of the folder that all submissions may import, which are no submissions
    """
    task = Assignment.of(against, None if shape is None else tuple(shape), course)
    base = LearnerTask(ties=ties, samples=samples, contract=None if contract is None else contracts.read(contract))
    if seed is None:
        grading_seed = secrets.randbelow(SEED_COUNT)
    else:
        grading_seed = seed
    folders = package_folders(packages)
    if single:
        submissions = [single_entry(folder, task.definitions, shared)]
    else:
        submissions = entries(folder, task.definitions, shared)

    def result(entry: Submission) -> Grade:
        name = student or student_of(entry.name)
        if by_name:
            drawn = draw_task(task, grading_seed, name)
        else:
            drawn = StudentTask(task, grading_seed)
        permissions = Permissions(entry.readable, folders, memory << 20)
        return _grade_entry(entry, drawn, grading_seed, seconds, permissions, hints, base)

    return map(result, submissions)


def file_report(
    file: CheckedFile, title: str, name: str | None, against: str | None, base: LearnerTask, seed: int
) -> Report:
    """Return the report of a file, as `chainrule check` prints it.

    name      a class, an object or a function in the file; None: all
    against   the layer, loss or optimizer to implement, or names of functions and classes; None: find out
    base      the contract or the course, the input shape, the treatment of ties and of samples
    """
    names = None if name is None else [name]
    base = replace(base, one_shape=base.shape is not None)
    if base.course is not None:
        return contracts.course_report(file, base.course, base, seed, title, names)
    if base.contract is not None:
        if names is None:
            return contracts.file_report(file, base.contract, against, base, seed)
        return contracts.stated_report(file, base.contract, against, base, seed)
    if against is not None and is_expression(against):
        return Assignment.of(against, base.shape).report(file, seed, name, base)[0]
    if against is not None and names is None:
        names = [part.strip() for part in against.split(",")]
        against = None
    return check_file(file, title, seed, base, names, against)


def write_csv(grades: Sequence[Grade], path: Path, extra_columns: Sequence[Mapping[str, float]] | None = None) -> None:
    """Write the grades as a CSV file for a spreadsheet. No cell can be interpreted as a formula.

    extra_columns  additional columns of each entry by name, such as its points; None: none
    """
    header: list[object] = list(COLUMNS)
    if extra_columns:
        header += extra_columns[0]
    table = [header]
    for number, entry in enumerate(grades):
        cells: dict[str, object] = {name: getattr(entry, name) for name in COLUMNS}
        cells["ungraded"] = ", ".join(entry.ungraded)
        if extra_columns:
            cells |= extra_columns[number]
        table.append([*cells.values()])
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
    task = drawn.task
    grade = Grade(entry.name, 0, len(task.parts), None, "", 0.0, seed=seed, draw=drawn.record)
    if entry.file is None:
        return replace(grade, remark=f"not graded: {entry.reason}", graded=False)
    grade = replace(grade, protection=str(available_protection()))
    begin = time.monotonic()
    printed = list[str]()
    try:
        limits = Limits(seconds, MAX_REPLY, 1 if task.against is not None else len(task.parts))
        with open_file(entry.file, limits, permissions=permissions, on_output=printed.append) as file:
            report, wrong = task.report(file, drawn.seed, base=base)
        grade = _with_report(grade, limit_hints(report, hints), task, wrong)
    except InterfaceError as error:
        grade = replace(grade, remark=f"not graded: {error}", graded=False)
    except ChainruleError as error:
        grade = replace(grade, remark=str(error))
    except Exception as error:  # a bug in the grader must not prevent the grading of other submissions
        message = one_line(f"{type(error).__name__}: {error}")
        remark = f"could not be graded because of an error in the grader: {message}"
        grade = replace(grade, remark=remark, graded=False)
    output = "".join(printed)
    remark = grade.remark
    if "No module named" in remark:
        remark += IMPORT_HINT
    return replace(grade, remark=remark, seconds=round(time.monotonic() - begin, 2), output=output)


def _with_report(grade: Grade, report: Report, task: Assignment, unverified: Mapping[str, str]) -> Grade:
    """Return a grade with the number of right parts, the mistakes by name and in sentences, and the verdicts by part.

    unverified  sentences about parts that do not count, even if the report calls them right
    """
    by_part: dict[str, list[CheckResult]] = {part: [] for part in task.parts}
    others = list[CheckResult]()
    for result in report.results:
        part = task.part(result)
        if part is not None and part in by_part:
            by_part[part].append(result)
        elif not result.is_right:
            others.append(result)
    part_results = list[PartResult]()
    mistakes = list[str]()
    ungraded = list[str]()
    remarks = dict[str, str]()  # without the name of the part, so that a mistake in several parts is described once
    for part, results in by_part.items():
        part_result = _part_result(part, results, unverified.get(part))
        part_results.append(part_result)
        if not part_result.ok:
            mistakes.append(f"{part}: {part_result.diagnosis}")
        if part_result.remark is not None:
            remarks.setdefault(part_result.remark.removeprefix(part), part_result.remark)
        if part_result.verdict == NOT_CHECKED:
            ungraded.append(part)
    sentences = [*remarks.values(), *map(_sentence, others)]
    for note in report.notes:
        if SLOW in note:
            sentences.append(f"{note}.")
    missed = len(mistakes)
    if others and not missed:
        missed = 1  # no full marks if anything else is wrong or unchecked
    return replace(
        grade,
        passed=len(by_part) - missed,
        diagnosis="; ".join(mistakes) or None,
        remark=" ".join(dict.fromkeys(sentences)),
        results=tuple(part_results),
        ungraded=tuple(ungraded),
    )


def _part_result(part: str, results: Sequence[CheckResult], unverified: str | None) -> PartResult:
    """Return the verdict on a part: right if it has results, all of them are right, and the verification succeeds."""
    unearned = [result for result in results if not result.is_earned]
    if unearned:
        decisive = min(unearned, key=lambda result: result.single)
        names = ", ".join(diagnosis.name for diagnosis in decisive.diagnoses) or "wrong"
        if decisive.verdict == SINGLE_ONLY:
            names = "single-samples"
        details = None
        if decisive.first is not None:
            details = "\n".join(decisive.first.lines(decisive.title))
        return PartResult(part, False, names, _sentence(decisive), details, decisive.verdict)
    if unverified is not None or not results:
        return PartResult(part, False, "wrong", unverified or f"{part} was not checked.")
    remark = " ".join(_sentence(result) for result in results if result.accepted) or None
    return PartResult(part, True, remark=remark, verdict=results[0].verdict)


def _sentence(result: CheckResult) -> str:
    """Return a sentence about a part that is wrong or earns no points."""
    if result.verdict == SINGLE_ONLY:
        return f"{result.title} is {SINGLE_ONLY}."
    if result.diagnoses:
        return f"{result.title} {' Or: '.join(map(str, result.diagnoses))}."
    if result.notes:
        return f"{'; '.join(result.notes)}."
    if result.first:
        shown = WorstEntry(result.first.index, result.first.actual, result.first.expected)
    else:
        shown = result.worst
    if shown:
        return f"{result.title} is wrong: {shown}."
    return f"{result.title} is wrong."
