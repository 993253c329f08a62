"""Names and docstrings of the package: class names are unique, public functions are described by a verb."""

import ast
from collections import defaultdict
from functools import cache
from pathlib import Path

import chainrule

PACKAGE = Path(chainrule.__file__).parent
NOT_A_VERB = {"What", "That", "Those"}


@cache
def definitions() -> list[tuple[str, ast.AST]]:
    return [
        (file.relative_to(PACKAGE).as_posix(), node)
        for file in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def test_a_class_name_means_one_class() -> None:
    files: dict[str, list[str]] = defaultdict(list)
    for file, node in definitions():
        if isinstance(node, ast.ClassDef):
            files[node.name].append(file)
    assert {name: places for name, places in files.items() if len(places) > 1} == {}


def test_the_docstring_of_a_public_function_begins_with_no_noun_substitute() -> None:
    found = [
        f"{file}: {node.name}"
        for file, node in definitions()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_")
        if (ast.get_docstring(node) or "-").split(maxsplit=1)[0].rstrip(":,") in NOT_A_VERB
    ]
    assert found == []
