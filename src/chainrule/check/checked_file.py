"""A learner's file, which is loaded in this process or in another one."""

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any, Protocol

from chainrule.check.guest.optimizers import Descent, descend
from chainrule.custom import signatures
from chainrule.custom.calls import Array
from chainrule.custom.contract import parse
from chainrule.custom.contract_code import ContractLayer
from chainrule.custom.interface import Code

NO_OPTIONS: Mapping[str, Any] = {}


class CheckedFile(Protocol):
    """The calls in a learner's file, and its layers and losses under contracts."""

    def contents(self, names: Sequence[str] = ()) -> dict[str, tuple[str, ...]]:
        """Return the calls of each function and class in the file, by name (`custom.signatures.contents`)."""
        ...

    def uses(self) -> dict[str, tuple[str, ...]]:
        """Return the names in the file that each of its functions and classes uses."""
        ...

    def explore(
        self, contract: str, values: Mapping[str, Array], options: Mapping[str, Any] = NO_OPTIONS
    ) -> dict[str, Array]:
        """Run a contract once, and return the arrays in its results by their places."""
        ...

    def evaluate(self, task: Descent) -> dict[str, Array]:
        """Return the results of an optimizer's run."""
        ...

    def layer(self, contract: str, options: Mapping[str, Any] = NO_OPTIONS) -> Code:
        """Return a layer or a loss under a contract."""
        ...

    def start_part(self) -> None:
        """Restart the time limit, for the check of the next function or class."""
        ...

    def restart(self) -> None:
        """Continue with another process, which loads the file again."""
        ...


class LocalFile(CheckedFile):
    """A learner's module in this process. Its code has no time limit and cannot end."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module

    def contents(self, names: Sequence[str] = ()) -> dict[str, tuple[str, ...]]:
        """Return the calls in the module."""
        return signatures.contents(self._module, names)

    def uses(self) -> dict[str, tuple[str, ...]]:
        """Return the names in the module that each of its functions and classes uses."""
        return signatures.uses(self._module)

    def explore(
        self, contract: str, values: Mapping[str, Array], options: Mapping[str, Any] = NO_OPTIONS
    ) -> dict[str, Array]:
        """Run a contract once, and return the arrays in its results by their places."""
        code = ContractLayer(parse(contract, complete=False), vars(self._module), options)
        for name, value in values.items():
            if name not in ("x", "dy"):
                code.set(name, value)
        return code.explore(values["x"], values.get("dy"))

    def evaluate(self, task: Descent) -> dict[str, Array]:
        """Return the results of an optimizer's run."""
        return descend(vars(self._module), task)

    def layer(self, contract: str, options: Mapping[str, Any] = NO_OPTIONS) -> ContractLayer:
        """Return a layer or a loss under a contract."""
        return ContractLayer(parse(contract), vars(self._module), options)

    def start_part(self) -> None:
        """Do nothing: there is no time limit."""

    def restart(self) -> None:
        """Do nothing: there is no other process."""
