"""A learner's file, which is loaded in this process or in another one."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from chainrule.check import sources
from chainrule.check.sources import FileContents
from chainrule.custom.autograd import Expression
from chainrule.custom.calls import Array
from chainrule.custom.interface import LossCode
from chainrule.custom.learner_layer import LearnerLayer
from chainrule.custom.optimizers import Descent


class CheckedFile(ABC):
    """The names in a learner's file, and its layers and losses."""

    @abstractmethod
    def contents(self) -> FileContents:
        """Return the names in the file."""

    @abstractmethod
    def evaluate(self, name: str | None, task: Expression | Descent) -> dict[str, Array]:
        """Return the results of an expression with a class of automatic differentiation, or of an optimizer's run."""

    @abstractmethod
    def start_part(self) -> None:
        """Restart the time limit, for the check of the next function or class."""

    @abstractmethod
    def restart(self) -> None:
        """Continue with another process, which loads the file again."""

    @abstractmethod
    def bind(self, selection: Mapping[str, object]) -> tuple[Any, str]:
        """Return a layer or a loss, and its name; see `sources.bind`."""

    def layer(
        self,
        name: str | None = None,
        *,
        backward: str | None = None,
        options: Mapping[str, Any] | None = None,
        contract: str | None = None,
    ) -> LearnerLayer:
        """Return a layer, or a pair of functions.

        name      name of a class, an object or a forward function; None: the only one
        backward  name of the backward function; None for a class or an object
        options   values for constructor arguments, or for arguments of forward
        contract  how the layer is called, instead of the name and the options
        """
        return LearnerLayer.around(*self._selected(name, backward, False, options or {}, contract))

    def loss(self, name: str | None = None, *, backward: str | None = None, contract: str | None = None) -> LossCode:
        """Return the loss with this name, or that of a contract."""
        return self._selected(name, backward, True, {}, contract)[0]

    def _selected(
        self,
        name: str | None,
        backward: str | None,
        loss: bool,
        options: Mapping[str, Any],
        contract: str | None,
    ) -> tuple[Any, str]:
        return self.bind({"name": name, "backward": backward, "loss": loss, "options": options, "contract": contract})


class LocalFile(CheckedFile):
    """A learner's module in this process. Its code has no time limit and cannot end."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module

    def contents(self) -> FileContents:
        """Return the names in the module."""
        return sources.contents(self._module)

    def evaluate(self, name: str | None, task: Expression | Descent) -> dict[str, Array]:
        """Return the results of an expression with a class of automatic differentiation, or of an optimizer's run."""
        return sources.evaluate(self._module, Path(self._module.__name__), name, task)

    def start_part(self) -> None:
        """Do nothing."""

    def restart(self) -> None:
        """Do nothing."""

    def bind(self, selection: Mapping[str, object]) -> tuple[Any, str]:
        """Return a layer or a loss, and its name."""
        return sources.bind(self._module, Path(self._module.__name__), selection)
