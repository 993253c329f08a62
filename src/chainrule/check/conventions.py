"""Layouts of inputs and outputs in tutorials and courses, and the choice of the one that a learner's layer uses.

Candidates are tried in a fixed order. The first whose output matches the intended layer and whose backward returns a
dx of the shape of x is chosen.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product
from math import prod

import numpy as np

from chainrule.check import learner_subjects
from chainrule.check.diagnoses.truth import nearly_equal
from chainrule.check.forms import DATA
from chainrule.check.judges import LayerJudge
from chainrule.check.learner_subjects import SHAPES, SubmittedLayer
from chainrule.check.parameters import (
    NO_CHANNELS,
    SAME,
    ArrayLayout,
    layouts_between,
    output_layouts,
    parameter_layouts,
)
from chainrule.check.subjects import LayerSubject
from chainrule.custom.held_arrays import arrays_named
from chainrule.custom.sample_axis import ONE
from chainrule.custom.student import Student
from chainrule.errors import ChainruleError, StudentError, UnwrittenError

CONVENTION_NOTE = "the code takes"  # beginning of the note about a convention
SINGLE_ONLY = "what is right is right for them only, because the code fails for batches"
TOLERANCE = 1e-4  # relative; sufficient for float32 code
MAX_LAYOUTS = 40  # maximum number of combinations of layouts that are compared


@dataclass(frozen=True)
class Convention:
    """How a learner's layer takes inputs.

    description  the inputs, for a note; empty for this library's convention
    axes         number of axes of one input in this library; 0 for any
    axis         sample axis of the learner's code: "" for the first, "one" or "last", as in `SampleAxis`
    x            layout of a batch; the adapter `SampleAxis` removes or moves its first axis
    """

    description: str
    axes: int = 0
    axis: str = ""
    x: ArrayLayout = SAME

    def accepts(self, shape: Sequence[int]) -> bool:
        """Return whether the convention applies to inputs of this shape."""
        return (not self.axes or len(shape) == self.axes) and (self.x != NO_CHANNELS or shape[0] == 1)

    @property
    def notes(self) -> list[str]:
        """Notes for the report; empty for this library's convention."""
        limit = f": {SINGLE_ONLY}" if self.axis == ONE else ""
        return [f"{CONVENTION_NOTE} {self.description}{limit}"] if self.description else []

    @property
    def layouts(self) -> dict[str, ArrayLayout]:
        """The layout of x, if it differs from this library's."""
        return {} if self.x == SAME else {"x": self.x}


DIRECT = Convention("")
SQUARE_SIZES = (6, 9, 28)  # sizes of square images, which much code requires
OTHERS = tuple(replace(Convention(**entry), x=ArrayLayout(**entry.get("x", {}))) for entry in DATA["convention"])
# Single samples hide mistakes that batches reveal, so that they are tried only if the code takes no batches.
BY_STRENGTH = tuple(tuple(other for other in OTHERS if (other.axis == ONE) == single) for single in (False, True))


def adapted(student: Student, axis: str) -> Student:
    """Return a copy of a learner's layer that takes batches along the first axis. ``axis`` is that of a convention."""
    return student.adapted(axis) if axis else copy.deepcopy(student)


def fit(
    student: Student,
    intended: LayerSubject,
    convention: Convention,
    layouts: Mapping[str, ArrayLayout] | None = None,
    exact: bool = True,
    complete: bool = True,
) -> SubmittedLayer | None:
    """Return a learner's layer in a convention if it runs and computes the intended layer; None otherwise.

    layouts   known layouts of x and the parameters
    exact     whether the output must match; if not, only its shape must
    complete  whether backward must also run
    """
    known_layouts = {**convention.layouts, **(layouts or {})}
    try:
        subject = learner_subjects.match_parameters(adapted(student, convention.axis), intended, known_layouts)
    except ChainruleError:
        return None
    first: SubmittedLayer | None = None
    for candidate in islice(_parameter_layouts(subject, intended, known_layouts), MAX_LAYOUTS):
        layer = SubmittedLayer(subject.student, subject.shape, subject.names, candidate)
        try:
            values = learner_subjects.draw_values(layer, 2, 0, intended)
            y = layer.output(values)
            if y.size != 2 * prod(intended.output_shape) and (exact or "y" not in known_layouts):
                continue  # before computing the expected output, which takes longer
            expected = LayerJudge(intended, candidate).output(values)
        except UnwrittenError:
            return None
        except ChainruleError:
            continue
        for layout in [SAME] if "y" in known_layouts else output_layouts(expected.shape, y.shape):
            if not exact or nearly_equal(y, layout.to_learner(expected), TOLERANCE):
                layer.layouts |= {"y": layout} if layout != SAME else {}
                if (results := _results(layer, values)) is None:
                    return first if complete else first or layer
                fitting = all(value.shape == values[name].shape for name, value in results[2].items())
                if fitting and not layer.reshaped:  # the shapes of gradients distinguish the layouts of a bias
                    return layer
                first = first or layer
    return first


def _parameter_layouts(
    subject: SubmittedLayer, intended: LayerSubject, known: Mapping[str, ArrayLayout]
) -> Iterator[dict[str, ArrayLayout]]:
    """Yield the possible layouts of all tensors that differ from this library's.

    known   layouts that are already known
    """
    x = {name: layout for name, layout in subject.layouts.items() if name not in intended.parameters}
    options = list[list[ArrayLayout]]()
    for name, shape in intended.parameters.items():
        held = subject.student.copy_of(subject.names[name])
        possible = [*(parameter_layouts(shape) if held is None else layouts_between(shape, held.shape))] or [SAME]
        options.append([known[name]] if name in known else possible)
    for layouts in product(*options):
        named = zip(intended.parameters, layouts, strict=True)
        yield {**x, **{name: layout for name, layout in named if layout != SAME}}


def _results(
    layer: SubmittedLayer, values: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]] | None:
    """Return y, an upstream gradient, and the gradients; None if the code fails.

    It also fails if forward changes the number of samples, or backward returns no dx of the shape of x. A backward that
    updates the parameters may return no dx.
    """
    try:
        y = layer.output(values)
        dy = np.cos(np.arange(y.size)).reshape(y.shape)
        gradients = layer.gradients(values, dy)
    except StudentError:
        return None
    dx = gradients.get("x")
    is_complete = bool(layer.student.rate) if dx is None else dx.shape == values["x"].shape
    return (y, dy, gradients) if y.ndim > 0 and len(y) == len(values["x"]) and is_complete else None


def runs(layer: SubmittedLayer, values: Mapping[str, np.ndarray]) -> bool:
    """Return whether forward and backward return results of the expected shapes."""
    return _results(layer, values) is not None


def has_right_gradients(layer: SubmittedLayer, intended: LayerSubject) -> bool:
    """Return whether the gradients of a learner's layer equal those of the intended layer at one point."""
    values = learner_subjects.draw_values(layer, 2, 0, intended)
    if (results := _results(layer, values)) is None:
        return False
    expected = LayerJudge(intended, layer.layouts).gradients(values, results[1])
    return all(nearly_equal(value, expected[name], TOLERANCE) for name, value in results[2].items() if name in expected)


def explore(student: Student, convention: Convention, shape: tuple[int, ...]) -> SubmittedLayer | None:
    """Return a learner's layer in a convention if it runs on inputs of this shape; None otherwise."""
    x = convention.x.to_learner(np.random.default_rng(0).normal(size=(2, *shape)))
    copied = adapted(student, convention.axis)
    try:
        copied.explore(x, strict=False)
        layer = SubmittedLayer(copied, shape, {name: name for name in copied.names}, convention.layouts)
        return layer if runs(layer, learner_subjects.draw_values(layer, 2, 0)) else None
    except UnwrittenError:
        raise
    except StudentError:
        return None


def candidate_shapes(
    student: Student, convention: Convention, shape: tuple[int, ...] | None
) -> Iterator[tuple[int, ...]]:
    """Yield the input shapes to try in a convention, beginning with those that the learner's arrays suggest.

    shape   the specified shape of one input; None: try several
    """
    if shape is not None:
        candidates = [shape]
    else:
        usual = [*_stored_shapes(student), *learner_subjects.candidate_shapes(student)]
        squares = [square for candidate in (*usual, *SHAPES) for square in square_shapes(candidate)]
        vectors = [(size,) for size in _weight_sizes(student)]
        candidates = [*usual, *vectors, *squares, *((1, size, size) for size in SQUARE_SIZES)]
    yield from (candidate for candidate in dict.fromkeys(candidates) if convention.accepts(candidate))


def square_shapes(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return shapes of square images with the same number of channels, and with one channel."""
    return [(count, size, size) for count in (shape[0], 1) for size in SQUARE_SIZES[:2]] if len(shape) == 3 else []


def stores_shape(student: Student, shape: tuple[int, ...]) -> bool:
    """Return whether a learner's layer stores the shape of its inputs, or has parameters that determine it."""
    return shape in _stored_shapes(student)


def _stored_shapes(student: Student) -> Iterator[tuple[int, ...]]:
    """Yield the input shapes that a learner's layer stores, in channels-first and channels-last order."""
    for name in student.array_names():
        value = student.copy_of(name) if "shape" in name.lower() else None
        if value is not None and value.dtype.kind in "iu" and value.ndim == 1 and 1 <= len(value) <= 3:
            sizes = tuple(int(size) for size in value)
            yield sizes if len(sizes) != 2 else (1, *sizes)
            if len(sizes) == 3:
                yield (sizes[2], *sizes[:2])
    w, b = (next((student.copy_of(name) for name in arrays_named(role, student.array_names())), None) for role in "wb")
    if w is not None and b is not None and w.ndim == 4 and b.ndim == 3:  # one bias per output position
        yield (w.shape[1], *(output + taps - 1 for output, taps in zip(b.shape[1:], w.shape[2:], strict=True)))


def _weight_sizes(student: Student) -> Iterator[int]:
    """Yield the sizes of the axes of the weight matrices."""
    for name in student.array_names():
        value = student.copy_of(name)
        if value is not None and value.ndim == 2:
            yield from value.shape
