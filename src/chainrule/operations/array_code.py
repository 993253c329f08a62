"""Generator of statements that compute formulas on whole arrays, with NumPy or JAX.

Every array has one axis for each letter of the longest index in its operation's entry. Axes along which an array does
not vary have length 1, so that all arrays can be combined by broadcasting. The letters of an axis, such as k and l, are
not distinguished; a formula with an element at another position (δ[l,k]) needs a form in `computed`.
"""

import unicodedata
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import groupby
from math import e as EULER
from math import inf
from typing import Any, NamedTuple, cast

from chainrule.operations.elementwise import SIGNS, Tree

FUNCTIONS = {
    "√": "sqrt",
    "round": "rint",
    "max": "maximum",
    "min": "minimum",
    **{name: name for name in ("tanh", "arctan", "log", "log1p", "expm1", "abs", "exp", "clip", "negative")},
}
OWN_FUNCTIONS = {"σ": "logistic", "Φ": "normal_distribution", "φ": "normal_density"}  # of both engines' `arrays`
BINARY = {"+": "add", "−": "subtract", "·": "multiply", "/": "divide"}
REDUCTIONS = {"Σ": "sum", "max": "max", "argmax": "argmax"}
MARKS = {"\u0302": "_hat", "\u0304": "_bar", "′": "_next"}


class Case(NamedTuple):
    """A case of a formula: its value, and its condition (None for the last case)."""

    value: Tree
    when: Tree | None


class Definition(NamedTuple):
    """A formula that defines an intermediate or final result.

    conditions   attributes that must be true; those after "not " must be false
    """

    conditions: tuple[str, ...]
    cases: tuple[Case, ...]


@dataclass(eq=False)
class Value:
    """A number, a scalar or an array in the code.

    name         its name, or the expression of a scalar; an array without name is numbered when the code is written
    axes         axes along which an array varies; None for a scalar
    uses         remaining uses: an array may be overwritten after the last
    is_discrete  whether the elements are integers or truth values
    level        the branch that contains the code; another branch must not overwrite the array
    """

    name: str = ""
    axes: frozenset[int] | None = None
    uses: float = inf
    is_discrete: bool = False
    level: int = 0

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Layout:
    """The axes of an operation's arrays.

    main        name of the array with the most axes
    letters     index letter → axis
    is_grouped  whether the channels are divided into groups: (N, groups, channels of a group, positions)
    """

    main: str
    letters: Mapping[str, int]
    is_grouped: bool = False

    def axes(self, index: Iterable[str]) -> frozenset[int]:
        """Return the axes of an array with an index. Channels are two axes if they are grouped."""
        axes = {self.letters[letter] for letter in index}
        return frozenset(axes | {1} if self.is_grouped and 2 in axes else axes)

    @property
    def all_axes(self) -> frozenset[int]:
        return frozenset(self.letters.values())

    def argument(self, axes: Iterable[int]) -> str:
        """Return the argument `axis`. Arrays may lack the axes of positions, from the third on."""
        axes = sorted(axes)
        if self.is_grouped or max(axes) < 2:
            return str(axes[0]) if len(axes) == 1 else str(tuple(axes))
        fixed = [str(axis) for axis in axes if axis < 2]
        positions = f"range(2, {self.main}.ndim)"
        return f"({', '.join(fixed)}, *{positions})" if fixed else f"tuple({positions})"

    def read(self, name: str, index: Sequence[str]) -> str:
        """Return the expression of an input with axes of length 1."""
        axes = self.axes(index)
        if self.is_grouped:
            shapes = {4: "rows", 2: "(*rows[:2], 1, 1)"} if 0 in axes else {2: "(-1, rows[2], 1)"}
            return f"{name}.reshape({shapes[len(axes)]})"
        return name if axes == self.all_axes else f"spread_bias({name}, {self.main}.ndim)"

    def result(self, index: Sequence[str]) -> str:
        """Return the method call that removes axes of length 1 from a result."""
        axes = self.axes(index)
        if self.is_grouped:
            return f".reshape({'shape' if axes == self.all_axes else 'rows[:2]' if 0 in axes else '-1'})"
        return f".squeeze({self.argument(self.all_axes - axes)})" if axes != self.all_axes else ""

    def count(self, axes: frozenset[int]) -> str:
        """Return the number of elements along some axes."""
        others = " * ".join(f"{self.main}.shape[{axis}]" for axis in sorted(self.all_axes - axes))
        return f"{self.main}.size // ({others})" if "*" in others else f"{self.main}.size // {others}"


@dataclass
class Writer:
    """A writer of statements that compute whole arrays. Results overwrite arrays that are no longer needed.

    library   the name of NumPy or JAX in the code; JAX has no argument `out`
    """

    library: str
    layout: Layout
    values: dict[str, Value]
    over: Sequence[str] = ()
    lines: list[tuple[str, tuple[Value, ...]]] = field(default_factory=list[tuple[str, tuple[Value, ...]]])
    _level: int = 0
    _branches: int = 0

    def define(self, name: str, definitions: Sequence[Definition], *, uses: float) -> None:
        """Write the statements for one result. With conditions, the two definitions are the branches of an `if`."""
        if not definitions[0].conditions:
            self.values[name] = self._named(identifier(name), self._cases(definitions[0].cases), uses)
            return
        first, second = definitions
        results = list[Value]()
        for head, definition in ((f"if {' and '.join(first.conditions)}:", first), ("else:", second)):
            self.lines.append((head, ()))
            with self._branch():
                results.append(self._named(identifier(name), self._cases(definition.cases), uses))
        uses = inf if inf in (results[0].uses, results[1].uses) else uses
        self.values[name] = replace(results[0], axes=self._union(results), uses=uses, level=self._level)

    def text(self) -> list[str]:
        """Return the lines of code, in which arrays without name are numbered."""
        unnamed = dict.fromkeys(value for _, values in self.lines for value in values if not value.name)
        for number, value in enumerate(unnamed, 1):
            value.name = f"u{number}"
        return [line.format(*values) for line, values in self.lines]

    @contextmanager
    def _branch(self) -> Generator[None]:
        outer, start = self._level, len(self.lines)
        self._branches += 1
        self._level = self._branches
        yield
        self.lines[start:] = [(f"    {line}", values) for line, values in self.lines[start:]]
        self._level = outer

    def _named(self, name: str, value: Value, uses: float) -> Value:
        """Give a value a name: rename an array that is not used otherwise, copy other arrays that are results."""
        if value.axes is not None and value.uses <= 1 and value.level == self._level:
            value.name, value.uses = name, uses
            return value
        copied = ".copy()" if uses == inf and self.library == "np" and value.axes is not None else ""
        self.lines.append((f"{name} = {{}}{copied}", (value,)))
        return replace(value, name=name, uses=inf)

    def _cases(self, cases: Sequence[Case]) -> Value:
        *others, last = cases
        if [case.value for case in cases] == [1, 0]:
            return self.operand(cases[0].when)
        result = self.operand(last.value)
        for value, group in groupby(reversed(others), key=lambda case: case.value):
            tests = [self.operand(case.when) for case in reversed([*group])]
            test = tests[0]
            for other in tests[1:]:
                test = self._new("{} | {}", test, other, is_discrete=True)
            if value == 0 and result.axes == test.axes and not result.is_discrete:
                result = self._new("masked({}, {})", result, test)
            else:
                chosen = self.operand(value)
                is_discrete = all(part.axes is None or part.is_discrete for part in (chosen, result))
                result = self._new("select({}, {}, {})", test, chosen, result, is_discrete=is_discrete)
        return result

    def operand(self, tree: Tree) -> Value:
        """Return a number, or an array with the value of a tree. If necessary, write statements."""
        if isinstance(tree, str):
            return self.values[tree]
        if isinstance(tree, dict):
            node = cast("dict[str, Any]", tree)
            return self._reduction(node) if "reduce" in node else self.values[node["name"]]
        if not isinstance(tree, list):
            return Value(repr(int(tree)) if float(tree).is_integer() else repr(float(tree)))
        name, *operands = cast("list[Any]", tree)
        if name == "and":
            return self._condition(operands)
        if name == "^" and operands[0] == EULER:
            return self._call("exp", [self.operand(operands[1])])
        if name == "max" and isinstance(operands[1], list) and operands[1][0] == "min":  # max(low, min(x, high))
            low, (_, value, high) = operands
            values = [self.operand(part) for part in (value, low, high)]
            return self._call("clip", values) if values[0].axes is not None else self._scalar("max", operands)
        values = [self.operand(operand) for operand in operands]
        if all(value.axes is None for value in values):
            return self._scalar(name, operands)
        if name == "^":
            return self._power(values[0], operands[1])
        if name == "−" and operands[0] == 0:
            return self._call("negative", values[1:])
        if name in BINARY:
            return self._binary(name, *values)
        return self._new(f"{OWN_FUNCTIONS[name]}({{}})", *values) if name in OWN_FUNCTIONS else self._call(name, values)

    def _scalar(self, name: str, operands: Sequence[Tree]) -> Value:
        texts = [str(self.operand(operand)) for operand in operands]
        if name == "√":
            return Value(f"{'math' if self.library == 'np' else self.library}.sqrt({texts[0]})")
        if name in ("max", "min"):
            return Value(f"{name}({', '.join(texts)})")
        if name == "−" and texts[0] == "0":
            return Value(f"-{texts[1]}")
        return Value(f"({texts[0]} {SIGNS.get(name, '**')} {texts[1]})")

    def _condition(self, comparisons: Sequence[Tree]) -> Value:
        test = None
        for sign, left, right in comparisons:
            operands = self.operand(left), self.operand(right)
            part = self._new(f"{{}} {SIGNS.get(sign, '==')} {{}}", *operands, is_discrete=True)
            test = part if test is None else self._new("{} & {}", test, part, is_discrete=True)
        assert test is not None
        return test

    def _reduction(self, node: Mapping[str, Any]) -> Value:
        values = self.operand(node["value"]["tree"])
        axes = frozenset(self.layout.letters[letter] for letter in node["over"] or self.over)
        if values.axes is None or not axes <= values.axes:
            raise ValueError(f"{node['reduce']} over {', '.join(node['over'] or self.over)}: the summands do not vary")
        method, is_discrete = REDUCTIONS[node["reduce"]], values.is_discrete or node["reduce"] == "argmax"
        call = f"{{}}.{method}(axis={self.layout.argument(axes)}, keepdims=True)"
        result = self._new(call, values, is_discrete=is_discrete)
        result.axes = values.axes - axes
        return result

    def _power(self, base: Value, power: Tree) -> Value:
        if power not in (2, 3):
            raise ValueError(f"power {power}: expected e^x, a square or a cube")
        if power == 2 and self._is_free(base):
            return self._in_place("{0} *= {0}", base, (base,))
        if power == 3:
            base.uses += 1
        square = self._new("{0} * {0}", base)
        return square if power == 2 else self._in_place("{0} *= {1}", square, (square, base))

    def _binary(self, name: str, left: Value, right: Value) -> Value:
        """Write a sum, difference, product or quotient, in place where possible."""
        axes = self._union((left, right))
        if left.axes == axes and left is not right and self._is_free(left):
            return self._in_place(f"{{0}} {SIGNS[name]}= {{1}}", left, (left, right))
        if right.axes == axes and left is not right and self._is_free(right):
            if name in "+·":
                return self._in_place(f"{{1}} {SIGNS[name]}= {{0}}", right, (left, right))
            return self._call(BINARY[name], (left, right))
        is_discrete = all(value.axes is None or value.is_discrete for value in (left, right))
        return self._new(f"{{}} {SIGNS[name]} {{}}", left, right, is_discrete=is_discrete)

    def _call(self, name: str, operands: Sequence[Value]) -> Value:
        """Write a call of a library function, in place where possible."""
        function = f"{self.library}.{FUNCTIONS.get(name, name)}({', '.join(['{}'] * len(operands))}"
        for value in operands:
            if self.library == "np" and value.axes == self._union(operands) and self._is_free(value):
                return self._in_place(f"{function}, out={{}})", value, (*operands, value))
        return self._new(f"{function})", *operands)

    def _in_place(self, statement: str, target: Value, values: Sequence[Value]) -> Value:
        self.lines.append((statement, tuple(values)))
        for value in {id(value): value for value in values}.values():
            value.uses -= 1
        target.uses = 1
        return target

    def _new(self, expression: str, *operands: Value, is_discrete: bool = False) -> Value:
        for value in operands:
            value.uses -= 1
        result = Value(axes=self._union(operands), uses=1, is_discrete=is_discrete, level=self._level)
        places = len(operands)
        self.lines.append((f"{{{places}}} = {_numbered(expression)}", (*operands, result)))
        return result

    def _is_free(self, value: Value) -> bool:
        """Return whether an array may be overwritten: it has no other uses than the next one."""
        return value.uses <= 1 and not value.is_discrete and value.level == self._level

    @staticmethod
    def _union(values: Iterable[Value]) -> frozenset[int]:
        return frozenset[int]().union(*(value.axes or () for value in values))


def _numbered(template: str) -> str:
    """Return a template with numbers in its places {}."""
    head, *parts = template.split("{}")
    return head + "".join(f"{{{number}}}{part}" for number, part in enumerate(parts))


def identifier(name: str) -> str:
    """Return a Python name for a name in formulas: x_hat for x̂, p_next for p′, beta1 for β₁."""
    letters = unicodedata.normalize("NFKD", name)
    return "".join(
        letter if letter.isascii() else MARKS.get(letter) or unicodedata.name(letter).rpartition(" ")[2].lower()
        for letter in letters
    )
