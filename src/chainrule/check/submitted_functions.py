"""A learner's layer or loss as a function of named tensors, whose parameters are set to random values."""

import copy
from collections.abc import Mapping, Sequence

import numpy as np

from chainrule.check import random_inputs
from chainrule.check.library_functions import DifferentiableFunction, Values
from chainrule.custom.contract_run import squeezed
from chainrule.custom.interface import Code
from chainrule.custom.names import NAMES
from chainrule.engines.protocol import Array
from chainrule.errors import StudentError

NEUTRAL = {"gamma": 1.0}  # values of parameters that change nothing; 0 for the others
NEGLIGIBLE, NEGLIGIBLE_SINGLE = 1e-7, 1e-4  # relative size of rounding errors in complex128 and complex64


class SubmittedGradients(dict[str, Array]):
    """Gradients by the names of their tensors. Reading one that the code did not compute raises StudentError."""

    def __missing__(self, name: str) -> Array:
        raise StudentError(f"backward did not compute the gradient of {name} in every call")


class SubmittedLayer(DifferentiableFunction):
    """A learner's layer with inputs of one shape. Its tensors have this library's names and axes.

    names     the parameters that the code has
    """

    strided = False  # whether the code receives non-contiguous arrays

    def __init__(self, code: Code, shape: tuple[int, ...], names: Sequence[str], title: str | None = None) -> None:
        self.code = code
        self.shape = shape
        self.name = title or code.kind
        self.names = tuple(names)
        self.tensors = ("x", *names)
        self.changed: tuple[str, ...] = ()  # names of arrays overwritten by the last call: x, dy, y, or a parameter
        self.reshaped: set[str] = set()  # parameters whose gradients have other axes of length 1

    def output(self, values: Values) -> Array:
        """Return the output of the learner's `forward` for these values."""
        for name in self.names:
            self.code.set(name, values[name])
        return self._forward(values["x"])

    def _forward(self, x: Array) -> Array:
        result = self.code.forward(x, strided=self.strided)
        self.changed = result.changed
        return _real(result.arrays["y"], f"{self.name}.forward")

    def gradients(self, values: Values, dy: Array) -> dict[str, Array]:
        """Run the learner's `forward` and `backward`, and return the gradients.

        Their shapes are not checked. A gradient that the code does not compute has no entry.
        """
        self.output(values)
        return self.backward(values, dy)

    def backward(self, values: Values, dy: Array) -> dict[str, Array]:
        """Call the learner's `backward` and return its gradients. Call `forward` with these values first."""
        before = self.changed
        result = self.code.backward(dy, strided=self.strided)
        self.changed = tuple(name for name in result.changed if name not in before)
        gradients = SubmittedGradients()
        for title, array in result.arrays.items():
            name = title.removeprefix("d")
            if name not in values:
                continue
            gradient = _real(array, f"{self.name}.backward")
            shape = values[name].shape
            if (
                name in self.names
                and gradient.shape != shape
                and gradient.ndim
                and squeezed(gradient.shape) == squeezed(shape)
            ):
                self.reshaped.add(name)
                gradient = gradient.reshape(shape)
            gradients[name] = gradient
        return gradients

    @property
    def independent(self) -> bool:
        """Whether another object with the same code shares no state with this one."""
        return self.code.independent

    def another(self) -> "SubmittedLayer":
        """Return another layer or loss with the same code: a new object."""
        other = copy.copy(self)
        other.code = self.code.another()
        return other


class SubmittedLoss(SubmittedLayer):
    """A learner's loss with predictions p (N, K) and targets t (N, K).

    code      the learner's code: forward returns the mean loss or one loss per sample, and backward the gradient of the
              mean
    intended  the intended loss
    """

    def __init__(self, code: Code, intended: DifferentiableFunction) -> None:
        super().__init__(code, (), ())
        self.tensors = ("p",)
        self.intended = intended

    def output(self, values: Values) -> Array:
        """Return the mean loss; StudentError unless the code returns one loss, or one per sample."""
        self.code.set("t", values["t"])
        losses = self._forward(values["p"])
        samples = len(values["p"])
        if losses.size not in (1, samples):
            raise StudentError(
                f"{self.name} returned {losses.size} numbers, of shape {losses.shape}: "
                f"expected the mean loss, or one loss for each of the {samples} samples"
            )
        return np.asarray(losses.mean())

    def backward(self, values: Values, dy: Array) -> dict[str, Array]:
        """Call the learner's `backward`, and return its gradient times dy. Call `forward` with these values first."""
        gradient = super().backward(values, np.array(1.0))["p"]
        return {"p": (dy * gradient).astype(gradient.dtype)}  # the dtype determines the rounding error


def draw_values(
    submitted: SubmittedLayer, count: int, seed: int, shapes: Mapping[str, tuple[int, ...]], total: int = 0
) -> dict[str, Array]:
    """Draw random values for ``count`` samples and all parameters.

    shapes   shapes of the parameters
    total    number of samples, if larger than ``count``; the drawn samples are then repeated
    """
    drawn = random_inputs.draw_values(submitted.shape, shapes, count, seed)
    for name in drawn.keys() - {*submitted.tensors}:  # a parameter that the code does not have
        drawn[name] = np.full_like(drawn[name], NEUTRAL.get(name, 0.0))
    drawn["x"] = np.resize(drawn["x"], (total or count, *submitted.shape))
    return drawn


def failed_in_backward(message: str) -> bool:
    """Return whether the message of an error in a learner's code names backward as its origin."""
    function = message.partition(":")[0].partition(" ")[0].rpartition(".")[2]
    return "backward" in function or function in NAMES.backward


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
