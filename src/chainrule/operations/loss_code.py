"""Generator of code that computes losses and their gradients, in C: kernels with vectors, and functions of single rows.

A formula is computed by the form in `computed` if there is one, else by the form that learners see. A formula without
sums is written where it is used: it varies if it contains an input, or another formula that varies. A formula that does
not vary, such as a maximum, is computed once per row, before the loops that use it. For softmax_cross_entropy, C is

    float m = -INFINITY;
    for (int e = 0; e < count; e++) { m = fmaxf(m, z[e]); }
    float S = 0;
    for (int e = 0; e < count; e++) { const float d = z[e] - m;  S += exponential(d); }
    const float L = logf(S);
    float total = 0;
    for (int e = 0; e < count; e++) { const float d = z[e] - m;  total += t[e] * (L - d); }
    *loss = total;

A row contains the classes of one sample, or of one position of a dense prediction.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from chainrule.operations import definitions, reference
from chainrule.operations.elementwise import Formula
from chainrule.operations.functions import Tree
from chainrule.operations.scalar_code import (
    VECTORS,
    C,
    Constants,
    ScalarLanguage,
    ScalarWriter,
    c_function,
    flat_kernel,
    indented,
    kernel_text,
)


class _Stores(NamedTuple):
    """The statements that store a result of a row, and a result of an element; {} is the value."""

    row: str
    element: str


@dataclass(frozen=True)
class _RowFormulas:
    """The formulas of a loss or a gradient of one row.

    inputs   names of the inputs in formulas
    by_name  name → its formula
    result   name of the result
    shown    the formulas in the order and the form that learners see
    """

    inputs: Sequence[str]
    by_name: Mapping[str, Formula]
    result: str
    shown: Sequence[Formula]

    @classmethod
    def find(cls, name: str, facts: Mapping[str, bool]) -> "_RowFormulas":
        """Return the formulas of a loss or a gradient.

        facts   truth values of the conditions of steps
        """
        entry = definitions.entry(name)
        (result,) = entry["results"]
        steps = [step for step in result["steps"] if "cases" in step and definitions.holds(step, facts)]
        shown = [*entry["where"], *(steps or result["rule"])]
        by_name = {formula["name"]: formula for formula in shown}
        for step in entry.get("computed", ()):
            if definitions.holds(step, facts):
                by_name[step["name"]] = step
        inputs = [tensor["name"] for tensor in entry["reads"]]
        return cls(inputs, by_name, entry["writes"][0]["name"], shown)

    def varies(self, tree: Tree) -> bool:
        """Return whether a tree has different values for the elements of a row."""
        if isinstance(tree, str):
            if tree in self.inputs:
                return True
            return tree in self.by_name and any(map(self.varies, self.trees(tree)))
        if isinstance(tree, dict):
            node = cast("dict[str, Any]", tree)
            if "name" in node:
                return self.varies(node["name"])
            return "k" not in node["over"] and self.varies(_summand(node))
        if isinstance(tree, list):
            return any(map(self.varies, cast("list[Any]", tree)[1:]))
        return False

    def trees(self, name: str) -> list[Tree]:
        """Return the trees of a formula: its values and conditions."""
        values = list[Tree]()
        conditions = list[Tree]()
        for case in self.by_name[name]["cases"]:
            values.append(case["value"]["tree"])
            if "when" in case:
                conditions.append(case["when"]["tree"])
        return values + conditions

    def order(self) -> list[str]:
        """Return the names of the formulas that the result needs, in the order of their computation."""
        order: dict[str, None] = {}

        def visit(tree: Tree) -> None:
            if isinstance(tree, str) and tree in self.by_name and tree not in order:
                for part in self.trees(tree):
                    visit(part)
                order[tree] = None
            elif isinstance(tree, dict):
                node = cast("dict[str, Any]", tree)
                visit(node["name"] if "name" in node else _summand(node))
            elif isinstance(tree, list):
                for part in cast("list[Any]", tree)[1:]:
                    visit(part)

        visit(self.result)
        return [*order]

    def write(
        self,
        language: ScalarLanguage,
        options: Mapping[str, str],
        names: Mapping[str, str],
        number: Callable[[float], str],
        stores: _Stores,
    ) -> list[str]:
        """Return the statements that compute one row."""
        *order, result = self.order()
        by_element = {name: self.by_name[name] for name in order if self.varies(name)}
        writer = ScalarWriter(language, options, {**names, **by_element}, number)
        for name in order:
            if name not in by_element:
                writer.write_step(self.by_name[name])
        last = self.by_name[result]
        if self.varies(result):
            return [*writer.lines, *writer.loop(last, stores.element)]
        value = writer.write([last])
        return [*writer.lines, stores.row.format(value)]


def _summand(node: Mapping[str, Any]) -> Tree:
    return node["value"]["tree"]


def options_of(name: str) -> dict[str, tuple[str, Any]]:
    """Return the name and the default of the option that each letter of a loss denotes, such as τ: ("level", 0.5)."""
    signature = inspect.signature(getattr(reference, name)).parameters
    options = dict[str, tuple[str, Any]]()
    for letter, option in definitions.entry(name).get("letters", {}).items():
        if option in signature and option != "batch":
            options[letter] = option, signature[option].default
    return options


def loss_vector_source(name: str) -> str:
    """Return the kernel in C for a loss or a gradient of a loss."""
    own_options = options_of(name)
    values = {letter: f"numbers[{k}].f" for k, letter in enumerate(own_options)}
    values |= {"K": "arrays[0].shape[1]", "ε": "MACHINE_EPSILON"}
    values["N"] = f"row_count(arrays[0], numbers[{len(own_options)}].i)"
    constants = Constants(values)
    formulas = _RowFormulas.find(name, {"batch": True, "one_class": False})
    equation = _equation(formulas.shown)
    if name in definitions.loss_gradients():
        names = {**formulas.by_name, **{array: f"{array}_k" for array in formulas.inputs}}
        writer = ScalarWriter(VECTORS, constants.options, names, constants.number)
        last = writer.write([formulas.by_name[formulas.result]])
        return flat_kernel(name, equation, [*formulas.inputs, formulas.result], constants, writer, last)
    names = {array: f"{array}_k" for array in formulas.inputs}
    result = formulas.result
    stores = _Stores(row=f"put_some({result}, rows.count, {{}});", element=f"put_some({result} + e, left, {{}});")
    statements = formulas.write(VECTORS, constants.options, names, constants.number, stores)
    pointers = list[str]()
    for k, array in enumerate(formulas.inputs):
        pointers.append(f"const real *{array} = (const real *)arrays[{k}].at + rows.first;")
    place = "first" if formulas.varies(result) else "first_row"
    pointers.append(f"real *{result} = (real *)arrays[{len(pointers)}].at + rows.{place};")
    body = [
        *constants.used(statements),
        "for (int64_t block = 0; block < row_blocks(arrays[0]); block++) {",
        "    const Rows rows = rows_of(arrays[0], block);",
        *indented([*pointers, *statements], 4),
        "}",
    ]
    return kernel_text(name, equation, body)


def loss_c_source(name: str, *, literal: Callable[[float], str]) -> str:
    """Return a C function that computes the loss of one sample with `count` outputs, or the gradient of the loss.

    literal   function that formats a float constant
    """
    formulas = _RowFormulas.find(name, {"batch": False, "one_class": False})
    result = formulas.result
    own_options = {letter: option for letter, (option, _) in options_of(name).items()}
    options = {"K": "(float)count", "ε": literal(2.0**-23), **own_options}
    names = {array: f"{array}[e]" for array in formulas.inputs}
    stores = _Stores(row=f"*{result} = {{}};", element=f"{result}[e] = {{}};")
    statements = formulas.write(C, options, names, literal, stores)
    return c_function(name, _equation(formulas.shown), [*formulas.inputs, result], [*own_options.values()], statements)


def _equation(formulas: Iterable[Formula]) -> str:
    return ", ".join(map(_text, formulas))


def _text(part: Any) -> str:
    """Return a parsed formula, or a part of it, as text without the indices of elements."""
    if isinstance(part, str):
        return part
    if "cases" in part:
        return f"{part['name']} = {', else '.join(map(_text, part['cases']))}"
    if "reduce" in part:
        return f"{part['reduce']}_{{{','.join(part['over'])}}} {_text(part['value'])}"
    if "when" in part:
        return f"{_text(part['value'])} if {_text(part['when'])}"
    if "value" in part:
        return _text(part["value"])
    if "name" in part:
        return part["name"]
    return "".join(map(_text, part["parts"]))
