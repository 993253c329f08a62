"""Explanations of operations with named steps and sums. The formulas are in `chainrule.operations`.

If a result has steps, the explanation lists them. Otherwise its rule is a sum of products, whose terms are listed,
or a maximum, whose candidates are listed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.explain.cells import CellContext
from chainrule.explain.evaluation import Elements, Evaluator, Scope
from chainrule.explain.formula_text import FormulaWriter, Notation
from chainrule.explain.formulas import applicable, enough_digits, joined
from chainrule.explain.named_tensors import SAMPLE
from chainrule.explain.notation import MAX_LISTED, bracketed, format_list
from chainrule.explain.record import CalculationStep, Candidate, Details, Factor, Pick, Scale, Term
from chainrule.operations import definitions
from chainrule.operations.grammar import (
    Formula,
    FormulaCase,
    ParsedExpression,
    Products,
    Reduction,
    ScaledSum,
    Tree,
    is_item,
    items,
)


def explain(ctx: CellContext) -> Details:
    """Explain a value with the steps or the terms of its operation's formulas."""
    return Calculation(ctx).derive()


class Facts(dict[str, Any]):
    """Facts for sentences and for conditions of steps.

    Facts that the operation's TOML entry defines are evaluated whenever they are read. The others, such as `batch` and
    the presence of each input, are set at the beginning.
    """

    def __init__(self, calculation: "Calculation") -> None:
        self.calculation = calculation
        ctx = calculation.ctx
        entry = calculation.evaluator.entry
        facts: dict[str, Any] = {}
        for place, read in enumerate(entry["reads"]):
            facts[read["name"]] = ctx.reads(place)
        for value in ctx.arguments.values():
            if isinstance(value, str):
                facts[value] = True
        x = ctx.symbol_of(0)
        written = ctx.operation.writes[ctx.place].name.rpartition(".")[2]
        facts |= calculation.own.letters
        facts["batch"] = ctx.samples > 1
        facts["layer"] = ctx.layer
        facts["x"] = x
        facts["gradient"] = written.startswith("d")
        facts["transposed"] = (x == "x") == ctx.operation.name.endswith("_dx")
        for name in entry["facts"]:
            facts.pop(name, None)
        super().__init__(facts)

    def __missing__(self, name: str) -> Any:
        return self.calculation.fact(name)


class Calculation:
    """An operation's formulas, applied to one element of a result."""

    def __init__(self, ctx: CellContext) -> None:
        self.ctx = ctx
        self.evaluator = Evaluator(ctx)
        self.own = self.evaluator.own
        self.writer = FormulaWriter(self.evaluator)
        self.facts = Facts(self)

    def derive(self) -> Details:
        """Return the explanation."""
        result: Mapping[str, Any] = self.evaluator.entry["results"][self.ctx.place]
        formulas = applicable(result["steps"], self.facts)
        steps = tuple(self._step(formula, is_last=formula is formulas[-1]) for formula in formulas)
        rules = applicable(result["rule"], self.facts)
        rule = rules[0] if rules else formulas[-1]
        symbols, here = self._equations(rule)
        words = definitions.fill(result["words"], self.facts)
        if steps:
            details = Details(words, symbols, here, steps=steps)
        else:
            details = replace(self._sum(self.evaluator.case(rule)), words=words, symbols=symbols, instantiated=here)
        return replace(details, sources=self.evaluator.sources())

    def fact(self, name: str) -> Any:
        """Return whether a condition is true, or a number as text. An unknown fact is false."""
        if name not in self.evaluator.entry["facts"]:
            return False
        with self.evaluator.unrecorded():
            value = self.evaluator.evaluate(self.evaluator.entry["facts"][name]["tree"], self.own)
        if np.asarray(value).dtype == bool:
            return bool(value)
        return self.ctx.number(float(value), 1.0)

    def _equations(self, rule: Formula) -> tuple[str, str]:
        """Return the rule in letters, and the rule with the element's indices."""
        writer = self.writer
        place = self.ctx.place
        symbols = f"{writer.result(place, writer.letters)} = {writer.right_side(rule, writer.letters)}"
        right = writer.expression(self.evaluator.case(rule)["value"], writer.numbers)
        return symbols, f"{writer.result(place, writer.numbers)} = {right}"

    # ------------------------------------------------------------------ steps

    def _step(self, step: Formula, *, is_last: bool) -> CalculationStep:
        """Evaluate a step and return its line.

        A step that is only a name shows the formula with this name from the entry's list `where`.
        """
        name = step["name"]
        index = step.get("index", [])
        formula = step
        if "cases" not in step:
            formula = self.evaluator.where[name]
        expression = self.evaluator.case(formula)["value"]
        value = self._value(name, formula)
        if is_last:
            value = self.ctx.value
        self.evaluator.add_step(name, index, value)
        numbers, shown = self._in_numbers(expression, value)
        notation = replace(self.writer.steps, written="all" if index else "text")
        title = self.writer.reference(name, index, notation)
        return CalculationStep(title, self.writer.right_side(formula, notation), numbers, value, shown)

    def _value(self, name: str, formula: Formula) -> float:
        """Return the value of a step's formula or, if an input has the step's name, the value of the input."""
        if name in self.evaluator.tensors:
            return float(self.evaluator.evaluate(name, self.own))
        return float(self.evaluator.formula(formula, self.own))

    def _in_numbers(self, expression: ParsedExpression, value: float) -> tuple[str, str]:
        """Return an expression in numbers, and its value as printed."""
        operands = list[float]()
        with self.evaluator.unrecorded():
            for item in items(expression):
                if is_item(expression) and isinstance(item, dict) and "reduce" in item:
                    return self._listed(item, value)
                operands.append(float(self.evaluator.evaluate(item, self.own)))
        others = (*operands, value, 1.0)  # 1 for terms such as 1 − ŷ
        shown = self.ctx.number(value, *others)
        if is_item(expression):
            return self.ctx.number(operands[0], *others), shown
        digits = enough_digits(expression["tree"], operands, self.ctx.digits, shown, others)
        remaining = iter(operands)
        return joined(expression, lambda _: bracketed(next(remaining), digits, others)), shown

    def _listed(self, reduction: Reduction, value: float) -> tuple[str, str]:
        """Return the summands of a sum, or the arguments of max or argmax, in numbers, and the value as printed."""
        summands, _ = self.evaluator.summands(reduction, self.own)
        values = summands.ravel().tolist()
        function = reduction["reduce"]
        shown = self.ctx.number(value, *values)
        digits = self.ctx.digits
        if function != "argmax" and len(values) <= MAX_LISTED:
            operator = "+" if function == "Σ" else "max"
            tree: Tree = "operand"
            for _ in values[1:]:
                tree = [operator, tree, "operand"]
            digits = enough_digits(tree, values, digits, shown)
        if function == "Σ":
            return format_list(values, " + ", digits), shown
        return f"{function}({format_list(values, ', ', digits)})", shown

    # ------------------------------------------------------------------ terms

    def _sum(self, case: FormulaCase) -> Details:
        """Return the terms and the scale of a sum, or the candidates of a maximum."""
        tree = case["value"]["tree"]
        if isinstance(tree, dict) and "reduce" in tree and tree["reduce"] in ("max", "argmax"):
            return Details("", pick=self._pick(tree))
        assert "sum" in case
        products = case["sum"]
        terms = list[Term]()
        for part in products["parts"]:
            terms += self._terms(part)
        return Details("", terms=tuple(terms), scale=self._scale(products))

    def _pick(self, reduction: Reduction) -> Pick:
        """Return the candidates of a maximum, and the position of the largest."""
        candidates = list[Candidate]()
        values = list[float]()
        for factor in self._factors(reduction["value"], reduction["over"]):
            candidates.append(Candidate(factor.cell or "", factor.value))
            values.append(factor.value)
        return Pick(tuple(candidates), winner=int(np.argmax(values)))

    def _terms(self, part: Products) -> Iterator[Term]:
        """Yield the terms of a sum, position by position."""
        products: list[Iterator[tuple[Factor, ...]]] = []
        for term in part["terms"]:
            factors = [self._factors(factor, part["over"]) for factor in term]
            products.append(zip(*factors, strict=True))
        for products_here in zip(*products, strict=True):
            for factors_here in products_here:
                yield Term.of(*factors_here)

    def _factors(self, factor: ParsedExpression, over: Sequence[str] | None) -> list[Factor]:
        """Return a factor of all terms of a sum: elements of an input, or values of an expression.

        In Σ_k w[o,k] · x[n,k], the factors w and x are elements. In Σ_k (p[n,k] − t[n,k])², there is an expression.
        `over` contains the letters of the sum, here k, or is None if there is no sum.

        An expression is written with indices only if the sum runs over one letter. Otherwise it would be too long.
        """
        inner = self.own if over is None else self.evaluator.summed(over, self.own)
        elements = self.evaluator.elements(factor["tree"], inner)
        if elements:
            return self._element_factors(elements, inner)
        values = np.asarray(self.evaluator.evaluate(factor["tree"], inner), float)
        flat = np.broadcast_to(values, inner.shape).ravel().tolist()
        letters = list[str]()
        if over is not None:
            letters = self.evaluator.present(over)
        if SAMPLE in letters:
            letters.remove(SAMPLE)
        if len(letters) != 1:
            name = self.writer.expression(factor, Notation(self.writer.own, "none"))
            return [Factor(name, None, value) for value in flat]
        (letter,) = letters
        positions = np.broadcast_to(inner.letters[letter], inner.shape).ravel().tolist()
        factors = list[Factor]()
        for position, value in zip(positions, flat, strict=True):
            notation = Notation({**self.writer.own, letter: position}, "all")
            name = self.writer.expression(factor, notation)
            factors.append(Factor(name, None, value))
        return factors

    def _element_factors(self, elements: Elements, inner: Scope) -> list[Factor]:
        """Return elements of an input as factors, with zeros for elements that the input does not have.

        A position such as (i + 1 − u) / s may be a fraction: then the zero is due to the stride (`whole` is false). It
        may also be outside the input: then the zero is due to padding (`within` is false).
        """
        read = elements.tensor.read or 0
        axes = len(elements.tensor.letters)
        positions = np.broadcast_to(elements.positions, (*inner.shape, axes)).reshape(-1, axes).tolist()
        whole = np.broadcast_to(elements.whole, inner.shape).ravel().tolist()
        within = np.broadcast_to(elements.within, inner.shape).ravel().tolist()
        name = self.ctx.symbol_of(read)
        factors = list[Factor]()
        for position, is_whole, is_within in zip(positions, whole, within, strict=True):
            if not is_whole:
                factors.append(Factor(name, None, 0.0, "stride"))
            elif not is_within:
                factors.append(Factor(name, None, 0.0, "padding"))
            else:
                factors.append(self.ctx.factor(read, tuple(position)))
        return factors

    def _scale(self, products: ScaledSum) -> Scale | None:
        """Return the factor of the whole sum."""
        if "scale" not in products:
            return None
        value = float(self.evaluator.evaluate(products["scale"]["tree"], self.own))
        return Scale(self.writer.expression(products["scale"], self.writer.numbers), value)
