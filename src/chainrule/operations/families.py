"""Families of operations: the files of a package whose public functions are its operations."""

import inspect
from collections.abc import Collection, Mapping


def operations(package: str, names: Mapping[str, object], helpers: Collection[str]) -> list[str]:
    """Return, sorted, the names of a package that are functions of its own files.

    names    the package's names, which it imported from its files
    helpers  files that hold no operations
    """
    files = {name: each.__module__ for name, each in names.items() if inspect.isfunction(each)}
    found = {name: file.rpartition(".") for name, file in files.items()}
    return sorted(name for name, (folder, _, file) in found.items() if folder == package and file not in helpers)
