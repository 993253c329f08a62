"""Formulas of calculations as text: with letters or numbers as indices, and with or without indices."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal

from chainrule.explain.evaluation import BAR, Evaluator
from chainrule.explain.formulas import joined, right_side
from chainrule.explain.named_tensors import SAMPLE
from chainrule.explain.notation import Index, at, letters_in, sum_over, with_bar, write_index

METRIC = "error"  # the absolute error of the prediction: the operation's formulas call it "loss"


@dataclass(frozen=True)
class Notation:
    """How names and indices are written.

    indices     index letter → the text or number that replaces it
    written     which tensors have an index and which sums have letters: all, those of the formula's text, or none
    samples     write sample indices
    constants   where the values of constants are written instead of their names
    """

    indices: Mapping[str, Index]
    written: Literal["all", "text", "none"] = "text"
    samples: bool = False
    constants: Literal["nowhere", "in indices", "everywhere"] = "in indices"


class FormulaWriter:
    """Writes the formulas of one element's calculation.

    own       the element's indices by letter
    steps     the notation of steps
    letters   the notation of the equation in letters
    numbers   the notation of the equation with the element's indices
    """

    def __init__(self, evaluator: Evaluator) -> None:
        self.evaluator = evaluator
        texts = self._index_texts()
        self.own = {**texts, **self._own_indices()}
        several = evaluator.ctx.samples > 1
        self.steps = Notation(self.own)
        self.letters = Notation({**self._aliases(), **texts}, "all", several, "nowhere")
        self.numbers = Notation(self.own, "all", several, "everywhere")

    def _own_indices(self) -> dict[str, Index]:
        """Return the element's indices by letter, with the indices that the entry's `indices` compute from them."""
        own: dict[str, Index] = dict(self.evaluator.own.letters)
        for name in self.evaluator.entry["indices"]:
            with suppress(KeyError), self.evaluator.unrecorded():  # KeyError: the index is not defined for this result
                own[name] = int(self.evaluator.evaluate(name, self.evaluator.own))
        return own

    def _index_texts(self) -> dict[str, Index]:
        """Return the text of each index that is defined by cases: the applicable case.

        For k = "c mod D if shared > 0, else c" and D = 4, the text of k is "c mod 4" or "c": sizes are written as
        numbers, other letters remain letters.
        """
        formulas = {
            name: formula for name, formula in self.evaluator.entry["indices"].items() if len(formula["cases"]) > 1
        }
        values = {name: self.evaluator.case(formula)["value"] for name, formula in formulas.items()}
        sizes = {
            letter: int(self.evaluator.constants[letter])
            for value in values.values()
            for letter in self._constants_in(value["parts"][1::2])
        }
        return {
            name: joined(value, lambda letter: str(sizes.get(letter, letter)))
            if "mod" in value["tree"]
            else write_index(value["tree"], sizes)
            for name, value in values.items()
        }

    def _constants_in(self, letters: Iterable[str]) -> list[str]:
        return [
            letter for letter in letters if letter not in self.evaluator.letters and letter in self.evaluator.constants
        ]

    def _aliases(self) -> dict[str, Index]:
        """Return the letter to write for each letter of an attribute.

        Parts of an attribute that have the same value share the first letter: if stride is (2, 2), t for stride.1 is
        written as s, the letter of stride.0.
        """
        first = dict[tuple[str, Any], str]()
        paths: Mapping[str, Any] = self.evaluator.entry.get("letters", {})
        keys = {
            letter: (str(path).partition(".")[0], self.evaluator.constants[letter]) for letter, path in paths.items()
        }
        return {letter: first.setdefault(key, letter) for letter, key in keys.items()}

    # ------------------------------------------------------------------ writing

    def result(self, place: int, notation: Notation) -> str:
        """Return the name of the operation's result with its index."""
        written = self.evaluator.entry["writes"][place]
        index = [letter for letter in written["index"] if letter in self.evaluator.own.letters]
        return self.reference(written["name"], index, notation)

    def right_side(self, formula: Mapping[str, Any], notation: Notation) -> str:
        """Return the right-hand side of a formula with all its cases."""
        return right_side(formula, lambda item: self._item(item, notation))

    def expression(self, expression: Mapping[str, Any], notation: Notation) -> str:
        """Return an expression as text."""
        return joined(expression, lambda item: self._item(item, notation))

    def _item(self, item: Any, notation: Notation) -> str:
        """Return a name, an element or a reduction as text."""
        if isinstance(item, str):
            if notation.constants == "everywhere" and item in self.evaluator.constants:
                return self._constant(item)
            return self.reference(item, self.evaluator.letters_of(item) if notation.written == "all" else (), notation)
        if "reduce" in item:
            return self._reduction(item, notation)
        return self.reference(item["name"], item["index"] if notation.written != "none" else (), notation)

    def _constant(self, name: str) -> str:
        return self.evaluator.ctx.operand(float(self.evaluator.constants[name]))

    def _reduction(self, item: Mapping[str, Any], notation: Notation) -> str:
        """Return Σ_{k} or max_{k} with its body. The letter k is not replaced in the body."""
        over, sign = self.evaluator.present(item["over"]), item["reduce"]
        kept = {
            letter: index
            for letter, index in notation.indices.items()
            if isinstance(index, str) or not self._letters_behind(letter) & {*over}
        }
        inner = replace(notation, indices=kept)
        body = self.expression(item["value"], inner)
        if not item["over"] and notation.written != "all":
            return f"{sign} {body}"
        shown = [letter for letter in over if letter != SAMPLE or notation.samples]
        return sum_over(shown).replace("Σ", sign) + body

    def _letters_behind(self, letter: str) -> set[str]:
        """Return a letter, or the letters from which an index is computed."""
        if letter not in self.evaluator.entry["indices"] or letter in self.evaluator.own.letters:
            return {letter}
        cases = self.evaluator.entry["indices"][letter]["cases"]
        return {item for case in cases for item in case["value"]["parts"][1::2] if isinstance(item, str)}

    def reference(self, name: str, index: Sequence[Any], notation: Notation) -> str:
        """Return a name with its index, x[n,c], without the positions of axes that the tensors do not have."""
        known = {*self.evaluator.letters, *self.evaluator.constants}
        shown = [position for position in index if known.issuperset(letters_in(position))]
        used = self._constants_in(letter for position in shown for letter in letters_in(position))
        constants = {letter: int(self.evaluator.constants[letter]) for letter in used}
        indices = notation.indices if notation.constants == "nowhere" else {**constants, **notation.indices}
        texts = [
            write_index(position, indices, constants) for position in shown if position != SAMPLE or notation.samples
        ]
        return at(self._shown_name(name), *texts)

    def _shown_name(self, name: str) -> str:
        """Return the name of a tensor in equations. Some entries use the plan's names, such as x for dy."""
        ctx, entry, plain = self.evaluator.ctx, self.evaluator.entry, name.removesuffix(BAR)
        written = plain == entry["writes"][ctx.place]["name"]
        if "names" not in entry:
            return METRIC if ctx.result == METRIC and written else name
        tensor = self.evaluator.tensors.get(plain)
        shown = ctx.result if written else ctx.symbol_of(tensor.read) if tensor and tensor.read is not None else plain
        return with_bar(shown) if plain != name and self._is_padded() else shown

    def _is_padded(self) -> bool:
        """Return the fact `padded`: whether x̄ has elements outside x. True if the entry does not define the fact."""
        padded = self.evaluator.entry["facts"].get("padded")
        return padded is None or bool(self.evaluator.evaluate(padded["tree"], self.evaluator.own))
