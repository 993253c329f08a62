"""Values of an operation's formulas at one element of its result. The formulas are in `chainrule.operations`.

A formula is evaluated in a scope, which assigns a value to each index letter. At the explained element, the values are
whole numbers. In a sum they are arrays, so that one evaluation computes all summands. The web page evaluates summands
one by one (page/explain/evaluation.js).
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np

from chainrule.core.plan import Tensor
from chainrule.engines.protocol import Array
from chainrule.explain.cells import CellContext
from chainrule.explain.formulas import FUNCTIONS
from chainrule.operations import definitions

SAMPLE = "n"  # letter of the sample axis
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
class NamedTensor:
    """An input of the operation, or one of its results, under its name in formulas.

    letters   index of its element: a letter or an expression for each axis, including n for the sample axis
    read      position among the operation's inputs; None for a result
    """

    letters: Sequence[Any]
    tensor: Tensor
    array: Array
    read: int | None


class Evaluator:
    """Evaluates an operation's formulas. The elements that are read are recorded.

    own         the scope of the explained element
    values      results of the steps evaluated so far
    where       formulas that are evaluated wherever their names occur, by name
    constants   attributes and sizes by name; M is the number of values over which a sum without letters runs
    """

    def __init__(self, ctx: CellContext) -> None:
        self.ctx = ctx
        self.entry: Mapping[str, Any] = definitions.entries()[ctx.operation.name]
        letters = self.entry["writes"][ctx.place]["index"]
        index = ctx.index if ctx.operation.writes[ctx.place].per_sample else ctx.own_index
        self.own = Scope(dict(zip(letters, index, strict=False)))
        self.values: dict[str, float] = {}
        self._steps: dict[str, Sequence[str]] = {}
        self.where = {formula["name"]: formula for formula in self.entry["where"]}
        self._recorded: dict[str, set[int]] | None = {name: set() for name in self.tensors}
        self.constants = self._constants()
        for name, expression in self.entry["constants"].items():
            self.constants[name] = self.evaluate(expression["tree"], self.own)
        if "over" in self.entry:
            self.constants["M"] = int(np.prod(self.summed((), self.own).shape))

    # ------------------------------------------------------------------ names

    @cached_property
    def tensors(self) -> dict[str, NamedTensor]:
        """The inputs and the other results, by name in formulas."""
        operation, named = self.ctx.operation, dict[str, NamedTensor]()
        for place, entry in enumerate(self.entry["reads"]):
            array = self.ctx.array(place)
            named[entry["name"]] = NamedTensor(entry["index"][: array.ndim], self.ctx.tensor(place), array, place)
        for place, (entry, tensor) in enumerate(zip(self.entry["writes"], operation.writes, strict=True)):
            if place != self.ctx.place:
                array = self.ctx.shaped(tensor, tensor.storage)
                named[entry["name"]] = NamedTensor(entry["index"][: array.ndim], tensor, array, None)
        return named

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Size of each axis, by letter."""
        shapes = [(tensor.letters, tensor.array.shape) for tensor in self.tensors.values()]
        shapes.append((tuple(self.own.letters), self.ctx.full_shape))
        pairs = [pair for letters, shape in shapes for pair in zip(letters, shape, strict=True)]
        return {letter: size for letter, size in pairs if isinstance(letter, str)}

    @cached_property
    def letters(self) -> set[str]:
        """All index letters. Letters of axes that the tensors do not have are ignored in formulas."""
        return {*self.sizes, *self.own.letters, *self.entry["ranges"], *self.entry["indices"]}

    def _constants(self) -> dict[str, Any]:
        """Return attributes and sizes by name."""
        parts = {**{name: tensor.array.shape for name, tensor in self.tensors.items()}, **self.ctx.arguments}
        letters = {letter: _part(parts, path) for letter, path in self.entry.get("letters", {}).items()}
        axes = {letter.upper(): size for letter, size in self.sizes.items()}
        return {"N": self.ctx.samples, **axes, **self.ctx.arguments, **letters}

    # ------------------------------------------------------------------ evaluation

    def evaluate(self, tree: Any, scope: Scope) -> Any:
        """Return the value of a parsed expression or condition."""
        if isinstance(tree, list):
            operator, *operands = cast("list[Any]", tree)
            return FUNCTIONS[operator](*(self.evaluate(operand, scope) for operand in operands))
        if isinstance(tree, str):
            return self._named(tree, scope)
        if isinstance(tree, dict):
            item = cast("dict[str, Any]", tree)
            return self._reduced(item, scope) if "reduce" in item else self._at(item, scope)
        return np.float64(tree)

    def formula(self, formula: Mapping[str, Any], scope: Scope) -> Any:
        """Return the value of a formula: that of the first case whose condition is true, for each position."""
        (case, *others), rest = formula["cases"], dict(formula)
        holds = self.evaluate(case["when"]["tree"], scope) if "when" in case else True
        rest["cases"] = others
        if np.ndim(holds):
            return np.where(holds, self.evaluate(case["value"]["tree"], scope), self.formula(rest, scope))  # pyright: ignore[reportUnknownVariableType]
        return self.evaluate(case["value"]["tree"], scope) if holds else self.formula(rest, scope)

    def case(self, formula: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the case that applies to the explained element."""
        for case in formula["cases"]:
            if "when" not in case or self.evaluate(case["when"]["tree"], self.own):
                return case
        raise ValueError(f"no case of {formula['name']} is true")

    def _named(self, name: str, scope: Scope) -> Any:
        if name in scope.letters:
            return scope.letters[name]
        if name in self.tensors:
            return self._read(name, scope)
        if name in self.where:
            return self.formula(self.where[name], scope)
        if name in self.values:
            return self.values[name]
        if name in self.entry["indices"]:
            return self.formula(self.entry["indices"][name], scope)
        return self.constants[name]

    def _at(self, reference: Mapping[str, Any], scope: Scope) -> Any:
        """Return the value of a name at another index: x[n,l]."""
        name, index = reference["name"], reference["index"]
        if name == DELTA:
            return np.equal(*(self.evaluate(position, scope) for position in index)).astype(float)
        return self._named(name, self.moved(name, index, scope))

    def moved(self, name: str, index: Sequence[Any], scope: Scope) -> Scope:
        """Return the scope in which a name has another index."""
        moved = {
            letter: self.evaluate(position, scope)
            for letter, position in zip(self.letters_of(name), index, strict=False)
            if isinstance(letter, str) and letter in self.letters
        }
        return Scope({**scope.letters, **moved}, scope.shape, scope.inside)

    def add_step(self, name: str, index: Sequence[str], value: float) -> None:
        """Make the result of a step available to later formulas."""
        self.values[name], self._steps[name] = value, index

    def letters_of(self, name: str) -> Sequence[Any]:
        """Return the index of a tensor or a formula; a scalar has none."""
        if name in self.tensors:
            return self.tensors[name].letters
        return self.where[name].get("index", ()) if name in self.where else self._steps.get(name, ())

    def index_of(self, tensor: NamedTensor, scope: Scope) -> tuple[Any, ...]:
        """Return the index of a tensor's element in a scope: whole numbers, or arrays of whole numbers."""
        return tuple(np.asarray(self.evaluate(letter, scope)).astype(int) for letter in tensor.letters)

    def element(self, tree: Any, scope: Scope) -> tuple[int, tuple[int, ...]] | None:
        """Return the input and the index of the element that an expression denotes; None for other expressions."""
        reference = cast(
            "dict[str, Any]", {"name": tree} if isinstance(tree, str) else tree if isinstance(tree, dict) else {}
        )
        tensor = self.tensors.get(reference.get("name", ""))
        if tensor is None or tensor.read is None:
            return None
        moved = self.moved(reference["name"], reference.get("index", ()), scope)
        return tensor.read, tuple(map(int, self.index_of(tensor, moved)))

    def _read(self, name: str, scope: Scope) -> Any:
        tensor = self.tensors[name]
        index = self.index_of(tensor, scope)
        if self._recorded is not None:
            flat = np.ravel_multi_index(np.broadcast_arrays(*index), tensor.array.shape) if index else np.zeros(1, int)
            self._recorded[name].update(np.unique(flat).tolist())
        return tensor.array[index]

    # ------------------------------------------------------------------ sums

    def summed(self, over: Sequence[str], scope: Scope) -> Scope:
        """Return the scope inside a sum. Its arrays have a new first axis for each letter of the sum."""
        for letter in reversed(self.present(over)):
            first, end = self._range(letter, scope)
            size, axes = int(np.max(end - first, initial=0)), len(scope.shape)
            values = first + np.arange(size).reshape(size, *[1] * axes)
            letters = {**scope.letters, letter: np.minimum(values, end - 1)}
            scope = Scope(letters, (size, *scope.shape), scope.inside & (values < end))
        return scope

    def present(self, over: Sequence[str]) -> list[str]:
        """Return the letters of a sum, by default the entry's, without those of axes that the tensors do not have."""
        return [letter for letter in over or self.entry["over"] if letter in self.letters]

    def _range(self, letter: str, scope: Scope) -> tuple[Any, Any]:
        """Return the first index and the end (exclusive) of a letter's range."""
        if letter not in self.entry["ranges"]:
            return 0, self.sizes[letter]
        first, end = (self.evaluate(bound["tree"], scope) for bound in self.entry["ranges"][letter])
        return np.asarray(first).astype(int), np.asarray(end).astype(int)

    def summands(self, reduction: Mapping[str, Any], scope: Scope) -> tuple[Array, Scope]:
        """Return the values over which a reduction runs, with one axis for each of its letters, and their scope."""
        inner = self.summed(reduction["over"], scope)
        values = np.asarray(self.evaluate(reduction["value"]["tree"], inner), float)
        return np.broadcast_to(values, inner.shape), inner

    def _reduced(self, reduction: Mapping[str, Any], scope: Scope) -> Any:
        values, inner = self.summands(reduction, scope)
        function, neutral = REDUCTIONS[reduction["reduce"]]
        count = int(np.prod(inner.shape[: len(inner.shape) - len(scope.shape)]))
        return function(np.where(inner.inside, values, neutral).reshape(count, *scope.shape))

    # ------------------------------------------------------------------ cells

    def cell(self, name: str, index: Sequence[int]) -> str:
        """Return the canonical name of a tensor's element."""
        return self.ctx.catalogue.cell(self.tensors[name].tensor, tuple(index))

    def sources(self) -> tuple[str, ...]:
        """Return the recorded cells, tensor by tensor in row-major order."""
        return tuple(
            self.cell(name, [int(axis) for axis in np.unravel_index(flat, self.tensors[name].array.shape)])
            for name, places in (self._recorded or {}).items()
            for flat in sorted(places)
        )

    @contextmanager
    def unrecorded(self) -> Generator[None]:
        """Evaluate without recording the elements that are read."""
        recorded, self._recorded = self._recorded, None
        try:
            yield
        finally:
            self._recorded = recorded


def _part(parts: Mapping[str, Any], path: Any) -> Any:
    """Return an attribute, a size or a part of one: "stride.0". A number is its own value."""
    if not isinstance(path, str):
        return path
    name, *places = path.split(".")
    value = parts[name]
    for place in places:
        value = value[int(place)]
    return value
