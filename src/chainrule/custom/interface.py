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

    arrays   results by name: {"y": …} from forward; {"dx": …} and the gradients of parameters from backward, and
             {"dp": …} from that of a loss
    changed  names of the caller's arrays that the call has overwritten: x, dy, y, p, t, or parameters
    """

    arrays: Mapping[str, Array]
    changed: tuple[str, ...] = ()


class Code(Protocol):
    """A learner's layer, or a loss of predictions p (N, K) and targets t (N, K), whose upstream gradient is 1.

    The y of a loss is the mean loss, or the loss of each sample, (N,). A contract may turn targets into class numbers.
    """

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
        """Set a parameter or the targets for the next forward, or the mode (`TRAIN`)."""
        ...

    def forward(self, x: Array, *, strided: bool = False) -> CallResult:
        """Call forward on a copy of x, or of p, noncontiguous in memory if ``strided``."""
        ...

    def backward(self, dy: Array, *, strided: bool = False) -> CallResult:
        """Call backward on a copy of dy, for the last call of forward."""
        ...

    def another(self) -> Code:
        """Return a new object of the same class, with the same parameters."""
        ...
