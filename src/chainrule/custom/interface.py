"""Interface to a learner's code, which may run in another process.

Arguments and results are arrays. Any error in the code becomes a `StudentError` with a message of one line. `Methods`
(a class or an object), `Functions` (two plain functions) and `LossFunctions` run the code in this process.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from chainrule.custom.calls import Array

CUSTOM_SUFFIX = " (own)"  # suffix of the names of custom code in files, which do not contain the code


@dataclass(frozen=True)
class CallResult:
    """Result of one call.

    arrays   results by name: {"y": …} of forward; {"dx": …} of backward, and other arrays that it returned
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
        """Name of the class, module or function."""
        ...

    @property
    def arguments(self) -> tuple[str, ...] | None:
        """Names of the parameters of plain functions, in order; None for objects, whose parameters are detected."""
        ...

    @property
    def independent(self) -> bool:
        """Whether a copy shares no state with it; False for an object with functions whose variables are not copied."""
        ...

    def names(self) -> tuple[str, ...]:
        """Return the names of all its numbers and arrays, including gradients and saved inputs."""
        ...

    def has(self, name: str) -> bool:
        """Return whether it has a value with a name, which may be None."""
        ...

    def get(self, name: str) -> Array | None:
        """Return a copy of the array or number with a name, in its dtype; None if there is none."""
        ...

    def set(self, name: str, value: Array) -> None:
        """Replace the value with a name."""
        ...

    def forward(self, x: Array, *, strided: bool = False) -> CallResult:
        """Call forward on a copy of x.

        strided  whether that copy is not contiguous in memory, like a slice of a larger array
        """
        ...

    def backward(self, dy: Array, *, strided: bool = False) -> CallResult:
        """Call backward on a copy of dy, for the last call of forward."""
        ...

    def copy(self) -> "Code":
        """Return an independent copy."""
        ...

    def another(self) -> "Code":
        """Return another instance of a class, created with the same arguments; a copy of an object or of functions."""
        ...


class LossCode(Protocol):
    """A learner's loss for predictions p (N, K) and targets t (N, K)."""

    @property
    def independent(self) -> bool:
        """Whether `another` shares no state with it; False for methods and variables that cannot be copied."""
        ...

    def another(self) -> "LossCode":
        """Return another loss with the same code."""
        ...

    def forward(self, p: Array, t: Array) -> CallResult:
        """Return the result {"y": the mean loss, or the loss of each sample (N,)}."""
        ...

    def backward(self, p: Array, t: Array) -> CallResult:
        """Return the result {"dp": the gradient of the mean loss}, after a call of forward with the same p and t."""
        ...
