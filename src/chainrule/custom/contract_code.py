"""A learner's code under a contract, with the interfaces of layers and losses."""

import copy
from collections.abc import Mapping, Sequence

import numpy as np

from chainrule.custom.calls import (
    UNWRITTEN,
    Array,
    InterfaceError,
    OverwriteDetector,
    array,
    call,
    copy_for_call,
    overwritten,
)
from chainrule.custom.contract import ACTIVATIONS, WEIGHTS, Contract, Line
from chainrule.custom.contract_run import ContractRun, MissingError
from chainrule.custom.interface import CallResult
from chainrule.errors import UnwrittenError

TRAIN = "train"  # name under which `ContractLayer.set` changes the mode: 1 for training, 0 for testing


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
    """A learner's layer under a contract, with the interface `Code`. Its arrays have this library's axes.

    names  the names in the learner's file
    """

    independent = True
    rate: str | None = None

    def __init__(self, contract: Contract, names: Mapping[str, object]) -> None:
        self.kind = contract.name
        self.arguments: tuple[str, ...] | None = contract.parameters
        self._contract = contract
        self._file = names
        self._interpreter = ContractRun(contract, names, self.kind)
        self._values = dict[str, Array]()
        self._passed = dict[str, Array]()  # copies of the arrays that the last forward received
        self._trains = True
        self._rank = 0  # number of axes of the last x
        self._detector = OverwriteDetector()
        self._forward, self._backward = _divided(self._interpreter.each, at_last=True)
        # a contract that compares parameters before and after backward says that it updates them
        self._updates = False
        for line in self._backward:
            if not line.reads.isdisjoint(contract.parameters):
                self._updates = True

    def names(self) -> tuple[str, ...]:
        """Return nothing: the contract names every parameter and gradient."""
        return ()

    def has(self, name: str) -> bool:
        """Return whether the contract uses a parameter with this name."""
        return name in (self.arguments or ())

    def get(self, name: str) -> Array | None:
        """Return the value of a parameter, as the code holds it after its last call."""
        held = self._values.get(name)
        if held is None or self._updates or "ready" not in self._interpreter.scope:
            return held
        for line in self._forward:
            if line.put is not None and line.put[1] == name:
                in_code = array(self._interpreter.place(line.put[0]), f"{self.kind}: {name} is")
                return self._from_learner(name, in_code, held.ndim)
        return held

    def set(self, name: str, value: Array) -> None:
        """Set a parameter for the next forward, or the mode."""
        if name == TRAIN:
            self._trains = bool(value)
        else:
            self._values[name] = np.array(value)

    def forward(self, x: Array, *, strided: bool = False) -> CallResult:
        """Run the lines up to that of y."""
        scope = self._interpreter.scope
        scope["train"] = self._trains
        scope["mode"] = "train" if self._trains else "test"
        self._rank = x.ndim
        values = {**self._values, "x": x}
        self._passed.clear()
        for name, value in values.items():
            passed = self._to_learner(name, value)
            self._passed[name] = passed
            scope[name] = copy_for_call(passed, strided and name == "x")
        self._interpreter.prepare(sizes_of(values, self._contract.single))
        for line in self._forward:
            self._interpreter.run(line)
        returned = scope["y"]
        y = self._from_learner("y", array(returned, f"{self.kind}: y is"), x.ndim)
        handed = dict[str, tuple[object, Array]]()
        for name, value in self._passed.items():
            handed[name] = (scope[name], value)
        return CallResult({"y": y}, self._detector.after_forward(handed, returned))

    def backward(self, dy: Array, *, strided: bool = False) -> CallResult:
        """Run the lines after that of y. A gradient whose place does not exist has no entry."""
        scope = self._interpreter.scope
        upstream = self._to_learner("dy", dy)
        scope["dy"] = copy_for_call(upstream, strided)
        ranks = {"x": self._rank}
        for name in self.arguments or ():
            ranks[name] = self._values[name].ndim
        for name in ranks:
            scope.pop(f"d{name}", None)
        if self._updates:  # an earlier backward may have updated the parameters
            for line in self._forward:
                if line.put is not None and line.put[1] in self._values:
                    self._interpreter.run(line)
        self._run_backward()
        gradients = dict[str, Array]()
        for name, rank in ranks.items():
            stored = scope.get(f"d{name}")
            if stored is not None:
                gradient = array(stored, f"{self.kind}: d{name} is")
                gradients[f"d{name}"] = self._from_learner(f"d{name}", gradient, rank)
        return CallResult(gradients, self._detector.after_backward({"dy": (scope["dy"], upstream)}, scope.get("dx")))

    def _run_backward(self) -> None:
        """Run the lines after that of y. Until dy is passed, what the code lacks is its backward."""
        called = False
        for line in self._backward:
            try:
                self._interpreter.run(line)
            except MissingError as error:
                if not called:
                    raise UnwrittenError(UNWRITTEN.format(f"{self.kind}.backward") + f": {error}") from error
            except InterfaceError as error:
                if not called:
                    raise InterfaceError(f"{self.kind}.backward: {error}") from error
            if "dy" in line.reads:
                called = True

    def another(self) -> "ContractLayer":
        """Return another object of the same class."""
        duplicate = ContractLayer(self._contract, self._file)
        duplicate._values = dict(self._values)
        duplicate._trains = self._trains
        return duplicate

    def adapted(self, axis: str) -> "ContractLayer":
        """Return a copy: the contract states the axes."""
        return copy.deepcopy(self)

    def __deepcopy__(self, memo: dict[int, object]) -> "ContractLayer":
        """Return a copy with a copy of the learner's object."""
        duplicate = self.another()
        duplicate._interpreter = copy.copy(self._interpreter)
        duplicate._interpreter.scope = call(f"{self.kind}: a copy", copy.deepcopy, self._interpreter.scope, memo)
        duplicate._passed = dict(self._passed)
        duplicate._rank = self._rank
        return duplicate

    def _to_learner(self, name: str, value: Array) -> Array:
        own = self._contract.own_axes(name, value.ndim)
        return np.array(arranged(value, own, self._contract.axes(name)))

    def _from_learner(self, name: str, value: Array, rank: int) -> Array:
        stated = self._contract.axes(name)
        if name == "y" and stated is not None:
            rank = len(stated.replace("1", "")) or rank
        return np.array(arranged(value, stated, self._contract.own_axes(name, rank)))


def _divided(lines: Sequence[Line], *, at_last: bool) -> tuple[Sequence[Line], Sequence[Line]]:
    """Return the lines up to that of y, and the others. All are the first part if none assigns y.

    at_last   whether the last of several lines that assign y divides them, or the first
    """
    places = list[int]()
    for place, line in enumerate(lines, 1):
        if "y" in line.assigns:
            places.append(place)
    if not places:
        return lines, ()
    end = places[-1] if at_last else places[0]
    return lines[:end], lines[end:]


class ContractLoss:
    """A learner's loss under a contract, with the interface `LossCode`."""

    independent = True

    def __init__(self, contract: Contract, names: Mapping[str, object]) -> None:
        self.name = contract.name
        self._contract = contract
        self._file = names
        self._interpreter = ContractRun(contract, names, self.name)
        self._forward, self._backward = _divided(self._interpreter.each, at_last=False)

    def forward(self, p: Array, t: Array) -> CallResult:
        """Run the lines up to that of y."""
        changed = self._run(p, t, self._forward)
        return CallResult({"y": array(self._interpreter.scope["y"], f"{self.name}: y is")}, changed)

    def backward(self, p: Array, t: Array) -> CallResult:
        """Run the lines after that of y, or all lines if y and dp are results of one call."""
        lines = self._backward
        for line in self._forward:
            if "dp" in line.assigns:
                lines = self._forward
        changed = self._run(p, t, lines)
        return CallResult({"dp": array(self._interpreter.scope["dp"], f"{self.name}: dp is")}, changed)

    def another(self) -> "ContractLoss":
        """Return another loss that runs the same code."""
        return ContractLoss(self._contract, self._file)

    def _run(self, p: Array, t: Array, lines: Sequence[Line]) -> tuple[str, ...]:
        """Run lines with new copies of p and t, and return the names of those that the code has overwritten."""
        if self._contract.axes("t") == "N" and t.ndim > 1:  # class numbers
            targets = t.argmax(axis=1)
        else:
            targets = t.copy()
        predictions = p.copy()
        passed = {"p": (predictions, p), "t": (targets, targets.copy())}
        self._interpreter.scope.update({"p": predictions, "t": targets, "dy": 1.0})
        self._interpreter.prepare(sizes_of({"p": p}, False))
        for line in lines:
            self._interpreter.run(line)
        return overwritten(passed)
