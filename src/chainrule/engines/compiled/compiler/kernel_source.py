"""The source of kernels: the syntax tree of a function, and the variables that must be stored in memory.

If a file was changed after it was imported, its source no longer matches the running code, so its functions are
rejected.
"""

import ast
import inspect
import linecache
import sys
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import CodeType
from typing import Any

from chainrule.engines.compiled.compiler.kernel_values import Unsupported


@cache
def _functions_by_code(file: str, loaded: str) -> dict[CodeType, ast.FunctionDef]:
    """Return code object → syntax tree for all functions in a file.

    loaded  name of the module imported from the file, which may provide the source if the file cannot be read
    """
    names = None
    if loaded in sys.modules:
        names = vars(sys.modules[loaded])
    tree = ast.parse("".join(linecache.getlines(file, names)))
    nodes = dict[tuple[int, str], ast.FunctionDef]()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            first = node.lineno
            if node.decorator_list:
                first = min(first, node.decorator_list[0].lineno)
            nodes[first, node.name] = node
    functions = dict[CodeType, ast.FunctionDef]()
    for code in _nested_code(compile(tree, file, "exec", dont_inherit=True)):
        position = code.co_firstlineno, code.co_name
        if position in nodes:
            functions[code] = nodes[position]
    return functions


def _nested_code(code: CodeType) -> Iterator[CodeType]:
    """Yield the code objects of all functions nested in a code object."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _nested_code(constant)


@dataclass(frozen=True)
class KernelSource:
    """The source of a function.

    node            syntax tree
    local_names     names of the parameters and local variables
    slot_variables  local variables that are stored in memory; see `_slot_variables`
    scope           variables of enclosing functions, and global variables
    """

    node: ast.FunctionDef
    local_names: frozenset[str]
    slot_variables: frozenset[str]
    signature: inspect.Signature
    scope: Mapping[str, Any]


@cache
def source_of(function: Callable[..., Any]) -> KernelSource:
    """Return the source of a function.

    Errors   Unsupported if its file is missing or was changed after it was imported
    """
    code = function.__code__
    node = _functions_by_code(code.co_filename, function.__module__).get(code)
    if node is None:
        raise Unsupported(f"the source of {function.__qualname__} is missing, or was changed after it was imported")
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    scope = ChainMap(dict(zip(code.co_freevars, cells, strict=True)), function.__globals__)
    local_names = frozenset((*code.co_varnames, *code.co_cellvars))
    return KernelSource(node, local_names, _slot_variables(node), inspect.signature(function), scope)


def _slot_variables(function: ast.FunctionDef) -> frozenset[str]:
    """Return the variables whose value depends on the control flow.

    Such a variable is assigned several times, at least once inside a loop or conditional. Or it is assigned once,
    inside a loop or conditional, and read outside this loop or conditional. Here, these are total and last:

        total = 0.0
        for k in range(n):
            value = x[k]
            total += value
            last = k
        y[0] = total + last
    """
    depths_by_name: dict[str, list[int]] = {argument.arg: [0] for argument in function.args.args}
    blocks: dict[str, Any] = {}

    def visit(body: Sequence[ast.stmt], depth: int) -> None:
        for node in body:
            if isinstance(node, ast.For):
                record(node.target, depth + 1, node)
            for target in getattr(
                node, "targets", [getattr(node, "target", None)] if isinstance(node, ast.AugAssign) else []
            ):
                record(target, depth, body)
            for inner in (getattr(node, "body", []), getattr(node, "orelse", [])):
                visit(inner, depth + 1)

    def record(target: ast.expr, depth: int, block: Any) -> None:
        for name in ast.walk(target):
            if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store):
                depths_by_name.setdefault(name.id, []).append(depth)
                blocks[name.id] = block

    visit(function.body, 0)
    variables = {name for name, depths in depths_by_name.items() if len(depths) > 1 and max(depths) > 0}
    for name, depths in depths_by_name.items():
        if len(depths) == 1 and depths[0] > 0:
            block = blocks[name]
            nodes = block
            if isinstance(block, ast.AST):
                nodes = [block]
            inside = sum(_read_count(child, name) for child in nodes)
            if inside < _read_count(function, name):
                variables.add(name)
    return frozenset(variables)


def _read_count(node: ast.AST, name: str) -> int:
    return sum(
        isinstance(child, ast.Name) and child.id == name and isinstance(child.ctx, ast.Load) for child in ast.walk(node)
    )
