"""The mathematics of every operation: literal loops in `reference/`, and equations and sentences in TOML files.

`definitions` loads the TOML files. There is one file per family of operations. An element-wise operation computes each
element of its result from one element of its input; the code for it is generated from formulas (`generator`).

Imports: errors, core.
"""

import inspect
from collections.abc import Collection, Mapping


def public_functions(package: str, names: Mapping[str, object], helpers: Collection[str]) -> list[str]:
    """Return the sorted names of the operations in a package: the public functions defined in the package's files.

    names    the names that the package imported from its files
    helpers  files without operations
    """
    public = list[str]()
    for name, value in names.items():
        if not inspect.isfunction(value):
            continue
        folder, _, file = value.__module__.rpartition(".")
        if folder == package and file not in helpers:
            public.append(name)
    return sorted(public)
