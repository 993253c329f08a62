"""Assignments of a file of functions and classes, in formats of courses or under their contracts; each is a part."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from chainrule.check.checked_file import CheckedFile
from chainrule.check.contracts import course_report, stated_report
from chainrule.check.course_contracts import course
from chainrule.check.failures import failure_row
from chainrule.check.file_checks import check_file
from chainrule.check.forms import ENGINE, FUNCTIONS, NAMES, ClassFormat, FunctionFormat, class_format
from chainrule.check.function_pairs import find_pairs
from chainrule.check.learner_task import ANY_LAYER, LearnerTask
from chainrule.check.report import Report, Row
from chainrule.check.verification import UNKNOWN_OUTPUT, is_explained, quiet
from chainrule.errors import UnwrittenError, unknown_name
from chainrule.layers import IN_A_ROW
from chainrule.network import losses


@dataclass(frozen=True)
class FileAssignment:
    """Functions and classes to implement, in known formats.

    formats    formats by the name of the forward function or loss (without suffix), or of the class
    max_reply  size in bytes of the largest reply that is accepted from a submission's process
    """

    formats: Mapping[str, FunctionFormat | ClassFormat]
    max_reply: int = 1 << 22

    @classmethod
    def of(cls, against: str) -> "FileAssignment | None":
        """Return the assignment for names such as "conv_forward, svm_loss, Linear"; None if any format is unknown.

        A single name of a layer or loss of this library also returns None, because it is an `Assignment`.
        """
        if against in IN_A_ROW or against.replace("-", "_") in losses.NAMES:
            return None
        formats = dict[str, FunctionFormat | ClassFormat]()
        for name in map(str.strip, against.split(",")):
            course_format = _function_format(name) or _class_format(name)
            if course_format is None:
                return None
            formats[course_format.forward if isinstance(course_format, FunctionFormat) else name] = course_format
        return cls(formats)

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts: both functions of each pair, losses, and classes."""
        names = list[str]()
        for key, course_format in self.formats.items():
            if isinstance(course_format, FunctionFormat):
                names += filter(None, (course_format.forward, course_format.backward))
            else:
                names.append(key)
        return tuple(names)

    @property
    def definitions(self) -> tuple[re.Pattern[str], ...]:
        """Pattern that a submission's text must match: the definition of one of the parts."""
        return (re.compile(rf"^(?:def|class)[ \t]+(?:{'|'.join(map(re.escape, self.parts))})", re.M),)

    def part(self, row: Row) -> str:
        """Return the part that a row of a report is about, or "" if there is none."""
        # if the process has ended, a pair has one row for both functions; an engine has rows for its operations
        subject = row.subject.partition(" / ")[0].partition(":")[0]
        plain = subject.removesuffix(NAMES["backward_suffixes"][-1])
        for name in self.parts:
            if plain in [f"{name}{suffix}" for suffix in NAMES["forward_suffixes"]]:
                return name
        for key, course_format in self.formats.items():
            if course_format is _class_format(subject):
                return key
        return ""

    def report(
        self, file: CheckedFile, seed: int, name: str | None = None, base: LearnerTask = ANY_LAYER
    ) -> tuple[Report, dict[str, str]]:
        """Return the report of a file, and a sentence for each part that earns no points although it is right.

        name   ignored: the assignment names the functions and classes
        base   names of constants, and the treatment of ties
        """
        if base.contract:
            key = next(iter(self.formats))
            report = stated_report(file, base.contract, getattr(self.formats[key], "against", key), base, seed)
            return replace(report, rows=tuple(replace(row, subject=key) for row in report.rows), brief=True), {}
        contents = file.contents()
        names = set[str]()
        for pair in find_pairs(contents.functions)[0]:
            if pair.format in self.formats.values():
                names.add(pair.forward)
        for name in (*contents.layers, *contents.optimizers, *contents.engines):
            if _class_format(name) in self.formats.values():
                names.add(name)
        with quiet():
            if names:
                report = check_file(file, "homework", seed, base, names)
            else:
                report = None
        if report is None:
            rows = ()
        else:
            rows = report.rows
        wrong = dict[str, str]()
        for course_format in self.formats.values():
            outputs = list[Row]()
            for row in rows:
                if self.part(row) == getattr(course_format, "forward", None):
                    outputs.append(row)
            is_unexplained = bool(outputs) and outputs[0].is_wrong and not is_explained(outputs[0])
            if isinstance(course_format, FunctionFormat) and course_format.backward is not None and is_unexplained:
                wrong[course_format.backward] = UNKNOWN_OUTPUT
        return Report("homework", (*rows, *self._absent(rows)), report.notes if report else (), brief=True), wrong

    def _absent(self, rows: Sequence[Row]) -> Iterator[Row]:
        """Yield a row for each part that no row is about."""
        present = set[str]()
        for row in rows:
            present.add(self.part(row))
        for part in self.parts:
            if part not in present:
                yield failure_row(part, UnwrittenError(f"{part} is not in the file"))


@dataclass(frozen=True)
class CourseAssignment(FileAssignment):
    """Classes and functions to implement, under the contracts of a course.

    course  name of the course
    names   usual names of the classes and functions
    """

    course: str = ""
    names: tuple[str, ...] = ()

    @classmethod
    def of_course(cls, name: str, against: str | None) -> "CourseAssignment":
        """Return the assignment of some classes and functions of a course, such as "Linear, ReLU"; None: of all."""
        known = list(dict.fromkeys(entry.names[0] for entry in course(name)))
        if against is None:
            chosen = known
        else:
            chosen = [part.strip() for part in against.split(",")]
        for part in chosen:
            if part not in known:
                raise unknown_name(f"part of the course {name}", part, known)
        return cls({}, course=name, names=tuple(chosen))

    @property
    def parts(self) -> tuple[str, ...]:
        """The usual names of the classes and functions."""
        return self.names

    def part(self, row: Row) -> str:
        """Return the part that a row of a report is about, or "" if there is none."""
        for entry in course(self.course):
            if entry.names[0] in self.names and row.subject.lower() in map(str.lower, entry.names):
                return entry.names[0]
        return ""

    def report(
        self, file: CheckedFile, seed: int, name: str | None = None, base: LearnerTask = ANY_LAYER
    ) -> tuple[Report, dict[str, str]]:
        """Return the report of a file; the second result is empty. ``name`` is ignored."""
        with quiet():
            report = course_report(file, self.course, base, seed, "homework")
        rows = list[Row]()
        for row in report.rows:
            if self.part(row):
                rows.append(row)
        return replace(report, rows=(*rows, *self._absent(rows))), {}


def _class_format(name: str) -> ClassFormat | None:
    """Return the format of a class with this name, or of an engine, or None if it is unknown."""
    return class_format(name) or (ENGINE if name.lower() in ENGINE.words else None)


def _function_format(name: str) -> FunctionFormat | None:
    """Return the format of a forward or backward function (its name may have a suffix), or None if it is unknown."""
    plain = set[str]()
    for suffix in NAMES["forward_suffixes"]:
        plain.add(name.removesuffix(suffix))
    for course_format in FUNCTIONS:
        if plain & {course_format.forward, course_format.backward} - {None}:
            return course_format
    return None
