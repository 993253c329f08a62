"""A learner's layer or loss as a function of named tensors, whose parameters are set to random values."""

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.check import random_inputs
from chainrule.check.library_functions import DifferentiableFunction, LibraryLayer, Values
from chainrule.check.parameters import ArrayLayout, arrays_to_learner
from chainrule.custom.held_arrays import squeezed
from chainrule.custom.interface import LossCode
from chainrule.custom.learner_layer import NO_DX, LearnerLayer
from chainrule.custom.names import NAMES
from chainrule.engines.protocol import Array
from chainrule.errors import StudentError

NEUTRAL = {"gamma": 1.0}  # values of parameters that change nothing; 0 for the others
NEGLIGIBLE, NEGLIGIBLE_SINGLE = 1e-9, 1e-4  # relative size of rounding errors in complex128 and complex64


class SubmittedGradients(dict[str, Array]):
    """Gradients by the names of their tensors. Reading one that the code did not compute raises StudentError."""

    def __missing__(self, name: str) -> Array:
        raise StudentError(f"backward did not compute the gradient of {name} in every call")


class SubmittedLayer(DifferentiableFunction):
    """A learner's layer with inputs of one shape. Its tensors have this library's names.

    names     the learner's names of the parameters, by this library's names
    layouts   the learner's layouts of x, y and the parameters, where they differ from this library's; all values that
              the methods accept and return use these layouts
    """

    strided = False  # whether the code receives non-contiguous arrays

    def __init__(
        self,
        learner_layer: LearnerLayer,
        shape: tuple[int, ...],
        names: Mapping[str, str],
        layouts: Mapping[str, ArrayLayout] | None = None,
    ) -> None:
        self.layouts = dict(layouts or {})
        self.learner_layer = learner_layer
        self.shape = shape
        self.name = learner_layer.name
        self.names = dict(names)
        self.tensors = ("x", *names)
        self.changed: tuple[str, ...] = ()  # names of arrays overwritten by the last call: x, dy, y, or a parameter
        self.reshaped: dict[str, tuple[int, ...]] = {}  # shapes of gradients with other axes of length 1

    def add(self, name: str) -> None:
        """Declare another array of the learner's object as a parameter."""
        self.names[name] = name
        self.tensors = ("x", *self.names)
        self.learner_layer.declare(*self.names.values())

    def forward(self, values: Values) -> Array:
        """Return the output of the learner's `forward` for these values."""
        for name, learner_name in self.names.items():
            self.learner_layer.set(learner_name, values[name])
        y = self.learner_layer.forward(values["x"], strided=self.strided)
        self.changed = self._changed(values)
        if any(np.iscomplexobj(value) for value in values.values()):
            return y
        return _real(y, f"{self.name}.forward")

    def gradients(self, values: Values, dy: Array) -> dict[str, Array]:
        """Run the learner's `forward` and `backward`, and return the gradients.

        Their shapes are not checked. A gradient that the code does not compute has no entry.
        """
        self.forward(values)
        return self.backward(values, dy)

    def backward(self, values: Values, dy: Array) -> dict[str, Array]:
        """Call the learner's `backward` and return its gradients. Call `forward` with these values first."""
        before = self.changed
        dx, returned = self.learner_layer.backward(dy, strict=False, strided=self.strided)
        self.changed = tuple(name for name in self._changed(values) if name not in before)
        gradients = SubmittedGradients()
        if dx is not NO_DX:
            gradients["x"] = _real(dx, f"{self.name}.backward")
        library_names = dict[str, str]()
        for name, learner_name in self.names.items():
            library_names[learner_name] = name
        for learner_name, array in returned.items():
            name = library_names.get(learner_name)
            if name is None:
                continue
            gradient = _real(array, f"{self.name}.backward")
            shape = values[name].shape
            same = gradient.ndim > 0 and squeezed(gradient.shape) == squeezed(shape)
            if name != "x" and gradient.shape != shape and same:
                self.reshaped[name] = gradient.shape
                gradient = gradient.reshape(shape)
            gradients[name] = gradient
        return gradients

    @property
    def independent(self) -> bool:
        """Whether another object with the same code shares no state with this one."""
        return self.learner_layer.independent

    def another(self) -> "SubmittedLayer":
        """Return another layer with the same code: a new object, or a copy if new objects lack parameters."""
        fresh = self.learner_layer.another()
        complete = all(fresh.copy_of(name) is not None for name in self.names.values())
        if complete:
            learner_layer = fresh
        else:
            learner_layer = copy.deepcopy(self.learner_layer)
        return SubmittedLayer(learner_layer, self.shape, self.names, self.layouts)

    def _changed(self, values: Values) -> tuple[str, ...]:
        """Return the names of the arrays that the last call overwrote."""
        changed = dict.fromkeys(self.learner_layer.changed)
        for name, learner_name in self.names.items():
            value = self.learner_layer.copy_of(learner_name)
            if value is None or not np.array_equal(value, values[name], equal_nan=True):
                changed[name] = None
        return tuple(changed)


class OneNonzero(SubmittedLayer):
    """A learner's layer whose backward expects a dy with a single nonzero element per sample; y is (N, K)."""

    def __init__(self, layer: SubmittedLayer) -> None:
        super().__init__(layer.learner_layer, layer.shape, layer.names, layer.layouts)

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
            for name in gradients:
                sums[name] = sums.get(name, np.zeros(())) + gradients[name]
        return sums

    def backward(self, values: Values, dy: Array) -> dict[str, Array]:
        """Return the same as `gradients`: each column of dy needs its own forward."""
        return self.gradients(values, dy)


class SubmittedLoss(DifferentiableFunction):
    """A learner's loss with predictions p (N, K) and targets t (N, K).

    code      the learner's code: forward returns the mean loss or one loss per sample, and backward returns the
              gradient of the mean
    intended  the intended loss
    """

    tensors = ("p",)

    def __init__(self, code: LossCode, name: str, intended: DifferentiableFunction) -> None:
        self.name = name
        self._code = code
        self.intended = intended
        self.changed: tuple[str, ...] = ()

    def forward(self, values: Values) -> Array:
        """Return the mean loss; StudentError unless the code returns one loss, or one per sample."""
        result = self._code.forward(values["p"], values["t"])
        self.changed = result.changed
        losses = result.arrays["y"]
        samples = len(values["p"])
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


def draw_values(
    submitted: SubmittedLayer, count: int, seed: int, intended: LibraryLayer | None = None, total: int = 0
) -> dict[str, np.ndarray[Any, Any]]:
    """Draw random values for ``count`` samples and all parameters, in the learner's layouts.

    intended  the intended layer, which determines the shapes of the parameters; None: use the learner's shapes
    total     number of samples, if larger than ``count``; the drawn samples are then repeated
    """
    if intended is not None:
        shapes = intended.parameters
    else:
        shapes = {name: submitted.learner_layer.parameters[name].shape for name in submitted.tensors[1:]}
    drawn = random_inputs.draw_values(submitted.shape, shapes, count, seed)
    for name in drawn.keys() - {*submitted.tensors}:  # a parameter that the code does not have
        drawn[name] = np.full_like(drawn[name], NEUTRAL.get(name, 0.0))
    x = np.resize(drawn["x"], (total or count, *submitted.shape))
    return arrays_to_learner(submitted.layouts, {**drawn, "x": x})


def failed_in_backward(message: str) -> bool:
    """Return whether the message of an error in a learner's code names backward as its origin."""
    function = message.partition(":")[0].partition(" ")[0].rpartition(".")[2]
    return "backward" in function or function in NAMES.backward


def uncalled_copy(original: LearnerLayer, submitted: SubmittedLayer) -> SubmittedLayer:
    """Return the submitted layer with a fresh copy of the original code, whose forward was never called.

    If the parameters only exist after a first call, return the layer unchanged.
    """
    fresh = copy.deepcopy(original)
    if any(fresh.copy_of(name) is None for name in submitted.names.values() if name not in fresh.names):
        return submitted
    fresh.declare(*submitted.names.values())
    return SubmittedLayer(fresh, submitted.shape, submitted.names, submitted.layouts)


def _real(array: Array, source: str) -> Array:
    """Return the real part of an array if it is real up to rounding errors; StudentError for other arrays."""
    if not np.iscomplexobj(array):
        return array
    if array.dtype.itemsize == 16:
        negligible = NEGLIGIBLE
    else:
        negligible = NEGLIGIBLE_SINGLE
    if np.abs(np.imag(array)).max(initial=0.0) > negligible * np.abs(array).max(initial=0.0):
        raise StudentError(f"{source} returns complex numbers for real inputs")
    return np.real(array)
