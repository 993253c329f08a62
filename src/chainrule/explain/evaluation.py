"""Values of an operation's formulas at one element of its result. The formulas are in `chainrule.operations`.

A formula is evaluated in a scope, which assigns a value to each index letter. At the explained element, the values are
whole numbers. In a sum they are arrays, so that one evaluation computes all summands. The web page evaluates summands
one by one (page/explain/evaluation.js).
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.engines.protocol import Array
from chainrule.explain.cells import CellContext, cell_index
from chainrule.explain.named_tensors import NamedTensor, constants, index_of, named_tensors, sizes
from chainrule.operations import definitions
from chainrule.operations.functions import evaluation
from chainrule.operations.grammar import Formula, FormulaCase, IndexedName, Reduction, Tree

BAR = "\u0304"  # x̄ is x, extended by zeros
DELTA = "δ"  # δ[l,k] is 1 if l = k, else 0
# A function, and a value that does not change its result. A sum adds in order, as the page does.
REDUCTIONS: dict[str, tuple[Callable[[Array], Any], float]] = {
    "Σ": (lambda values: np.cumsum(values, axis=0)[-1] if len(values) else values.sum(axis=0), 0.0),
    "max": (lambda values: values.max(axis=0, initial=-np.inf), -np.inf),
    "argmax": (lambda values: values.argmax(axis=0), -np.inf),
}


@dataclass(frozen=True)
class Scope:
    """Values of index letters: whole numbers, or arrays with one axis for each letter of the enclosing sums.

    inside   for each position in the enclosing sums, whether it is within the letters' ranges
    """

    letters: Mapping[str, Any]
    shape: tuple[int, ...] = ()
    inside: Any = True


@dataclass(frozen=True)
class Elements:
    """Elements of a tensor, with one position for each summand.

    positions   indices, clipped to the tensor's shape
    whole       whether the indices before clipping are whole numbers
    within      whether the indices before clipping are inside the tensor
    """

    tensor: NamedTensor
    positions: Array
    whole: Array
    within: Array


class Evaluator:
    """Evaluates an operation's formulas. The elements that are read are recorded.

    own         the scope of the explained element
    tensors     the inputs and the other results, by name
    sizes       size of each axis, by letter
    letters     index letters that have values; others in formulas, of axes that the tensors do not have, are ignored
    values      results of the steps evaluated so far
    where       formulas that are evaluated wherever their names occur, by name
    constants   attributes and sizes by name; M is the number of values over which a sum without letters runs
    """

    def __init__(self, ctx: CellContext) -> None:
        """Prepare the evaluation of the formulas of the explained element.

        For y[n,o] of a dense layer, explained at n = 0 and o = 2, `own` contains n = 0 and o = 2, the tensors are
        x[n,c], w[o,c] and b[o], and the sizes are those of the axes n, c and o.

        The order matters. Tensors and sizes determine which letters have values. The entry's own constants are
        formulas, such as D = C / groups, so everything that `evaluate` reads must exist before them. M comes last,
        because the ranges of its sum may contain these constants.
        """
        self.ctx = ctx
        self.entry: Mapping[str, Any] = definitions.entries()[ctx.operation.name]
        letters = index_of(self.entry["writes"][ctx.place], ctx.written)
        self.own = Scope(dict(zip(map(str, letters), ctx.index, strict=False)))
        self.values = dict[str, float]()
        self._steps = dict[str, Sequence[Tree]]()
        self.where = {formula["name"]: formula for formula in self.entry["where"]}
        self.tensors = named_tensors(ctx, self.entry)
        self.sizes = sizes(ctx, self.tensors, tuple(self.own.letters))
        self.letters = {*self.sizes, *self.own.letters, *self.entry["ranges"], *self.entry["indices"]}
        # Flat indices of the elements that have been read, by tensor: the sources of the explained element. None while
        # nothing is recorded, see `unrecorded`.
        self._recorded: dict[str, set[int]] | None = {name: set() for name in self.tensors}
        self.constants = constants(ctx, self.entry, self.tensors, self.sizes)
        for name, expression in self.entry["constants"].items():  # in this order: later ones may contain earlier ones
            self.constants[name] = self.evaluate(expression["tree"], self.own)
        if "over" in self.entry:  # the letters of sums that are written without letters, as in 1/M Σ x
            self.constants["M"] = int(np.prod(self.summed(self.entry["over"], self.own).shape))

    # ------------------------------------------------------------------ evaluation

    def evaluate(self, tree: Tree, scope: Scope) -> Any:
        """Return the value of a parsed expression or condition."""
        if isinstance(tree, list):
            operator, *operands = tree
            values = [self.evaluate(operand, scope) for operand in operands]
            return evaluation(str(operator))(*values)
        if isinstance(tree, str):
            return self._named(tree, scope)
        if isinstance(tree, dict):
            if "reduce" in tree:
                return self._reduced(tree, scope)
            return self._at(tree, scope)
        return np.float64(tree)

    def formula(self, formula: Formula, scope: Scope) -> Any:
        """Return the value of a formula: that of the first case whose condition is true, for each position."""
        case, *others = formula["cases"]
        rest: Formula = {"name": formula["name"], "cases": others}
        holds = True
        if "when" in case:
            holds = self.evaluate(case["when"]["tree"], scope)
        if np.ndim(holds):
            return np.where(holds, self.evaluate(case["value"]["tree"], scope), self.formula(rest, scope))  # pyright: ignore[reportUnknownVariableType]
        if holds:
            return self.evaluate(case["value"]["tree"], scope)
        return self.formula(rest, scope)

    def case(self, formula: Formula) -> FormulaCase:
        """Return the case that applies to the explained element."""
        for case in formula["cases"]:
            if "when" not in case or self.evaluate(case["when"]["tree"], self.own):
                return case
        raise ValueError(f"no case of {formula['name']} is true")

    def _named(self, name: str, scope: Scope) -> Any:
        if name in scope.letters:
            return scope.letters[name]
        if name.removesuffix(BAR) in self.tensors:
            return self._read(name, scope)
        if name in self.where:
            return self.formula(self.where[name], scope)
        if name in self.values:
            return self.values[name]
        if name in self.entry["indices"]:
            return self.formula(self.entry["indices"][name], scope)
        return self.constants[name]

    def _at(self, reference: IndexedName, scope: Scope) -> Any:
        """Return the value of a name at another index: x[n,l]."""
        name = reference["name"]
        index = reference["index"]
        if name == DELTA:
            first, second = index
            return np.equal(self.evaluate(first, scope), self.evaluate(second, scope)).astype(float)
        return self._named(name, self.moved(name, index, scope))

    def moved(self, name: str, index: Sequence[Tree], scope: Scope) -> Scope:
        """Return the scope where a name has another index.

        For x[n,l], where x is declared as x[n,k], k has the value of l.
        """
        letters = dict(scope.letters)
        for letter, position in zip(self.letters_of(name), index, strict=False):
            if isinstance(letter, str) and letter in self.letters:
                letters[letter] = self.evaluate(position, scope)
        return Scope(letters, scope.shape, scope.inside)

    def add_step(self, name: str, index: Sequence[Tree], value: float) -> None:
        """Make the result of a step available to later formulas."""
        self.values[name] = value
        self._steps[name] = index

    def letters_of(self, name: str) -> Sequence[Tree]:
        """Return the index of a tensor or a formula; a scalar has none."""
        plain = name.removesuffix(BAR)
        if plain in self.tensors:
            return self.tensors[plain].letters
        if name in self.where:
            return self.where[name].get("index", ())
        return self._steps.get(name, ())

    def elements(self, tree: Tree, scope: Scope) -> Elements | None:
        """Return the elements of an input that an expression denotes in a scope; None for other expressions."""
        if isinstance(tree, str):
            name = tree
            index: Sequence[Tree] = ()
        elif isinstance(tree, dict) and "name" in tree:
            name = tree["name"]
            index = tree["index"]
        else:
            return None
        tensor = self.tensors.get(name.removesuffix(BAR))
        if tensor is None or tensor.read is None:
            return None
        return self._elements(tensor, self.moved(name, index, scope))

    def _elements(self, tensor: NamedTensor, scope: Scope) -> Elements:
        index = [np.asarray(self.evaluate(position, scope), float) for position in tensor.letters]
        positions = np.stack(np.broadcast_arrays(np.zeros(scope.shape), *index)[1:], axis=-1)
        shape = np.array(tensor.array.shape)
        whole = (positions == np.floor(positions)).all(axis=-1)
        within = ((positions >= 0) & (positions < shape)).all(axis=-1)
        return Elements(tensor, np.clip(positions, 0, shape - 1).astype(int), np.asarray(whole), np.asarray(within))

    def _read(self, name: str, scope: Scope) -> Any:
        """Return elements of a tensor. Elements of x̄ that x does not have are 0."""
        plain = name.removesuffix(BAR)
        tensor = self.tensors[plain]
        if not tensor.letters:
            return tensor.array[()]
        elements = self._elements(tensor, scope)
        index = tuple(np.moveaxis(elements.positions, -1, 0))
        if self._recorded is not None:
            flat = np.ravel_multi_index(index, tensor.array.shape)
            self._recorded[plain].update(np.unique(flat).tolist())
        values = tensor.array[index]
        if plain == name:
            return values
        return np.where(elements.whole & elements.within, values, 0.0)

    # ------------------------------------------------------------------ sums

    def summed(self, over: Sequence[str], scope: Scope) -> Scope:
        """Return the scope inside a sum. Its arrays have a new first axis for each letter of the sum."""
        for letter in reversed(self.present(over)):
            first, end = self._range(letter, scope)
            size = int(np.max(end - first, initial=0))
            outer_axes = [1] * len(scope.shape)
            values = first + np.arange(size).reshape(size, *outer_axes)
            letters = {**scope.letters, letter: np.minimum(values, end - 1)}
            scope = Scope(letters, (size, *scope.shape), scope.inside & (values < end))
        return scope

    def present(self, over: Sequence[str]) -> list[str]:
        """Return the letters of a sum without those of axes that the tensors do not have.

        If ``over`` is empty, the letters are those of the entry's list `over`.
        """
        return [letter for letter in over or self.entry["over"] if letter in self.letters]

    def _range(self, letter: str, scope: Scope) -> tuple[Any, Any]:
        """Return the first index and the end (exclusive) of a letter's range."""
        if letter not in self.entry["ranges"]:
            return 0, self.sizes[letter]
        first, end = self.entry["ranges"][letter]
        first_index = np.asarray(self.evaluate(first["tree"], scope)).astype(int)
        end_index = np.asarray(self.evaluate(end["tree"], scope)).astype(int)
        return first_index, end_index

    def summands(self, reduction: Reduction, scope: Scope) -> tuple[Array, Scope]:
        """Return the values over which a reduction runs, with one axis for each of its letters, and their scope."""
        inner = self.summed(reduction["over"], scope)
        values = np.asarray(self.evaluate(reduction["value"]["tree"], inner), float)
        return np.broadcast_to(values, inner.shape), inner

    def _reduced(self, reduction: Reduction, scope: Scope) -> Any:
        values, inner = self.summands(reduction, scope)
        function, neutral = REDUCTIONS[reduction["reduce"]]
        summed_axes = len(inner.shape) - len(scope.shape)
        count = int(np.prod(inner.shape[:summed_axes]))
        return function(np.where(inner.inside, values, neutral).reshape(count, *scope.shape))

    # ------------------------------------------------------------------ cells

    def cell(self, name: str, index: Sequence[int]) -> str:
        """Return the canonical name of a tensor's element."""
        return self.ctx.catalogue.cell(self.tensors[name].tensor, tuple(index))

    def sources(self) -> tuple[str, ...]:
        """Return the recorded cells, tensor by tensor in row-major order."""
        cells = list[str]()
        for name, places in (self._recorded or {}).items():
            shape = self.tensors[name].array.shape
            cells += [self.cell(name, cell_index(flat, shape)) for flat in sorted(places)]
        return tuple(cells)

    @contextmanager
    def unrecorded(self) -> Generator[None]:
        """Evaluate without recording the elements that are read."""
        recorded = self._recorded
        self._recorded = None
        try:
            yield
        finally:
            self._recorded = recorded
