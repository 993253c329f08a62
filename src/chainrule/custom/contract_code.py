"""A learner's code under a contract, with the interfaces of layers and losses."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.custom.calls import (
    UNWRITTEN,
    Array,
    FormError,
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


def arranged(values: Array, axes: str, other: str) -> Array:
    """Return an array with its axes in another order. Letters in both are moved, and 1 is added or removed.

    >>> arranged(np.zeros((2, 3, 4)), "NCW", "N1WC").shape
    (2, 1, 4, 3)
    """
    if not axes or not other or axes == other or values.ndim != len(axes):
        return values
    squeezed = values.reshape([size for size, axis in zip(values.shape, axes, strict=True) if axis != "1"])
    present = axes.replace("1", "")
    if sorted(present) != sorted(other.replace("1", "")) or squeezed.ndim != len(present):
        return values
    moved = squeezed.transpose([present.index(axis) for axis in other if axis != "1"])
    sizes = iter(moved.shape)
    return np.ascontiguousarray(moved.reshape([1 if axis == "1" else next(sizes) for axis in other]))


def sizes_of(values: Mapping[str, Array], single: bool) -> dict[str, int]:
    """Return the sizes that the letters of a contract mean: those of x or p, and of the weights."""
    sizes = dict[str, int]()
    for name, value in values.items():
        batch = name in ("x", "p")
        axes = ACTIVATIONS.get(value.ndim + single, "")[single:] if batch else WEIGHTS.get(value.ndim, "")
        if batch or name == "w":
            sizes |= dict(zip(axes, value.shape, strict=False))
    if "D" in sizes:
        sizes.setdefault("C", sizes["D"])
    return sizes


class ContractLayer:
    """A learner's layer under a contract, with the interface `Code`. Its arrays have this library's axes.

    names  the names in the learner's file
    """

    independent = True
    rate = ""

    def __init__(self, contract: Contract, names: Mapping[str, Any]) -> None:
        self.kind = contract.name
        self.arguments: tuple[str, ...] | None = contract.parameters
        self._contract, self._file = contract, names
        self._interpreter = ContractRun(contract, names, self.kind)
        self._values = dict[str, Array]()
        self._passed = dict[str, Array]()  # copies of the arrays that the last forward received
        self._trains, self._rank = True, 0
        self._detector = OverwriteDetector()
        lines = self._interpreter.each
        last = max((place for place, line in enumerate(lines, 1) if "y" in line.assigns), default=len(lines))
        self._forward, self._backward = lines[:last], lines[last:]
        # a contract that compares parameters before and after backward says that it updates them
        self._updates = any(line.reads & {*contract.parameters} for line in self._backward)

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
        scope, values = self._interpreter.scope, {**self._values, "x": x}
        scope["train"], scope["mode"] = self._trains, "train" if self._trains else "test"
        self._rank = x.ndim
        self._passed = {name: self._to_learner(name, value) for name, value in values.items()}
        scope.update({name: copy_for_call(value, strided and name == "x") for name, value in self._passed.items()})
        self._interpreter.prepare(sizes_of(values, self._contract.single))
        for line in self._forward:
            self._interpreter.run(line)
        returned = scope["y"]
        y = self._from_learner("y", array(returned, f"{self.kind}: y is"), x.ndim)
        handed = {name: (scope[name], value) for name, value in self._passed.items()}
        return CallResult({"y": y}, self._detector.after_forward(handed, returned))

    def backward(self, dy: Array, *, strided: bool = False) -> CallResult:
        """Run the lines after that of y. A gradient whose place does not exist has no entry."""
        scope = self._interpreter.scope
        upstream = self._to_learner("dy", dy)
        scope["dy"] = copy_for_call(upstream, strided)
        for name in ("x", *(self.arguments or ())):
            scope.pop(f"d{name}", None)
        if self._updates:  # an earlier backward may have updated the parameters
            for line in self._forward:
                if line.put is not None and line.put[1] in self._values:
                    self._interpreter.run(line)
        called = False
        for line in self._backward:
            try:
                self._interpreter.run(line)
            except FormError as error:
                if not called and isinstance(error, MissingError):
                    raise UnwrittenError(UNWRITTEN.format(f"{self.kind}.backward") + f": {error}") from error
                if not called:
                    raise FormError(f"{self.kind}.backward: {error}") from error
            called = called or "dy" in line.reads
        gradients = dict[str, Array]()
        for name in ("x", *(self.arguments or ())):
            if scope.get(f"d{name}") is not None:
                gradient = array(scope[f"d{name}"], f"{self.kind}: d{name} is")
                rank = self._rank if name == "x" else self._values[name].ndim
                gradients[f"d{name}"] = self._from_learner(f"d{name}", gradient, rank)
        return CallResult(gradients, self._detector.after_backward({"dy": (scope["dy"], upstream)}, scope.get("dx")))

    def another(self) -> "ContractLayer":
        """Return another object of the same class."""
        duplicate = ContractLayer(self._contract, self._file)
        duplicate._values, duplicate._trains = dict(self._values), self._trains
        return duplicate

    def adapted(self, axis: str) -> "ContractLayer":
        """Return a copy: the contract states the axes."""
        return copy.deepcopy(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> "ContractLayer":
        """Return a copy with a copy of the learner's object."""
        duplicate = self.another()
        duplicate._interpreter = copy.copy(self._interpreter)
        duplicate._interpreter.scope = call(f"{self.kind}: a copy", copy.deepcopy, self._interpreter.scope, memo)
        duplicate._passed, duplicate._rank = dict(self._passed), self._rank
        return duplicate

    def _to_learner(self, name: str, value: Array) -> Array:
        own = self._contract.own_axes(name, value.ndim)
        return np.array(arranged(value, own, self._contract.axes(name)))

    def _from_learner(self, name: str, value: Array, rank: int) -> Array:
        stated = self._contract.axes(name)
        if name == "y":
            rank = len(stated.replace("1", "")) or rank
        return np.array(arranged(value, stated, self._contract.own_axes(name, rank)))


class ContractLoss:
    """A learner's loss under a contract, with the interface `LossCode`."""

    independent = True

    def __init__(self, contract: Contract, names: Mapping[str, Any]) -> None:
        self.name, self._contract, self._file = contract.name, contract, names
        self._interpreter = ContractRun(contract, names, self.name)
        lines = self._interpreter.each
        last = next((place for place, line in enumerate(lines, 1) if "y" in line.assigns), len(lines))
        self._forward, self._backward = lines[:last], lines[last:]

    def forward(self, p: Array, t: Array) -> CallResult:
        """Run the lines up to that of y."""
        changed = self._run(p, t, self._forward)
        return CallResult({"y": array(self._interpreter.scope["y"], f"{self.name}: y is")}, changed)

    def backward(self, p: Array, t: Array) -> CallResult:
        """Run the lines after that of y, or all lines if y and dp are results of one call."""
        together = any("dp" in line.assigns for line in self._forward)
        changed = self._run(p, t, self._forward if together else self._backward)
        return CallResult({"dp": array(self._interpreter.scope["dp"], f"{self.name}: dp is")}, changed)

    def another(self) -> "ContractLoss":
        """Return another loss that runs the same code."""
        return ContractLoss(self._contract, self._file)

    def _run(self, p: Array, t: Array, lines: Sequence[Line]) -> tuple[str, ...]:
        """Run lines with new copies of p and t, and return the names of those that the code has overwritten."""
        are_labels = self._contract.axes("t") == "N" and t.ndim > 1
        targets = t.argmax(axis=1) if are_labels else t.copy()
        passed = {"p": (p.copy(), p), "t": (targets, targets.copy())}
        self._interpreter.scope.update({"p": passed["p"][0], "t": targets, "dy": 1.0})
        self._interpreter.prepare(sizes_of({"p": p}, False))
        for line in lines:
            self._interpreter.run(line)
        return overwritten(passed)
