"""Interface to a learner's code under a contract, which may run in another process.

Arguments and results are arrays with this library's axes. Any error in the code is a `StudentError` of one line.
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

    arrays   results by name: {"y": …} from forward; {"dx": …} and the gradients of parameters from backward
    changed  names of the caller's arrays that the call has overwritten: x, dy, y, or parameters
    """

    arrays: Mapping[str, Array]
    changed: tuple[str, ...] = ()


class Code(Protocol):
    """A learner's layer."""

    @property
    def kind(self) -> str:
        """Name of the class or the function that is called first."""
        ...

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters that its contract uses."""
        ...

    @property
    def independent(self) -> bool:
        """Whether `another` returns code that shares no state on purpose: it makes a new object."""
        ...

    def set(self, name: str, value: Array) -> None:
        """Set a parameter for the next forward, or the mode (`TRAIN`)."""
        ...

    def forward(self, x: Array, *, strided: bool = False) -> CallResult:
        """Call forward on a copy of x, noncontiguous in memory if ``strided``."""
        ...

    def backward(self, dy: Array, *, strided: bool = False) -> CallResult:
        """Call backward on a copy of dy, for the last call of forward."""
        ...

    def another(self) -> Code:
        """Return a new object of the same class, with the same parameters."""
        ...


class LossCode(Protocol):
    """A learner's loss for predictions p (N, K) and targets t (N, K), which a contract turns into class numbers."""

    name: str

    @property
    def independent(self) -> bool:
        """Whether `another` returns code that shares no state on purpose."""
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
