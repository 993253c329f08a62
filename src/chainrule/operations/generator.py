"""Generated source code of the element-wise operations and their gradients, from the formulas in the TOML files.

NumPy, the compiled engine, JAX, the page and exported C all compute an operation's formulas `value` and `slope`, or
`stable_value` and `stable_slope` where present. `python -m chainrule.operations.generator NAME` prints the generated code.

The gradient is dx = dy · f′(x). Where f′ is the constant 0 or 1, the result is 0 or dy without a multiplication, so
that an infinite or NaN dy does not propagate through a 0.
"""

import inspect
import linecache
import math
import operator
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any, cast

from chainrule.errors import unknown_name
from chainrule.operations import definitions, reference

Tree = Any  # syntax tree of a formula, see `parser`
Formula = Mapping[str, Any]
COSTLY = ("^", "√", "tanh", "arctan", "log", "log1p", "expm1", "σ", "Φ", "φ")  # expensive; "^": only e^…


@dataclass(frozen=True)
class Elementwise:
    """An element-wise operation y = f(x).

    value    the formulas that compute y
    slope    the formulas that compute f′(x) from x or y
    keeps    "x" or "y": the tensor from which the slope is computed
    options  attribute → default value; None if the attribute is required
    """

    name: str
    value: tuple[Formula, ...]
    slope: tuple[Formula, ...]
    keeps: str
    options: Mapping[str, float | None]
    increasing: bool

    @property
    def costly(self) -> bool:
        """Whether the value involves an expensive function, such as an exponential."""
        return any(_is_costly(case["value"]["tree"]) for formula in self.value for case in formula["cases"])

    def equation(self, *, gradient: bool = False) -> str:
        """Return the formulas that are shown to learners, in one line."""
        entry = definitions.entries()[self.name]
        return ",  ".join(map(formula_text, entry["slope" if gradient else "value"]))


@cache
def operations() -> dict[str, Elementwise]:
    """Return the element-wise operations by name."""
    return {name: _operation(name, definitions.entries()[name]) for name in definitions.element_wise()}


def _operation(name: str, entry: Mapping[str, Any]) -> Elementwise:
    parameters = inspect.signature(getattr(reference, name)).parameters.values()
    options = {p.name: None if p.default is p.empty else p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    value, slope = (tuple(entry.get(f"stable_{part}", entry[part])) for part in ("value", "slope"))
    return Elementwise(name, value, slope, entry["keeps"], options, entry.get("increasing", False))


def formula_text(formula: Formula) -> str:
    """Return a parsed formula as text."""
    cases = formula["cases"]
    texts = ["".join(case["value"]["parts"]) for case in cases]
    conditions = [f" if {''.join(case['when']['parts'])}" if "when" in case else "" for case in cases]
    if len(cases) > 1:
        texts[-1] = f"else {texts[-1]}"
    return f"{formula['name']} = {', '.join(map(''.join, zip(texts, conditions, strict=True)))}"


# ------------------------------------------------------------------ trees


def folded(tree: Tree) -> Tree:
    """Fold constants: replace every subtree without letters by its value."""
    if not isinstance(tree, list):
        return tree
    name, *operands = cast("list[Any]", tree)
    operands = [folded(operand) for operand in operands]
    if name in CONSTANT and all(isinstance(operand, int | float) for operand in operands):
        return CONSTANT[name](*operands)
    return [name, *operands]


def _divide(dividend: float, divisor: float) -> float:
    return dividend / divisor


CONSTANT: dict[str, Callable[..., float]] = {
    "+": operator.add,
    "−": operator.sub,
    "·": operator.mul,
    "/": _divide,
    "^": math.pow,
    "√": math.sqrt,
}


def _is_costly(tree: Tree) -> bool:
    if not isinstance(tree, list):
        return False
    name, *operands = cast("list[Any]", tree)
    return (name in COSTLY and not (name == "^" and operands[0] != math.e)) or any(map(_is_costly, operands))


def _letters(tree: Tree) -> Iterator[str]:
    if isinstance(tree, list):
        for operand in cast("list[Any]", tree)[1:]:
            yield from _letters(operand)
    elif isinstance(tree, str):
        yield tree


def _trees(formula: Formula) -> Iterator[Tree]:
    for case in formula["cases"]:
        yield from (case[part]["tree"] for part in ("value", "when") if part in case)


# ------------------------------------------------------------------ code for one element: kernels and C

LEVELS = {"+": 1, "−": 1, "·": 2, "/": 2}
SIGNS = {"+": "+", "−": "-", "·": "*", "/": "/", "≤": "<=", "≥": ">=", "<": "<", ">": ">"}


@dataclass(frozen=True)
class ScalarLanguage:
    """The syntax of a language in which the computation of one element is written.

    functions    function in a formula → its name in the language, or a call with {} for the argument
    choice       template of a conditional expression, with the fields test, value and other
    both         the operator "and"
    assignment   template of an assignment, with the fields name and value
    """

    functions: Mapping[str, str]
    choice: str
    both: str
    assignment: str


PYTHON = ScalarLanguage(
    {
        "exp": "exponential",
        "expm1": "expm1",
        "log": "np.log",
        "log1p": "log1p",
        "tanh": "compiler.tanh",
        "arctan": "compiler.arctan",
        "√": "np.sqrt",
        "abs": "abs",
        "σ": "logistic(dtype, {})",
        "Φ": "normal_distribution(dtype, {})",
        "φ": "normal_density(dtype, {})",
    },
    "{value} if {test} else {other}",
    " and ",
    "{name} = {value}",
)
C = ScalarLanguage(
    {
        "exp": "exponential",
        "expm1": "exponential_minus_one",
        "log": "logf",
        "log1p": "log1pf",
        "tanh": "hyperbolic_tangent",
        "arctan": "atanf",
        "√": "sqrtf",
        "abs": "fabsf",
        "σ": "logistic",
        "Φ": "normal_distribution",
        "φ": "normal_density",
    },
    "{test} ? {value} : {other}",
    " && ",
    "const float {name} = {value};",
)


class ScalarWriter:
    """A writer of statements that compute one element.

    options   the letter of an option → a variable
    names     any other letter → a variable
    number    function from a number to a literal or the name of a constant
    """

    def __init__(
        self,
        language: ScalarLanguage,
        options: Mapping[str, str],
        names: Mapping[str, str],
        number: Callable[[float], str],
    ) -> None:
        self.lines: list[str] = []
        self._language, self._number, self._options, self._names = language, number, options, {**options, **names}
        self._assignments: set[str] = set()

    def value(self, formulas: Iterable[Formula]) -> str:
        """Write statements for all formulas except the last, and return an expression for the last."""
        *steps, last = formulas
        self._steps(steps)
        return self._cases([(case["value"]["tree"], case.get("when")) for case in last["cases"]])

    def gradient(self, formulas: Iterable[Formula]) -> str:
        """Write statements for all formulas of the slope except the last, and return an expression for dy · f′."""
        *steps, last = formulas
        self._steps(steps)
        products = [(["·", "dy", case["value"]["tree"]], case.get("when")) for case in last["cases"]]
        return self._cases([(simplified(tree), when) for tree, when in products])

    def _steps(self, formulas: Iterable[Formula]) -> None:
        for formula in formulas:
            result = self._cases([(case["value"]["tree"], case.get("when")) for case in formula["cases"]])
            self._names[formula["name"]] = self._assigned(result, formula["name"])

    def _cases(self, cases: list[tuple[Tree, Any]]) -> str:
        """Return an expression that selects the first applicable case. All cases are computed, to avoid branches."""
        if len(cases) == 1:
            return self._expression(folded(cases[0][0]))
        values = [self._operand(folded(tree)) for tree, _ in cases]
        result = values[-1]
        for value, (_, when) in zip(values[-2::-1], cases[-2::-1], strict=True):
            if "if" in result or "?" in result:
                result = self._assigned(result)
            result = self._language.choice.format(test=self._condition(when["tree"]), value=value, other=result)
        return result

    def _condition(self, tree: Tree) -> str:
        return self._language.both.join(
            f"{self._operand(folded(left))} {SIGNS[sign]} {self._operand(folded(right))}"
            for sign, left, right in tree[1:]
        )

    def _operand(self, tree: Tree) -> str:
        """Return a variable or a constant that contains the value of a tree."""
        expression = self._expression(tree)
        return (
            expression if not isinstance(tree, list) or expression in self._assignments else self._assigned(expression)
        )

    def _assigned(self, expression: str, name: str = "") -> str:
        if name and expression in self._assignments:
            self.lines = [renamed(line, expression, name) for line in self.lines]
            return name
        name = name or f"u{len(self._assignments) + 1}"
        self._assignments.add(name)
        self.lines.append(self._language.assignment.format(name=name, value=expression))
        return name

    def _expression(self, tree: Tree, level: int = 0) -> str:
        """Return an expression, in parentheses if its operator's precedence is lower than `level`."""
        if isinstance(tree, str):
            return self._names[tree]
        if not isinstance(tree, list):
            return self._number(float(tree))
        name, *operands = cast("list[Any]", tree)
        if name in LEVELS:
            return self._operation(name, operands, level)
        if name == "^":
            return self._power(*operands, level=level)
        if name in ("max", "min"):
            return self._extreme("≤" if name == "max" else "≥", *operands, level=level)
        return self._call(name, operands[0])

    def _operation(self, name: str, operands: list[Tree], level: int) -> str:
        left, right = operands
        own = LEVELS[name]
        if name == "−" and left == 0:
            text = f"-{self._expression(right, 3)}"
            return f"({text})" if level > 2 else text
        text = f"{self._expression(left, own)} {SIGNS[name]} {self._expression(right, own + 1)}"
        return f"({text})" if own < level else text

    def _power(self, base: Tree, power: Tree, level: int) -> str:
        if base == math.e:
            return self._call("exp", power)
        if power not in (2, 3):
            raise ValueError(f"power {power}: expected e^x, a square or a cube")
        text = " * ".join([self._operand(base)] * int(power))
        return f"({text})" if level > 2 else text

    def _call(self, name: str, operand: Tree) -> str:
        function = self._language.functions[name]
        return (function if "{}" in function else f"{function}({{}})").format(self._expression(operand))

    def _extreme(self, sign: str, first: Tree, second: Tree, level: int) -> str:
        """Return the maximum or minimum of a value and a bound. If the value is NaN, the result is NaN."""
        if self._options.keys() >= {*_letters(first)}:
            first, second = second, first
        value, bound = self._operand(first), self._operand(second)
        text = self._language.choice.format(test=f"{value} {SIGNS[sign]} {bound}", value=bound, other=value)
        return f"({text})" if level else self._assigned(text)


def renamed(line: str, name: str, other: str) -> str:
    """Rename a variable in a line."""
    return re.sub(rf"\b{name}\b", other, line)


def simplified(tree: Tree) -> Tree:
    """Simplify a product whose right factor is 0 or 1."""
    _, left, right = tree
    right = folded(right)
    return 0.0 if right == 0 else left if right == 1 else ["·", left, right]


# ------------------------------------------------------------------ kernels of the compiled engine

NAMED_NUMBERS = {0.0: "zero", 1.0: "one", 2.0: "two", 3.0: "three", 6.0: "six", 0.5: "half"}


class _Constants:
    """Named constants for numbers and options, in the precision of the arrays."""

    def __init__(self, options: Iterable[str]) -> None:
        self.lines = {f"{option}_": f"{option}" for option in options}

    def number(self, value: float) -> str:
        if value < 0:
            return f"-{self.number(-value)}"
        name = NAMED_NUMBERS.get(value) or f"c{repr(value).replace('.', '_').replace('e-', 'em')}"
        self.lines[name] = repr(int(value)) if value.is_integer() else repr(value)
        return name

    def assignments(self, array: str) -> list[str]:
        return [f"dtype = {array}.dtype", *(f"{name} = dtype.type({value})" for name, value in self.lines.items())]


def kernel_source(operation: Elementwise, *, gradient: bool) -> str:
    """Return the source of the compiled engine's kernel for an operation or its gradient."""
    constants = _Constants(operation.options)
    kept, result = (operation.keeps, "dx") if gradient else ("x", "y")
    options = {option: f"{option}_" for option in operation.options}
    writer = ScalarWriter(PYTHON, options, {kept: f"{kept}_k", "dy": "dy_k"}, constants.number)
    last = writer.gradient(operation.slope) if gradient else writer.value(operation.value)
    arrays = ["dy", kept, "dx"] if gradient else ["x", "y"]
    parameters = [f"{name}={0.0 if default is None else default}" for name, default in operation.options.items()]
    flat = ", ".join(f"{name}.reshape({name}.size)" for name in arrays)
    head, *used = constants.assignments(arrays[-1])
    used = [line for line in used if _is_used(line.partition(" = ")[0], writer.lines, last)]
    if used or _is_used("dtype", writer.lines, last):
        used.insert(0, head)
    loads = [f"        {name}_k = flat_{name}[k]" for name in arrays[:-1]]
    lines = [
        f"def {operation.name}{'_dx' if gradient else ''}({', '.join([*arrays, *parameters])}):",
        f'    """Compute {operation.equation(gradient=gradient)}{"; dx = dy · f′(x)" if gradient else ""}."""',
        f"    {', '.join(f'flat_{name}' for name in arrays)} = {flat}",
        *(f"    {line}" for line in used),
        f"    for k in range(flat_{result}.size):",
        *loads,
        *(f"        {line}" for line in writer.lines),
        f"        flat_{result}[k] = {last}",
    ]
    return "\n".join(lines) + "\n"


def _is_used(name: str, lines: Iterable[str], last: str) -> bool:
    return re.search(rf"\b{name}\b", "\n".join([*lines, last])) is not None


# ------------------------------------------------------------------ C

ASCII = {"−": "-", "·": " ", "≤": "<=", "≥": ">=", "√": "sqrt", "π": "pi", "Φ": "P", "′": "'", "{": "(", "}": ")"}


def c_source(operation: Elementwise, *, gradient: bool, literal: Callable[[float], str]) -> str:
    """Return a C function that computes `count` elements, preceded by a comment with the equation.

    literal   function that formats a float constant
    """
    kept, result = (operation.keeps, "dx") if gradient else ("x", "y")
    options = {option: option for option in operation.options}
    writer = ScalarWriter(C, options, {kept: f"{kept}_e", "dy": "dy_e"}, literal)
    last = writer.gradient(operation.slope) if gradient else writer.value(operation.value)
    arrays = ["dy", kept] if gradient else ["x"]
    equation = operation.equation(gradient=gradient) + (",  dx = dy · f′(x)" if gradient else "")
    arguments = [*(f"const float *{name}" for name in arrays), f"float *{result}", "int count"]
    arguments += [f"float {option}" for option in operation.options]
    name = {"tanh": "tanh_"}.get(operation.name, operation.name) if not gradient else f"{operation.name}_dx"
    lines = [
        f"/* {' '.join(''.join(ASCII.get(letter, letter) for letter in equation).split())} */",
        f"static void {name}({', '.join(arguments)})",
        "{",
        "    INDEPENDENT",
        "    for (int e = 0; e < count; e++) {",
        *(f"        const float {array}_e = {array}[e];" for array in arrays),
        *(f"        {line}" for line in writer.lines),
        f"        {result}[e] = {last};",
        "    }",
        "}",
    ]
    return "\n".join(lines) + "\n"


# ------------------------------------------------------------------ code for whole arrays: NumPy

UFUNCS = {
    "√": "np.sqrt",
    "tanh": "np.tanh",
    "arctan": "np.arctan",
    "log": "np.log",
    "log1p": "np.log1p",
    "expm1": "np.expm1",
    "abs": "np.abs",
    "exp": "np.exp",
    "max": "np.maximum",
    "min": "np.minimum",
}
ARRAY_FUNCTIONS = {"σ": "logistic", "Φ": "normal_distribution", "φ": "normal_density"}
BINARY = {"+": "np.add", "−": "np.subtract", "·": "np.multiply", "/": "np.divide"}


class ArrayWriter:
    """A writer of statements that compute whole arrays. A result overwrites an operand that is no longer needed."""

    def __init__(self, formulas: Iterable[Formula]) -> None:
        self.lines: list[str] = []
        self._formulas = [*formulas]
        self._reads = Counter(letter for f in self._formulas for tree in _trees(f) for letter in _letters(folded(tree)))
        self._steps, self._temporary = set[str](), set[str]()

    def write(self, *, gradient: bool = False) -> str:
        """Write statements for all formulas, and return the name of the array with the result, y or dy · f′."""
        *steps, last = self._formulas
        for formula in steps:
            cases = [(case["value"]["tree"], case.get("when")) for case in formula["cases"]]
            self._name_step(self._cases(cases), formula["name"])
        cases = [(case["value"]["tree"], case.get("when")) for case in last["cases"]]
        if gradient:
            cases = [(simplified(["·", "dy", tree]), when) for tree, when in cases]
        return self._cases(cases)

    def _name_step(self, value: str, name: str) -> None:
        """Name a new array after a step."""
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
        """Return a number, or the name of an array that contains the value of a tree."""
        if isinstance(tree, str):
            return tree
        if not isinstance(tree, list):
            return repr(int(tree)) if float(tree).is_integer() else repr(float(tree))
        name, *operands = cast("list[Any]", tree)
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
        """Write a clipping: max(low, min(x, high))."""
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
        """Record that operands are read, and return them."""
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
    options = [name if default is None else f"{name}={default}" for name, default in operation.options.items()]
    signature = ", ".join([*arrays, *(["*", *options] if options else [])])
    lines = [
        '@np.errstate(over="ignore", under="ignore")',
        f"def {operation.name}{'_dx' if gradient else ''}({signature}):",
        f'    """Compute {operation.equation(gradient=gradient)}{"; dx = dy · f′(x)" if gradient else ""}."""',
        *(f"    {name} = np.ascontiguousarray({name})" for name in arrays),
        *(f"    {line}" for line in writer.lines),
        f"    return {last}",
    ]
    return "\n".join(lines) + "\n"


# ------------------------------------------------------------------ modules


def define(sources: Mapping[str, str], file: str, names: dict[str, Any]) -> None:
    """Define functions in a module's namespace, with their source visible to `inspect.getsource` and tracebacks.

    file   the file name shown for the source
    """
    for name, source in sources.items():
        shown = f"<{file} {name}>"
        linecache.cache[shown] = (len(source), None, source.splitlines(keepends=True), shown)
        exec(compile(source, shown, "exec"), names)


def main(names: Iterable[str]) -> None:
    """Print the code generated for some element-wise operations, or for all."""
    for name in names or operations():
        if name not in operations():
            raise SystemExit(str(unknown_name("operation", name, [*operations()])))
        for gradient in (False, True):
            print("# NumPy", array_source(operations()[name], gradient=gradient), sep="\n")
            print("# compiled engine", kernel_source(operations()[name], gradient=gradient), sep="\n")
            print("/* C */", c_source(operations()[name], gradient=gradient, literal="{:.9g}f".format), sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
