"""Explanations of element-wise operations, and evaluation of their formulas (`chainrule.operations`).

Formulas are printed both with letters and with numbers. The web page does the same in page/explain/formulas.js.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from chainrule.explain.cells import CellContext
from chainrule.explain.notation import (
    DIGITS,
    MAX_DIGITS,
    Index,
    as_printed,
    bracketed,
    format_number,
    letters,
    significant,
)
from chainrule.explain.record import CalculationStep, Curve, Details, Factor, Term
from chainrule.operations import definitions, reference
from chainrule.operations.functions import evaluation
from chainrule.operations.grammar import Formula, Item, ParsedExpression, Tree, is_item, items

AGREEMENT = 0.01  # largest relative error of a result that no printed numbers give exactly
Values = dict[str, float]


def evaluate(tree: Tree, values: Mapping[str, float]) -> float:
    """Return the value of a parsed expression, or the truth value of a parsed condition."""
    if isinstance(tree, list):
        operator, *operands = tree
        with np.errstate(all="ignore"):  # infinities and NaN are shown to the user
            numbers = [np.float64(evaluate(operand, values)) for operand in operands]
            return evaluation(str(operator))(*numbers)
    if isinstance(tree, str):
        return values[tree]
    assert not isinstance(tree, dict)  # element-wise formulas have neither indices nor sums
    return tree


def applicable(formulas: Iterable[Formula], facts: Mapping[str, object]) -> list[Formula]:
    """Return the formulas whose conditions are true."""
    return [formula for formula in formulas if definitions.holds(formula, facts)]


def enough_digits(tree: Tree, operands: Sequence[float], digits: int, shown: str, others: Sequence[float] = ()) -> int:
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


def _filled(tree: Tree, numbers: Iterator[float]) -> Tree:
    """Return a parsed expression with its names, elements and sums replaced by numbers, in their order."""
    if isinstance(tree, list):
        operator, *operands = tree
        return [operator, *(_filled(operand, numbers) for operand in operands)]
    return next(numbers) if isinstance(tree, str | dict) else tree


def matching_case(formula: Formula, values: Mapping[str, float]) -> ParsedExpression:
    """Return the expression of the first case whose condition is true."""
    for case in formula["cases"]:
        if "when" not in case or evaluate(case["when"]["tree"], values):
            return case["value"]
    raise ValueError(f"no case of {formula['name']} holds")


def result(formula: Formula, values: Mapping[str, float]) -> float:
    """Return the value of a formula."""
    return float(evaluate(matching_case(formula, values)["tree"], values))


def right_side(formula: Formula, write: Callable[[Item], str]) -> str:
    """Return the right-hand side with all cases. ``write`` returns the text of a letter."""
    cases = list[str]()
    for place, case in enumerate(formula["cases"]):
        text = joined(case["value"], write)
        if "when" in case:
            text = f"{text} if {joined(case['when'], write)}"
        elif place > 0:
            text = f"else {text}"
        cases.append(text)
    return ", ".join(cases)


def in_letters(formula: Formula, names: Mapping[str, str]) -> str:
    """Return the right-hand side with all cases, with letters replaced as specified by ``names``."""
    return right_side(formula, lambda letter: names.get(str(letter), str(letter)))


def in_numbers(
    formula: Formula,
    values: Mapping[str, float],
    digits: int = DIGITS,
    others: Iterable[float] = (),
    shown: str | None = None,
) -> str:
    """Return the right-hand side of the applicable case with the values of its letters.

    Enough digits are printed to tell different numbers apart, including ``others``, and to give the result as it is
    ``shown`` (None: with the same number of digits); see `enough_digits`.
    """
    expression = matching_case(formula, values)
    operands = _operands(formula, values)
    different = (*others, *operands, 1.0)  # 1 for terms such as 1 − β
    if shown is None:
        shown = format_number(result(formula, values), digits, different)
    digits = enough_digits(expression["tree"], operands, digits, shown, different)
    if is_item(expression):
        return format_number(operands[0], digits, different)
    return joined(expression, lambda letter: bracketed(values[str(letter)], digits, different))


def in_names_and_numbers(
    formula: Formula, values: Mapping[str, float], names: Mapping[str, str], digits: int = DIGITS
) -> str:
    """Return the right-hand side of the applicable case with names for letters and, where there is none, values."""
    different = (*_operands(formula, values), 1.0)  # 1 for terms such as 1 − β

    def write(item: Item) -> str:
        letter = str(item)
        if letter in names:
            return names[letter]
        return bracketed(values[letter], digits, different)

    return joined(matching_case(formula, values), write)


def _operands(formula: Formula, values: Mapping[str, float]) -> list[float]:
    """Return the values of the letters in the applicable case; an element-wise formula has no other items."""
    return [values[str(letter)] for letter in items(matching_case(formula, values))]


def chain(
    formulas: Iterable[Formula],
    values: Values,
    facts: Mapping[str, object],
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
    selected = applicable(formulas, facts)
    steps: list[CalculationStep] = []
    for formula in selected:
        aliases: Mapping[str, str] = formula.get("alias", {})
        for letter, other in aliases.items():
            values[letter] = values[other]
            names[letter] = names.get(other, other)
        if "cases" not in formula:
            continue
        name: str = formula["name"]
        value = result(formula, values)
        if formula is selected[-1] and result_of_last is not None:
            value = result_of_last
        shown = format_number(value, digits, (*others, *_operands(formula, values), 1.0))
        numbers = in_numbers(formula, values, digits, (value,), shown)
        steps.append(CalculationStep(names.get(name, name), in_letters(formula, names), numbers, value, shown))
        values[name] = value
    return steps


def calculation_line(
    ctx: CellContext, name: str, symbols: str, template: str, tree: Tree, operands: Sequence[float]
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


def joined(expression: ParsedExpression, write: Callable[[Item], str]) -> str:
    """Return an expression as text, with parentheses around a base in exponent notation: (1e−7)^{2}."""
    first, *others = expression["parts"]
    result = str(first)
    for item, after in zip(others[::2], others[1::2], strict=True):
        text = write(item)
        is_raised = str(after).startswith("^{")
        if is_raised and text[:1].isdigit() and "e" in text:
            text = f"({text})"
        result += f"{text}{after}"
    return result


def elementwise_value(ctx: CellContext) -> Details:
    """Explain y = f(x): the steps of f, the equation in letters and in numbers, and the point on the curve of f.

    For a leaky ReLU, symbols and numbers are those of y[i,j] = α · x[i,j] and y[0,3] = 0.01 · (−2).
    """
    name = ctx.operation.name
    n, *position = ctx.index
    entry = definitions.entries()[name]
    attributes = ctx.operation.attributes
    x = ctx.factor(0, ctx.index)
    values = {**attributes, "x": x.value}
    steps = chain(entry["value"], values, {}, {}, digits=ctx.digits, result_of_last=ctx.value)
    final_formula = entry["value"][-1]
    y = ctx.result
    x_symbol = ctx.symbol_of(0)
    names = letters(len(position))
    symbols = f"{ctx.bracket(y, *names)} = {in_letters(final_formula, {'x': ctx.bracket(x_symbol, *names)})}"
    own_names = {step.name: step.name for step in steps}
    own_names["x"] = ctx.bracket(x_symbol, *position, sample=n)
    right = in_names_and_numbers(final_formula, values, own_names, ctx.digits)
    numeric = f"{ctx.bracket(y, *position, sample=n)} = {right}"
    facts: dict[str, str | bool] = {"x": ctx.number(x.value, *attributes.values())}
    for fact, when in entry.get("facts", {}).items():
        facts[fact] = bool(evaluate(when["tree"], values))
    for letter, number in attributes.items():
        facts[letter] = ctx.number(number, x.value)
    words = ctx.sentences(**facts)
    curve = _curve(ctx, name, x.value)
    return Details(words, symbols, numeric, curve=curve, steps=tuple(steps), sources=(x.cell or "",))


def elementwise_gradient(ctx: CellContext) -> Details:
    """Explain dx = dy · f′(x), after the steps of f′.

    The gradient reads the saved x, or y if f′ is computed from the result, as for tanh: f′ = 1 − y².
    """
    name = ctx.operation.name.removesuffix("_dx")
    n, *position = ctx.index
    entry = definitions.entries()[name]
    dy = ctx.factor(0, ctx.index)
    saved = ctx.factor(1, ctx.index)
    slope = _slope(ctx, name, saved.value)
    values = {**ctx.operation.attributes, entry["keeps"]: saved.value}
    steps = chain(entry["slope"], values, {}, {}, digits=ctx.digits, result_of_last=slope)
    dx = ctx.result
    dy_symbol = ctx.symbol_of(0)
    steps.append(calculation_line(ctx, dx, f"{dy_symbol} · f′(x)", "{} · {}", ["·", "dy", "f"], (dy.value, slope)))

    def equation(index: Sequence[Index], sample: Index) -> str:
        dx_here = ctx.bracket(dx, *index, sample=sample)
        dy_here = ctx.bracket(dy_symbol, *index, sample=sample)
        x_here = ctx.bracket("x", *index, sample=sample)
        return f"{dx_here} = {dy_here} · f′({x_here})"

    x = _before(ctx)
    words = ctx.sentences_of(
        "activation_dx",
        called=entry.get("called", name),
        x=ctx.number(x),
        slope=ctx.number(slope, 1.0),
        passes=slope == 1,
        stops=slope == 0,
    )
    return Details(
        words,
        symbols=equation(letters(len(position)), "n"),
        instantiated=equation(position, n),
        terms=(Term.of(dy, Factor("f′(x)", None, slope)),),
        curve=_curve(ctx, name, x),
        steps=tuple(steps),
        sources=(saved.cell or "",),
    )


def _slope(ctx: CellContext, name: str, kept: float) -> float:
    """Return f′(x), computed as the reference gradient for dy = 1."""
    gradient = getattr(reference, f"{name}_dx")
    return float(gradient(np.ones(1), np.array([kept]), **ctx.operation.attributes)[0])


def _curve(ctx: CellContext, name: str, x: float) -> Curve:
    function = getattr(reference, name)
    y = float(function(np.array([x]), **ctx.operation.attributes)[0])
    kept = y if definitions.entries()[name]["keeps"] == "y" else x
    return Curve(name, x, y, _slope(ctx, name, kept))


def _before(ctx: CellContext) -> float:
    """Return the input x of an activation, even if its gradient is computed from y."""
    source = ctx.catalogue.inputs[ctx.layer]
    by_sample = ctx.arrays[source].reshape(ctx.samples, -1)
    return float(by_sample[ctx.sample].reshape(ctx.shape)[ctx.own_index])
