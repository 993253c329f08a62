"""A learner's file, which is loaded in this process or in another one."""

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

from chainrule.check import sources
from chainrule.check.host import HostedFile
from chainrule.check.sources import FileContents
from chainrule.custom.autograd import Expression
from chainrule.custom.calls import Array
from chainrule.custom.interface import LossCode
from chainrule.custom.optimizers import Descent
from chainrule.custom.student import Student


class LocalFile:
    """A learner's module in this process."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module

    def contents(self) -> FileContents:
        """Return the names in the module."""
        return sources.contents(self._module)

    def evaluate(self, name: str, task: Expression | Descent) -> dict[str, Array]:
        """Return the results of an expression with a class of automatic differentiation, or of an optimizer's run."""
        return sources.evaluate(self._module, Path(self._module.__name__), name, task)

    def start_part(self) -> None:
        """Do nothing: code in this process has no time limit."""

    def restart(self) -> None:
        """Do nothing: code in this process cannot end."""

    def layer(
        self, name: str = "", *, backward: str = "", options: Mapping[str, Any] | None = None, contract: str = ""
    ) -> Student:
        """Return a layer, or a pair of functions.

        name      name of a class, an object or a forward function
        backward  name of the backward function; empty for a class or an object
        options   values for constructor arguments, or for arguments of forward
        contract  how the layer is called, instead of the name and the options
        """
        code = self._bind(name, backward, False, options or {}, contract)
        return Student.around(code, name or code.kind)

    def loss(self, name: str = "", *, backward: str = "", contract: str = "") -> LossCode:
        """Return the loss with this name, or that of a contract."""
        return self._bind(name, backward, True, {}, contract)

    def _bind(self, name: str, backward: str, loss: bool, options: Mapping[str, Any], contract: str) -> Any:
        selection = {"name": name, "backward": backward, "loss": loss, "options": options, "contract": contract}
        return sources.bind(self._module, Path(self._module.__name__), selection)[0]


CheckedFile: TypeAlias = LocalFile | HostedFile  # with the same methods
