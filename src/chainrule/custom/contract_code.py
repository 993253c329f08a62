"""A learner's code under a contract, with the interface of layers and losses."""

import ast
import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from chainrule.custom.calls import (
    EARLIER,
    UNWRITTEN,
    Array,
    InterfaceError,
    OverwriteDetector,
    array,
    call,
    copy_for_call,
    same,
)
from chainrule.custom.contract import ACTIVATIONS, INPUTS, WEIGHTS, Contract, Line
from chainrule.custom.contract_run import ContractRun, MissingError
from chainrule.custom.interface import CallResult
from chainrule.custom.signatures import MAX_PLACES, places
from chainrule.errors import StudentError, UnwrittenError

TRAIN = "train"  # name under which `ContractLayer.set` changes the mode: 1 for training, 0 for testing
EXPLORED = ("self", "y", "q", "r")  # names of a contract whose places `explore` returns


def arranged(values: Array, axes: str | None, other: str | None) -> Array:
    """Return an array with its axes in another order. Letters in both are moved, and 1 is added or removed.

    The array is returned as it is if either order is unknown, or if its axes are not those stated.

    >>> arranged(np.zeros((2, 3, 4)), "NCW", "N1WC").shape
    (2, 1, 4, 3)
    """
    if not axes or not other or axes == other or values.ndim != len(axes):
        return values
    sizes = dict[str, int]()  # by axis
    for axis, size in zip(axes, values.shape, strict=True):
        if axis != "1":
            sizes[axis] = size
    present = axes.replace("1", "")
    if sorted(present) != sorted(other.replace("1", "")) or len(sizes) != len(present):
        return values
    if values.size != math.prod(sizes.values()):  # an axis that is stated as 1 is longer
        return values
    order = [present.index(axis) for axis in other if axis != "1"]
    shape = [sizes.get(axis, 1) for axis in other]
    moved = values.reshape([*sizes.values()]).transpose(order)
    return np.ascontiguousarray(moved.reshape(shape))


def sizes_of(values: Mapping[str, Array], single: bool) -> dict[str, int]:
    """Return the sizes that the letters of a contract mean: those of x or p, and of the weights."""
    sizes = dict[str, int]()
    for name, value in values.items():
        if name in ("x", "p"):
            axes = ACTIVATIONS.get(value.ndim + single, "")[single:]
        elif name == "w":
            axes = WEIGHTS.get(value.ndim, "")
        else:
            continue
        sizes |= dict(zip(axes, value.shape, strict=False))
    if "D" in sizes:
        sizes.setdefault("C", sizes["D"])
    return sizes


class ContractLayer:
    """A learner's layer or loss under a contract, with the interface `Code`.

    names    the names in the learner's file
    options  values of the contract's options, such as stride
    copies   whether an object in the file is copied
    kind     name of the class or the function, for messages; None: that in the contract
    """

    def __init__(
        self,
        contract: Contract,
        names: Mapping[str, object],
        options: Mapping[str, Any] | None = None,
        copies: bool = True,
        kind: str | None = None,
    ) -> None:
        self.kind = kind or contract.name
        self._input = "p" if "p" in contract.reads else "x"
        self.parameters = tuple(name for name in contract.parameters if name not in (options or {}))
        self._contract = contract
        self._file = names
        self._options = dict(options or {})
        self._run = ContractRun(contract, names, self.kind, copies)
        self._run.scope.update(self._options)
        self.independent = not self._run.shares
        self._values = dict[str, Array]()
        self._passed = dict[str, Array]()  # copies of the arrays that the last forward received
        self._trains = True
        self._x: Array | None = None
        self._rank = 0  # number of axes of the last x
        self._detector = OverwriteDetector()
        self._forward, self._backward = divided(self._run.each)
        if any("dp" in line.assigns for line in self._forward):  # y and dp are results of one call
            self._backward = self._forward
        # a call before forward without arrays, such as self.zero_grad(): each backward then needs its own forward
        inputs = {*INPUTS, *contract.parameters}
        self._resets = any(
            isinstance(line.node, ast.Expr) and not line.mode and not line.reads & inputs for line in self._forward
        )
        self._is_used = False  # whether a backward has followed the last forward
        # a contract that compares parameters before and after backward says that it updates them
        self._updates = any(not line.reads.isdisjoint(contract.parameters) for line in self._backward)

    def set(self, name: str, value: Array) -> None:
        """Set a parameter or the targets for the next forward, or the mode."""
        if name == TRAIN:
            self._trains = bool(value)
        else:
            self._values[name] = np.array(value)

    def forward(self, x: Array, *, strided: bool = False) -> CallResult:
        """Run the lines up to that of y, once for each sample if the contract takes single samples."""
        self._x = np.array(x)
        if not self._contract.single:
            return self._call_forward(x, strided)
        results = [self._call_forward(sample, strided) for sample in x]
        if len({result.arrays["y"].shape for result in results}) > 1:
            raise StudentError(f"{self.kind}: forward returned different shapes for samples of the same shape")
        return CallResult({"y": np.stack([result.arrays["y"] for result in results])}, _changed(results))

    def backward(self, dy: Array, *, strided: bool = False) -> CallResult:
        """Run the lines after that of y. A gradient whose place does not exist has no entry."""
        if not self._backward and not any(name.startswith("d") for line in self._forward for name in line.assigns):
            raise UnwrittenError(UNWRITTEN.format(f"{self.kind}.backward"))
        if not self._contract.single or self._x is None:
            return self._call_backward(dy, strided)
        results = list[CallResult]()
        for sample, part in zip(self._x, dy, strict=True):
            self._call_forward(sample, False)
            results.append(self._call_backward(part, strided))
        gradients = dict[str, Array]()
        for name in results[0].arrays:
            parts = [result.arrays[name] for result in results if name in result.arrays]
            if len(parts) < len(results):
                raise StudentError(f"{self.kind}.backward did not compute {name} in every call")
            gradients[name] = np.stack(parts) if name == "dx" else np.sum(parts, axis=0)
        return CallResult(gradients, _changed(results))

    def explore(self, x: Array, dy: Array | None) -> dict[str, Array]:
        """Run all lines, and return the arrays in the results and in self by their places."""
        if self._contract.single:
            x = x[0]
            dy = None if dy is None else dy[0]
        self._prepare(x, False)
        scope = self._run.scope
        if dy is not None:
            scope["dy"] = self._to_learner("dy", dy)
        for line in self._run.each:
            self._run.run(line)
        found = dict[str, Array]()
        for name in EXPLORED:
            held: Any = scope.get(name)
            if isinstance(held, tuple | list) and name != "self":
                found[f"#{name}"] = np.array(len(cast("list[Any]", held)))
            for place, value in places(held, name):
                if value.dtype.kind != "b" or value.size or name == "self":
                    found[place] = value
                if len(found) > MAX_PLACES:
                    raise InterfaceError(f"{self.kind} contains more than {MAX_PLACES:,} arrays and numbers")
        return {place: value for place, value in found.items() if value.dtype.kind in "bfciu"}

    def another(self) -> "ContractLayer":
        """Return another object of the same class."""
        duplicate = ContractLayer(self._contract, self._file, self._options, kind=self.kind)
        duplicate._values = dict(self._values)
        duplicate._trains = self._trains
        return duplicate

    def __deepcopy__(self, memo: dict[int, object]) -> "ContractLayer":
        """Return a copy with a copy of the learner's object."""
        duplicate = self.another()
        duplicate._run = copy.copy(self._run)
        duplicate._run.scope = call(f"{self.kind}: a copy", copy.deepcopy, self._run.scope, memo)
        duplicate._passed = dict(self._passed)
        duplicate._x, duplicate._rank, duplicate._is_used = self._x, self._rank, self._is_used
        return duplicate

    def _prepare(self, x: Array, strided: bool) -> None:
        scope = self._run.scope
        scope["train"] = self._trains
        scope["mode"] = "train" if self._trains else "test"
        self._rank = x.ndim
        values = {**self._values, self._input: x}
        self._passed.clear()
        for name, value in values.items():
            passed = self._to_learner(name, value)
            self._passed[name] = passed
            scope[name] = copy_for_call(passed, strided and name == self._input)
        self._run.prepare(sizes_of(values, self._contract.single))

    def _call_forward(self, x: Array, strided: bool) -> CallResult:
        self._prepare(x, strided)
        self._is_used = False
        for line in self._forward:
            self._run.run(line)
        scope = self._run.scope
        returned = scope["y"]
        y = self._from_learner("y", array(returned, f"{self.kind}: y is"), x.ndim)
        changed = self._detector.after_forward(self._handed(), returned)
        return CallResult({"y": y}, (*changed, *self._changed_places(changed)))

    def _handed(self) -> dict[str, tuple[object, Array]]:
        """Return the arrays that the code has received, and copies of them."""
        return {name: (self._run.scope[name], value) for name, value in self._passed.items()}

    def _call_backward(self, dy: Array, strided: bool) -> CallResult:
        scope = self._run.scope
        handed = dict[str, tuple[object, Array]]()
        if self._input == "p" and self._x is not None:  # the lines of backward may pass p and t again: as new copies
            self._prepare(self._x, strided)
            handed = self._handed()
        if self._is_used and self._resets and self._x is not None:
            self._call_forward(self._x, strided)
        self._is_used = True
        upstream = self._to_learner("dy", dy)
        scope["dy"] = copy_for_call(upstream, strided) if dy.ndim else float(dy)
        ranks = {self._input: self._rank}
        for name in self.parameters:
            ranks[name] = self._values[name].ndim
        for name in ranks:
            scope.pop(f"d{name}", None)
        if self._updates:  # an earlier backward may have updated the parameters
            for line in self._forward:
                if line.put is not None and line.put[1] in self._values:
                    self._run.run(line)
        self._run_backward()
        gradients = dict[str, Array]()
        for name, rank in ranks.items():
            stored = scope.get(f"d{name}")
            if stored is not None or name == "p":
                gradient = array(stored, f"{self.kind}.backward: d{name} is")
                gradients[f"d{name}"] = self._from_learner(f"d{name}", gradient, rank)
        changed = self._detector.after_backward({**handed, "dy": (scope["dy"], upstream)}, scope.get("dx"))
        return CallResult(gradients, (*changed, *self._changed_places(changed)))

    def _changed_places(self, reported: Sequence[str]) -> list[str]:
        """Return the parameters whose places no longer hold what was put there."""
        changed = list[str]()
        for line in self._forward:
            if line.put is None or line.put[1] not in self._passed or self._updates or line.put[1] in (*reported, "x"):
                continue
            place, name = line.put
            held = self._run.place(place)
            if not isinstance(held, np.ndarray):
                continue
            if not same(np.ravel(cast("Array", held)), np.ravel(self._passed[name])):
                changed.append(name)
        return changed

    def _run_backward(self) -> None:
        """Run the lines after that of y. Until dy is passed, what the code lacks is its backward."""
        called = self._input == "p"  # backward of a loss needs no dy
        for line in self._backward:
            try:
                self._run.run(line)
            except MissingError as error:
                if not called:
                    raise UnwrittenError(UNWRITTEN.format(f"{self.kind}.backward") + f": {error}") from error
            except InterfaceError as error:
                if not called:
                    raise InterfaceError(f"{self.kind}.backward: {error}") from error
            if "dy" in line.reads:
                called = True

    def _to_learner(self, name: str, value: Array) -> Array:
        if name == "t" and self._contract.axes(name) == "N" and value.ndim > 1:  # class numbers
            return value.argmax(axis=1)
        own = self._contract.own_axes(name, value.ndim)
        return np.array(arranged(value, own, self._contract.axes(name)))

    def _from_learner(self, name: str, value: Array, rank: int) -> Array:
        stated = self._contract.axes(name)
        if name == "y" and stated is not None:
            rank = len(stated.replace("1", "")) or rank
        elif stated is not None and name != "dx" and value.ndim and value.ndim != len(stated):
            return np.array(value[None])  # a gradient without the axes of its parameter, which are of length 1
        return np.array(arranged(value, stated, self._contract.own_axes(name, rank)))


def _changed(results: Sequence[CallResult]) -> tuple[str, ...]:
    """Return the names of the arrays that any of the calls has overwritten. Arrays of earlier calls are ignored."""
    names = dict[str, None]()
    for result in results:
        names |= dict.fromkeys(result.changed)
    return tuple(name for name in names if not name.startswith(EARLIER))


def divided(lines: Sequence[Line]) -> tuple[Sequence[Line], Sequence[Line]]:
    """Return the lines up to the last one that assigns y, and the others. All are the first part if none does."""
    ends = [place for place, line in enumerate(lines, 1) if "y" in line.assigns]
    if not ends:
        return lines, ()
    return lines[: ends[-1]], lines[ends[-1] :]
