"""The operations that a package of functions implements."""

import inspect
from collections.abc import Collection, Mapping


def public_functions(package: str, names: Mapping[str, object], helpers: Collection[str]) -> list[str]:
    """Return the sorted names of the operations in a package: the public functions defined in the package's files.

    names    the names that the package imported from its files
    helpers  files without operations
    """
    public = list[str]()
    for name, value in names.items():
        if name.startswith("_") or not inspect.isfunction(value):
            continue
        folder, _, file = value.__module__.rpartition(".")
        if folder == package and file not in helpers:
            public.append(name)
    return sorted(public)
