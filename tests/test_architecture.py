"""The layering of the packages, read from their docstrings and compared with every import, lazy ones included."""

import ast
import re
from graphlib import TopologicalSorter

from structure import MODULES, SOURCE, imports

BASE = {"errors": set[str](), "version": set[str]()}  # modules that every package may import
ENTRANCES = {"__init__", "__main__"}  # the public names and the command
MOST_ENTRIES = 19


def layering() -> dict[str, set[str]]:
    """Return the packages that each package says it imports, in the last line of its docstring."""
    packages: dict[str, set[str]] = dict(BASE)
    for file in SOURCE.glob("*/__init__.py"):
        docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
        line = re.search(r"^Imports: ([^.]+)\.\Z", docstring, re.M)
        assert line, f"{file.parent.name}/__init__.py does not end with what it imports"
        packages[file.parent.name] = set(re.split(r",\s+", line[1]))
    return packages


def test_the_top_level_is_small() -> None:
    modules = {file.stem for file in SOURCE.glob("*.py")} - ENTRANCES - {*BASE}
    packages = {file.parent.name for file in SOURCE.glob("*/__init__.py")}
    assert len(modules | packages) <= MOST_ENTRIES


def test_packages_import_what_they_say_and_nothing_else() -> None:
    known = layering()
    used: dict[str, set[str]] = {name: set() for name in known}
    for name in MODULES:
        package = name.partition(".")[0]
        if package and package not in ENTRANCES:
            used[package] |= {each.imported.partition(".")[0] or "chainrule" for each in imports(name)} - {package}
    assert used == known


def test_imports_of_packages_have_no_cycle() -> None:
    assert [*TopologicalSorter(layering()).static_order()]


def test_the_package_needs_nothing_that_only_a_clone_has() -> None:
    for name, file in MODULES.items():
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"^\s*(from|import) (benchmarks|experiments|tests)\b", text, re.M), name


def test_every_package_is_described_in_the_documentation() -> None:
    page = (SOURCE.parents[1] / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert [name for name in layering() if name not in BASE and not re.search(rf"^`?{name}/?`?\b", page, re.M)] == []
