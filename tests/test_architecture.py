"""The layering of the packages, read from their docstrings and compared with every import, lazy ones included."""

import ast
import re
import sys
from graphlib import TopologicalSorter
from pathlib import Path
from types import FrameType, FunctionType, ModuleType
from typing import Any

import numpy as np
import pytest
from structure import LIMITS, MODULES, MODULES_OF_A_FIT, SOURCE, imports, reach

import chainrule as cr
from chainrule.engines.native.tables import TableRun

BASE = {"errors": set[str](), "version": set[str]()}  # modules that every package may import
ENTRANCES = {"__init__", "__main__"}  # the public names and the command
MOST_FUNCTIONS = 7  # between `fit` and a compiled program


def layering() -> dict[str, set[str]]:
    """Return the packages that each package says it imports, in the last line of its docstring."""
    packages: dict[str, set[str]] = dict(BASE)
    for file in SOURCE.glob("*/__init__.py"):
        docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
        line = re.search(r"^Imports: ([^.]+)\.\Z", docstring, re.M)
        assert line, f"{file.parent.name}/__init__.py does not end with what it imports"
        packages[file.parent.name] = set(re.split(r",\s+", line[1]))
    return packages


def test_packages_import_what_they_say_and_nothing_else() -> None:
    known = layering()
    used: dict[str, set[str]] = {name: set() for name in known}
    for name in MODULES:
        package = name.partition(".")[0]
        if package and package not in ENTRANCES:
            used[package] |= {entry.imported.partition(".")[0] or "chainrule" for entry in imports(name)} - {package}
    assert used == known


def test_a_fit_can_import_few_modules() -> None:
    reached = reach(*MODULES_OF_A_FIT)
    assert {"core.plan", "data.folder", "models.model", "training.steps.stepper"} <= reached
    assert {name.partition(".")[0] for name in reached}.isdisjoint({"explain", "interop", "plotting", "check", "runs"})
    assert len(reached) <= LIMITS["modules that can be imported"]


def test_imports_of_packages_have_no_cycle() -> None:
    assert [*TopologicalSorter(layering()).static_order()]


def test_the_package_needs_nothing_that_only_a_clone_has() -> None:
    for name, file in MODULES.items():
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"^\s*(from|import) (benchmarks|experiments|tests)\b", text, re.M), name


def test_every_package_is_described_in_the_documentation() -> None:
    page = (SOURCE.parents[1] / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert [name for name in layering() if name not in BASE and not re.search(rf"^`?{name}/?`?\b", page, re.M)] == []


def test_few_functions_lie_between_fit_and_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    model = cr.Sequential([cr.Conv2D(4, 3), cr.ReLU(), cr.Flatten(), cr.Dense(3), cr.Softmax()], (1, 8, 8))
    x, y = np.random.default_rng(0).standard_normal((12, 1, 8, 8)), np.arange(12) % 3
    stacks: list[list[str]] = []
    call: Any = TableRun.__call__

    def recorded(self: TableRun, *arguments: Any) -> Any:
        frame: FrameType | None = sys._getframe(1)
        names: list[str] = []
        while frame is not None:
            if Path(frame.f_code.co_filename).is_relative_to(SOURCE):
                names.insert(0, frame.f_code.co_qualname)
            frame = frame.f_back
        begun = names.index("fit") if "fit" in names else len(names)
        stacks.append([*names[begun:], "TableRun.__call__"])
        return call(self, *arguments)

    monkeypatch.setattr(TableRun, "__call__", recorded)
    model.fit(x, y, batch_size=4, progress=False)
    steps = [names for names in stacks if "_epoch" in names]
    page = (SOURCE.parents[1] / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert steps
    for names in steps:
        assert names[0] == "fit"
        assert len(names) - 1 <= MOST_FUNCTIONS, names
        assert [name for name in names if f"`{name}`" not in page] == []


@pytest.mark.parametrize("name", ["losses", "optimizers", "schedules", "reference"])
def test_public_modules_show_public_names_only(name: str) -> None:
    """Show what `__all__` lists: names defined in the project, and all that the documentation uses."""
    module: Any = getattr(cr, name)
    assert dir(module) == sorted(module.__all__)
    for public in module.__all__:
        value = getattr(module, public)
        assert not public.startswith("_")
        if isinstance(value, type | FunctionType):
            assert value.__module__.startswith("chainrule."), public
            assert value.__doc__, public
        else:
            assert not isinstance(value, ModuleType), public
    pages = [*SOURCE.parents[1].glob("docs/**/*.md"), SOURCE.parents[1] / "README.md"]
    used = {used for page in pages for used in re.findall(rf"\bcr\.{name}\.(\w+)", page.read_text(encoding="utf-8"))}
    assert used <= {*module.__all__}
