"""Generator of statements that compute formulas on whole arrays, with NumPy or JAX.

Every array has one axis for each letter of the longest index in its operation's entry. Axes along which an array does
not vary have length 1, so that all arrays can be combined by broadcasting. The letters of an axis, such as k and l, are
not distinguished; a formula with an element at another position (δ[l,k]) needs a form in `computed`.
"""

import math
import unicodedata
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import groupby
from math import inf
from typing import Any, NamedTuple, cast

from chainrule.operations.elementwise import folded
from chainrule.operations.functions import FUNCTIONS, SIGNS, Tree

BINARY = {"+": "add", "−": "subtract", "·": "multiply", "/": "divide"}
RENAMED = {**BINARY, "max": "maximum", "min": "minimum"}  # functions of several arrays in NumPy and JAX
REDUCTIONS = {"Σ": "sum", "max": "max", "argmax": "argmax"}
SCALARS = {"negative": "-{}", "max": "max({}, {})", "^": "({} ** {})"}  # other operators are in parentheses
MARKS = {"\u0302": "_hat", "\u0304": "_bar", "′": "_next"}


class CodeCase(NamedTuple):
    """A case of a formula: its value, and its condition (None for the last case)."""

    value: Tree
    when: Tree | None


class ResultFormula(NamedTuple):
    """A formula that defines an intermediate or final result.

    conditions   attributes that must be true; those after "not " must be false
    """

    conditions: tuple[str, ...]
    cases: tuple[CodeCase, ...]


@dataclass(eq=False)
class Operand:
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
class AxisLayout:
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
        if self.is_grouped and 2 in axes:
            axes.add(1)
        return frozenset(axes)

    @property
    def all_axes(self) -> frozenset[int]:
        return frozenset(self.letters.values())

    def argument(self, axes: Iterable[int]) -> str:
        """Return the argument `axis`. Arrays may lack the axes of positions, from the third on."""
        axes = sorted(axes)
        if self.is_grouped or max(axes) < 2:
            return str(axes[0]) if len(axes) == 1 else str(tuple(axes))
        positions = f"range(2, {self.main}.ndim)"
        fixed = ", ".join(str(axis) for axis in axes if axis < 2)
        if not fixed:
            return f"tuple({positions})"
        return f"({fixed}, *{positions})"

    def read(self, name: str, index: Sequence[str]) -> str:
        """Return the expression of an input with axes of length 1."""
        axes = self.axes(index)
        if self.is_grouped:
            shapes = {2: "(-1, rows[2], 1)"}
            if 0 in axes:
                shapes = {4: "rows", 2: "(*rows[:2], 1, 1)"}
            return f"{name}.reshape({shapes[len(axes)]})"
        if axes == self.all_axes:
            return name
        return f"spread_bias({name}, {self.main}.ndim)"

    def result(self, index: Sequence[str]) -> str:
        """Return the method call that removes axes of length 1 from a result."""
        axes = self.axes(index)
        has_all = axes == self.all_axes
        if not self.is_grouped:
            return "" if has_all else f".squeeze({self.argument(self.all_axes - axes)})"
        if has_all:
            return ".reshape(shape)"
        if 0 in axes:
            return ".reshape(rows[:2])"
        return ".reshape(-1)"

    def count(self, axes: frozenset[int]) -> str:
        """Return the number of elements along some axes."""
        others = [f"{self.main}.shape[{axis}]" for axis in sorted(self.all_axes - axes)]
        product = " * ".join(others)
        if len(others) > 1:
            product = f"({product})"
        return f"{self.main}.size // {product}"


class Statement(NamedTuple):
    """A line of code: a template, the values in its places, and the array that it defines, if any."""

    template: str
    values: tuple[Operand, ...] = ()
    target: Operand | None = None


@dataclass
class ArrayWriter:
    """A writer of statements that compute whole arrays. Results overwrite arrays that are no longer needed.

    library   the name of NumPy or JAX in the code; JAX has no argument `out`
    """

    library: str
    layout: AxisLayout
    values: dict[str, Operand]
    over: Sequence[str] = ()
    lines: list[Statement] = field(default_factory=list[Statement])
    _level: int = 0
    _branches: int = 0

    def define(self, name: str, definitions: Sequence[ResultFormula], *, uses: float) -> None:
        """Write the statements for one result. With conditions, the two definitions are the branches of an `if`."""
        if not definitions[0].conditions:
            self.values[name] = self._named(identifier(name), self._cases(definitions[0].cases), uses)
            return
        heads = (f"if {' and '.join(definitions[0].conditions)}", "else")
        results = list[Operand]()
        for head, definition in zip(heads, definitions, strict=True):
            with self._branch(head):
                results.append(self._named(identifier(name), self._cases(definition.cases), uses))
        uses = max(result.uses for result in results)
        self.values[name] = replace(results[0], axes=_union(results), uses=uses, level=self._level)

    def text(self) -> list[str]:
        """Return the lines of code, with a number for each array without name."""
        texts = list[str]()
        unnamed = 0
        for line in self.lines:
            if line.target is not None and not line.target.name:
                unnamed += 1
                line.target.name = f"u{unnamed}"
            text = line.template.format(*line.values)
            if line.target is not None:
                text = f"{line.target} = {text}"
            texts.append(text)
        return texts

    @contextmanager
    def _branch(self, head: str) -> Generator[None]:
        """Indent the lines that are written within the context, after a head."""
        outer = self._level
        lines = self.lines
        self._branches += 1
        self._level = self._branches
        self.lines = []
        yield
        lines.append(Statement(f"{head}:"))
        for line in self.text():
            lines.append(Statement(f"    {line}"))
        self._level = outer
        self.lines = lines

    def _named(self, name: str, value: Operand, uses: float) -> Operand:
        """Give a value a name: rename an array that is not used otherwise, copy other arrays that are results."""
        is_array = value.axes is not None
        if is_array and value.uses <= 1 and value.level == self._level:
            value.name = name
            value.uses = uses
            return value
        template = "{}"
        if is_array and uses == inf and self.library == "np":
            template = "{}.copy()"
        result = replace(value, name=name, uses=inf)
        self.lines.append(Statement(template, (value,), result))
        return result

    def _cases(self, cases: Sequence[CodeCase]) -> Operand:
        if [case.value for case in cases] == [1, 0]:
            return self.operand(cases[0].when)
        result = self.operand(cases[-1].value)
        for value, group in groupby(reversed(cases[:-1]), key=lambda case: case.value):
            tests = [self.operand(case.when) for case in reversed([*group])]
            test = self._joined("{} | {}", tests)
            if value == 0 and result.axes == test.axes and not result.is_discrete:
                result = self._new("masked({}, {})", result, test)
            else:
                result = self._new("select({}, {}, {})", test, self.operand(value), result)
        return result

    def _joined(self, template: str, values: Iterable[Operand]) -> Operand:
        """Join values, from the first to the last, with an operator of two."""
        return reduce(lambda first, second: self._new(template, first, second), values)

    def operand(self, tree: Tree) -> Operand:
        """Return a number, or an array with the value of a tree. If necessary, write statements."""
        if isinstance(tree, list):
            return self._function(*cast("list[Any]", tree))
        if isinstance(tree, dict):
            node = cast("dict[str, Any]", tree)
            if "reduce" in node:
                return self._reduction(node)
            return self.values[node["name"]]
        if isinstance(tree, str):
            return self.values[tree]
        number = int(tree) if tree == int(tree) else tree
        return Operand(repr(number))

    def _function(self, name: str, *operands: Tree) -> Operand:
        """Return the value of an operator or function."""
        if name == "and":
            return self._joined("{} & {}", map(self._comparison, operands))
        values = [self.operand(operand) for operand in operands]
        if all(value.axes is None for value in values):
            return Operand(self._scalar_template(name).format(*values))
        if name == "^":
            return self._power(values[0], operands[1])
        if name in BINARY:
            return self._binary(name, *values)
        return self._call(name, values)

    def _scalar_template(self, name: str) -> str:
        """Return the template of an operator or function of scalars."""
        if name == "√":
            module = "math" if self.library == "np" else self.library
            return f"{module}.sqrt({{}})"
        if name in SCALARS:
            return SCALARS[name]
        return f"({{}} {SIGNS[name]} {{}})"

    def _comparison(self, tree: Tree) -> Operand:
        sign, *operands = tree
        return self._new(f"{{}} {SIGNS[sign]} {{}}", *map(self.operand, operands), is_discrete=True)

    def _reduction(self, node: Mapping[str, Any]) -> Operand:
        function = node["reduce"]
        over = node["over"] or self.over
        values = self.operand(node["value"]["tree"])
        axes = frozenset(self.layout.letters[letter] for letter in over)
        if values.axes is None or not axes <= values.axes:
            raise ValueError(f"{function} over {', '.join(over)}: the summands do not vary")
        call = f"{{}}.{REDUCTIONS[function]}(axis={self.layout.argument(axes)}, keepdims=True)"
        result = self._new(call, values, is_discrete=values.is_discrete or function == "argmax")
        result.axes = values.axes - axes
        return result

    def _power(self, base: Operand, power: Tree) -> Operand:
        if power not in (2, 3):
            raise ValueError(f"power {power}: expected e^x, a square or a cube")
        if power == 2 and self._is_free(base):
            return self._in_place("{0} *= {0}", base, base)
        base.uses += power - 2  # a cube is x·x, multiplied by x
        square = self._new("{0} * {0}", base)
        if power == 2:
            return square
        return self._in_place("{} *= {}", square, square, base)

    def _binary(self, name: str, first: Operand, second: Operand) -> Operand:
        """Write a sum, difference, product or quotient, in place where possible."""
        axes = _union((first, second))
        if first.axes == axes and self._is_free(first):
            return self._in_place(f"{{}} {SIGNS[name]}= {{}}", first, first, second)
        if second.axes == axes and self._is_free(second):
            if name in "+·":
                return self._in_place(f"{{}} {SIGNS[name]}= {{}}", second, second, first)
            return self._call(name, (first, second))
        return self._new(f"{{}} {SIGNS[name]} {{}}", first, second)

    def _call(self, name: str, operands: Sequence[Operand]) -> Operand:
        """Write a call of a function, in place where possible."""
        if name in FUNCTIONS:
            function = FUNCTIONS[name].arrays.format(self.library)
        else:
            function = f"{self.library}.{RENAMED.get(name, name)}"
        places = ", ".join(["{}"] * len(operands))
        if function.startswith("np."):
            for value in operands:
                if value.axes == _union(operands) and self._is_free(value):
                    return self._in_place(f"{function}({places}, out={{}})", value, *operands, value)
        return self._new(f"{function}({places})", *operands)

    def _in_place(self, statement: str, target: Operand, *values: Operand) -> Operand:
        self.lines.append(Statement(statement, values))
        for value in {*values}:
            value.uses -= 1
        target.uses = 1
        return target

    def _new(self, expression: str, *operands: Operand, is_discrete: bool = False) -> Operand:
        """Write the definition of an array, which is discrete if all operands are."""
        are_discrete = True
        for value in operands:
            value.uses -= 1
            are_discrete &= value.axes is None or value.is_discrete
        is_discrete = is_discrete or are_discrete
        result = Operand(axes=_union(operands), uses=1, is_discrete=is_discrete, level=self._level)
        self.lines.append(Statement(expression, operands, result))
        return result

    def _is_free(self, value: Operand) -> bool:
        """Return whether an array may be overwritten: it has no other uses than the next one."""
        return value.uses <= 1 and not value.is_discrete and value.level == self._level


def _union(values: Iterable[Operand]) -> frozenset[int]:
    axes = set[int]()
    for value in values:
        axes.update(value.axes or ())
    return frozenset(axes)


def normalized(tree: Tree) -> Tree:
    """Return a tree with folded constants, and with functions instead of some combinations of operators."""
    if isinstance(tree, dict) and "reduce" in tree:
        node = cast("dict[str, Any]", tree)
        return {**node, "value": {"tree": normalized(node["value"]["tree"])}}
    tree = folded(tree)
    if isinstance(tree, list):
        tree = [normalized(part) for part in cast("list[Any]", tree)]
    match tree:
        case ["^", math.e, power]:
            return ["exp", power]
        case ["max", low, ["min", value, high]]:
            return ["clip", value, low, high]
        case ["−", 0, value]:
            return ["negative", value]
        case unchanged:
            return unchanged


def identifier(name: str) -> str:
    """Return a Python name for a name in formulas: x_hat for x̂, p_next for p′, beta1 for β₁."""
    result = ""
    for letter in unicodedata.normalize("NFKD", name):
        if letter.isascii():
            result += letter
        elif letter in MARKS:
            result += MARKS[letter]
        else:
            *_, word = unicodedata.name(letter).split(" ")
            result += word.lower()
    return result
