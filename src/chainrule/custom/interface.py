"""The interface to a learner's code, which may run in another process.

Arguments and results are arrays; any error in the code becomes a `StudentError` of one line. `Methods` (a class or an
object), `Functions` (two plain functions) and `LossFunctions` run the code in this process.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from chainrule.custom.calls import Array

OWN = " (own)"  # suffix of the name of custom code, which no file contains


@dataclass(frozen=True)
class CallResult:
    """Result of one call.

    arrays   {"y": …} of forward; {"dx": …} of backward, with any other arrays that it returned, by name
    changed  names of the caller's arrays that the call has overwritten: x, dy, y, parameters of functions
    """

    arrays: Mapping[str, Array]
    changed: tuple[str, ...] = field(default=())


class Code(Protocol):
    """A learner's layer, with forward, backward, and arrays by name.

    Names of arrays in containers and nested objects are dotted: params.W, conv.w, layers.0.b.
    """

    @property
    def kind(self) -> str:
        """Name of the code: of its class, module or function."""
        ...

    @property
    def arguments(self) -> tuple[str, ...] | None:
        """Names of the parameters of plain functions, in order; None for an object, whose parameters are detected."""
        ...

    @property
    def independent(self) -> bool:
        """Whether a copy shares nothing with it; False for an object of functions, whose variables are not copied."""
        ...

    def names(self) -> tuple[str, ...]:
        """Return the names of all numbers and arrays that it holds, gradients and kept inputs included."""
        ...

    def has(self, name: str) -> bool:
        """Return whether it holds anything under a name, even None."""
        ...

    def get(self, name: str) -> Array | None:
        """Return a copy of the array or number under a name, in its own dtype; None if there is none."""
        ...

    def set(self, name: str, value: Array) -> None:
        """Replace the value under a name."""
        ...

    def forward(self, x: Array, *, strided: bool = False) -> CallResult:
        """Call forward on a copy of x.

        strided  whether that copy is not contiguous in memory, like a slice of a larger array
        """
        ...

    def backward(self, dy: Array, *, strided: bool = False) -> CallResult:
        """Call backward on a copy of dy, for the last forward."""
        ...

    def copy(self) -> "Code":
        """Return an independent copy."""
        ...

    def another(self) -> "Code":
        """Return another object of the same class, constructed alike; a copy of an object or of functions."""
        ...


class LossCode(Protocol):
    """A learner's loss of predictions p (N, K) and targets t (N, K)."""

    @property
    def independent(self) -> bool:
        """Whether `another` shares nothing with it by right; False for methods and variables that cannot be copied."""
        ...

    def another(self) -> "LossCode":
        """Return another loss of the same code."""
        ...

    def forward(self, p: Array, t: Array) -> CallResult:
        """Return {"y": the mean loss, or the loss of each sample (N,)}."""
        ...

    def backward(self, p: Array, t: Array) -> CallResult:
        """Return {"dp": the gradient of the mean loss}, after a forward of the same p and t."""
        ...
