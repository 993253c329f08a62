"""Contents of the pages in docs/derivations/: code blocks, formulas, table rows, links to code."""

import ast
import importlib
import inspect
import re
from functools import cache
from pathlib import Path

from chainrule.operations import definitions, reference

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "derivations"
FAMILIES = sorted({definitions.family(name) for name in reference.__all__})
PAGES = [FOLDER / f"{name}.md" for name in ("README", *FAMILIES)]

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
INLINE = re.compile(r"(?<![\w$\\])\$([^$\n]+)\$(?![\w$])")
CODE_LINK = re.compile(r"\[`([^`\]]+)`\]\(([^)#]+\.py)\)")
ANY_LINK = re.compile(r"\[[^\]]*\]\(([^)#]+)\)")
EQUATION = re.compile(r"\w+(\[[^\]]*\])?\s*(=|←) ")


@cache
def text(page: str | Path) -> str:
    """Read a page, by its path or by that from the root."""
    return (ROOT / page).read_text(encoding="utf-8")


def fences(page: str | Path, language: str) -> list[str]:
    """Return the code blocks of one language."""
    return [block for name, block in FENCE.findall(text(page)) if name == language]


def session(page: Path) -> str:
    """Blank everything except the Python sessions of a page, keeping line numbers."""
    whole, pieces, end = text(page), list[str](), 0
    for block in FENCE.finditer(whole):
        pieces.append("\n" * whole.count("\n", end, block.start(2)))
        pieces.append(block[2] if block[1] == "pycon" else "\n" * block[2].count("\n"))
        end = block.end(2)
    return "".join(pieces)


def prose(page: Path) -> str:
    """Return the page without code blocks and inline code."""
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", text(page)))


def formulas(page: Path) -> list[str]:
    """Return every formula of a page, displayed or inline."""
    return [*fences(page, "math"), *INLINE.findall(prose(page))]


def stated(page: Path) -> dict[str, list[str]]:
    """Return the equations of a page by operation: the lines of a text block below its name."""
    blocks = [block.splitlines() for block in fences(page, "text")]
    return {lines[0]: [line.strip() for line in lines[1:]] for lines in blocks}


def defined_equations(operation: str) -> list[str]:
    """Return the equation lines of an operation's docstring."""
    doc = inspect.getdoc(getattr(reference, operation)) or ""
    return [line.strip() for line in doc.splitlines() if EQUATION.match(line.strip())]


def rows(page: Path) -> dict[str, list[str]]:
    """Return the rows of all tables that begin with a name in code: name → the other cells."""
    cells = re.findall(r"^\| `(\w+)` \|(.*)\|$", text(page), flags=re.M)
    return {name: [cell.strip() for cell in rest.split("|")] for name, rest in cells}


def target(page: Path, place: str) -> Path:
    """Return the file to which a link of a page points."""
    return (page.parent / place).resolve()


@cache
def names_in(file: Path) -> frozenset[str]:
    """Return the names in a file: functions, classes with their methods, and constants; in C, the kernels."""
    names: set[str] = set()
    if file.suffix == ".c":
        return frozenset(re.findall(r"^KERNEL\((\w+)\)", file.read_text(encoding="utf-8"), re.MULTILINE))
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{part.name}" for part in node.body if isinstance(part, ast.FunctionDef)}
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return frozenset(names)


@cache
def resolved(name: str) -> object:
    """Resolve `chainrule.` and the name; functions take precedence over modules of the same name."""
    actual, place = importlib.import_module("chainrule"), "chainrule"
    for part in name.split("."):
        place += f".{part}"
        actual = getattr(actual, part) if hasattr(actual, part) else importlib.import_module(place)
    return actual
