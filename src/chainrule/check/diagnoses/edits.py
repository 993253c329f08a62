"""Mistakes as edits of the reference loops: which edited operation gives a wrong result?

`mistakes.toml` lists classic mistakes as replacements of text in the source of an operation in `operations/reference`.
The edited source is compiled, and replaces the operation. Only source of this library is compiled here, never
that of a learner. `small_edits` are changes of an index, a sign or a term, which need no entry in the table.
"""

import ast
import inspect
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache, partial
from itertools import combinations, product
from pathlib import Path
from types import CodeType
from typing import Any

import numpy as np

from chainrule.check import library_functions
from chainrule.check.diagnoses.truth import EditedEngine, GroundTruth, Mistake, SeveralResults
from chainrule.check.report import Diagnosis
from chainrule.engines.protocol import Array
from chainrule.explain.code import derivation_link
from chainrule.operations import reference

TABLE = Path(__file__).with_name("mistakes.toml")
DESCRIPTIONS = ("name", "message", "tensors")  # keys of an entry that are not operations
MAX_WORK = 40_000  # maximum number of products in loops that run once for every listed mistake
MAX_SMALL_WORK = 8_000  # the same for loops that run once for every small edit
SMALL = {  # name of a small mistake → its message
    "axes-exchanged": "swaps two axes",
    "axis-reversed": "reverses other axes than the right answer",
    "mean-for-sum": "is a mean along an axis, not a sum",
    "range-shortened": "leaves out the first or the last index",
    "sign-changed": "has a wrong sign inside",
    "sum-overwritten": "overwrites a sum, instead of adding to it",
    "term-changed": "lacks a term or a factor",
}


@dataclass(frozen=True)
class Edit:
    """An edit of an operation's loops.

    tensors  results that show the mistake; "parameters" means the gradients of all parameters
    source   source of the edited loops
    """

    operation: str
    diagnosis: Diagnosis
    tensors: tuple[str, ...]
    source: str

    def concerns(self, tensor: str) -> bool:
        """Return whether the mistake shows in a result."""
        return tensor in self.tensors or ("parameters" in self.tensors and tensor not in ("x", "y", "p"))

    def mistake(self, tensor: str) -> Mistake:
        """Return the edit as a mistake in a result. A result that is 0 everywhere says nothing, and is left out."""

        def results(truth: GroundTruth) -> Iterator[Array]:
            return (result for result in self._results(tensor, truth) if result.any())

        return Mistake(self.diagnosis, results)

    def _results(self, tensor: str, truth: GroundTruth) -> Iterator[Array]:
        """Yield the result of the edited loops, or each one if they return a list."""
        try:
            yield truth.replay(tensor, EditedEngine(self.operation, self._function(truth)))
        except SeveralResults as several:
            for result in several.results:
                yield truth.replay(tensor, EditedEngine(self.operation, partial(_constant, result)))

    def _function(self, truth: GroundTruth) -> Callable[..., Any]:
        """Return the edited loops for a test case."""
        module = sys.modules[_function(self.operation).__module__]
        names: dict[str, Any] = {**vars(module), "reference": reference, "product": product, "placed": placed}
        names |= {"truth": truth, "check_shape": _constant}  # edited loops may read only part of dy
        exec(_compiled(self.source), names)
        return names[self.operation]


def mistakes(truth: GroundTruth, tensor: str, small: bool = False) -> list[Mistake]:
    """Return the listed mistakes in a tensor, or the small ones; none if the loops would run too long."""
    if truth.work > (MAX_SMALL_WORK if small else MAX_WORK):
        return []
    mistakes = list[Mistake]()
    for operation in truth.operations:
        for edit in small_edits(operation) if small else listed(operation):
            if edit.concerns(tensor):
                mistakes.append(edit.mistake(tensor))
    return mistakes


@cache
def entries() -> list[dict[str, Any]]:
    """Return the entries of the table."""
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))["mistake"]


@cache
def listed(operation: str) -> tuple[Edit, ...]:
    """Return the listed edits of an operation, one for each way to make a mistake."""
    edits = list[Edit]()
    for entry in entries():
        page = _page(operation)
        diagnosis = Diagnosis(entry["name"], entry["message"].strip(), page and f"{page.partition('#')[0]}#traps")
        tensors = tuple(entry.get("tensors", _tensors(operation)))
        for key, ways in entry.items():
            if key not in DESCRIPTIONS and any(matches(operation, pattern) for pattern in key.split()):
                edits += [Edit(operation, diagnosis, tensors, text) for text in edited(operation, ways)]
    return tuple(edits)


def matches(operation: str, pattern: str) -> bool:
    """Return whether an operation has a name, or matches a pattern of its file and its name."""
    file = _function(operation).__module__.rpartition(".")[2]
    return operation == pattern or fnmatch(f"{file}.{operation}", pattern)


def edited(operation: str, ways: list[list[str]]) -> Iterator[str]:
    """Yield the source of the loops after the replacements of each way; none without the first text."""
    return replaced(source_of(operation), ways)


def replaced(source: str, ways: list[list[str]]) -> Iterator[str]:
    """Yield a source after the replacements of each way; none without the first text."""
    for texts in ways:
        if texts[0] in source:
            changed = source
            for old, new in zip(texts[::2], texts[1::2], strict=True):
                changed = changed.replace(old, new.strip() if new.startswith("\n") else new)
            yield changed


def _tensors(operation: str) -> tuple[str, ...]:
    """Return the results that an operation computes in most layers."""
    if operation.endswith("_dw") or operation == "bias_gradient":
        return ("parameters",)
    name, _, tensor = operation.rpartition("_d")
    return (tensor,) if name and tensor in ("x", "p") else ("y",)


def _page(operation: str) -> str | None:
    """Return the section that derives an operation; None for the hinge loss, which is none of this library's."""
    return derivation_link(operation) if hasattr(reference, operation) else None


def _function(operation: str) -> Callable[..., Any]:
    return getattr(reference, operation, None) or getattr(library_functions, operation)


@cache
def source_of(operation: str) -> str:
    """Return the source of the loops of an operation, without the docstring."""
    source = inspect.getsource(_function(operation))
    (function,) = ast.parse(source).body
    assert isinstance(function, ast.FunctionDef)
    lines = source.splitlines(keepends=True)
    docstring = function.body[0]
    lines[docstring.lineno - 1 : docstring.end_lineno] = ["    pass\n"]
    return "".join(lines)


@cache
def _compiled(source: str) -> CodeType:
    return compile(source, "edited reference loops", "exec")


def _constant(result: Any = None, *_: Any, **__: Any) -> Any:
    """Return the first argument."""
    return result


def placed(inner: Array, size: tuple[int, int]) -> list[Array]:
    """Return images that are too small: unchanged, and in the corner and in the middle of images of zeros."""
    margins = [whole - part for whole, part in zip(size, inner.shape[2:], strict=True)]
    images = [inner]
    for first in ((0, 0), tuple(cells // 2 for cells in margins)):
        if min(margins) >= 0 and inner.size:
            ends = [(0, 0), (0, 0), *((a, cells - a) for a, cells in zip(first, margins, strict=True))]
            images.append(np.pad(inner, ends))
    return images


# --------------------------------------------------------------------------------------------------------- small edits


@cache
def small_edits(operation: str) -> tuple[Edit, ...]:
    """Return the edits of a single index, sign, term, or end of a range in the loops of an operation."""
    edits = dict[str, Edit]()
    source = source_of(operation)
    loops = source.index("pass\n")  # after the signature
    for node in ast.walk(ast.parse(source)):
        if getattr(node, "lineno", 0) <= source[:loops].count("\n"):
            continue
        old = ast.get_source_segment(source, node) or ""
        for name, new in _changes(node):
            message = f"{SMALL[name]}: it equals the reference loops of {operation} with {new} instead of {old}"
            diagnosis = Diagnosis(name, message, _page(operation))
            text = _spliced(source, node, new)
            edits.setdefault(text, Edit(operation, diagnosis, _tensors(operation), text))
    return tuple(edits.values())


def _changes(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield the name of each small mistake in a node of the loops, and the changed text of the node."""
    match node:
        case ast.BinOp(left, op, right):
            first, second = ast.unparse(left), ast.unparse(right)
            yield "term-changed", first
            if not isinstance(op, ast.Div):
                yield "term-changed", second
            if isinstance(op, ast.Add | ast.Sub):
                sign = "-" if isinstance(op, ast.Add) else "+"
                yield "sign-changed", f"{first} {sign} {f'({second})' if isinstance(right, ast.BinOp) else second}"
        case ast.AugAssign(target, op, value):
            sums, terms = ast.unparse(target), ast.unparse(value)
            sign = "-" if isinstance(op, ast.Sub) else "+"
            yield "sum-overwritten", f"{sums} = {sign}({terms})"
            for part in ast.walk(value):
                for axis, index in _indices(part):
                    size = f"{ast.unparse(part).partition('[')[0]}.shape[{axis}]"
                    yield "mean-for-sum", f"{sums} {sign}= ({terms}) / {size}"
                    for condition in (f"{index} > 0", f"{index} < {size} - 1"):
                        yield "range-shortened", f"{sums} {sign}= ({terms}) * ({condition})"
        case ast.Call(_, [*arguments]):
            for argument in arguments:
                if isinstance(argument, ast.Name):
                    call = ast.unparse(node)
                    yield "sign-changed", re.sub(rf"(?<=[(, ]){argument.id}(?=[,)])", f"-{argument.id}", call)
        case ast.Subscript(array, ast.Tuple(indices), ast.Load()) if _indices(node):
            texts, name = [*map(ast.unparse, indices)], ast.unparse(array)
            axes = [axis for axis, _ in _indices(node)]
            for reversed_axes in (*combinations(axes, 1), *combinations(axes, 2), axes):
                changed = [f"-1 - {text}" if axis in reversed_axes else text for axis, text in enumerate(texts)]
                yield "axis-reversed", f"{name}[{', '.join(changed)}]"
            for pair in combinations(axes, 2):
                yield "axes-exchanged", f"{name}.swapaxes{pair}.reshape({name}.shape)[{', '.join(texts)}]"
        case _:
            return


def _indices(node: ast.AST) -> list[tuple[int, str]]:
    """Return axis and name of each index of an element of an array that is a name; empty for other expressions."""
    if not isinstance(node, ast.Subscript) or not isinstance(node.value, ast.Name):
        return []
    indices = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    return [(axis, index.id) for axis, index in enumerate(indices) if isinstance(index, ast.Name)]


def _spliced(source: str, node: Any, new: str) -> str:
    """Return a source with the text of a node replaced; expressions get parentheses."""
    lines = source.splitlines(keepends=True)
    first = sum(map(len, lines[: node.lineno - 1])) + node.col_offset
    last = sum(map(len, lines[: node.end_lineno - 1])) + node.end_col_offset
    text = f"({new})" if isinstance(node, ast.BinOp) else new
    return source[:first] + text + source[last:]
