"""All that is ever asked of a learner's code. What stands on the other side may be another process.

Arrays go in and arrays come out; everything that goes wrong over there is a `StudentError` of one line. `Methods` (a
class or an object), `Functions` (two plain functions) and `LossFunctions` run the code in this process.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from chainrule.student.calls import Array

OWN = " (own)"  # stands after the name of anybody's own code, which no file holds


@dataclass(frozen=True)
class Result:
    """The result of one call.

    arrays   {"y": …} of forward; {"dx": …} of backward, and whatever else it returned, by the name it was given
    changed  which of the arrays that belong to the caller the call has overwritten: x, dy, y, parameters of functions
    """

    arrays: Mapping[str, Array]
    changed: tuple[str, ...] = field(default=())


class Code(Protocol):
    """A learner's layer: it goes forward and backward, and holds arrays by name.

    The names of what an object holds in containers and other objects have dots: params.W, conv.w, layers.0.b.
    """

    @property
    def kind(self) -> str:
        """Return the name that the code has for itself."""
        ...

    @property
    def arguments(self) -> tuple[str, ...] | None:
        """The parameters of plain functions, in order; None for an object, whose parameters have to be found out."""
        ...

    def names(self) -> tuple[str, ...]:
        """The names of all numbers and arrays that it holds, gradients and kept inputs among them."""
        ...

    def has(self, name: str) -> bool:
        """Return whether the code holds anything of that name, be it None."""
        ...

    def get(self, name: str) -> Array | None:
        """A copy of what it holds under a name, whole numbers as such; None where it holds no numbers there."""
        ...

    def set(self, name: str, value: Array) -> None:
        """Replace what it holds under a name."""
        ...

    def forward(self, x: Array, *, strided: bool = False) -> Result:
        """Call forward on a copy of x.

        strided  whether that copy lies in memory with gaps, as a slice of a larger array does
        """
        ...

    def backward(self, dy: Array, *, strided: bool = False) -> Result:
        """Call backward on a copy of dy, for the last forward."""
        ...

    def copy(self) -> "Code":
        """The same with state of its own."""
        ...


class LossCode(Protocol):
    """A learner's loss of predictions p (N, K) and targets t (N, K)."""

    def forward(self, p: Array, t: Array) -> Result:
        """{"y": the mean loss, or one number a sample}."""
        ...

    def backward(self, p: Array, t: Array) -> Result:
        """{"dp": the gradient of the mean loss}, for the last forward, which was of these p and t."""
        ...
