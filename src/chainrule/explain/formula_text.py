"""Formulas of calculations as text: with letters or numbers as indices, and with or without indices."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

from chainrule.explain.evaluation import BAR, Evaluator
from chainrule.explain.formulas import joined, right_side
from chainrule.explain.named_tensors import SAMPLE
from chainrule.explain.notation import Index, at, letters_in, sum_over, with_bar, write_index
from chainrule.operations.grammar import Formula, Item, ParsedExpression, Reduction, Tree, items

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
        several = evaluator.ctx.samples > 1
        self.own = {**texts, **self._own_indices()}
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
        texts = dict[str, Index]()
        for name, formula in self.evaluator.entry["indices"].items():
            if len(formula["cases"]) == 1:
                continue
            value = self.evaluator.case(formula)["value"]
            tree = value["tree"]
            sizes = self._constant_values(map(str, items(value)))
            if isinstance(tree, list) and tree[0] == "mod":
                texts[name] = joined(value, lambda letter, sizes=sizes: str(sizes.get(str(letter), letter)))
            else:
                texts[name] = write_index(tree, sizes)
        return texts

    def _constant_values(self, letters: Iterable[str]) -> dict[str, int]:
        """Return the values of those letters that are constants and not indices."""
        values = dict[str, int]()
        for letter in letters:
            if letter not in self.evaluator.letters and letter in self.evaluator.constants:
                values[letter] = int(self.evaluator.constants[letter])
        return values

    def _aliases(self) -> dict[str, Index]:
        """Return the letter to write for each letter of an attribute.

        Parts of an attribute that have the same value share the first letter: if stride is (2, 2), t for stride.1 is
        written as s, the letter of stride.0.
        """
        first_letters = dict[tuple[str, float], str]()
        aliases = dict[str, Index]()
        paths: Mapping[str, str | float] = self.evaluator.entry.get("letters", {})
        for letter, path in paths.items():
            attribute = str(path).partition(".")[0]
            part = (attribute, self.evaluator.constants[letter])
            aliases[letter] = first_letters.setdefault(part, letter)
        return aliases

    # ------------------------------------------------------------------ writing

    def result(self, place: int, notation: Notation) -> str:
        """Return the name of the operation's result with its index."""
        written = self.evaluator.entry["writes"][place]
        index = [letter for letter in written["index"] if letter in self.evaluator.own.letters]
        return self.reference(written["name"], index, notation)

    def right_side(self, formula: Formula, notation: Notation) -> str:
        """Return the right-hand side of a formula with all its cases."""
        return right_side(formula, lambda item: self._item(item, notation))

    def expression(self, expression: ParsedExpression, notation: Notation) -> str:
        """Return an expression as text."""
        return joined(expression, lambda item: self._item(item, notation))

    def _item(self, item: Item, notation: Notation) -> str:
        """Return a name, an element or a reduction as text."""
        if isinstance(item, str):
            if notation.constants == "everywhere" and item in self.evaluator.constants:
                return self._constant(item)
            index = self.evaluator.letters_of(item) if notation.written == "all" else ()
            return self.reference(item, index, notation)
        if "reduce" in item:
            return self._reduction(item, notation)
        index = () if notation.written == "none" else item["index"]
        return self.reference(item["name"], index, notation)

    def _constant(self, name: str) -> str:
        return self.evaluator.ctx.operand(float(self.evaluator.constants[name]))

    def _reduction(self, item: Reduction, notation: Notation) -> str:
        """Return Σ_{k} or max_{k} with its body. The letter k is not replaced in the body."""
        sign = item["reduce"]
        summed = self.evaluator.present(item["over"])
        kept = dict[str, Index]()
        for letter, index in notation.indices.items():
            if isinstance(index, str) or self._letters_behind(letter).isdisjoint(summed):
                kept[letter] = index
        body = self.expression(item["value"], replace(notation, indices=kept))
        if not item["over"] and notation.written != "all":
            return f"{sign} {body}"
        shown = [letter for letter in summed if letter != SAMPLE or notation.samples]
        return sum_over(shown).replace("Σ", sign) + body

    def _letters_behind(self, letter: str) -> set[str]:
        """Return a letter, or the letters from which an index is computed."""
        if letter not in self.evaluator.entry["indices"] or letter in self.evaluator.own.letters:
            return {letter}
        letters = set[str]()
        for case in self.evaluator.entry["indices"][letter]["cases"]:
            letters.update(item for item in items(case["value"]) if isinstance(item, str))
        return letters

    def reference(self, name: str, index: Sequence[Tree], notation: Notation) -> str:
        """Return a name with its index, x[n,c], without the positions of axes that the tensors do not have."""
        known = {*self.evaluator.letters, *self.evaluator.constants}
        shown = list[Tree]()
        used = list[str]()
        for position in index:
            if position == SAMPLE and not notation.samples:
                continue
            letters = list(letters_in(position))
            if known.issuperset(letters):
                shown.append(position)
                used += letters
        constants = self._constant_values(used)
        indices = notation.indices
        if notation.constants != "nowhere":
            indices = {**constants, **indices}

        texts = [write_index(position, indices, constants) for position in shown]
        return at(self._shown_name(name), *texts)

    def _shown_name(self, name: str) -> str:
        """Return the name of a tensor in equations. Some entries use the plan's names, such as x for dy."""
        ctx = self.evaluator.ctx
        entry = self.evaluator.entry
        plain = name.removesuffix(BAR)
        is_result = plain == entry["writes"][ctx.place]["name"]
        if "names" not in entry:
            return METRIC if is_result and ctx.result == METRIC else name
        shown = plain
        tensor = self.evaluator.tensors.get(plain)
        if is_result:
            shown = ctx.result
        elif tensor is not None and tensor.read is not None:
            shown = ctx.symbol_of(tensor.read)
        if plain != name and self._is_padded():
            return with_bar(shown)
        return shown

    def _is_padded(self) -> bool:
        """Return the fact `padded`: whether x̄ has elements outside x. True if the entry does not define the fact."""
        padded = self.evaluator.entry["facts"].get("padded")
        return padded is None or bool(self.evaluator.evaluate(padded["tree"], self.evaluator.own))
