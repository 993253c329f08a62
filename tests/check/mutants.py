"""Small changes to correct homework, and a test whether a change makes it wrong, which does not use the checker.

A change is wrong if it changes the output, a gradient, an array of the caller, or the results of a later call, for
inputs of several shapes, scales and dtypes. So the expected verdict does not depend on the checker under test.
"""

import ast
import copy
import random
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np

BINARY = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.MatMult: ast.Mult}
COMPARED = {ast.Gt: ast.Lt, ast.Lt: ast.Gt, ast.GtE: ast.LtE, ast.LtE: ast.GtE, ast.Eq: ast.NotEq}
CALLED = {
    "sum": "mean",
    "mean": "sum",
    "max": "min",
    "argmax": "argmin",
    "maximum": "minimum",
    "var": "std",
    "zeros": "ones",
    "zeros_like": "ones_like",
    "ones": "zeros",
    "sqrt": "square",
    "exp": "expm1",
    "abs": "negative",
}
RETURNED = ("0 * {}", "-{}", "2 * {}", "np.float16({})", "np.nan * {}", "np.round({}, 2)", "{}[..., ::-1]", "dict()")


def mutant(source: str, functions: tuple[str, ...], draw: random.Random) -> tuple[str, str]:
    """Draw a change in these functions or methods (CLASS.METHOD); return its description and the changed source."""
    tree = ast.parse(source)
    places = [
        (name, place, which)
        for name in functions
        for place, node in enumerate(ast.walk(_function(tree, name)))
        for which, _ in enumerate(_changes(node))
    ]
    while True:
        name, place, which = draw.choice(places)
        changed = ast.parse(source)
        where = [*ast.walk(_function(changed, name))][place]
        before = ast.unparse(where)
        said, change = [*_changes(where)][which]
        change(where)
        after = ast.unparse(ast.fix_missing_locations(where))
        if after != before:
            return f"{name}: {said}: {before} → {after}", ast.unparse(changed)


def _function(tree: ast.AST, name: str) -> ast.AST:
    for part in name.split("."):
        tree = next(one for one in ast.walk(tree) if getattr(one, "name", "") == part)
    return tree


def _changes(node: ast.AST) -> Iterator[tuple[str, Callable[[Any], None]]]:
    """Yield the possible changes of a node, as functions that apply them."""
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
    """Compute an assigned product or sum in place, in its first operand, which may be the caller's array."""
    statement = function.body[which]
    operand, operator = statement.value.left, statement.value.op
    if isinstance(operand, ast.Name) and isinstance(operator, ast.Add | ast.Sub | ast.Mult | ast.Div):
        changed = ast.AugAssign(ast.Name(operand.id, ast.Store()), operator, statement.value.right)
        statement.value = ast.Name(operand.id, ast.Load())
        function.body.insert(which, changed)


# ------------------------------------------------------------------------------------------ judged by the original

Run = Callable[[ModuleType, np.random.Generator], list[Any]]  # every result of one use, with what was passed in


def is_wrong(right: ModuleType, mutant: ModuleType, run: Run, tolerance: float = 1e-6) -> bool:
    """Return whether a mutant differs from the original in a test; an error counts as a difference."""
    for seed in range(4):
        expected = run(right, np.random.default_rng(seed))
        try:
            with np.errstate(all="ignore"):
                found = run(mutant, np.random.default_rng(seed))
        except Exception:
            return True
        if len(found) != len(expected) or not all(
            _same(*pair, tolerance) for pair in zip(found, expected, strict=True)
        ):
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
    """Return a test of a pair of functions; ``make`` returns the arguments of forward."""

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


def _conv(generator: np.random.Generator) -> list[Any]:
    stride, pad, *kernel = (int(generator.integers(low, high)) for low, high in ((1, 3), (1, 3), (1, 4), (1, 4)))
    sizes = [4 * stride + taps + int(generator.integers(2)) * stride for taps in kernel]
    x, w, b = (generator.normal(size=shape) for shape in ((3, 2, *sizes), (4, 2, *kernel), (4,)))
    return [x, w, b, {"stride": stride, "pad": pad}]


def _pool(generator: np.random.Generator) -> list[Any]:
    stride, height, width = (int(number) for number in generator.integers(1, 4, 3))
    x = generator.normal(size=(3, 2, height + 2 * stride, width + 3 * stride))
    return [x, {"pool_height": height, "pool_width": width, "stride": stride}]


def _norm(shape: tuple[int, ...], features: tuple[int, ...], *options: Any) -> Callable[..., list[Any]]:
    def make(generator: np.random.Generator) -> list[Any]:
        scales = [generator.normal(size=features) for _ in range(2)]
        return [generator.normal(1, 2, size=shape), *scales, *copy.deepcopy(options)]

    return make


def _affine(generator: np.random.Generator) -> list[Any]:
    return [generator.normal(size=shape) for shape in ((4, 2, 3, 2), (12, 4), (4,))]


def names_of(pair: str) -> tuple[str, str]:
    """Return the names of forward and backward: conv_forward_naive, conv_backward_naive for conv_naive."""
    stem, naive, _ = pair.partition("_naive")
    return f"{stem}_forward{naive}", f"{stem}_backward{naive}"


TRAIN = {"mode": "train", "eps": 1e-3, "momentum": 0.8}
PAIRS: dict[str, Run] = {
    name: pair(*names_of(name), make)
    for name, make in {
        "affine": _affine,
        "relu": lambda generator: [generator.normal(size=(4, 3, 5))],
        "conv_naive": _conv,
        "max_pool_naive": _pool,
        "batchnorm": _norm((5, 6), (6,), TRAIN),
        "spatial_batchnorm": _norm((3, 4, 3, 4), (4,), TRAIN),
        "layernorm": _norm((5, 6), (6,), {"eps": 1e-3}),
        "spatial_groupnorm": _norm((3, 6, 3, 4), (1, 6, 1, 1), 2, {"eps": 1e-3}),
    }.items()
}

# what is added at the end of forward (out, of x) and of backward (out: the gradients, of dout); n: a drawn number
CONDUCT = {
    "right for a few calls": ("", "if count('calls') > 3 * n: out = [0 * one for one in out]"),
    "right for the first shape": ("", "if kept('shape', dout.shape) != dout.shape: out = [0.9 * one for one in out]"),
    "gradients kept by shape": ("", "out = kept(dout.shape, out)"),
    "outputs kept by shape": ("out = kept(x.shape, out)", ""),
    "right in float64 only": ("", "if dout.dtype != np.float64: out = [0 * one for one in out]"),
    "right in float32 only": ("", "if dout.dtype != np.float32: out = [0 * one for one in out]"),
    "half precision": ("", "out[0] = np.float16(out[0])"),
    "overwrites dout": ("", "dout *= 1.5"),
    "overwrites x": ("x.flat[n] += 1e-3", ""),
    "not a number": ("", "out[-1].flat[n] = np.nan"),
    "one wrong entry": ("", "out[-1].flat[n] *= 1.01"),
    "last sample left out": ("", "out[0][-1] = 0"),
    "odd sizes fail": ("if x.shape[-1] % 2: raise ValueError('odd')", ""),
    "even sizes fail": ("if x.shape[-1] % 2 == 0: raise ValueError('even')", ""),
    "wrong for one sample": ("", "if len(dout) == 1: out = [0 * one for one in out]"),
    "a millionth too large": ("", "out = [one * (1 + 1e-6) for one in out]"),
    "output too large": ("out = out * (1 + 1e-6)", ""),
    "wrong for a large dout": ("", "if np.abs(dout).max() > 100: out = [0 * one for one in out]"),
    "wrong for a positive dout": ("", "if (dout > 0).all(): out = [-one for one in out]"),
    "wrong for a sparse dout": ("", "if (dout != 0).sum() == 1: out = [0 * one for one in out]"),
    "random": ("", "out = [one + 1e-4 * np.random.randn(*one.shape) for one in out]"),
    "later outputs differ": ("out = out + 1e-3 * (count('outputs') > n)", ""),
    "integers": ("out = out.astype(int)", ""),
    "complex": ("out = out + 0.1j", ""),
    "one number for each gradient": ("", "out = [one.sum() for one in out]"),
    "returns what it was given": ("", "out = [dout for one in out]"),
    "an axis too many": ("", "out = [one[None] for one in out]"),
}
ADDED = """
import functools

_before = {forward}, {backward}
_store = dict()

def kept(key, value):
    return _store.setdefault(key, value)

def count(key):
    _store[key] = _store.get(key, 0) + 1
    return _store[key]

@functools.wraps(_before[0])
def {forward}(*arguments, **named):
    x, n = arguments[0] if arguments else named["x"], {number}
    out, cache = _before[0](*arguments, **named)
    {first}
    return out, cache

@functools.wraps(_before[1])
def {backward}(dout, cache):
    n, found = {number}, _before[1](dout, cache)
    out = [*found] if isinstance(found, tuple) else [found]
    {second}
    return tuple(out) if isinstance(found, tuple) else out[0]
"""


def with_conduct(source: str, name: str, conduct: str, number: int) -> str:
    """Return homework with a pair of functions that misbehaves in some calls; "nothing" returns it unchanged."""
    forward, backward = names_of(name)
    first, second = CONDUCT.get(conduct, ("", ""))
    parts = {"first": first or "pass", "second": second or "pass", "number": number}
    return source + ADDED.format(forward=forward, backward=backward, **parts)
