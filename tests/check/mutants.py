"""Small changes to right homework, and whether a change makes it wrong, judged by the original alone.

A change is wrong if it changes the output or a gradient, an array of the caller's, or the results of a later call, on
inputs in several shapes, scales and dtypes. So the checker under test has no say in what it has to find.
"""

import ast
import copy
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np

BINARY = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.MatMult: ast.Mult}
COMPARED = {ast.Gt: ast.Lt, ast.Lt: ast.Gt, ast.GtE: ast.LtE, ast.LtE: ast.GtE, ast.Eq: ast.NotEq}
CALLED = {
    **{"sum": "mean", "mean": "sum", "max": "min", "argmax": "argmin", "maximum": "minimum", "var": "std"},
    **{"zeros": "ones", "zeros_like": "ones_like", "ones": "zeros", "sqrt": "square", "exp": "expm1", "abs": "negative"},
}
RETURNED = ("0 * {}", "-{}", "2 * {}", "np.float16({})", "np.nan * {}", "np.round({}, 2)", "{}[..., ::-1]", "dict()")


def mutants(source: str, functions: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield (what was changed, source) for every small change in these functions or methods (CLASS.METHOD)."""
    tree = ast.parse(source)
    for name in functions:
        for place, node in enumerate(ast.walk(_function(tree, name))):
            for said, change in _changes(node):
                changed = copy.deepcopy(tree)
                where = [*ast.walk(_function(changed, name))][place]
                before = ast.unparse(where)
                change(where)
                after = ast.unparse(ast.fix_missing_locations(where))
                if after != before:
                    yield f"{name}: {said}: {before} → {after}", ast.unparse(changed)


def _function(tree: ast.AST, name: str) -> ast.AST:
    for part in name.split("."):
        tree = next(one for one in ast.walk(tree) if getattr(one, "name", "") == part)
    return tree


def _changes(node: ast.AST) -> Iterator[tuple[str, Callable[[Any], None]]]:
    """Yield the changes of one node, each as a function that changes a copy of it."""
    if isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in BINARY:
        yield "operator", lambda copied: setattr(copied, "op", BINARY[type(copied.op)]())
    if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARED:
        yield "comparison", lambda copied: setattr(copied, "ops", [COMPARED[type(copied.ops[0])]()])
    if isinstance(node, ast.Constant) and isinstance(node.value, int) and not isinstance(node.value, bool):
        for step in (1, -1):
            yield "number", lambda copied, step=step: setattr(copied, "value", copied.value + step)
    if isinstance(node, ast.Attribute) and node.attr in CALLED:
        yield "function", lambda copied: setattr(copied, "attr", CALLED[copied.attr])
    if isinstance(node, ast.Attribute) and node.attr == "T":
        yield "transpose", lambda copied: setattr(copied, "attr", "real")
    if isinstance(node, ast.UnaryOp):
        yield "sign", lambda copied: setattr(copied, "op", ast.UAdd())
    if isinstance(node, ast.Return) and node.value is not None:
        count = len(node.value.elts) if isinstance(node.value, ast.Tuple) else 1
        for which in range(count):
            for form in RETURNED:
                yield "result", lambda copied, form=form, which=which: _wrap(copied, form, which)
    if isinstance(node, ast.FunctionDef):
        for which, statement in enumerate(node.body):
            if isinstance(statement, ast.Assign | ast.AugAssign):
                yield "statement left out", lambda copied, which=which: copied.body.__setitem__(which, ast.Pass())
            if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.BinOp):
                yield "in place", lambda copied, which=which: _in_place(copied, which)


def _wrap(node: Any, form: str, which: int) -> None:
    def wrapped(part: ast.expr) -> ast.expr:
        return ast.parse(form.format(f"({ast.unparse(part)})"), mode="eval").body

    if isinstance(node.value, ast.Tuple):
        node.value.elts[which] = wrapped(node.value.elts[which])
    else:
        node.value = wrapped(node.value)


def _in_place(function: Any, which: int) -> None:
    """Compute an assigned product or sum in its first array, which may be the caller's."""
    statement = function.body[which]
    operand, operator = statement.value.left, statement.value.op
    if isinstance(operand, ast.Name) and isinstance(operator, ast.Add | ast.Sub | ast.Mult | ast.Div):
        changed = ast.AugAssign(ast.Name(operand.id, ast.Store()), operator, statement.value.right)
        statement.value = ast.Name(operand.id, ast.Load())
        function.body.insert(which, changed)


# ------------------------------------------------------------------------------------------ judged by the original

Run = Callable[[ModuleType, np.random.Generator], list[Any]]  # every result of one use, with what was passed in


def module(source: str, name: str = "homework") -> ModuleType:
    """Return the module of a text; SyntaxError or whatever its first lines raise."""
    found = ModuleType(name)
    exec(compile(source, f"{name}.py", "exec"), vars(found))
    return found


def is_wrong(right: ModuleType, mutant: ModuleType, run: Run, tolerance: float = 1e-6) -> bool:
    """Return whether a mutant differs from the original on some use; code that raises differs."""
    for seed in range(4):
        expected = run(right, np.random.default_rng(seed))
        try:
            with np.errstate(all="ignore"):
                found = run(mutant, np.random.default_rng(seed))
        except Exception:
            return True
        if len(found) != len(expected) or not all(_same(*pair, tolerance) for pair in zip(found, expected, strict=True)):
            return True
    return False


def _same(found: Any, expected: Any, tolerance: float) -> bool:
    try:
        found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    except (TypeError, ValueError):
        return False
    if found.shape != expected.shape or np.isnan(found).any():
        return False
    scale = max(float(np.abs(expected).max(initial=0.0)), 1e-3)
    return bool(np.abs(found - expected).max(initial=0.0) <= tolerance * scale)


def pair(forward: str, backward: str, make: Callable[[np.random.Generator], tuple[list[Any], Any]]) -> Run:
    """Return the use of a pair of functions; ``make`` returns the arguments of forward."""

    def run(code: ModuleType, generator: np.random.Generator) -> list[Any]:
        arguments = make(generator)
        first, cache = getattr(code, forward)(*copy.deepcopy(arguments))
        given = [one.copy() if isinstance(one, np.ndarray) else copy.deepcopy(one) for one in arguments]
        out, cache = getattr(code, forward)(*given)
        dout = generator.normal(size=np.shape(out))
        upstream = dout.copy()
        gradients = getattr(code, backward)(upstream, cache)
        gradients = gradients if isinstance(gradients, tuple) else (gradients,)
        passed = [one for one in given if isinstance(one, np.ndarray)]
        return [first, out, *gradients, upstream, *passed]

    return run


def layer(make: Callable[[ModuleType], Any], shape: tuple[int, ...], parameters: dict[str, str]) -> Run:
    """Return the use of a class; ``parameters``: the names of its parameters and of their gradients."""

    def run(code: ModuleType, generator: np.random.Generator) -> list[Any]:
        one, results = make(code), list[Any]()
        for samples in (3, 2):
            for name in parameters:
                held = _get(one, name)
                _set(one, name, np.random.default_rng(samples).normal(size=np.shape(held)))
            x = generator.normal(size=(samples, *shape)) * generator.choice((1, 4))
            given = x.copy()
            y = one.forward(given)
            dy = generator.normal(size=np.shape(y))
            upstream = dy.copy()
            dx = one.backward(upstream)
            results += [y, dx, given, upstream, *(_get(one, gradient) for gradient in parameters.values())]
            results += [_get(one, name) for name in parameters]
        return results

    return run


def _get(one: Any, name: str) -> Any:
    for part in name.split("."):
        one = getattr(one, part)
    return one


def _set(one: Any, name: str, value: Any) -> None:
    *path, last = name.split(".")
    setattr(_get(one, ".".join(path)) if path else one, last, value)
