"""Formulas of calculations as text: with letters or numbers as indices, and with or without indices."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal

from chainrule.explain.equations import evaluated, letters_in
from chainrule.explain.evaluation import SAMPLE, Evaluator
from chainrule.explain.formulas import joined
from chainrule.explain.notation import Index, at, sum_over

METRIC = "error"  # the absolute error of the prediction: the operation's formulas call it "loss"


@dataclass(frozen=True)
class Notation:
    """How names and indices are written.

    indices     index letter → the text or number that replaces it
    written     which tensors have an index and which sums have letters: all, those of the formula's text, or none
    samples     write sample indices
    constants   write the values of constants, not their names
    """

    indices: Mapping[str, Index]
    written: Literal["all", "text", "none"] = "text"
    samples: bool = False
    constants: bool = False


class FormulaWriter:
    """Writes the formulas of one element's calculation.

    own       the element's indices by letter
    steps     the notation of steps
    letters   the notation of the equation in letters
    numbers   the notation of the equation with the element's indices
    """

    def __init__(self, evaluator: Evaluator) -> None:
        self.evaluator = evaluator
        self.own = self._own_indices()
        several = evaluator.ctx.samples > 1
        self.steps = Notation(self.own)
        self.letters = Notation(self._index_texts(), "all", several)
        self.numbers = Notation(self.own, "all", several, constants=True)

    def _own_indices(self) -> dict[str, Index]:
        """Return the element's indices by letter, including those that are defined by them."""
        own: dict[str, Index] = dict(self.evaluator.own.letters)
        for name in self.evaluator.entry["indices"]:
            with suppress(KeyError), self.evaluator.unrecorded():  # KeyError: the index is not defined for this result
                own[name] = int(self.evaluator.evaluate(name, self.evaluator.own))
        return own

    def _index_texts(self) -> dict[str, Index]:
        """Return the text of each index that is defined by cases: the applicable case."""
        cases = {
            name: self.evaluator.case(formula)["value"]
            for name, formula in self.evaluator.entry["indices"].items()
            if len(formula["cases"]) > 1
        }
        constants = self.evaluator.constants
        return {
            name: joined(value, lambda letter: self._constant(letter) if letter in constants else letter)
            for name, value in cases.items()
        }

    # ------------------------------------------------------------------ writing

    def result(self, place: int, notation: Notation) -> str:
        """Return the name of the operation's result with its index."""
        written = self.evaluator.entry["writes"][place]
        return self.reference(written["name"], written["index"], notation)

    def right_side(self, formula: Mapping[str, Any], notation: Notation) -> str:
        """Return the right-hand side of a formula with all its cases."""
        cases: list[str] = []
        for place, case in enumerate(formula["cases"]):
            text = self.expression(case["value"], notation)
            when = f" if {self.expression(case['when'], notation)}" if "when" in case else ""
            cases.append(f"{text}{when}" if when or not place else f"else {text}")
        return ", ".join(cases)

    def expression(self, expression: Mapping[str, Any], notation: Notation) -> str:
        """Return an expression as text."""
        return joined(expression, lambda item: self._item(item, notation))

    def _item(self, item: Any, notation: Notation) -> str:
        """Return a name, an element or a reduction as text."""
        if isinstance(item, str):
            if notation.constants and item in self.evaluator.constants:
                return self._constant(item)
            return self.reference(item, self.evaluator.letters_of(item) if notation.written == "all" else (), notation)
        if "reduce" in item:
            return self._reduction(item, notation)
        return self.reference(item["name"], item["index"] if notation.written != "none" else (), notation)

    def _constant(self, name: str) -> str:
        return self.evaluator.ctx.operand(float(self.evaluator.constants[name]))

    def _reduction(self, item: Mapping[str, Any], notation: Notation) -> str:
        """Return Σ_{k} or max_{k} with its body, in which k is a letter."""
        over, sign = self.evaluator.present(item["over"]), item["reduce"]
        own = self.evaluator.own.letters.keys() - over
        inner = replace(notation, indices={name: index for name, index in notation.indices.items() if name in own})
        body = self.expression(item["value"], inner)
        if not item["over"] and notation.written != "all":
            return f"{sign} {body}"
        shown = [letter for letter in over if letter != SAMPLE or notation.samples]
        return sum_over(shown).replace("Σ", sign) + body

    def reference(self, name: str, index: Sequence[Any], notation: Notation) -> str:
        """Return a name with its index, x[n,c], without the positions of axes that the tensors do not have."""
        constants = {
            letter: int(self.evaluator.constants[letter])
            for position in index
            for letter in letters_in(position)
            if letter not in self.evaluator.letters and letter in self.evaluator.constants
        }
        known = {*self.evaluator.letters, *constants}
        shown = [position for position in index if known.issuperset(letters_in(position))]
        texts = [
            evaluated(position, {**constants, **notation.indices})
            for position in shown
            if position != SAMPLE or notation.samples
        ]
        written = self.evaluator.entry["writes"][self.evaluator.ctx.place]["name"]
        shown_name = METRIC if self.evaluator.ctx.result == METRIC and name == written else name
        return at(shown_name, *(text for text in texts if text is not None))
