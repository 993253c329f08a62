"""Expressions of compiled programs: their values and their LLVM code.

A value is a 64-bit integer, a double, a bool, None, a range of indices, an array (the address of its first element and
its shape) or a tuple of these.

Tried with llvmlite 0.50. Only llvmlite's `ir` is used, and the type of an element is never read from its pointer.
"""

import ast
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

from chainrule.engines.compiled.compiler.kernel_values import DOUBLE, DTYPES, I64, pointer_to

INSTRUCTIONS: dict[type[ast.operator], str] = {  # correct only for nonnegative integers
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.FloorDiv: "sdiv",
}
EXTREMA = {"min": "<", "max": ">"}

Value: TypeAlias = Any  # see the module docstring


class ArrayValue(NamedTuple):
    """A contiguous array."""

    dtype: str
    address: Any
    shape: list[Any]


class RangeValue(NamedTuple):
    """A range of indices, from `begin` to `end - 1`."""

    begin: Any
    end: Any


def unsupported(node: ast.AST) -> Exception:
    """Return the error for a line that is not allowed in programs."""
    return NotImplementedError(f"programs cannot contain {ast.unparse(node)!r}")


def llvm_values(value: Value) -> list[Any]:
    """Return the LLVM values that make up a value, in order."""
    if isinstance(value, ArrayValue):
        return [value.address, *value.shape]
    if isinstance(value, RangeValue):
        return list(value)
    return [value]


def rebuild(template: Value, numbers: Sequence[Any]) -> Value:
    """Return a value with the type and number of axes of `template`, built from the LLVM values `numbers`."""
    if isinstance(template, ArrayValue):
        return ArrayValue(template.dtype, numbers[0], list(numbers[1:]))
    if isinstance(template, RangeValue):
        return RangeValue(*numbers)
    return numbers[0]


def _slot_type(value: Value) -> tuple[Any, ...]:
    """Return a key for the type of a value. Values with equal keys can be stored in the same slots."""
    types = [number.type for number in llvm_values(value)]
    if isinstance(value, ArrayValue):
        return (value.dtype, *types)
    return (isinstance(value, RangeValue), *types)


class Expressions:
    """Emits expressions at a builder's current position.

    A variable is stored in slots on the stack, one for each LLVM value that makes up the variable's value.
    """

    def __init__(self, builder: Any) -> None:
        self.builder = builder
        self.variables: dict[str, tuple[Value, list[Any]]] = {}  # name → example value of the same type, and slots

    def evaluate(self, node: ast.expr) -> Value:
        """Return the value of an expression."""
        match node:
            case ast.Constant(bool() | None):
                return node.value
            case ast.Constant(int()):
                return I64(node.value)
            case ast.Constant(float()):
                return DOUBLE(node.value)
            case ast.UnaryOp(ast.USub(), ast.Constant(int() | float() as number)):
                return self.evaluate(ast.Constant(-number))
            case ast.Name(name):
                return self.read_variable(name)
            case ast.Tuple(elements):
                return tuple(self.evaluate(element) for element in elements)
            case ast.BinOp(left, operator, right) if instruction := INSTRUCTIONS.get(type(operator)):
                return getattr(self.builder, instruction)(self.evaluate(left), self.evaluate(right))
            case ast.Attribute(array, "size"):
                return self.product(self.evaluate(array).shape)
            case ast.Subscript(ast.Attribute(array, "shape"), ast.Constant(axis)):
                return self.evaluate(array).shape[axis]
            case ast.Subscript(array, ast.Slice(None, end, None)) if end is not None:
                return self._view(self.evaluate(array), RangeValue(I64(0), self.evaluate(end)))
            case ast.Subscript(array, index):
                return self._view(self.evaluate(array), self.evaluate(index))
            case ast.Call(ast.Name("slice"), [begin, end]):
                return RangeValue(self.evaluate(begin), self.evaluate(end))
            case ast.Call(ast.Name("view"), [array, begin, shape]):
                workspace: ArrayValue = self.evaluate(array)
                start = self.element_address(workspace, self.evaluate(begin))
                return ArrayValue(workspace.dtype, start, list(self.evaluate(shape)))
            case ast.Call(ast.Name("number"), [array, index]):  # an element of a float64 or int32 array
                source: ArrayValue = self.evaluate(array)
                address = self.element_address(source, self.evaluate(index))
                element_type = DTYPES[source.dtype].stored
                number = self.builder.load(self.builder.inttoptr(address, pointer_to(element_type)), typ=element_type)
                if source.dtype == "int32":
                    return self.builder.sext(number, I64)
                return number
            case ast.Call(ast.Name(choice), [left, right]) if choice in EXTREMA:
                first = self.evaluate(left)
                second = self.evaluate(right)
                is_first = self.builder.icmp_signed(EXTREMA[choice], first, second)
                return self.builder.select(is_first, first, second)
            case _:
                raise unsupported(node)

    def read_variable(self, name: str) -> Value:
        """Return the value of a variable."""
        template, slots = self.variables[name]
        numbers = llvm_values(template)
        return rebuild(
            template, [self.builder.load(slot, typ=number.type) for slot, number in zip(slots, numbers, strict=True)]
        )

    def assign(self, name: str, value: Value) -> None:
        """Assign a value to a variable. If its type has changed, new slots are created, which later lines read."""
        numbers = llvm_values(value)
        if name not in self.variables or _slot_type(self.variables[name][0]) != _slot_type(value):
            with self.builder.goto_entry_block():
                self.variables[name] = value, [self.builder.alloca(number.type) for number in numbers]
        for slot, number in zip(self.variables[name][1], numbers, strict=True):
            self.builder.store(number, slot)

    def product(self, numbers: Sequence[Any]) -> Any:
        """Return the product of integers."""
        result = I64(1)
        for number in numbers:
            result = self.builder.mul(result, number)
        return result

    def element_address(self, array: ArrayValue, steps: Any) -> Any:
        """Return the address of the element with flat index `steps`."""
        return self.builder.add(array.address, self.builder.mul(steps, I64(DTYPES[array.dtype].bitwidth // 8)))

    def _view(self, array: ArrayValue, index: Value) -> ArrayValue:
        """Return array[index], where the index is a range along the first axis or the number of a row."""
        row = self.product(array.shape[1:])
        if isinstance(index, RangeValue):
            length = self.builder.sub(index.end, index.begin)
            return ArrayValue(
                array.dtype, self.element_address(array, self.builder.mul(index.begin, row)), [length, *array.shape[1:]]
            )
        return ArrayValue(array.dtype, self.element_address(array, self.builder.mul(index, row)), array.shape[1:])
