"""Homework assignments of one layer or loss, and the tasks of students.

The parts of an `Assignment` are the output and the gradients. A layer's values and input shape may depend on the
student's name, so that answers cannot be shared. Parameter shapes never vary, because a constructor may fix them.
"""

import hashlib
import math
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chainrule.check import random_inputs
from chainrule.check.checked_file import CheckedFile
from chainrule.check.constructors import construct
from chainrule.check.contracts import layer_report
from chainrule.check.file_assignments import FileAssignment
from chainrule.check.function_pairs import find_pairs, interface_by_name, pair_named
from chainrule.check.host.process import SLOW, GuestEnded
from chainrule.check.learner_checks import check_layer
from chainrule.check.learner_task import ANY_LAYER, LearnerTask
from chainrule.check.library_functions import LibraryLayer, LibraryLoss
from chainrule.check.loss_checks import check_loss
from chainrule.check.loss_interface import find_loss_interface
from chainrule.check.report import CheckResult, Diagnosis, Report
from chainrule.check.submissions import DEFINITIONS
from chainrule.check.usual_options import constructor_values, function_values
from chainrule.check.verification import UNKNOWN_OUTPUT, quiet, verify
from chainrule.core.shapes import text
from chainrule.custom.learner_layer import LearnerLayer
from chainrule.custom.sample_axis import AdaptedLoss
from chainrule.errors import ShapeError, StudentError
from chainrule.layers import BatchNorm1D, BatchNorm2D, Dropout, Layer, LayerNorm, expressions
from chainrule.network import losses

OTHER_VALUES = "other random values"
COMPLEX_BYTES = 16  # size of a complex128
REPLY_FACTOR = 16  # maximum size of a reply, relative to correct answers in complex128
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
    intended: LibraryLayer | LibraryLoss
    parts: tuple[str, ...]

    @classmethod
    def of(cls, against: str, shape: tuple[int, ...] | None) -> "Assignment":
        """Return the assignment for a layer expression or a loss name; OptionError or ShapeError for any other text."""
        if against.replace("-", "_") in losses.NAMES:
            loss = LibraryLoss(losses.find(against), engine="reference")
            return cls(against, shape, loss, ("y", "dp"))
        layer = expressions.layer(against)
        intended = LibraryLayer(layer, shape or random_inputs.input_shape_for(layer))
        return cls(layer, shape, intended, ("y", *(f"d{name}" for name in intended.tensors)))

    @property
    def layer(self) -> Layer | None:
        """The layer; None for a loss."""
        if isinstance(self.against, str):
            return None
        return self.against

    @property
    def constructor_values(self) -> dict[str, Any]:
        """Values for the constructor arguments of a learner's class, by usual names."""
        if isinstance(self.intended, LibraryLoss):
            return {}
        return constructor_values(self.intended.layer, self.intended.shape)

    @property
    def max_reply(self) -> int:
        """Size in bytes of the largest reply that is accepted from a submission's process."""
        if isinstance(self.intended, LibraryLoss):
            return 1 << 20
        samples = random_inputs.batch_size(self.intended.shape) + 1
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

    def part(self, result: CheckResult) -> str:
        """Return the part that a result of a report is about."""
        return result.title

    def report(
        self, file: CheckedFile, seed: int, name: str | None = None, base: LearnerTask = ANY_LAYER
    ) -> tuple[Report, dict[str, str]]:
        """Return the report of a file, and a sentence for each part that earns no points although it is right.

        name   name of the layer or loss in the file; None: the only one
        base   names of constants, the treatment of ties, and whether the code should take single samples
        """
        with quiet():
            if base.contract and isinstance(self.intended, LibraryLayer):
                learner_task = replace(base, against=self.layer, shape=self.intended.shape)
                code = file.layer(contract=base.contract)
                report = layer_report(file, learner_task, seed)
            elif isinstance(self.intended, LibraryLoss):
                code: LearnerLayer | AdaptedLoss = AdaptedLoss(
                    file.loss(name, contract=base.contract), single=bool(base.samples)
                )
                learner_task = base
                report = check_loss(code, [self.intended], seed)
            else:
                specified = replace(base, against=self.layer, shape=self.shape)
                code, learner_task = load_layer(file, name, specified, self.constructor_values)
                report = check_layer(code, learner_task, seed)
            try:
                if isinstance(code, AdaptedLoss):
                    interface = find_loss_interface(code, [self.intended], seed)
                else:
                    interface = code
                wrong = verify(interface, self.intended, report, seed, learner_task)
            except GuestEnded as end:
                if not any(SLOW in note for note in report.notes):
                    raise
                return report, dict.fromkeys(self.parts, f"not verified: it {end}.")
            except StudentError as error:  # of forward
                if report.ok:
                    raise
                return report, dict.fromkeys(self.parts, f"{error}.")  # the report contains the error
        right = dict[str, CheckResult]()
        for result in report.results:
            if result.is_right:
                right[result.title] = result
        uncounted = dict[str, str]()
        for part, sentence in wrong.items():
            if sentence == UNKNOWN_OUTPUT:
                uncounted[part] = sentence
        results = list[CheckResult]()
        for part, message in wrong.items():
            if part in right and part not in uncounted:
                results.append(
                    replace(right[part], method=OTHER_VALUES, ok=False, diagnoses=(Diagnosis("other-values", message),))
                )
        return replace(report, results=(*report.results, *results)), uncounted


def load_layer(
    file: CheckedFile, name: str | None, task: LearnerTask, options: Mapping[str, Any]
) -> tuple[LearnerLayer, LearnerTask]:
    """Return a layer of a file with its task, which a pair of functions completes with its options and layouts.

    name     of a class, an object or a pair's forward function; None: the only one in the file
    options  values of constructor arguments; `construct` finds values for required arguments that are not among them
    """
    contents = file.contents()
    pair = pair_named(contents, name)
    if pair is not None:
        return _pair_task(file, *pair, task)
    required = contents.required  # constructor arguments by class
    key = name or ""
    if len(required) == 1 and name is None:
        key = next(iter(required))
    arguments = contents.layers.get(key, ())
    if isinstance(task.against, Dropout):
        task = replace(task, options_given=bool({*arguments} & set(options)))
    unknown = list[str]()
    for argument in required.get(key, ()):
        if argument not in options:
            unknown.append(argument)
    against = task.against
    if isinstance(against, BatchNorm1D | LayerNorm) and arguments and task.shape is None:
        task = replace(task, shape=VECTOR)  # a class that receives the number of features may expect vectors
        options = {**options, **constructor_values(against, VECTOR)}
    if isinstance(task.against, BatchNorm2D | LayerNorm) and len(unknown) == 1:
        shape = task.shape or random_inputs.input_shape_for(task.against)
        options = {**options, unknown[0]: shape[0]}  # the number of features
        unknown = []
    if unknown:
        return construct(file, key, required[key], options, 0)[0], task
    return file.layer(name, options=options), task


def _pair_task(file: CheckedFile, forward: str, backward: str, task: LearnerTask) -> tuple[LearnerLayer, LearnerTask]:
    """Return a pair of functions that should implement a specified layer, or take a specified input, and its task.

    task   the layer, or the shape of one input; by default, those of the pair's interface
    """
    pairs, _ = find_pairs((forward, backward))
    known = pairs[0].interface if pairs else interface_by_name(forward)
    layer = task.against
    shape = task.shape
    if known is not None and known.cases:
        usual = known.cases[0]
        layer = layer or usual.layer
        if shape is None and layer == usual.layer:
            shape = usual.shape
    if layer is None:
        raise StudentError(f"{forward}: pass the layer that it should compute, such as --against 'Conv2D(4, 3)'")
    learner_layer = file.layer(forward, backward=backward, options=function_values(layer))
    return learner_layer, replace(task, against=layer, shape=shape or random_inputs.input_shape_for(layer))


@dataclass(frozen=True)
class StudentTask:
    """A student's assignment: the input shape, and the seed of the values.

    record  description of the random draw, for the report; None if all students get the same values
    """

    task: Assignment | FileAssignment
    seed: int
    record: str | None = None


def draw_task(task: Assignment | FileAssignment, seed: int, name: str) -> StudentTask:
    """Return a student's assignment, drawn from a hash of seed and name; case and spacing in names are ignored.

    The values always depend on the name. The input shape also does, unless the teacher specified it.
    """
    normalized_name = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
    digest = hashlib.sha256(f"{seed}\n{normalized_name}".encode(errors="backslashreplace")).digest()
    student_seed = int.from_bytes(digest[:4], "little")  # the other bytes choose the shape, independently of the values
    if isinstance(task, FileAssignment) or task.shape is not None or isinstance(task.intended, LibraryLoss):
        return StudentTask(task, student_seed, f"{normalized_name}: seed {student_seed}")
    shape = next(_other_shapes(task.intended, np.random.default_rng(list(digest[4:]))), task.intended.shape)
    intended = LibraryLayer(task.intended.layer, shape)
    return StudentTask(
        replace(task, shape=shape, intended=intended),
        student_seed,
        f"{normalized_name}: input {text(shape)}, seed {student_seed}",
    )


def _other_shapes(intended: LibraryLayer, generator: np.random.Generator) -> Iterator[tuple[int, ...]]:
    """Yield random larger input shapes that do not change the shapes of a layer's parameters."""
    for number in range(SHAPE_TRIES):
        extension = generator.integers(0, MAX_EXTENSION, len(intended.shape))
        if number >= SHAPE_TRIES // 2:
            extension[0] = 0  # the layer may require this number of channels
        shape = tuple(int(size + extra) for size, extra in zip(intended.shape, extension, strict=True))
        try:
            other = LibraryLayer(intended.layer, shape)
        except ShapeError:
            continue
        if other.parameters == intended.parameters:
            yield shape
