"""List the test files that a change can affect: python tests/changed.py [BASE], compared with a commit, or HEAD.

A test file is affected by its own changes, by those of its folder's package, and by those of the modules it uses:
what it imports, the public names that it reads from `chainrule`, and what all these import when they are loaded. A
test of a command uses the module of the same name in `cli/`. Changes outside src/ and tests/ affect all files.
"""

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import chainrule

ROOT = Path(__file__).parents[1]
ALWAYS = ("tests/test_architecture.py",)


def path_of(name: str) -> Path | None:
    """Return the file of a module of the package or of a helper of the tests; None for other modules."""
    for folder in (ROOT / "src", ROOT / "tests"):
        stem = folder.joinpath(*name.split("."))
        for path in (stem.with_suffix(".py"), stem / "__init__.py"):
            if path.is_file():
                return path
    return None


def imported(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports when it is loaded, and the public names that it reads as `cr.NAME`."""
    nodes: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    whole = path.is_relative_to(ROOT / "tests") or path.parent.name == "cli"  # commands import in their functions
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "cr":
            yield getattr(getattr(chainrule, node.attr, None), "__module__", "") or ""
        if whole or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.If):
            nodes += ast.iter_child_nodes(node)


@cache
def direct(path: Path) -> frozenset[Path]:
    """Return the files that a file loads itself."""
    names = set(imported(path))
    names |= {name.rpartition(".")[0] for name in names}
    return frozenset(file for name in names if name not in ("", "chainrule") and (file := path_of(name)))


def used(path: Path) -> set[Path]:
    """Return a test file and all files that it uses."""
    loaded, waiting = {path}, [path]
    command = ROOT / "src" / "chainrule" / "cli" / path.name.removeprefix("test_")
    waiting += [command] if path.parent.name == "cli" and command.is_file() else []
    while waiting:
        new = direct(waiting.pop()) - loaded
        loaded |= new
        waiting += new
    return loaded


def affected(changed: Iterable[str]) -> list[str]:
    """Return the test files that changes in these files can affect, by paths relative to the root."""
    files = {ROOT / name for name in changed if name.endswith(".py")}
    tests = sorted((ROOT / "tests").rglob("test_*.py"))
    if any(not name.startswith(("src/", "tests/", "docs/")) for name in changed) or any(
        not name.endswith((".py", ".md")) and name.startswith("src/chainrule/operations") for name in changed
    ):
        return [str(test.relative_to(ROOT)) for test in tests]
    packages = {Path(name).parts[2] for name in changed if name.startswith("src/chainrule/")}
    packages |= {folder for name in changed if name.startswith("docs/") for folder in ("docs", "tutorials")}
    return [
        str(test.relative_to(ROOT))
        for test in tests
        if test.relative_to(ROOT / "tests").parts[0] in packages
        or str(test.relative_to(ROOT)) in ALWAYS
        or used(test) & files
    ]


if __name__ == "__main__":
    base = sys.argv[1] if len(sys.argv) > 1 else "HEAD"
    command = ["git", "diff", "--name-only", base]
    difference = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()
    print(*affected(difference))
