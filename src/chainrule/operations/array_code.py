"""Generator of NumPy code that computes element-wise operations on whole arrays."""

import math
from collections import Counter
from collections.abc import Iterable
from itertools import groupby
from typing import Any, cast

from chainrule.operations.elementwise import (
    SIGNS,
    Elementwise,
    Formula,
    Tree,
    cases_of,
    folded,
    letters,
    loss_formulas,
    renamed,
    trees,
)

UFUNCS = {
    "√": "np.sqrt",
    "tanh": "np.tanh",
    "arctan": "np.arctan",
    "log": "np.log",
    "log1p": "np.log1p",
    "expm1": "np.expm1",
    "abs": "np.abs",
    "round": "np.rint",
    "exp": "np.exp",
    "max": "np.maximum",
    "min": "np.minimum",
}
ARRAY_FUNCTIONS = {"σ": "logistic", "Φ": "normal_distribution", "φ": "normal_density"}
BINARY = {"+": "np.add", "−": "np.subtract", "·": "np.multiply", "/": "np.divide"}


class ArrayWriter:
    """A writer of statements that compute whole arrays. Results overwrite operands that are no longer needed.

    scalars  letters that denote numbers instead of arrays
    """

    def __init__(self, formulas: Iterable[Formula], scalars: Iterable[str] = ()) -> None:
        self.lines: list[str] = []
        self._formulas = [*formulas]
        self._reads = Counter(letter for f in self._formulas for tree in trees(f) for letter in letters(folded(tree)))
        self._steps, self._temporary, self._scalars = set[str](), set[str](), {*scalars}

    def write(self, *, gradient: bool = False) -> str:
        """Write statements for all formulas, and return the name of the array with the result, y or dy · f′."""
        *steps, last = self._formulas
        for formula in steps:
            self._name_step(self._cases(cases_of(formula)), formula["name"])
        return self._cases(cases_of(last, gradient=gradient))

    def _name_step(self, value: str, name: str) -> None:
        """Give the array ``value`` the name of a step. A temporary array is renamed, any other array is copied."""
        if value in self._temporary:
            self.lines = [renamed(line, value, name) for line in self.lines]
        else:
            self.lines.append(f"{name} = {value}.copy()")
        self._steps.add(name)

    def _cases(self, cases: list[tuple[Tree, Any]]) -> str:
        *others, (tree, _) = cases
        result = self._operand(folded(tree))
        for value, group in groupby(
            ((folded(tree), when) for tree, when in reversed(others)), key=lambda case: case[0]
        ):
            tests = [self._condition(when["tree"]) for _, when in group]
            test = " | ".join(f"({test})" for test in reversed(tests)) if len(tests) > 1 else tests[0]
            if value == 0:
                result = self._new(f"masked({result}, {test})")
            else:
                result = self._new(f"select({test}, {self._read([self._operand(value)])}, {result})")
        return result

    def _condition(self, tree: Tree) -> str:
        sides = [(sign, self._operand(folded(left)), self._operand(folded(right))) for sign, left, right in tree[1:]]
        self._read([name for _, *names in sides for name in names])
        tests = [f"{left} {SIGNS[sign]} {right}" for sign, left, right in sides]
        return " & ".join(f"({test})" for test in tests) if len(tests) > 1 else tests[0]

    def _operand(self, tree: Tree) -> str:
        """Return a number, or the name of an array with the value of a tree. If necessary, write statements."""
        if isinstance(tree, str):
            return tree
        if not isinstance(tree, list):
            return repr(int(tree)) if float(tree).is_integer() else repr(float(tree))
        name, *operands = cast("list[Any]", tree)
        if {*letters(tree)} <= self._scalars:
            return f"({f' {SIGNS[name]} '.join(map(self._operand, operands))})"
        if name == "^":
            return self._power(*operands)
        if name == "−" and operands[0] == 0:
            return self._ufunc("np.negative", [operands[1]])
        if name in BINARY:
            return self._binary(name, [self._operand(operand) for operand in operands])
        if name == "max" and isinstance(operands[1], list) and operands[1][0] == "min":
            return self._clipped(operands)
        if name in UFUNCS:
            return self._ufunc(UFUNCS[name], operands)
        return self._new(f"{ARRAY_FUNCTIONS[name]}({self._read([self._operand(operands[0])])})")

    def _clipped(self, operands: list[Tree]) -> str:
        """Write a call of np.clip for max(low, min(x, high))."""
        low, (_, value, high) = operands
        names = [self._operand(value), self._operand(low), self._operand(high)]
        return self._call("np.clip", names)

    def _power(self, base: Tree, power: Tree) -> str:
        if base == math.e:
            return self._ufunc("np.exp", [power])
        name = self._operand(base)
        square = self._new(f"{name} * {name}")
        if power == 3:
            self.lines.append(f"{square} *= {name}")
        self._read([name])
        return square

    def _ufunc(self, function: str, operands: list[Tree]) -> str:
        return self._call(function, [self._operand(operand) for operand in operands])

    def _binary(self, name: str, names: list[str]) -> str:
        """Write a sum, difference, product or quotient, in place where possible."""
        self._read(names)
        if self._is_free(names[0]):
            self.lines.append(f"{names[0]} {SIGNS[name]}= {names[1]}")
            return names[0]
        if self._is_free(names[1]):
            in_place = f"{names[1]} {SIGNS[name]}= {names[0]}"
            self.lines.append(in_place if name in "+·" else f"{BINARY[name]}({', '.join(names)}, out={names[1]})")
            return names[1]
        return self._new(f"{names[0]} {SIGNS[name]} {names[1]}")

    def _call(self, function: str, names: list[str]) -> str:
        """Write a call of a NumPy function, in place where possible."""
        self._read(names)
        for name in names:
            if self._is_free(name):
                self.lines.append(f"{function}({', '.join(names)}, out={name})")
                return name
        return self._new(f"{function}({', '.join(names)})")

    def _read(self, names: list[str]) -> str:
        """Record that operands are read, and return them as arguments, separated by commas."""
        self._reads.subtract(names)
        return ", ".join(names)

    def _is_free(self, name: str) -> bool:
        """Return whether an array may be overwritten: it is temporary, or a step that is no longer needed."""
        return name in self._temporary or (name in self._steps and self._reads[name] <= 0)

    def _new(self, expression: str) -> str:
        name = f"u{len(self._temporary) + 1}"
        self._temporary.add(name)
        self.lines.append(f"{name} = {expression}")
        return name


def array_source(operation: Elementwise, *, gradient: bool) -> str:
    """Return the source of the NumPy engine's function for an operation or its gradient."""
    kept = operation.keeps if gradient else "x"
    arrays = ["dy", kept] if gradient else ["x"]
    writer = ArrayWriter(operation.slope if gradient else operation.value)
    last = writer.write(gradient=gradient)
    signature = ", ".join([*arrays, *(["*", *operation.attributes] if operation.attributes else [])])
    steps = [*(f"{name} = np.ascontiguousarray({name})" for name in arrays), *writer.lines]
    head = f"{operation.function(gradient=gradient)}({signature})"
    return _function(head, operation.equation(gradient=gradient), steps, last)


def loss_array_source(name: str) -> str:
    """Return the source of the NumPy engine's function for an element-wise gradient of a loss."""
    formulas, equation = loss_formulas(name)
    writer = ArrayWriter(formulas, scalars=("K", "N", "ε"))
    last = writer.write()
    steps = [
        "p = z = np.ascontiguousarray(p)",
        "K, ε = p.shape[1], float(np.finfo(p.dtype).eps)",
        "N = p.size // K if batch is None else batch",
        *writer.lines,
    ]
    return _function(f"{name}(p, t, *, batch=None)", equation, steps, f"np.ascontiguousarray({last})")


def _function(head: str, equation: str, steps: Iterable[str], result: str) -> str:
    lines = [
        '@np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore")',
        f"def {head}:",
        f'    """Compute {equation}."""',
        *(f"    {step}" for step in steps),
        f"    return {result}",
    ]
    return "\n".join(lines) + "\n"
