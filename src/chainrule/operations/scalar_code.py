"""Generator of C for element-wise operations: kernels with vectors, and functions of single floats."""

import math
import re
import textwrap
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from chainrule.operations import definitions
from chainrule.operations.elementwise import (
    Elementwise,
    Formula,
    cases_of,
    folded,
    formulas_text,
    occurrences,
    renamed,
)
from chainrule.operations.functions import FUNCTIONS, SIGNS, Function, Tree

LEVELS = {"+": 1, "−": 1, "·": 2, "/": 2}


@dataclass(frozen=True)
class ScalarLanguage:
    """The syntax of a language for the computation of one element.

    calls        returns a function's call, with {} for the argument, and the faster one within its domain
    choice       template of a conditional expression, with the fields test, value and other
    both         the operator "and"
    assignment   template of an assignment, with the fields name and value
    totals       reduction → the statements that initialize `total`, add an element to it, and finish it ("": none)
    loop         head of a loop over the elements
    loop_end     lines after the body of a loop
    comparison   template of a comparison, with the fields left, sign and right
    extremes     templates of "max" and "min", with the fields bound and value; by default, choices
    start, load  first lines of a loop, and a template of the line that loads an input, if it has to be loaded
    """

    calls: Callable[[Function], tuple[str, str]]
    choice: str
    both: str
    assignment: str
    totals: Mapping[str, tuple[str, str, str]]
    loop: str
    loop_end: tuple[str, ...]
    comparison: str = "{left} {sign} {right}"
    extremes: Mapping[str, str] = field(default_factory=dict[str, str])
    start: tuple[str, ...] = ()
    load: str = ""

    def repeated(self, lines: Sequence[str]) -> list[str]:
        """Return a loop over the elements."""
        if self.load:
            inputs = sorted({name for line in lines for name in re.findall(r"\b(\w+)_k\b", line)})
            lines = [*self.start, *map(self.load.format, inputs), *lines]
        return [self.loop, *indented(lines, 4), *self.loop_end]


VECTORS = ScalarLanguage(
    lambda function: (function.vector, function.fast_vector),
    "choose({test}, {value}, {other})",
    " & ",
    "const vec {name} = {value};",
    {
        "Σ": (
            "vec total = spread(0);",
            "total += choose(first_lanes(left), {0}, spread(0));",
            "total = sum_of(rows, total);",
        ),
        "max": (
            "vec total = spread(-INFINITY);",
            "total = max_or_b(choose(first_lanes(left), {0}, spread(-INFINITY)), total);",
            "total = maximum_of(rows, total);",
        ),
    },
    "for (int64_t k = 0; k < rows.classes; k += rows.step) {",
    ("}",),
    comparison="({left} {sign} {right})",
    start=("const int64_t e = k * rows.stride, left = lanes_left(rows, k);",),
    load="const vec {0}_k = some({0} + e, left);",
    extremes={"max": "max_or_b({bound}, {value})", "min": "min_or_b({bound}, {value})"},
)
C = ScalarLanguage(
    lambda function: (function.c, function.fast_c),
    "{test} ? {value} : {other}",
    " && ",
    "const float {name} = {value};",
    {
        "Σ": ("float total = 0;", "total += {0};", ""),
        "max": ("float total = -INFINITY;", "total = fmaxf(total, {0});", ""),
    },
    "for (int e = 0; e < count; e++) {",
    ("}",),
)


class ScalarWriter:
    """A writer of statements that compute one element.

    A formula of a loss can contain sums and maxima over all elements, which become loops.

    language  syntax of the statements
    options   letter of an option in the formulas → variable in the code
    names     any other letter in the formulas → variable in the code, or the formula of a step that is written when it
              is first used
    number    function that returns a literal, or the name of a constant, for a number
    """

    def __init__(
        self,
        language: ScalarLanguage,
        options: Mapping[str, str],
        names: Mapping[str, str | Formula],
        number: Callable[[float], str],
    ) -> None:
        self.lines: list[str] = []
        self._language = language
        self._number = number
        self._options = options
        self._names = {**options, **names}
        self._assignments: set[str] = set()
        self._formulas = {name: known for name, known in names.items() if not isinstance(known, str)}

    def write(self, formulas: Iterable[Formula], *, gradient: bool = False) -> str:
        """Write statements for all formulas except the last, and return an expression for the last, y or dy · f′."""
        *steps, last = formulas
        for formula in steps:
            self.write_step(formula)
        return self._cases(cases_of(last, gradient=gradient))

    def write_step(self, formula: Formula) -> str:
        self._formulas[formula["name"]] = formula
        variable = self._assigned(self._cases(cases_of(formula)), without_hat(formula["name"]))
        self._names[formula["name"]] = variable
        return variable

    def _cases(self, cases: list[tuple[Tree, Any]]) -> str:
        """Return an expression that selects the first applicable case. All cases are computed, to avoid branches."""
        if len(cases) == 1:
            return self._expression(folded(cases[0][0]))
        values = [self._operand(folded(tree)) for tree, _ in cases]
        result = values[-1]
        for value, (_, when) in zip(values[-2::-1], cases[-2::-1], strict=True):
            if "?" in result or "choose(" in result:
                result = self._assigned(result)
            result = self._language.choice.format(test=self._condition(when["tree"]), value=value, other=result)
        return result

    def _condition(self, tree: Tree) -> str:
        comparisons = list[str]()
        for sign, left, right in tree[1:]:
            operands = {"left": self._operand(folded(left)), "right": self._operand(folded(right))}
            comparisons.append(self._language.comparison.format(sign=SIGNS[sign], **operands))
        return self._language.both.join(comparisons)

    def _operand(self, tree: Tree) -> str:
        """Return a variable or a constant with the value of a tree. If necessary, write an assignment."""
        expression = self._expression(tree)
        if not isinstance(tree, list) or expression in self._assignments:
            return expression
        return self._assigned(expression)

    def _assigned(self, expression: str, name: str | None = None) -> str:
        """Write an assignment, unless the expression is a variable, which is renamed; None: a numbered variable."""
        if name and expression in self._assignments:
            self.lines = [renamed(line, expression, name) for line in self.lines]
            return name
        name = name or f"u{len(self._assignments) + 1}"
        self._assignments.add(name)
        self.lines.append(self._language.assignment.format(name=name, value=expression))
        return name

    def _expression(self, tree: Tree, level: int = 0) -> str:
        """Return an expression for a tree, in parentheses if the precedence of its operator is lower than `level`."""
        if isinstance(tree, dict):
            return self._total(cast("dict[str, Any]", tree))
        if isinstance(tree, str):
            variable = self._names[tree]
            if isinstance(variable, str):
                return variable
            return self.write_step(variable)
        if not isinstance(tree, list):
            return self._number(float(tree))
        name, *operands = cast("list[Any]", tree)
        if name in LEVELS:
            return self._operation(name, operands, level)
        if name == "^":
            return self._power(*operands, level=level)
        if name == "max":
            return self._extreme(name, "<=", *operands, level=level)
        if name == "min":
            return self._extreme(name, ">=", *operands, level=level)
        return self._call(name, operands[0])

    def _operation(self, name: str, operands: list[Tree], level: int) -> str:
        left, right = operands
        own_level = LEVELS[name]
        if name == "−" and left == 0:
            own_level = 2
            text = f"-{self._expression(right, 3)}"
        else:
            text = f"{self._expression(left, own_level)} {SIGNS[name]} {self._expression(right, own_level + 1)}"
        return f"({text})" if own_level < level else text

    def _power(self, base: Tree, power: Tree, level: int) -> str:
        if base == math.e:
            return self._call("exp", power)
        if power not in (2, 3):
            raise ValueError(f"power {power}: expected e^x, a square or a cube")
        text = " * ".join([self._operand(base)] * int(power))
        return f"({text})" if level > 2 else text

    def _call(self, name: str, operand: Tree) -> str:
        function = FUNCTIONS[name]
        call, fast_call = self._language.calls(function)
        if function.domain is not None and function.domain(operand, self._formulas):
            call = fast_call
        return call.format(self._expression(operand))

    def _total(self, node: Mapping[str, Any]) -> str:
        """Return the variable of a sum or a maximum over all elements. Sums over positions have a single summand."""
        if "name" in node:
            return self._expression(node["name"])
        if "k" not in node["over"]:
            return self._expression(node["value"]["tree"])
        first, update, last = self._language.totals[node["reduce"]]
        self.lines += [first, *self.loop({"cases": [node]}, update), *filter(None, [last])]
        self._assignments.add("total")
        return "total"

    def loop(self, formula: Formula, statement: str) -> list[str]:
        """Return a loop over the elements, whose last statement contains the value of the formula."""
        writer = ScalarWriter(self._language, self._options, self._names, self._number)
        writer._formulas |= self._formulas
        value = writer.write([formula])
        return self._language.repeated([*writer.lines, statement.format(value)])

    def _extreme(self, name: str, sign: str, first: Tree, second: Tree, level: int) -> str:
        """Return the maximum (sign "<=") or minimum (">=") of a value and a bound. NaN values propagate."""
        if self._options.keys() >= set(occurrences(first)):
            first, second = second, first
        value = self._operand(first)
        bound = self._operand(second)
        if name in self._language.extremes:
            return self._language.extremes[name].format(bound=bound, value=value)
        text = self._language.choice.format(test=f"{value} {sign} {bound}", value=bound, other=value)
        if level:
            return f"({text})"
        return self._assigned(text)


def without_hat(text: str) -> str:
    """Replace each letter with a hat by the letter and "_hat"."""
    return unicodedata.normalize("NFD", text).replace("\u0302", "_hat")


NAMED_NUMBERS = {0.0: "zero", 1.0: "one", 2.0: "two", 3.0: "three", 6.0: "six", 0.5: "half"}


class Constants:
    """Named constants for numbers and options: vectors whose lanes are equal.

    options  letter of an option in the formulas → its constant
    lines    constant → the expression of its value
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self.options = {letter: f"{letter}_" for letter in values}
        self.lines = {f"{letter}_": value for letter, value in values.items()}

    def number(self, value: float) -> str:
        if value < 0:
            return f"-{self.number(-value)}"
        text = repr(int(value)) if value.is_integer() else repr(value)
        name = NAMED_NUMBERS.get(value)
        if name is None:
            name = f"c{repr(value).replace('.', '_').replace('e-', 'em')}"
        self.lines[name] = text
        return name

    def used(self, statements: Iterable[str]) -> list[str]:
        """Return the definitions of the constants that statements use."""
        statements = list(statements)
        lines = list[str]()
        for name, value in self.lines.items():
            if is_used(name, statements):
                lines.append(f"const vec {name} = spread((real){value});")
        return lines


def vector_source(operation: Elementwise, *, gradient: bool) -> str:
    """Return the kernel in C for an operation or its gradient."""
    constants = Constants({option: f"numbers[{k}].f" for k, option in enumerate(operation.options)})
    names = {"x": "x_k"}
    formulas = operation.value
    arrays = ["x", "y"]
    if gradient:
        kept = operation.keeps
        names = {kept: f"{kept}_k", "dy": "dy_k"}
        formulas = operation.slope
        arrays = ["dy", kept, "dx"]
    writer = ScalarWriter(VECTORS, constants.options, names, constants.number)
    last = writer.write(formulas, gradient=gradient)
    name = operation.function(gradient=gradient)
    return flat_kernel(name, operation.equation(gradient=gradient), arrays, constants, writer, last)


def pointwise_source(name: str) -> str:
    """Return the kernel in C for an operation that combines elements at the same place."""
    entry = definitions.entry(name)
    formulas = entry["steps"]
    arrays = [tensor["name"] for tensor in (*entry["reads"], *entry["writes"])]
    constants = Constants({})
    writer = ScalarWriter(VECTORS, {}, {array: f"{array}_k" for array in arrays}, constants.number)
    last = writer.write(formulas)
    return flat_kernel(name, formulas_text(formulas), arrays, constants, writer, last)


def flat_kernel(
    name: str, equation: str, arrays: Sequence[str], constants: Constants, writer: ScalarWriter, last: str
) -> str:
    """Return a kernel that computes vectors of elements with the same indices; the result is `last`."""
    *reads, _ = arrays
    used = [array for array in reads if is_used(f"{array}_k", [*writer.lines, last])]
    loads = [f"const vec {array}_k = at(x[{reads.index(array)}] + k);" for array in used]
    loop = [*loads, *writer.lines, f"put(y + k, {last});"]
    body = [
        *constants.used(loop),
        "for (int64_t k = 0; k < count; k += LANES) {",
        *indented(loop, 4),
        "}",
    ]
    lines = [*comment(equation), f"ELEMENTS({name})", "{", *indented(body, 4), "}"]
    call = f"return elementwise(compute_{name}, {len(reads)}, arrays, numbers);"
    return "\n".join([*lines, f"KERNEL({name}) {{ {call} }}"]) + "\n"


def kernel_text(name: str, equation: str, body: Sequence[str]) -> str:
    """Return the definition of a kernel in C, preceded by a comment with the equation."""
    lines = [*comment(equation), f"KERNEL({name})", "{"]
    return "\n".join([*lines, *indented(body, 4), "    return DONE;", "}"]) + "\n"


def indented(lines: Iterable[str], spaces: int) -> list[str]:
    """Return lines of code with spaces before each."""
    return [" " * spaces + line for line in lines]


def is_used(name: str, lines: Iterable[str]) -> bool:
    """Return whether a name occurs in lines of code."""
    return re.search(rf"\b{name}\b", "\n".join(lines)) is not None


# ------------------------------------------------------------------ C

# operation that shares its name with a function of math.h → C function
C_NAMES = {"tanh": "tanh_", "exp": "exp_", "sqrt": "sqrt_", "log": "log_", "erf": "erf_"}
ASCII = {
    "−": "-",
    "·": " ",
    "ε": "epsilon",
    "τ": "level",
    "≤": "<=",
    "≥": ">=",
    "√": "sqrt",
    "Σ": "sum",
    "π": "pi",
    "Φ": "P",
    "′": "'",
    "{": "(",
    "}": ")",
}


def c_source(operation: Elementwise, *, gradient: bool, literal: Callable[[float], str]) -> str:
    """Return a C function that computes `count` elements, preceded by a comment with the equation.

    literal   function that formats a float constant
    """
    names = {"x": "x[e]"}
    formulas = operation.value
    arrays = ["x", "y"]
    if gradient:
        kept = operation.keeps
        names = {kept: f"{kept}[e]", "dy": "dy[e]"}
        formulas = operation.slope
        arrays = ["dy", kept, "dx"]
    options = {option: option for option in operation.options}
    writer = ScalarWriter(C, options, names, literal)
    last = writer.write(formulas, gradient=gradient)
    function = operation.function(gradient=gradient)
    name = C_NAMES.get(function, function)
    loop = C.repeated([*writer.lines, f"{arrays[-1]}[e] = {last};"])
    body = ["INDEPENDENT", *loop]
    return c_function(name, operation.equation(gradient=gradient), arrays, list(options), body)


def comment(equation: str) -> list[str]:
    """Return the lines of a comment with an equation in ASCII."""
    shown = without_hat(equation)
    for letter, replacement in ASCII.items():
        shown = shown.replace(letter, replacement)
    return textwrap.wrap(f"/* {' '.join(shown.split())} */", 120, subsequent_indent="   ")


def c_function(name: str, equation: str, arrays: Sequence[str], options: Sequence[str], body: Sequence[str]) -> str:
    """Return a C function that computes its last array from the others, preceded by a comment with the equation."""
    *reads, result = arrays
    parameters = [f"const float *{array}" for array in reads]
    parameters += [f"float *{result}", "int count"]
    parameters += [f"float {option}" for option in options]
    lines = [*comment(equation), f"static void {name}({', '.join(parameters)})", "{"]
    for parameter in (*reads, *options):
        if not is_used(parameter, body):
            lines.append(f"    (void){parameter};")
    lines += [*indented(body, 4), "}"]
    return "\n".join(lines) + "\n"
