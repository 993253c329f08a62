"""Load a learner's file, and run contracts on the names in it.

A notebook (.ipynb) is run cell by cell and treated as a module that contains the names defined by its code cells.
"""

from collections.abc import Mapping
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from chainrule._io import python_files
from chainrule.check.notebooks import run_notebook
from chainrule.custom import optimizers
from chainrule.custom.calls import Array, with_advice
from chainrule.custom.contract import parse
from chainrule.custom.contract_code import ContractLayer, ContractLoss
from chainrule.custom.signatures import contents
from chainrule.errors import StudentError

SUFFIXES = (".py", ".ipynb")


def split(text: str) -> tuple[Path, str | None]:
    """Split "FILE.py:NAME" into file and name. The name is None if it is missing."""
    for suffix in SUFFIXES:
        stem, separator, name = text.partition(f"{suffix}:")
        if separator:
            return Path(stem + suffix), name
    return Path(text), None


def bind(module: ModuleType, selection: Mapping[str, Any]) -> ContractLayer | ContractLoss:
    """Return a layer or a loss under a contract.

    selection  {"contract": text, "loss": whether it is a loss, "options": values of the contract's options}
    """
    contract = parse(selection["contract"])
    if selection["loss"]:
        return ContractLoss(contract, vars(module))
    return ContractLayer(contract, vars(module), selection["options"])


def explore(
    module: ModuleType, contract: str, values: Mapping[str, Array], options: Mapping[str, Any]
) -> dict[str, Array]:
    """Run a contract once, and return the arrays in its results and in self by their places."""
    code = ContractLayer(parse(contract, complete=False), vars(module), options)
    for name, value in values.items():
        if name not in ("x", "dy"):
            code.set(name, value)
    return code.explore(values["x"], values.get("dy"))


def evaluate(module: ModuleType, task: optimizers.Descent) -> dict[str, Array]:
    """Return the results of an optimizer's run."""
    return optimizers.descend(vars(module), task)


def load(path: Path, *others: Path) -> ModuleType:
    """Run a file and return it as a module. Any error in the file is raised as a StudentError with its line.

    others   further files that are run; their functions are added to the module
    """
    if path.suffix.lower() == ".ipynb" and path.is_file():
        return run_notebook(path, lambda module: bool(contents(module)))
    try:
        module, *further = map(python_files.load, (path, *others))
    except StudentError as error:
        raise StudentError(with_advice(str(error))) from None
    for other in further:
        for name, function in vars(other).items():
            if isinstance(function, FunctionType) and name not in vars(module):
                function.__module__ = module.__name__
                setattr(module, name, function)
    return module
