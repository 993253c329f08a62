"""Homework tasks, and the comparison of a submission with the right answers, on values that it cannot predict.

An `Assignment` is one layer or loss. A `FileAssignment` is a file of several functions and classes, in the forms in
which courses set them; each is a part. The values, and the shapes of a layer, may be drawn from a student's name, so
that answers cannot be passed on. Shapes are varied only where right code must accept it: the shapes of the parameters,
which a submission may fix in its constructor, stay the same.

The report of a check compares gradients with the submission's own forward pass. That gives the best explanations, but
a submission could adapt its forward pass to wrong gradients. So a part counts only if it also equals the reference.
"""

import hashlib
import math
import re
import unicodedata
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from chainrule.check import comparison, learner_subjects, probes
from chainrule.check.course_formats import (
    BACKWARD_SUFFIXES,
    FORWARD_SUFFIXES,
    FUNCTIONS,
    ClassForm,
    FunctionForm,
    class_form,
    constructor_values,
    find_pairs,
)
from chainrule.check.file_checks import CheckedFile, check_file
from chainrule.check.host.remote import RemoteLoss
from chainrule.check.judges import Judge, LayerJudge, LossJudge
from chainrule.check.report import Report, Row
from chainrule.check.subjects import LayerSubject, LossSubject, Subject, Values
from chainrule.check.submissions import DEFINITIONS
from chainrule.core.shapes import text
from chainrule.custom.student import Student
from chainrule.engines.protocol import Array
from chainrule.errors import ShapeError
from chainrule.layers import IN_A_ROW, Layer, expressions
from chainrule.training import losses

ROUNDS = 3
COMPLEX_BYTES = 16  # bytes of a complex128
REPLY_FACTOR = 16  # largest reply, in multiples of the bytes of right answers: a larger one only costs time
MIN_TOLERANCE, MAX_TOLERANCE = 1e-9, 1e-3  # tolerances: of code in float64, and the largest that rounding can justify
UNKNOWN_OUTPUT = "gradients count only if the output is right, or wrong by a known mistake."
SHAPE_TRIES, MAX_EXTENSION = 40, 4  # shapes tried, and the largest number of entries that an axis is extended by


@dataclass(frozen=True)
class Assignment:
    """A homework task: the layer or loss to be written.

    shape  shape of one input; None if it was not given
    meant  the layer or loss, with right results
    parts  names of the output and the gradients: y, dx, dw, db
    """

    against: str | Layer
    shape: tuple[int, ...] | None
    intended: LayerSubject | LossSubject
    parts: tuple[str, ...]

    @classmethod
    def of(cls, against: str, shape: tuple[int, ...] | None) -> "Assignment":
        """Return the task of a layer's expression or a loss's name; OptionError or ShapeError if it is neither."""
        if against.replace("-", "_") in losses.NAMES:
            loss = LossSubject(losses.find(against), engine="reference")
            return cls(against, shape, loss, ("y", "dp"))
        layer = expressions.layer(against)
        intended = LayerSubject(layer, shape or probes.input_shape_for(layer), engine="numpy")
        return cls(layer, shape, intended, ("y", *(f"d{name}" for name in intended.tensors)))

    @property
    def constructor_values(self) -> dict[str, Any]:
        """Values for the arguments of a learner's class, by their usual names."""
        return (
            {}
            if isinstance(self.intended, LossSubject)
            else constructor_values(self.intended.layer, self.intended.shape)
        )

    @property
    def max_reply(self) -> int:
        """Largest number of bytes in a reply."""
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
        """Patterns of the definitions in the text of a submission."""
        return DEFINITIONS

    def part(self, row: Row) -> str:
        """Return the part that a row of a report belongs to."""
        return row.title

    @property
    def is_loss(self) -> bool:
        """Whether the task is to write a loss."""
        return isinstance(self.intended, LossSubject)


def verify(code: Student | RemoteLoss, task: Assignment, report: Report, seed: int) -> dict[str, str]:
    """Return a sentence for each part that does not count although the report may call it right.

    Gradients of a wrong forward pass count if the report explains the forward pass by a known mistake.
    """
    first = {row.title: row for row in reversed(report.rows)}  # the first row of a part has its rounding
    tolerances = {title: min(max(MIN_TOLERANCE, 4 * row.tolerance), MAX_TOLERANCE) for title, row in first.items()}
    output_is_explained = "y" in first and bool(
        first["y"].diagnoses
    )  # the first row of y; later ones are about other mistakes
    wrong: dict[str, str] = {}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for subject, judges, values in _random_variants(code, task, seed):
            y = subject.output(values)
            dy = np.random.default_rng([seed, y.size]).normal(size=y.shape) if y.ndim else np.array(1.0)
            matching = [
                judge for judge in judges if _is_close(y, judge.output(values), tolerances.get("y", MIN_TOLERANCE))
            ]
            if matching[:1] != judges[:1]:
                wrong["y"] = "y is not the right output for other values."
            if matching:
                wrong |= _compare(subject, matching[0], values, dy, tolerances)
            elif not output_is_explained:
                wrong |= {part: UNKNOWN_OUTPUT for part in task.parts if part != "y"}
    return wrong


def _random_variants(
    code: Student | RemoteLoss, task: Assignment, seed: int
) -> Iterator[tuple[Subject, list[Judge], Values]]:
    """Yield the code, its judges and new values in the shapes of the check.

    The first judge is that of the intended layer, the second that of the layer with its kernel rotated.
    """
    for number in range(ROUNDS):
        variant_seed = seed + 1000 + number
        if isinstance(task.intended, LossSubject):
            loss = learner_subjects.SubmittedLoss(cast("RemoteLoss", code), task.intended.name, task.intended)
            yield loss, [LossJudge(task.intended)], probes.draw_predictions(task.intended.name, variant_seed)
        else:
            subject = learner_subjects.match_parameters(cast("Student", code), task.intended)
            judge = LayerJudge(task.intended, subject.layouts)
            rotated = judge.rotated()
            values = learner_subjects.draw_values(
                subject, probes.batch_size(task.intended.shape), variant_seed, task.intended
            )
            yield subject, [judge, rotated] if rotated else [judge], values


def _compare(subject: Subject, judge: Judge, values: Values, dy: Array, tolerances: dict[str, float]) -> dict[str, str]:
    claimed, expected = subject.gradients(values, dy), judge.gradients(values, dy)
    return {
        f"d{name}": f"d{name} is not the right gradient for other values, although it agrees with forward."
        for name in subject.tensors
        if name not in claimed
        or not _is_close(claimed[name], expected[name], tolerances.get(f"d{name}", MIN_TOLERANCE))
    }


def _is_close(result: Array, expected: Array, tolerance: float) -> bool:
    return result.shape == expected.shape and comparison.compare_with_array(result, expected).error <= tolerance


@dataclass(frozen=True)
class FileAssignment:
    """A homework task: functions and classes of known forms.

    forms  by name: that of the forward function or of the loss without suffix, or of the class
    reply  largest number of bytes in a reply: forms have small inputs
    """

    forms: Mapping[str, FunctionForm | ClassForm]
    max_reply: int = 1 << 22

    @classmethod
    def of(cls, against: str) -> "FileAssignment | None":
        """Return the task of names such as "conv_forward, svm_loss, Linear"; None if one of them is no form.

        A single name that is a layer or a loss of this library means that one.
        """
        if against in IN_A_ROW or against.replace("-", "_") in losses.NAMES:
            return None
        forms = dict[str, FunctionForm | ClassForm]()
        for name in map(str.strip, against.split(",")):
            form = _function_form(name) or class_form(name)
            if form is None:
                return None
            forms[form.forward if isinstance(form, FunctionForm) else name] = form
        return cls(forms)

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts: of both functions of a pair, of a loss, or of a class."""
        return tuple(
            name
            for key, form in self.forms.items()
            for name in ((form.forward, form.backward) if isinstance(form, FunctionForm) else (key,))
            if name
        )

    @property
    def definitions(self) -> tuple[re.Pattern[str], ...]:
        """Pattern of the definition of one of the parts, in the text of a submission."""
        return (re.compile(rf"^(?:def|class)[ \t]+(?:{'|'.join(map(re.escape, self.parts))})", re.M),)

    def part(self, row: Row) -> str:
        """Return the part that a row of a report belongs to."""
        subject = row.subject.partition(" / ")[0]  # of a pair whose process has ended
        plain = subject.removesuffix(BACKWARD_SUFFIXES[-1])
        matches = [name for name in self.parts if plain in [f"{name}{suffix}" for suffix in FORWARD_SUFFIXES]]
        return (matches or [key for key, form in self.forms.items() if form is class_form(subject)] or [""])[0]

    def report(self, file: CheckedFile, seed: int) -> tuple[Report, dict[str, str]]:
        """Return the report of a submission, and a sentence for each part that does not count whatever it says."""
        layers, functions = file.contents()
        names = {pair.forward for pair in find_pairs(functions)[0] if pair.form in self.forms.values()}
        names |= {name for name in layers if class_form(name) in self.forms.values()}
        report = check_file(file, "homework", seed, names=names) if names else None
        homework_report = Report("homework", ()) if report is None else report
        present = {self.part(row) for row in homework_report.rows}
        wrong = {name: f"{name} is not in the file, or was not reached." for name in self.parts if name not in present}
        for form in self.forms.values():
            outputs = [row for row in homework_report.rows if self.part(row) == getattr(form, "forward", None)]
            if isinstance(form, FunctionForm) and outputs and outputs[0].is_wrong and not outputs[0].diagnoses:
                wrong[form.backward] = UNKNOWN_OUTPUT
        return homework_report, wrong


def _function_form(name: str) -> FunctionForm | None:
    """Return the form of a function by its name, forward or backward, with or without a suffix."""
    plain = {name.removesuffix(suffix) for suffix in FORWARD_SUFFIXES}
    return next((form for form in FUNCTIONS if plain & {form.forward, form.backward} - {""}), None)


@dataclass(frozen=True)
class StudentTask:
    """The task of a student: its input shape and the seed of its values.

    record  the draw in words, for the report; empty if everyone gets the same
    """

    task: Assignment | FileAssignment
    seed: int
    record: str = ""


def draw(task: Assignment | FileAssignment, seed: int, name: str) -> StudentTask:
    """Return the task of a student; the same for equal seeds and names, whatever their case and spaces.

    A shape that the teacher has given stays the same; then only the values differ.
    """
    normalized_name = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
    digest = hashlib.sha256(f"{seed}\n{normalized_name}".encode(errors="backslashreplace")).digest()
    student_seed = int.from_bytes(digest[:4], "little")
    if isinstance(task, FileAssignment) or task.shape is not None or isinstance(task.intended, LossSubject):
        return StudentTask(task, student_seed, f"{normalized_name}: seed {student_seed}")
    shape = next(_other_shapes(task.intended, np.random.default_rng(list(digest[4:]))), task.intended.shape)
    intended = LayerSubject(task.intended.layer, shape, engine="numpy")
    return StudentTask(
        replace(task, shape=shape, intended=intended),
        student_seed,
        f"{normalized_name}: input {text(shape)}, seed {student_seed}",
    )


def _other_shapes(intended: LayerSubject, generator: np.random.Generator) -> Iterator[tuple[int, ...]]:
    """Yield other input shapes that a layer accepts and that leave its parameters as they are."""
    for number in range(SHAPE_TRIES):
        extension = generator.integers(0, MAX_EXTENSION, len(intended.shape))
        if number >= SHAPE_TRIES // 2:
            extension[0] = 0  # the layer may need its number of channels
        shape = tuple(int(size + extra) for size, extra in zip(intended.shape, extension, strict=True))
        try:
            other = LayerSubject(intended.layer, shape, engine="numpy")
        except ShapeError:
            continue
        if other.parameters == intended.parameters:
            yield shape
