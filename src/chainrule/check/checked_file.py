"""Interface to a learner's file, which may be loaded in this process or in another one."""

from collections.abc import Mapping
from typing import Any, Protocol

from chainrule.check.host.remote import RemoteLoss
from chainrule.check.sources import FileContents
from chainrule.custom.autograd import Expression
from chainrule.custom.calls import Array
from chainrule.custom.losses import LossFunctions
from chainrule.custom.optimizers import Descent
from chainrule.custom.student import Student


class CheckedFile(Protocol):
    """A learner's file, in this process (`LocalFile`) or in another one (`host.HostedFile`)."""

    def contents(self) -> FileContents:
        """Return the names in the file."""
        ...

    def evaluate(self, name: str, task: Expression | Descent) -> dict[str, Array]:
        """Return the results of an expression with a class of automatic differentiation, or of an optimizer's run."""
        ...

    def start_part(self) -> None:
        """Begin the check of the next function or class, which has its own time limit."""
        ...

    def layer(self, name: str, *, backward: str = "", options: Mapping[str, Any] | None = None) -> Student:
        """Return a layer, or a pair of functions.

        name      name of a class, an object or a forward function
        backward  name of the backward function; empty for a class or an object
        options   values for constructor arguments, or for arguments of forward
        """
        ...

    def loss(self, name: str, *, backward: str = "", labels: bool = False) -> RemoteLoss | LossFunctions:
        """Return a loss by name. Its targets are class indices if ``labels`` is true, otherwise distributions.

        backward  name of the second function of a pair
        """
        ...
