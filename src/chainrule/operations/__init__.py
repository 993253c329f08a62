"""The mathematics of every operation: literal loops in `reference/`, and equations and sentences in TOML files.

`definitions` loads the TOML files. There is one file per family of operations. An element-wise operation computes each
element of its result from one element of its input; the code for it is generated from formulas (`generator`).

Imports: errors, core.
"""

import inspect
from collections.abc import Callable, Collection, Mapping, MutableMapping
from importlib import import_module
from typing import Any


def public_functions(package: str, names: Mapping[str, object], helpers: Collection[str]) -> list[str]:
    """Return the sorted names of the operations in a package: the public functions defined in the package's files.

    names    the names that the package imported from its files
    helpers  files without operations
    """
    files = {name: value.__module__ for name, value in names.items() if inspect.isfunction(value)}
    locations = {name: file.rpartition(".") for name, file in files.items()}
    return sorted(name for name, (folder, _, file) in locations.items() if folder == package and file not in helpers)


def late_functions(
    package: str, names: MutableMapping[str, Any], late: Collection[str], helpers: Collection[str]
) -> Callable[[str], Any]:
    """Return the function ``__getattr__`` of a package that imports some of its files on first use.

    names     the names in the package, to which ``__all__``, a list of all operations, is then added
    late      these files
    helpers   files without operations

    Errors   AttributeError for an unknown name
    """

    def find(name: str) -> Any:
        if name not in late and "__all__" not in names:
            for file in late:
                functions = vars(import_module(f"{package}.{file}"))
                names.update({key: value for key, value in functions.items() if key[0] != "_"})
            names["__all__"] = public_functions(package, names, helpers)
        if name not in names:
            raise AttributeError(name)
        return names[name]

    return find
