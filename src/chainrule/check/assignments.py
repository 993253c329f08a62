"""Homework assignments, and the comparison of submissions with the reference on unpredictable values.

An `Assignment` is one layer or loss; its parts are the output and the gradients. A `FileAssignment` is a file of
functions and classes in formats that courses use; each function or class is a part. A layer's values and input shape
may depend on the student's name, so that answers cannot be shared. Parameter shapes never vary, because a constructor
may fix them.

The report compares gradients with the submission's own forward pass, which produces the best explanations. A
submission could exploit this by adapting its forward pass to wrong gradients. Therefore, a part only counts if it also
matches the reference.
"""

import hashlib
import math
import re
import unicodedata
import warnings
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from chainrule.check import comparison, learner_subjects, probes
from chainrule.check.checked_file import CheckedFile
from chainrule.check.constructors import construct
from chainrule.check.contracts import course, course_report, layer_report, stated_report
from chainrule.check.diagnoses.general import FACTOR, ZERO
from chainrule.check.extra_checks import failure_row
from chainrule.check.file_checks import check_file
from chainrule.check.forms import (
    FUNCTIONS,
    NAMES,
    ClassFormat,
    FunctionFormat,
    class_format,
    constructor_values,
    find_pairs,
)
from chainrule.check.host.process import SLOW, GuestEnded
from chainrule.check.judges import Judge, LayerJudge, LossJudge
from chainrule.check.learner_checks import check_layer, check_loss
from chainrule.check.loss_reading import LossReading, read_loss
from chainrule.check.pair_checks import pair_named, pair_task
from chainrule.check.reading import ANY_LAYER, LearnerTask, match_layer
from chainrule.check.report import Diagnosis, Report, Row
from chainrule.check.subjects import LayerSubject, LossSubject, Subject, Values
from chainrule.check.submissions import DEFINITIONS
from chainrule.core.shapes import text
from chainrule.custom.sample_axis import AdaptedLoss
from chainrule.custom.student import Student
from chainrule.engines.protocol import Array
from chainrule.errors import ShapeError, StudentError, UnwrittenError, unknown_name
from chainrule.layers import IN_A_ROW, BatchNorm1D, BatchNorm2D, Dropout, Layer, LayerNorm, expressions
from chainrule.network import losses

OTHER_VALUES = "other random values"
ROUNDS = 3  # number of comparisons with the reference, each on new values
COMPLEX_BYTES = 16  # size of a complex128
REPLY_FACTOR = 16  # maximum size of a reply, relative to correct answers in complex128
MIN_TOLERANCE = 1e-9  # for float64 code
MAX_TOLERANCE = 1e-3  # largest tolerance that rounding errors can justify
UNKNOWN_OUTPUT = "gradients count only if the output is right, or if its mistake is a known one."
VECTOR = (6,)  # shape of one input of a normalization of vectors
SHAPE_TRIES = 40  # number of random input shapes that are tried for a student
MAX_EXTENSION = 4  # an axis grows by less than this


@dataclass(frozen=True)
class Assignment:
    """A layer or loss to implement.

    against   the layer, or the name of the loss
    shape     shape of one input; None if the teacher did not specify it
    intended  the layer or loss that computes correct results
    parts     names of the output and the gradients: y, dx, dw, db
    """

    against: str | Layer
    shape: tuple[int, ...] | None
    intended: LayerSubject | LossSubject
    parts: tuple[str, ...]

    @classmethod
    def of(cls, against: str, shape: tuple[int, ...] | None) -> "Assignment":
        """Return the assignment for a layer expression or a loss name; OptionError or ShapeError for any other text."""
        if against.replace("-", "_") in losses.NAMES:
            loss = LossSubject(losses.find(against), engine="reference")
            return cls(against, shape, loss, ("y", "dp"))
        layer = expressions.layer(against)
        intended = LayerSubject(layer, shape or probes.input_shape_for(layer))
        return cls(layer, shape, intended, ("y", *(f"d{name}" for name in intended.tensors)))

    @property
    def layer(self) -> Layer | None:
        """The layer; None for a loss."""
        return None if isinstance(self.against, str) else self.against

    @property
    def constructor_values(self) -> dict[str, Any]:
        """Values for the constructor arguments of a learner's class, by usual names."""
        return (
            {}
            if isinstance(self.intended, LossSubject)
            else constructor_values(self.intended.layer, self.intended.shape)
        )

    @property
    def max_reply(self) -> int:
        """Size in bytes of the largest reply that is accepted from a submission's process."""
        if isinstance(self.intended, LossSubject):
            return 1 << 20
        samples = probes.batch_size(self.intended.shape) + 1
        shapes = [
            (samples, *self.intended.shape),
            (samples, *self.intended.output_shape),
            *self.intended.parameters.values(),
        ]
        return (1 << 20) + REPLY_FACTOR * COMPLEX_BYTES * sum(map(math.prod, shapes))

    @property
    def definitions(self) -> tuple[re.Pattern[str], ...]:
        """Patterns that a submission's text must match: the definitions of forward and backward."""
        return DEFINITIONS

    def part(self, row: Row) -> str:
        """Return the part that a row of a report is about."""
        return row.title

    def report(
        self, file: CheckedFile, seed: int, name: str = "", base: LearnerTask = ANY_LAYER
    ) -> tuple[Report, dict[str, str]]:
        """Return the report of a file, and a sentence for each part that earns no points although it is right.

        name   name of the layer or loss in the file; empty: the only one
        base   names of constants, the treatment of ties, and whether the code should take single samples
        """
        with quiet():
            if base.contract and isinstance(self.intended, LayerSubject):
                learner_task = replace(base, against=self.layer, shape=self.intended.shape)
                code, report = file.layer(contract=base.contract), layer_report(file, learner_task, seed)
            elif isinstance(self.intended, LossSubject):
                code: Student | AdaptedLoss = AdaptedLoss(
                    file.loss(name, contract=base.contract), single=bool(base.samples)
                )
                learner_task, report = base, check_loss(code, [self.intended], seed)
            else:
                specified = replace(base, against=self.layer, shape=self.shape)
                code, learner_task = load_layer(file, name, specified, self.constructor_values)
                report = check_layer(code, learner_task, seed)
            try:
                reading = read_loss(code, [self.intended], seed) if isinstance(code, AdaptedLoss) else code
                wrong = verify(reading, self, report, seed, learner_task)
            except GuestEnded as end:
                if not any(SLOW in note for note in report.notes):
                    raise
                return report, dict.fromkeys(self.parts, f"not verified: it {end}.")
            except StudentError as error:  # of forward
                if report.ok:
                    raise
                return report, dict.fromkeys(self.parts, f"{error}.")  # the report contains the error
        right = {row.title: row for row in report.rows if row.ok or row.accepted}
        uncounted = {part: sentence for part, sentence in wrong.items() if sentence == UNKNOWN_OUTPUT}
        rows = [
            replace(right[part], method=OTHER_VALUES, ok=False, diagnoses=(Diagnosis("other-values", message),))
            for part, message in wrong.items()
            if part in right and part not in uncounted
        ]
        return replace(report, rows=(*report.rows, *rows)), uncounted


@contextmanager
def quiet() -> Generator[None]:
    """Suppress warnings about numbers: some probes are outside the range that a learner's code supports."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def load_layer(
    file: CheckedFile, name: str, task: LearnerTask, options: Mapping[str, Any]
) -> tuple[Student, LearnerTask]:
    """Return a layer of a file with its task, which a pair of functions completes with its options and layouts.

    name     of a class, an object or a pair's forward function; "": the only one in the file
    options  values of constructor arguments; `construct` finds values for required arguments that are not among them
    """
    pair = pair_named(file, name)
    if pair:
        return pair_task(file, *pair, task)
    contents = file.contents()
    required = contents.required  # constructor arguments by class
    key = next(iter(required)) if len(required) == 1 and not name else name
    arguments = contents.layers.get(key, ())
    if isinstance(task.against, Dropout):
        task = replace(task, options_given=bool({*arguments} & set(options)))
    unknown = [argument for argument in required.get(key, ()) if argument not in options]
    against = task.against
    if isinstance(against, BatchNorm1D | LayerNorm) and arguments and task.shape is None:
        task = replace(task, shape=VECTOR)  # a class that receives the number of features may expect vectors
        options = {**options, **constructor_values(against, VECTOR)}
    if isinstance(task.against, BatchNorm2D | LayerNorm) and len(unknown) == 1:
        shape = task.shape or probes.input_shape_for(task.against)
        options = {**options, unknown[0]: shape[0]}  # the number of features
        unknown = []
    if unknown:
        return construct(file, key, required[key], options, 0)[0], task
    return file.layer(name, options=options), task


def verify(
    code: Student | LossReading,
    task: Assignment,
    report: Report,
    seed: int,
    learner_task: LearnerTask,
) -> dict[str, str]:
    """Return the parts that do not count, even if the report calls them right, with a message for each.

    The output is judged by forward alone: a backward that fails costs the gradients only. If the forward pass is wrong,
    the gradients only count if the report identifies its mistake; zeros, or a factor of everything, are no attempt.

    Errors   StudentError for an error in forward
    """
    first = {row.title: row for row in reversed(report.rows)}  # its tolerance reflects the part's rounding errors
    tolerances = {title: min(max(MIN_TOLERANCE, 4 * row.tolerance), MAX_TOLERANCE) for title, row in first.items()}
    output_is_explained = "y" in first and _is_explained(first["y"])  # later rows are of other mistakes
    wrong = dict[str, str]()
    if isinstance(task.layer, Dropout):  # its numbers are random
        return wrong
    for subject, judges, values in _random_variants(code, task, seed, learner_task):
        y = subject.output(values)
        dy = np.random.default_rng([seed, y.size]).normal(size=y.shape) if y.ndim else np.array(1.0)
        matching = [judge for judge in judges if _is_close(y, judge.output(values), tolerances.get("y", MIN_TOLERANCE))]
        if matching[:1] != judges[:1]:
            wrong["y"] = "is wrong for other values"
        if matching:
            try:
                wrong |= _compare(subject, matching[0], values, dy, tolerances)
            except StudentError as error:
                wrong |= {part: f"{error}." for part in task.parts if part != "y"}
        elif not output_is_explained:
            wrong |= {part: UNKNOWN_OUTPUT for part in task.parts if part != "y"}
    return wrong


def _random_variants(
    code: Student | LossReading, task: Assignment, seed: int, learner_task: LearnerTask
) -> Iterator[tuple[Subject, list[Judge], Values]]:
    """Yield the submission, its judges and new random values, `ROUNDS` times.

    The first judge uses the intended layer. The second, if any, uses the layer with a rotated kernel.
    """
    for number in range(ROUNDS):
        variant_seed = seed + 1000 + number
        if isinstance(code, LossReading):
            intended = code.intended
            loss = learner_subjects.SubmittedLoss(code.code, intended.name, intended)
            yield loss, [LossJudge(intended)], probes.draw_predictions(intended.name, variant_seed, code.one_hot)
        else:
            subject, intended, _ = match_layer(code, learner_task, seed)
            judge = LayerJudge(intended or cast("LayerSubject", task.intended), subject.layouts)
            rotated = judge.rotated()
            values = learner_subjects.draw_values(
                subject, probes.batch_size(subject.shape), variant_seed, judge.intended
            )
            yield subject, [judge, rotated] if rotated else [judge], values


def _is_explained(row: Row) -> bool:
    """Return whether a mistake explains a wrong output, so that the gradients of this forward pass may be right."""
    return any(diagnosis != ZERO and diagnosis.name != FACTOR for diagnosis in row.diagnoses)


def _compare(subject: Subject, judge: Judge, values: Values, dy: Array, tolerances: dict[str, float]) -> dict[str, str]:
    claimed, expected = subject.gradients(values, dy), judge.gradients(values, dy)
    wrong = dict[str, str]()
    for name in subject.tensors:
        tolerance = tolerances.get(f"d{name}", MIN_TOLERANCE)
        if name not in claimed or not _is_close(claimed[name], expected[name], tolerance):
            wrong[f"d{name}"] = "is wrong for other values, although it agrees with forward"
    return wrong


def _is_close(result: Array, expected: Array, tolerance: float) -> bool:
    return result.shape == expected.shape and comparison.compare_with_array(result, expected).error <= tolerance


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
            course_format = _function_format(name) or class_format(name)
            if course_format is None:
                return None
            formats[course_format.forward if isinstance(course_format, FunctionFormat) else name] = course_format
        return cls(formats)

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts: both functions of each pair, losses, and classes."""
        return tuple(
            name
            for key, course_format in self.formats.items()
            for name in (
                (course_format.forward, course_format.backward) if isinstance(course_format, FunctionFormat) else (key,)
            )
            if name
        )

    @property
    def definitions(self) -> tuple[re.Pattern[str], ...]:
        """Pattern that a submission's text must match: the definition of one of the parts."""
        return (re.compile(rf"^(?:def|class)[ \t]+(?:{'|'.join(map(re.escape, self.parts))})", re.M),)

    def part(self, row: Row) -> str:
        """Return the part that a row of a report is about, or "" if there is none."""
        subject = row.subject.partition(" / ")[0]  # if the process has ended, a pair has one row for both functions
        plain = subject.removesuffix(NAMES["backward_suffixes"][-1])
        matches = [name for name in self.parts if plain in [f"{name}{suffix}" for suffix in NAMES["forward_suffixes"]]]
        return (
            matches
            or [key for key, course_format in self.formats.items() if course_format is class_format(subject)]
            or [""]
        )[0]

    def report(
        self, file: CheckedFile, seed: int, name: str = "", base: LearnerTask = ANY_LAYER
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
        names = {pair.forward for pair in find_pairs(contents.functions)[0] if pair.format in self.formats.values()}
        names |= {
            name for name in (*contents.layers, *contents.optimizers) if class_format(name) in self.formats.values()
        }
        with quiet():
            report = check_file(file, "homework", seed, base, names) if names else None
        rows = () if report is None else report.rows
        missing = {*self.parts} - {self.part(row) for row in rows}
        absent = [
            failure_row(part, UnwrittenError(f"{part} is not in the file")) for part in self.parts if part in missing
        ]
        wrong = dict[str, str]()
        for course_format in self.formats.values():
            outputs = [row for row in rows if self.part(row) == getattr(course_format, "forward", None)]
            is_unexplained = bool(outputs) and outputs[0].is_wrong and not _is_explained(outputs[0])
            if isinstance(course_format, FunctionFormat) and is_unexplained:
                wrong[course_format.backward] = UNKNOWN_OUTPUT
        return Report("homework", (*rows, *absent), report.notes if report else (), brief=True), wrong


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
        chosen = known if against is None else [part.strip() for part in against.split(",")]
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
        self, file: CheckedFile, seed: int, name: str = "", base: LearnerTask = ANY_LAYER
    ) -> tuple[Report, dict[str, str]]:
        """Return the report of a file; the second result is empty. ``name`` is ignored."""
        with quiet():
            report = course_report(file, self.course, base, seed, "homework")
        rows = [row for row in report.rows if self.part(row)]
        missing = {*self.parts} - {self.part(row) for row in rows}
        rows += [
            failure_row(part, UnwrittenError(f"{part} is not in the file")) for part in self.parts if part in missing
        ]
        return replace(report, rows=tuple(rows)), {}


def _function_format(name: str) -> FunctionFormat | None:
    """Return the format of a forward or backward function (its name may have a suffix), or None if it is unknown."""
    plain = {name.removesuffix(suffix) for suffix in NAMES["forward_suffixes"]}
    return next(
        (
            course_format
            for course_format in FUNCTIONS
            if plain & {course_format.forward, course_format.backward} - {""}
        ),
        None,
    )


@dataclass(frozen=True)
class StudentTask:
    """A student's assignment: the input shape, and the seed of the values.

    record  description of the random draw, for the report; empty if all students get the same values
    """

    task: Assignment | FileAssignment
    seed: int
    record: str = ""


def draw_task(task: Assignment | FileAssignment, seed: int, name: str) -> StudentTask:
    """Return a student's assignment, drawn from a hash of seed and name; case and spacing in names are ignored.

    The values always depend on the name. The input shape also does, unless the teacher specified it.
    """
    normalized_name = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
    digest = hashlib.sha256(f"{seed}\n{normalized_name}".encode(errors="backslashreplace")).digest()
    student_seed = int.from_bytes(digest[:4], "little")  # the other bytes choose the shape, independently of the values
    if isinstance(task, FileAssignment) or task.shape is not None or isinstance(task.intended, LossSubject):
        return StudentTask(task, student_seed, f"{normalized_name}: seed {student_seed}")
    shape = next(_other_shapes(task.intended, np.random.default_rng(list(digest[4:]))), task.intended.shape)
    intended = LayerSubject(task.intended.layer, shape)
    return StudentTask(
        replace(task, shape=shape, intended=intended),
        student_seed,
        f"{normalized_name}: input {text(shape)}, seed {student_seed}",
    )


def _other_shapes(intended: LayerSubject, generator: np.random.Generator) -> Iterator[tuple[int, ...]]:
    """Yield random larger input shapes that do not change the shapes of a layer's parameters."""
    for number in range(SHAPE_TRIES):
        extension = generator.integers(0, MAX_EXTENSION, len(intended.shape))
        if number >= SHAPE_TRIES // 2:
            extension[0] = 0  # the layer may require this number of channels
        shape = tuple(int(size + extra) for size, extra in zip(intended.shape, extension, strict=True))
        try:
            other = LayerSubject(intended.layer, shape)
        except ShapeError:
            continue
        if other.parameters == intended.parameters:
            yield shape
