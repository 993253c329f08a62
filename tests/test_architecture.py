"""Imports only point down: the floors of docs/architecture.md, lowest first."""

import ast
import re
from pathlib import Path

import chainrule

SOURCE = Path(chainrule.__file__).parent
FLOORS = (
    ("version", "errors", "reading", "strict_json", "cache", "shapes", "randomness", "files", "locks", "compiled"),
    ("placement",),
    ("student", "operations", "families"),
    ("reference",),
    ("plan",),
    ("meetings",),
    ("engines", "interpreter"),
    ("markdown",),
    ("figures",),
    ("tasks",),
    ("losses", "optimizers", "rates", "schedules", "initializers", "data"),
    ("layers",),
    ("formats", "descriptions"),
    ("network",),
    ("summaries",),
    ("training",),
    ("check", "explain"),
    ("model", "runs"),
    ("loading", "zoo_networks", "export", "sklearn", "sweeps"),
    ("zoo", "network_files", "pretrained", "templates"),
    ("zoo_table",),
    ("web",),
    ("cli",),
)
FLOOR_OF = {name: floor for floor, names in enumerate(FLOORS) for name in names}
ENTRANCES = {"__init__", "__main__"}  # the public names and the command may import everything


def imported(file: Path) -> set[str]:
    """Return the package's modules that a file imports, also inside functions, except for types alone."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = []
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("chainrule.")}
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "chainrule":
            parts = node.module.split(".")
            found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
    return found - {"__version__"}


def test_imports_point_down() -> None:
    wrong: list[str] = []
    for file in sorted(SOURCE.rglob("*.py")):
        room = file.relative_to(SOURCE).parts[0].removesuffix(".py")
        if room in ENTRANCES:
            continue
        assert room in FLOOR_OF, f"{room} has no floor"
        ups = [name for name in imported(file) if name != room and FLOOR_OF[name] > FLOOR_OF[room]]
        wrong += [f"{file.relative_to(SOURCE)} imports {name}" for name in ups]
    assert not wrong


def test_what_is_installed_needs_nothing_that_only_a_clone_has() -> None:
    for file in SOURCE.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"^\s*(from|import) (benchmarks|experiments|tests)\b", text, re.M), file


def test_every_floor_is_on_the_page() -> None:
    page = (Path(__file__).parent.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    drawing = page.split("```")[1]
    assert [name for name in FLOOR_OF if name not in drawing and name != "version"] == []
