"""Subjects for a learner's layer or loss. A layer's parameters are identified and set to random values."""

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.check import probes
from chainrule.check.parameters import SAME, ArrayLayout, arrays_to_learner, between, influential_arrays
from chainrule.check.subjects import LayerSubject, Subject, Values
from chainrule.core.shapes import text
from chainrule.custom.calls import FormError
from chainrule.custom.held_arrays import arrays_named, family, squeezed
from chainrule.custom.interface import LossCode
from chainrule.custom.names import NAMES
from chainrule.custom.student import NO_DX, Student
from chainrule.engines.protocol import Array
from chainrule.errors import ShapeError, StudentError, UnwrittenError

NEGLIGIBLE, NEGLIGIBLE_SINGLE = 1e-9, 1e-4  # relative size of rounding errors in complex128 and complex64
SHAPES = ((3, 7, 6), (7,), (3, 9), (1, 8, 9), (1, 28, 28))  # input shapes that are tried by default


class SubmittedGradients(dict[str, Array]):
    """Gradients by the names of their tensors. Reading one that the code did not compute raises StudentError."""

    def __missing__(self, name: str) -> Array:
        raise StudentError(f"backward did not compute the gradient of {name} in every call")


class SubmittedLayer(Subject):
    """A learner's layer with inputs of one shape. Its tensors have this library's names.

    names     the learner's names of the parameters, by this library's names
    layouts   the learner's layouts of x, y and the parameters, where they differ from this library's; all values that
              the methods accept and return use these layouts
    """

    strided = False  # whether the code receives non-contiguous arrays

    def __init__(
        self,
        student: Student,
        shape: tuple[int, ...],
        names: Mapping[str, str],
        layouts: Mapping[str, ArrayLayout] | None = None,
    ) -> None:
        self.layouts = dict(layouts or {})
        self.student, self.shape, self.name, self.names = student, shape, student.name, dict(names)
        self.tensors = ("x", *names)
        self.changed: tuple[str, ...] = ()  # names of arrays overwritten by the last call: x, dy, y, or a parameter
        self.reshaped: dict[str, tuple[int, ...]] = {}  # shapes of gradients with other axes of length 1

    def add(self, name: str) -> None:
        """Declare another array of the learner's object as a parameter."""
        self.names[name] = name
        self.tensors = ("x", *self.names)
        self.student.declare(*self.names.values())

    def forward(self, values: Values) -> Array:
        """Return the output of the learner's `forward` for these values."""
        for name, learner_name in self.names.items():
            self.student.set(learner_name, values[name])
        y = self.student.forward(values["x"], strided=self.strided)
        self.changed = self._changed(values)
        return y if any(np.iscomplexobj(value) for value in values.values()) else _real(y, f"{self.name}.forward")

    def gradients(self, values: Values, dy: Array) -> dict[str, Array]:
        """Run the learner's `forward` and `backward`, and return the gradients.

        Their shapes are not checked. A gradient that the code does not compute has no entry.
        """
        self.forward(values)
        return self.backward(values, dy)

    def backward(self, values: Values, dy: Array) -> dict[str, Array]:
        """Call the learner's `backward` and return its gradients. Call `forward` with these values first."""
        before = self.changed
        dx, gradients = self.student.backward(dy, strict=False, strided=self.strided)
        self.changed = tuple(name for name in self._changed(values) if name not in before)
        library_names = {learner_name: name for name, learner_name in self.names.items()}
        named = {
            **({} if dx is NO_DX else {"x": dx}),
            **{library_names[name]: gradient for name, gradient in gradients.items() if name in library_names},
        }
        gradients = {name: _real(gradient, f"{self.name}.backward") for name, gradient in named.items()}
        for name, gradient in gradients.items():
            shape = values[name].shape
            same = gradient.ndim > 0 and squeezed(gradient.shape) == squeezed(shape)
            if name != "x" and gradient.shape != shape and same:
                self.reshaped[name] = gradient.shape
                gradients[name] = gradient.reshape(shape)
        return SubmittedGradients(gradients)

    @property
    def independent(self) -> bool:
        """Whether another object with the same code shares no state with this one."""
        return self.student.independent

    def another(self) -> "SubmittedLayer":
        """Return another layer with the same code: a new object, or a copy if new objects lack parameters."""
        fresh = self.student.another()
        complete = all(fresh.copy_of(name) is not None for name in self.names.values())
        student = fresh if complete else copy.deepcopy(self.student)
        return SubmittedLayer(student, self.shape, self.names, self.layouts)

    def _changed(self, values: Values) -> tuple[str, ...]:
        """Return the names of the arrays that the last call overwrote."""
        current = ((name, self.student.copy_of(learner_name)) for name, learner_name in self.names.items())
        parameters = [
            name for name, value in current if value is None or not np.array_equal(value, values[name], equal_nan=True)
        ]
        return tuple(dict.fromkeys([*self.student.changed, *parameters]))


class OneNonzero(SubmittedLayer):
    """A learner's layer whose backward expects a dy with a single nonzero element per sample; y is (N, K)."""

    def __init__(self, layer: SubmittedLayer) -> None:
        super().__init__(layer.student, layer.shape, layer.names, layer.layouts)

    def gradients(self, values: Values, dy: Array) -> dict[str, Array]:
        """Return the sums of the gradients for the columns of dy; without entries if the code fails."""
        sums = dict[str, Array]()
        for column in range(dy.shape[-1]):
            part = np.zeros_like(dy)
            part[..., column] = dy[..., column]
            try:
                self.forward(values)
                gradients = super().backward(values, part)
            except StudentError:
                return {}
            sums = {name: sums.get(name, np.zeros(())) + gradient for name, gradient in gradients.items()}
        return sums

    def backward(self, values: Values, dy: Array) -> dict[str, Array]:
        """Return the same as `gradients`: each column of dy needs its own forward."""
        return self.gradients(values, dy)


class SubmittedLoss(Subject):
    """A learner's loss with predictions p (N, K) and targets t (N, K).

    code      the learner's code: forward returns the mean loss or one loss per sample, and backward returns the
              gradient of the mean
    intended  the intended loss
    """

    tensors = ("p",)

    def __init__(self, code: LossCode, name: str, intended: Subject) -> None:
        self.name, self._code, self.intended = name, code, intended
        self.changed: tuple[str, ...] = ()

    def forward(self, values: Values) -> Array:
        """Return the mean loss; StudentError unless the code returns one loss, or one per sample."""
        result = self._code.forward(values["p"], values["t"])
        self.changed = result.changed
        losses, samples = result.arrays["y"], len(values["p"])
        if losses.size not in (1, samples):
            raise StudentError(
                f"{self.name} returned {losses.size} numbers, of shape {losses.shape}: "
                f"expected the mean loss, or one loss for each of the {samples} samples"
            )
        return np.asarray(losses.mean())

    def gradients(self, values: Values, dy: Array) -> dict[str, Array]:
        """Run forward and backward, and return the learner's gradient of the mean loss, times dy."""
        self.forward(values)
        before = self.changed
        gradients = self.backward(values, dy)
        self.changed = (*before, *self.changed)
        return gradients

    def backward(self, values: Values, dy: Array) -> dict[str, Array]:
        """Call the learner's `backward`, and return its gradient times dy. Call `forward` with these values first."""
        result = self._code.backward(values["p"], values["t"])
        self.changed = result.changed
        gradient = result.arrays["dp"]
        return {"p": (dy * gradient).astype(gradient.dtype)}  # the dtype determines the rounding error

    @property
    def independent(self) -> bool:
        """Whether another loss with the same code shares no state with this one."""
        return self._code.independent

    def another(self) -> "SubmittedLoss":
        """Return another loss with the same code."""
        return SubmittedLoss(self._code.another(), self.name, self.intended)


def match_parameters(
    student: Student, intended: LayerSubject, layouts: Mapping[str, ArrayLayout] | None = None
) -> SubmittedLayer:
    """Return the learner's layer as a subject, and match its parameters to the intended layer's.

    layouts   known layouts of x, y and parameters; all others are derived from the shapes of the learner's arrays
    """
    names = _pair_by_name(student, intended)
    if len(names) < len(intended.parameters):  # parameters may be created by the first call, or have unusual names
        names = _pair_after_call(student, intended)
    known_layouts = dict(layouts or {})
    for parameter, learner_name in names.items():
        known_layouts[parameter] = known_layouts.get(parameter) or _layout(
            student, learner_name, intended.parameters[parameter], intended
        )
    student.declare(*names.values())
    return SubmittedLayer(
        student, intended.shape, names, {name: layout for name, layout in known_layouts.items() if layout != SAME}
    )


def draw_values(
    subject: SubmittedLayer, count: int, seed: int, intended: LayerSubject | None = None, total: int = 0
) -> dict[str, np.ndarray[Any, Any]]:
    """Draw random values for ``count`` samples and all parameters, in the learner's layouts.

    intended  the intended layer, which determines the shapes of the parameters; None: use the learner's shapes
    total     number of samples, if larger than ``count``; the drawn samples are then repeated
    """
    shapes = (
        intended.parameters
        if intended is not None
        else {name: subject.student.parameters[name].shape for name in subject.tensors[1:]}
    )
    drawn = probes.draw_values(subject.shape, shapes, count, seed)
    x = np.resize(drawn["x"], (total or count, *subject.shape))
    return arrays_to_learner(subject.layouts, {**drawn, "x": x})


def _pair_by_name(student: Student, intended: LayerSubject) -> dict[str, str]:
    """Return the learner's names of the parameters that have usual names, by this library's names.

    If there are several candidates, the first with the correct shape is preferred.
    """
    names: dict[str, str] = {}
    for parameter, shape in intended.parameters.items():
        spellings = [
            spelling
            for word in NAMES.families.get(parameter, (parameter,))
            for spelling in (word, word.upper(), word.capitalize())
        ]
        candidates = arrays_named(parameter, student.names) + arrays_named(parameter, student.array_names())
        candidates += [
            spelling for spelling in spellings if student.has(spelling)
        ]  # scalars too, such as the k of a kernel's size
        if parameter == "gamma" and not candidates:
            candidates = arrays_named("w", student.array_names())  # PyTorch's name for the scale of a normalization
        free = [name for name in dict.fromkeys(candidates) if name not in names.values()]
        fitting = [name for name in free if _fits(student, name, shape)]
        shaped = [name for name in free if (held := student.copy_of(name)) is None or held.ndim]
        if fitting or shaped:
            names[parameter] = (fitting or shaped)[0]
    return names


def _fits(student: Student, name: str, shape: tuple[int, ...]) -> bool:
    """Return whether an array may be a parameter of this shape. A whole number is an option, such as a size."""
    array = student.copy_of(name)
    if array is None or (not array.ndim and array.dtype.kind != "f"):
        return False
    return between(shape, array.shape) is not None


def _pair_after_call(student: Student, intended: LayerSubject) -> dict[str, str]:
    """Return the learner's parameter names after a first call, which may create the parameters.

    Parameters with unusual names are identified by their shapes and their effects on the output.
    """
    x = np.random.default_rng(0).normal(size=(2, *intended.shape))
    student.explore(x, strict=False)
    names = _pair_by_name(student, intended)
    for parameter, shape in intended.parameters.items():
        if parameter not in names:
            others = [name for name in influential_arrays(student, x) if name not in names.values()]
            fitting = [name for name in others if _fits(student, name, shape)]
            exact = [name for name in fitting if (held := student.copy_of(name)) is not None and held.shape == shape]
            fitting = exact if len(fitting) > 1 else fitting  # a kernel of size 1 may have any shape of ones
            if len(fitting) != 1:
                parameters = ", ".join(intended.parameters)
                raise FormError(
                    f"{student.name} has no parameter {parameter}; {intended.name} has {parameters} "
                    f"(make {parameter} an attribute and store its gradient in d{parameter}, or make it an argument "
                    "of forward)"
                )
            names[parameter] = fitting[0]
    return {parameter: names[parameter] for parameter in intended.parameters}


def _layout(student: Student, name: str, expected: tuple[int, ...], intended: LayerSubject) -> ArrayLayout:
    """Return the layout of a parameter; StudentError if no layout matches its shape."""
    array = student.copy_of(name)
    layout = SAME if array is None else between(expected, array.shape)
    if array is not None and layout is None:
        raise StudentError(
            f"{student.name}: {name} has the shape {text(array.shape) or '()'}; {intended.name} on an input of "
            f"{text(intended.shape)} expects {text(expected)}: change the shape, or pass --input-shape"
        )
    return layout or SAME


def explore_layer(
    student: Student, shape: tuple[int, ...] | None, usual: Sequence[tuple[int, ...]] = ()
) -> SubmittedLayer:
    """Return the learner's layer as a subject whose intended layer is unknown.

    The parameters, and the input shape if ``shape`` is None, are determined by trial, beginning with the shapes in
    ``usual``.
    """
    errors: list[StudentError] = []
    for candidate in [shape] if shape is not None else [*usual, *candidate_shapes(student)]:
        try:
            student.explore(np.random.default_rng(0).normal(size=(2, *candidate)), strict=False)
        except UnwrittenError:
            raise
        except StudentError as error:
            errors.append(error)
            continue
        return SubmittedLayer(student, candidate, {name: name for name in student.names})
    if in_backward := [error for error in errors if failed_in_backward(str(error))]:
        raise in_backward[0]  # forward accepts the shape, so the input is not the cause
    if shape is not None or len(errors) == 1:
        raise errors[0]
    if re.search(r"forward\(\) missing 1 required positional argument", str(errors[0])):
        advice = "forward of a layer takes x only; check a loss, which takes p and t, with --against LOSS"
        raise StudentError(f"{errors[0]}; {advice}")
    raise ShapeError(f"{student.name} accepts none of the usual input shapes; pass --input-shape: {errors[0]}")


def failed_in_backward(message: str) -> bool:
    """Return whether the message of an error in a learner's code names backward as its origin."""
    function = message.partition(":")[0].partition(" ")[0].rpartition(".")[2]
    return "backward" in function or function in NAMES.backward


def layers_without_backward(student: Student, shape: tuple[int, ...] | None) -> Iterator[SubmittedLayer]:
    """Yield the learner's layer as a subject for each input shape that forward accepts.

    Its parameters are the arrays with usual names that affect the output, because backward identifies none.

    shape   shape of one input; None: try several
    """
    for candidate in [shape] if shape is not None else candidate_shapes(student):
        tried, x = copy.deepcopy(student), np.random.default_rng(0).normal(size=(2, *candidate))
        try:
            tried.forward(x)
            names = [name for name in influential_arrays(tried, x) if family(name)]
        except StudentError:
            continue
        tried.declare(*names)
        yield SubmittedLayer(tried, candidate, {name: name for name in names})


def uncalled_copy(original: Student, subject: SubmittedLayer) -> SubmittedLayer:
    """Return the subject with a fresh copy of the original code, whose forward was never called.

    If the parameters only exist after a first call, return the subject unchanged.
    """
    fresh = copy.deepcopy(original)
    if any(fresh.copy_of(name) is None for name in subject.names.values() if name not in fresh.names):
        return subject
    fresh.declare(*subject.names.values())
    return SubmittedLayer(fresh, subject.shape, subject.names, subject.layouts)


def candidate_shapes(student: Student) -> Sequence[tuple[int, ...]]:
    """Return input shapes to try, starting with those that match the weights or the scales of a normalization.

    The axes of weights may be (filters, channels, *window), (channels, *window, filters) or
    (*window, channels, filters).
    """
    for name in arrays_named("w", student.array_names()):
        w = student.copy_of(name)
        if w is not None and w.ndim in (2, 3, 4):
            orders = ((w.shape[1], w.shape[2:]), (w.shape[0], w.shape[1:-1]), (w.shape[-2], w.shape[:-2]))
            return [*(_shape_around(channels, taps) for channels, taps in orders), *SHAPES]
    scales = (student.copy_of(name) for name in arrays_named("gamma", student.array_names()))
    scale_size = next((len(scale) for scale in scales if scale is not None and scale.ndim == 1), 0)
    return [(scale_size, scale_size + 2, scale_size + 1), (scale_size,), *SHAPES] if scale_size else SHAPES


def _shape_around(channels: int, window: Sequence[int]) -> tuple[int, ...]:
    """Return an input shape that is slightly larger than a window."""
    return (channels, *(taps + margin for taps, margin in zip(window, (5, 3), strict=False)))


def _real(array: Array, source: str) -> Array:
    """Return the real part of an array if it is real up to rounding errors; StudentError for other arrays."""
    if not np.iscomplexobj(array):
        return array
    negligible = NEGLIGIBLE if array.dtype.itemsize == 16 else NEGLIGIBLE_SINGLE
    if np.abs(np.imag(array)).max(initial=0.0) > negligible * np.abs(array).max(initial=0.0):
        raise StudentError(f"{source} returns complex numbers for real inputs")
    return np.real(array)
