"""Read a learner's layer by trial: the layout of x, the parameters with their layouts, and the intended layer.

Each question has a short list of answers, whose order names determine. The numbers decide: the best interface is the
first whose output and gradients are right for a batch of different samples.
"""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from math import prod

import numpy as np

from chainrule.check import submitted_functions
from chainrule.check.diagnoses.truth import nearly_equal
from chainrule.check.input_formats import DIRECT, InputFormat, square_shapes
from chainrule.check.library_functions import LibraryLayer, Values
from chainrule.check.pairing import assignments
from chainrule.check.parameters import SAME, ArrayLayout, output_layouts
from chainrule.check.references import LayerReference
from chainrule.check.submitted_functions import SubmittedLayer
from chainrule.custom.learner_layer import LearnerLayer
from chainrule.errors import ChainruleError, ShapeError, StudentError, UnwrittenError

SAMPLES = 3  # number of samples of a trial
TOLERANCE = 1e-4  # relative; sufficient for float32 code
MAX_TRIALS = 40  # maximum number of combinations of arrays and layouts that are tried in one input format


@dataclass(frozen=True)
class LayerInterface:
    """One way to call a learner's layer.

    submitted   the layer with its parameters and layouts
    intended  the layer that it should compute; None if it is unknown
    notes     notes for the report
    exact     whether the output is that of the intended layer
    complete  whether backward runs, and dx has the shape of x
    right     whether all gradients are those of the intended layer
    """

    submitted: SubmittedLayer
    intended: LibraryLayer | None
    notes: tuple[str, ...] = ()
    exact: bool = False
    complete: bool = False
    right: bool = False

    @property
    def fits(self) -> bool:
        """Whether the output is right, and backward runs."""
        return self.exact and self.complete

    @property
    def score(self) -> tuple[bool, ...]:
        """Quality of the interface, for comparisons."""
        has_right_shapes = not self.submitted.reshaped  # of gradients, which tell layouts of a bias apart
        return self.right, self.fits, has_right_shapes, self.exact, self.intended is not None, self.complete


def best_of(
    interfaces: Iterable[LayerInterface], accept: Callable[[LayerInterface], bool] = bool
) -> LayerInterface | None:
    """Return the first accepted interface that is right; if there is none, the best one, or None."""
    best: LayerInterface | None = None
    for interface in filter(accept, interfaces):
        best = better_of(best, interface)
        if best.right:
            break
    return best


def better_of(best: LayerInterface | None, interface: LayerInterface) -> LayerInterface:
    """Return the interface with the higher score; the first of two that are equally good."""
    if best is None or interface.score > best.score:
        return interface
    return best


def interfaces(
    learner_layer: LearnerLayer,
    intended: LibraryLayer,
    input_formats: Iterable[InputFormat],
    layouts: Mapping[str, ArrayLayout],
) -> Iterator[LayerInterface]:
    """Yield the interfaces of a learner's layer as an intended layer, up to one for each input format.

    layouts   known layouts of x, y and the parameters
    """
    for input_format in input_formats:
        if input_format.accepts(intended.shape) and (interface := fit(learner_layer, intended, input_format, layouts)):
            yield replace(interface, notes=tuple(input_format.notes))


def fit(
    learner_layer: LearnerLayer,
    intended: LibraryLayer,
    input_format: InputFormat = DIRECT,
    layouts: Mapping[str, ArrayLayout] | None = None,
) -> LayerInterface | None:
    """Return the best interface of a learner's layer in an input format as an intended layer.

    It is None if forward fails, or returns another number of values.

    layouts   known layouts of x, y and the parameters
    """
    best: LayerInterface | None = None
    known_layouts = {**input_format.layouts, **(layouts or {})}
    try:
        for submitted in islice(
            assignments(adapted(learner_layer, input_format.axis), intended, known_layouts), MAX_TRIALS
        ):
            interface = _trial(submitted, intended, "y" in known_layouts)
            if interface is not None:
                best = better_of(best, interface)
            if best is not None and best.fits and not best.submitted.reshaped:
                break
    except ChainruleError:
        pass
    return best


def adapted(learner_layer: LearnerLayer, axis: str | None) -> LearnerLayer:
    """Return a copy of a learner's layer that takes batches along the first axis, by an input format's ``axis``."""
    if axis is None:
        return copy.deepcopy(learner_layer)
    return learner_layer.adapted(axis)


def _trial(submitted: SubmittedLayer, intended: LibraryLayer, knows_y: bool) -> LayerInterface | None:
    """Return the interface of a learner's layer with these parameters and layouts; None if it is none.

    knows_y  whether the layout of y is known

    Errors   UnwrittenError
    """
    values = submitted_functions.draw_values(submitted, SAMPLES, 0, intended)
    try:
        y = submitted.output(values)
        if y.size != SAMPLES * prod(intended.output_shape) and not knows_y:
            return None
        expected = LayerReference(intended, submitted.layouts).output(values)
    except UnwrittenError:
        raise
    except ChainruleError:
        return None
    if knows_y:
        layouts = [SAME]
    else:
        layouts = [*output_layouts(expected.shape, y.shape)]
    right = [layout for layout in layouts if nearly_equal(y, layout.to_learner(expected), TOLERANCE)]
    if not layouts:
        return None
    layout = (right or layouts)[0]
    if layout != SAME:
        submitted.layouts |= {"y": layout}
    complete, has_right_gradients = backward_result(submitted, values, intended)
    return LayerInterface(submitted, intended, (), bool(right), complete, bool(right) and has_right_gradients)


def backward_result(
    submitted: SubmittedLayer, values: Values, intended: LibraryLayer | None = None
) -> tuple[bool, bool]:
    """Return whether backward runs, and whether its gradients are right.

    It fails if forward changes the number of samples, or backward returns no dx of the shape of x. A backward that
    updates the parameters may return no dx.
    """
    try:
        y = submitted.output(values)
        dy = np.cos(np.arange(y.size)).reshape(y.shape)
        gradients = submitted.gradients(values, dy)
    except StudentError:
        return False, False
    dx = gradients.get("x")
    if dx is None:
        has_dx = bool(submitted.learner_layer.rate)
    else:
        has_dx = dx.shape == values["x"].shape
    if not (has_dx and y.ndim > 0 and len(y) == len(values["x"])):
        return False, False
    if intended is None:
        return True, False
    try:
        expected = LayerReference(intended, submitted.layouts).gradients(values, dy)
    except ChainruleError:
        return True, False
    shared = gradients.keys() & expected.keys()
    return True, all(nearly_equal(gradients[name], expected[name], TOLERANCE) for name in shared)


def square_layers(intended: LibraryLayer) -> Iterator[LibraryLayer]:
    """Yield a layer with square images as inputs, which much code requires."""
    for shape in square_shapes(intended.shape):
        with suppress(ShapeError):
            yield LibraryLayer(intended.layer, shape)
