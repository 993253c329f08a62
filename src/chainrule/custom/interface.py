"""Interface to a learner's code, which may run in another process.

Arguments and results are arrays. Any error in the code is raised as a `StudentError` with a one-line message. `Methods`
(a class or an object), `Functions` (two plain functions) and `LossFunctions` run the code in the current process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from chainrule.custom.calls import Array


@dataclass(frozen=True)
class CallResult:
    """Result of one call.

    arrays   results by name: {"y": …} from forward; {"dx": …} and any other returned arrays from backward
    changed  names of the caller's arrays that the call has overwritten: x, dy, y, or the parameters of functions
    needed   what the code needs beyond x and dy, such as "save_cache=True in forward"; None if nothing
    """

    arrays: Mapping[str, Array]
    changed: tuple[str, ...] = ()
    needed: str | None = None


class Code(Protocol):
    """A learner's layer: forward, backward, and access to arrays by name.

    Arrays in containers and nested objects have dotted names: params.W, conv.w, layers.0.b.
    """

    @property
    def kind(self) -> str:
        """Name of the class, module or function."""
        ...

    @property
    def arguments(self) -> tuple[str, ...] | None:
        """Parameter names of plain functions, in order; None for objects, because their parameters are detected."""
        ...

    @property
    def independent(self) -> bool:
        """Whether copies share no state. False for an object whose `forward` is not defined by its class.

        Copies of such an object would share the variables of the function `forward`.
        """
        ...

    @property
    def rate(self) -> str | None:
        """Name of the argument of backward that is a learning rate; None if backward does not update parameters."""
        ...

    def names(self) -> tuple[str, ...]:
        """Return the names of all numbers and arrays in the code, including gradients and saved inputs."""
        ...

    def has(self, name: str) -> bool:
        """Return whether there is a value with the given name. The value may be None."""
        ...

    def get(self, name: str) -> Array | None:
        """Return a copy of the array or number with the given name, in its own dtype; None if there is none."""
        ...

    def set(self, name: str, value: Array) -> None:
        """Replace the value with the given name."""
        ...

    def forward(self, x: Array, *, strided: bool = False) -> CallResult:
        """Call forward on a copy of x.

        strided  whether the copy is noncontiguous in memory, like a slice of a larger array
        """
        ...

    def backward(self, dy: Array, *, strided: bool = False) -> CallResult:
        """Call backward on a copy of dy, for the last call of forward."""
        ...

    def adapted(self, axis: str) -> Code:
        """Return an adapter for a copy: "one" for code that takes single samples, "last" if they are the last axis."""
        ...

    def another(self) -> Code:
        """Return another instance created with the same arguments or, for objects and functions, a copy."""
        ...


def arrays_of(code: Code) -> dict[str, Array]:
    """Return copies of all numbers and arrays in the code, by name."""
    arrays: dict[str, Array] = {}
    for name in code.names():
        value = code.get(name)
        if value is not None:
            arrays[name] = value
    return arrays


class LossCode(Protocol):
    """A learner's loss for predictions p (N, K) and targets t: (N, K), or class indices (N,)."""

    name: str

    @property
    def independent(self) -> bool:
        """Whether `another` returns a loss that shares no state.

        False for bound methods, and for an object whose `forward` is not defined by its class.
        """
        ...

    def another(self) -> LossCode:
        """Return another loss that runs the same code."""
        ...

    def forward(self, p: Array, t: Array) -> CallResult:
        """Return {"y": the mean loss, or the loss of each sample, (N,)}."""
        ...

    def backward(self, p: Array, t: Array) -> CallResult:
        """Return {"dp": the gradient of the mean loss}. Call forward with the same p and t first."""
        ...
