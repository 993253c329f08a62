"""Explanations of element-wise operations, and evaluation of their formulas (`chainrule.operations`).

Formulas are printed both with letters and with numbers. The web page does the same in page/explain/formulas.js.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np

from chainrule.explain.cells import CellContext
from chainrule.explain.notation import DIGITS, MAX_DIGITS, as_printed, bracketed, format_number, letters, significant
from chainrule.explain.record import CalculationStep, Curve, Derivation, Factor, Term
from chainrule.operations import definitions, reference
from chainrule.operations.functions import evaluation

Formula = Mapping[str, Any]
AGREEMENT = 0.01  # largest relative error of a result that no printed numbers give exactly
Values = dict[str, float]


def evaluate(tree: Any, values: Mapping[str, float]) -> float:
    """Return the value of a parsed expression, or the truth value of a parsed condition."""
    if isinstance(tree, list):
        operator, *operands = cast("list[Any]", tree)
        with np.errstate(all="ignore"):  # infinities and NaN are shown to the user
            return evaluation(operator)(*(np.float64(evaluate(operand, values)) for operand in operands))
    return values[tree] if isinstance(tree, str) else tree


def enough_digits(tree: Any, operands: Sequence[float], digits: int, shown: str, others: Sequence[float] = ()) -> int:
    """Return the fewest digits, at least ``digits``, with which the printed operands of an expression give its result.

    So a line comes out on a pocket calculator. Operands that nearly cancel need more digits: 0.999423 − 1 = −0.000577.

    operands   the values of the names, elements and sums in the expression, in their order
    shown      the printed result
    others     numbers that the printed operands must be distinguishable from
    """

    def result(count: int) -> float:
        printed = (as_printed(operand, count, others) for operand in operands)
        return float(evaluate(_filled(tree, printed), {}))

    precision = max(digits, significant(shown))
    for count in range(digits, MAX_DIGITS):
        if format_number(result(count), precision) == shown:
            return count
    exact = float(evaluate(_filled(tree, iter(operands)), {}))
    for count in range(digits, MAX_DIGITS):
        if math.isclose(result(count), exact, rel_tol=AGREEMENT):
            return count
    return digits


def _filled(tree: Any, numbers: Iterator[float]) -> Any:
    """Return a parsed expression with its names, elements and sums replaced by numbers, in their order."""
    if isinstance(tree, list):
        operator, *operands = cast("list[Any]", tree)
        return [operator, *(_filled(operand, numbers) for operand in operands)]
    return next(numbers) if isinstance(tree, str | dict) else tree


def matching_case(formula: Formula, values: Mapping[str, float]) -> Mapping[str, Any]:
    """Return the expression of the first case whose condition is true."""
    for case in formula["cases"]:
        if "when" not in case or evaluate(case["when"]["tree"], values):
            return case["value"]
    raise ValueError(f"no case of {formula['name']} holds")


def result(formula: Formula, values: Mapping[str, float]) -> float:
    """Return the value of a formula."""
    return float(evaluate(matching_case(formula, values)["tree"], values))


def right_side(formula: Formula, write: Callable[[Any], str]) -> str:
    """Return the right-hand side with all cases. ``write`` returns the text of a letter."""
    cases = list[str]()
    for place, case in enumerate(formula["cases"]):
        text = joined(case["value"], write)
        when = f" if {joined(case['when'], write)}" if "when" in case else ""
        cases.append(f"{text}{when}" if when or not place else f"else {text}")
    return ", ".join(cases)


def in_letters(formula: Formula, names: Mapping[str, str]) -> str:
    """Return the right-hand side with all cases, with letters replaced as specified by ``names``."""
    return right_side(formula, lambda letter: names.get(letter, letter))


def in_numbers(
    formula: Formula,
    values: Mapping[str, float],
    names: Mapping[str, str] | None = None,
    digits: int = DIGITS,
    others: Iterable[float] = (),
    shown: str = "",
) -> str:
    """Return the right-hand side of the applicable case. Letters are replaced by ``names`` or by their values.

    Enough digits are printed to tell different numbers apart, including ``others``, and to give the result as it is
    ``shown``; see `enough_digits`.
    """
    expression = matching_case(formula, values)
    different = (*others, *_operands(formula, values), 1.0)  # 1 for terms such as 1 − β
    if names is None:
        digits = enough_digits(expression["tree"], _operands(formula, values), digits, shown, different)
    if names is None and expression["parts"][::2] == ["", ""]:
        return format_number(values[expression["parts"][1]], digits, different)
    return joined(expression, lambda letter: (names or {}).get(letter) or bracketed(values[letter], digits, different))


def _operands(formula: Formula, values: Mapping[str, float]) -> list[float]:
    """Return the values of the letters in the applicable case."""
    return [values[letter] for letter in matching_case(formula, values)["parts"][1::2]]


def chain(
    formulas: Iterable[Formula],
    values: Values,
    facts: Mapping[str, Any],
    names: dict[str, str],
    *,
    digits: int = DIGITS,
    result_of_last: float | None = None,
    others: Sequence[float] = (),
) -> list[CalculationStep]:
    """Return the steps of a calculation, one for each formula whose conditions are true.

    values           values of the letters; each result is added
    names            displayed names of letters, where they differ; aliases are added
    result_of_last   value of the last step, if it is known more accurately
    others           numbers that must be distinguishable from the results
    """
    selected = [formula for formula in formulas if definitions.holds(formula, facts)]
    steps: list[CalculationStep] = []
    for formula in selected:
        aliases: Mapping[str, str] = formula.get("alias", {})
        for letter, other in aliases.items():
            values[letter], names[letter] = values[other], names.get(other, other)
        if "cases" in formula:
            name: str = formula["name"]
            value = result(formula, values)
            if formula is selected[-1] and result_of_last is not None:
                value = result_of_last
            shown = format_number(value, digits, (*others, *_operands(formula, values), 1.0))
            numbers = in_numbers(formula, values, None, digits, (value,), shown)
            steps.append(CalculationStep(names.get(name, name), in_letters(formula, names), numbers, value, shown))
            values[name] = value
    return steps


def calculation_line(
    ctx: CellContext, name: str, symbols: str, template: str, tree: Any, operands: Sequence[float]
) -> CalculationStep:
    """Return the line of a calculation whose result is the value of the cell.

    template   the formula, with {} for each operand
    tree       the parsed formula, with a name for each operand
    """
    others = (*operands, ctx.value, 1.0)  # 1 for terms such as 1 − ŷ
    shown = ctx.number(ctx.value, *others)
    digits = enough_digits(tree, operands, ctx.digits, shown, others)
    texts = [bracketed(operand, digits, others) for operand in operands]
    return CalculationStep(name, symbols, template.format(*texts), ctx.value, shown)


def joined(expression: Mapping[str, Any], write: Callable[[str], str]) -> str:
    """Return an expression as text, with parentheses around a base in exponent notation: (1e−7)^{2}."""
    parts: list[str] = expression["parts"]
    texts = list(parts)
    for place in range(1, len(parts), 2):
        text = write(parts[place])
        raised = parts[place + 1].startswith("^{") and text[:1].isdigit() and "e" in text
        texts[place] = f"({text})" if raised else text
    return "".join(texts)


def elementwise_value(ctx: CellContext) -> Derivation:
    """Explain y = f(x): the steps of f, the equation in letters and in numbers, and the point on the curve of f.

    For a leaky ReLU, symbols and numbers are those of y[i,j] = α · x[i,j] and y[0,3] = 0.01 · (−2).
    """
    name, (n, *position) = ctx.operation.name, ctx.index
    entry = definitions.entries()[name]
    x = ctx.factor(0, ctx.index)
    attributes = ctx.operation.attributes
    values = {**attributes, "x": x.value}
    steps = chain(entry["value"], values, {}, {}, digits=ctx.digits, result_of_last=ctx.value)
    final_formula = entry["value"][-1]
    y, x_symbol = ctx.result, ctx.symbol_of(0)
    names = letters(len(position))
    symbols = f"{ctx.bracket(y, *names)} = {in_letters(final_formula, {'x': ctx.bracket(x_symbol, *names)})}"
    own_names = {step.name: step.name for step in steps} | {"x": ctx.bracket(x_symbol, *position, sample=n)}
    numeric = f"{ctx.bracket(y, *position, sample=n)} = {in_numbers(final_formula, values, own_names, ctx.digits)}"
    facts = {fact: bool(evaluate(when["tree"], values)) for fact, when in entry.get("facts", {}).items()}
    words = ctx.sentences(
        x=ctx.number(x.value, *attributes.values()),
        **facts,
        **{letter: ctx.number(number, x.value) for letter, number in attributes.items()},
    )
    return Derivation(
        words, symbols, numeric, curve=_curve(ctx, name, x.value), steps=tuple(steps), sources=(x.cell or "",)
    )


def elementwise_gradient(ctx: CellContext) -> Derivation:
    """Explain dx = dy · f′(x), after the steps of f′.

    The gradient reads the saved x, or y if f′ is computed from the result, as for tanh: f′ = 1 − y².
    """
    name, (n, *position) = ctx.operation.name.removesuffix("_dx"), ctx.index
    entry = definitions.entries()[name]
    dy, saved = ctx.factor(0, ctx.index), ctx.factor(1, ctx.index)
    slope = _slope(ctx, name, saved.value)
    values = {**ctx.operation.attributes, entry["keeps"]: saved.value}
    steps = chain(entry["slope"], values, {}, {}, digits=ctx.digits, result_of_last=slope)
    dx, dy_symbol = ctx.result, ctx.symbol_of(0)
    steps.append(calculation_line(ctx, dx, f"{dy_symbol} · f′(x)", "{} · {}", ["·", "dy", "f"], (dy.value, slope)))
    symbols, numeric = (
        f"{ctx.bracket(dx, *index, sample=sample)} = {ctx.bracket(dy_symbol, *index, sample=sample)} · "
        f"f′({ctx.bracket('x', *index, sample=sample)})"
        for index, sample in ((letters(len(position)), "n"), (position, n))
    )
    x = _before(ctx)
    words = ctx.sentences(
        "activation_dx",
        called=entry.get("called", name),
        x=ctx.number(x),
        slope=ctx.number(slope, 1.0),
        passes=slope == 1,
        stops=slope == 0,
    )
    terms = (Term.of(dy, Factor("f′(x)", None, slope)),)
    return Derivation(
        words, symbols, numeric, terms, curve=_curve(ctx, name, x), steps=tuple(steps), sources=(saved.cell or "",)
    )


def _slope(ctx: CellContext, name: str, kept: float) -> float:
    """Return f′(x), computed as the reference gradient for dy = 1."""
    return float(getattr(reference, f"{name}_dx")(np.ones(1), np.array([kept]), **ctx.operation.attributes)[0])


def _curve(ctx: CellContext, name: str, x: float) -> Curve:
    y = float(getattr(reference, name)(np.array([x]), **ctx.operation.attributes)[0])
    return Curve(name, x, y, _slope(ctx, name, y if definitions.entries()[name]["keeps"] == "y" else x))


def _before(ctx: CellContext) -> float:
    """Return the input x of an activation, even if its gradient is computed from y."""
    source = ctx.catalogue.inputs[ctx.layer]
    return float(ctx.arrays[source].reshape(ctx.samples, -1)[ctx.sample].reshape(ctx.shape)[ctx.own_index])
