"""The lines of a contract, run on the names in a learner's file."""

import ast
import copy
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from chainrule.custom.calls import (
    UNWRITTEN,
    Array,
    InterfaceError,
    call,
    describe_error,
    is_theirs,
)
from chainrule.custom.contract import INPUTS, Contract, Line
from chainrule.custom.stand_ins import Namespace, SavedContext
from chainrule.errors import StudentError, UnwrittenError

TENSORS = "; the file imports PyTorch, but its arguments are NumPy arrays: write it with NumPy"


class MissingError(InterfaceError):
    """A name, a method or a place that the contract states and the code does not have."""


class ContractNames(dict[str, Any]):
    """The names of a contract, then the methods and attributes of `self`, then the names in the file."""

    def __init__(self, names: Mapping[str, object], own: Mapping[str, object]) -> None:
        super().__init__(own)
        self.file = names

    def __missing__(self, name: str) -> Any:
        held: Any = self.get("self")
        if held is not None and not isinstance(held, type) and hasattr(held, name):
            return getattr(held, name)
        if name in self.file:
            return self.file[name]
        raise MissingError(f"the code has no {name}")

    def __deepcopy__(self, memo: dict[int, object]) -> "ContractNames":
        return ContractNames(self.file, copy.deepcopy(dict(self), memo))


class ContractRun:
    """Runs the lines of a contract on the names in a learner's file.

    copies   whether an object in the file is copied, so that copies of the code are as independent as possible

    Errors   InterfaceError for a place or a call that the code does not have; StudentError for an error in the code
    """

    def __init__(self, contract: Contract, names: Mapping[str, object], label: str, copies: bool = True) -> None:
        self.contract = contract
        self.label = label
        self._copies = copies
        self._fits = False  # whether the current line puts a parameter, whose shape must fit
        self._is_name = False  # whether the current line assigns the value of a name
        self._puts = False  # whether the current line puts a value into a place that the object must have
        self.ignored = False  # whether a call has returned a result that its line does not use
        usual = {"Context": SavedContext, "Namespace": Namespace}
        self.scope = ContractNames(names, usual)
        lines = contract.lines
        data_names = {*INPUTS, *contract.parameters}
        first = len(lines)
        for place, line in enumerate(lines):
            if line.mode or line.reads & data_names:
                first = place
                break
        self.shares = any(isinstance(line.node.value, ast.Name) and "self" in line.assigns for line in lines[:first])
        self.once = lines[:first]
        self.each = lines[first:]
        self._sizes = dict[str, int]()  # those of the last preparation

    def prepare(self, sizes: Mapping[str, int]) -> None:
        """Run the lines before the first value, unless they were run for these sizes."""
        read = set[str]()
        for line in self.once:
            read |= line.reads
        relevant = dict[str, int]()
        for name, size in sizes.items():
            if name in read:
                relevant[name] = size
        self.scope.update(sizes)
        if "ready" in self.scope and relevant == self._sizes:
            return
        self._sizes = relevant
        for line in self.once:
            self.run(line)
        self.scope["ready"] = True

    def run(self, line: Line) -> None:
        """Run a line, unless it is for the other mode."""
        if line.mode and line.mode != self.scope.get("mode", "train"):
            return
        node = line.node
        self._fits = isinstance(node.value, ast.Name) and node.value.id in self.contract.parameters
        self._is_name = isinstance(node.value, ast.Name)
        self._puts = False
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name | ast.Constant):
            self._puts = ast.unparse(node.targets[0]).startswith("self")
        try:
            value = self._value(node.value)
            if isinstance(node, ast.Assign):
                self._assign(node.targets[0], value)
            else:
                self.ignored = self.ignored or value is not None
        except InterfaceError as error:
            raise type(error)(f"{self.label}: {line.text}: {error}") from error
        except StudentError as error:
            if "torch" in self.scope.file and not isinstance(error, UnwrittenError):
                raise InterfaceError(f"{error}{TENSORS}") from error
            raise
        except Exception as error:
            if isinstance(error, NotImplementedError):  # in an operator of the learner's class
                raise UnwrittenError(f"{UNWRITTEN.format(self.label)}: {describe_error(self.label, error)}") from error
            if is_theirs(error) and "torch" not in self.scope.file:
                raise StudentError(describe_error(self.label, error)) from error
            raise InterfaceError(f"{self.label}: {line.text}: {type(error).__name__}: {error}") from error

    def place(self, target: ast.expr) -> Any:
        """Return the value at the place that an assignment names."""
        loaded = copy.deepcopy(target)
        for part in ast.walk(loaded):
            if hasattr(part, "ctx"):
                cast("Any", part).ctx = ast.Load()
        return self._value(loaded)

    def _value(self, node: ast.expr | None) -> Any:
        """Return the value of an expression."""
        match node:
            case None:
                return None
            case ast.Constant():
                return node.value
            case ast.Name():
                return self.scope[node.id]
            case ast.Attribute():
                return self._attribute(node)
            case ast.Subscript():
                return self._value(node.value)[self._value(node.slice)]
            case ast.Slice():
                return slice(self._value(node.lower), self._value(node.upper), self._value(node.step))
            case ast.Tuple():
                return tuple(map(self._value, node.elts))
            case ast.List():
                return [*map(self._value, node.elts)]
            case ast.Dict():
                return dict(zip(map(self._value, node.keys), map(self._value, node.values), strict=True))
            case ast.Call():
                named = dict[str, Any]()
                for word in node.keywords:
                    named[str(word.arg)] = self._value(word.value)
                function: Any = self._value(node.func)
                if isinstance(node.func, ast.Name) and not callable(function):  # a class that is called like a size
                    function = self.scope.file.get(node.func.id, function)
                arguments = [*map(self._value, node.args)]
                return call(self._label_of(node.func), function, *arguments, **named)
            case ast.BinOp():
                return _combined(node.op, self._value(node.left), self._value(node.right))
            case ast.UnaryOp():
                return -self._value(node.operand)
            case _:
                raise InterfaceError(f"{ast.unparse(node)} is not in the grammar of contracts")

    def _attribute(self, node: ast.Attribute) -> Any:
        thing = self._value(node.value)
        try:
            return getattr(thing, node.attr)
        except AttributeError as error:
            if is_theirs(error):
                raise
            raise MissingError(f"{type(thing).__name__} has no {node.attr}") from None

    def _label_of(self, function: ast.expr) -> str:
        """Return the name of a called function for messages: Conv2D.forward for self.forward."""
        text = ast.unparse(function)
        held = self.scope.get("self")
        if held is None or isinstance(held, type):
            return text
        if text.startswith("self"):
            return text.replace("self", type(held).__name__, 1)
        return text

    def _assign(self, target: ast.expr, value: Any) -> None:
        """Assign a value to a name, an attribute, an index, or several of these. Arrays are copied into places."""
        match target:
            case ast.Name():
                is_copied = self._copies and target.id == "self" and self._is_name
                self.scope[target.id] = copy.deepcopy(value) if is_copied else value
            case ast.Attribute():
                thing = self._value(target.value)
                if self._puts and not hasattr(thing, target.attr):
                    raise MissingError(f"{type(thing).__name__} has no {target.attr}")
                setattr(thing, target.attr, self._fitted(value, getattr(thing, target.attr, None), target))
            case ast.Subscript():
                self._assign_index(target, value)
            case ast.Tuple() | ast.List():
                if not isinstance(value, tuple | list):
                    raise InterfaceError(f"{len(target.elts)} results are stated, and one returned")
                parts = cast("Sequence[Any]", value)
                if len(parts) != len(target.elts):
                    raise InterfaceError(f"{len(target.elts)} results are stated, and {len(parts)} returned")
                for place, part in zip(target.elts, parts, strict=True):
                    self._assign(place, part)
            case _:
                raise InterfaceError(f"{ast.unparse(target)} is no place for a value")

    def _fitted(self, value: object, held: Any, place: ast.expr) -> Any:
        """Return a copy of an array; a parameter gets the shape of the one that it replaces, up to axes of length 1."""
        if not isinstance(value, np.ndarray):
            return value
        new = cast("Array", value)
        shape = getattr(held, "shape", None)
        if not self._fits or shape is None or tuple(shape) == new.shape:
            return new.copy()
        if squeezed(shape) != squeezed(new.shape):
            raise InterfaceError(f"{ast.unparse(place)} has the shape {tuple(shape)}, not {new.shape}: state its axes")
        return new.copy().reshape(shape)

    def _assign_index(self, target: ast.Subscript, value: Any) -> None:
        thing = self._value(target.value)
        key = self._value(target.slice)
        if not isinstance(thing, np.ndarray):
            if isinstance(thing, dict):
                held = cast("dict[Any, Any]", thing).get(key)
                if self._puts and key not in thing:
                    raise MissingError(f"{ast.unparse(target.value)} has no {key!r}")
            else:
                held = None
            thing[key] = self._fitted(value, held, target)
            return
        numbers = cast("Array", thing)
        fitted = self._fitted(value, numbers[key], target)
        kind = np.result_type(numbers, fitted)
        if kind != numbers.dtype:  # a part of an array in another dtype, such as integers
            self._assign(target.value, numbers.astype(kind))
            numbers = cast("Array", self._value(target.value))
        numbers[key] = fitted


def squeezed(shape: Sequence[int]) -> tuple[int, ...]:
    """Return a shape without its axes of length 1."""
    return tuple(size for size in shape if size > 1)


def _combined(operation: ast.operator, left: Any, right: Any) -> Any:
    match operation:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
        case _:
            return left / right
