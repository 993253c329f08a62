"""Values of a program that is compiled, and the code of its expressions.

A value of a program is a whole number (64 bits), a real number (a double), a truth value, None, a range of indices, an
array (the address of its first element, and its shape) or a tuple of these.

Tried with llvmlite 0.50. Only llvmlite's `ir` is used, and no type is read off a pointer.
"""

import ast
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

from chainrule.engines.compiled.compiler.kernel_values import KINDS, REAL, WHOLE, pointer_to

ARITHMETIC: dict[type[ast.operator], str] = {  # of numbers that are not negative
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.FloorDiv: "sdiv",
}
CHOICES = {"min": "<", "max": ">"}

Value: TypeAlias = Any  # see the module


class ArrayValue(NamedTuple):
    """A contiguous array."""

    dtype: str
    address: Any
    shape: list[Any]


class RangeValue(NamedTuple):
    """The indices from `begin` to `end - 1`."""

    begin: Any
    end: Any


def unsupported(node: ast.AST) -> Exception:
    """Return the error for a line that this compiler does not know."""
    return NotImplementedError(f"programs cannot have the line {ast.unparse(node)!r}")


def components(value: Value) -> list[Any]:
    """Return the numbers of a value, in order."""
    if isinstance(value, ArrayValue):
        return [value.address, *value.shape]
    return list(value) if isinstance(value, RangeValue) else [value]


def rebuilt(like: Value, numbers: Sequence[Any]) -> Value:
    """Return the value with such numbers that is otherwise like another."""
    if isinstance(like, ArrayValue):
        return ArrayValue(like.dtype, numbers[0], list(numbers[1:]))
    return RangeValue(*numbers) if isinstance(like, RangeValue) else numbers[0]


def _kind(value: Value) -> tuple[Any, ...]:
    """Return what all values that share slots have in common."""
    types = [number.type for number in components(value)]
    return (value.dtype, *types) if isinstance(value, ArrayValue) else (isinstance(value, RangeValue), *types)


class Expressions:
    """Emitter of expressions at the place of a builder. A variable is kept in slots, one for each of its numbers."""

    def __init__(self, builder: Any) -> None:
        self.builder = builder
        self.variables: dict[str, tuple[Value, list[Any]]] = {}  # a value of this kind, and its slots

    def value(self, node: ast.expr) -> Value:
        """Return the value of an expression."""
        match node:
            case ast.Constant(bool() | None):
                return node.value
            case ast.Constant(int()):
                return WHOLE(node.value)
            case ast.Constant(float()):
                return REAL(node.value)
            case ast.UnaryOp(ast.USub(), ast.Constant(int() | float() as number)):
                return self.value(ast.Constant(-number))
            case ast.Name(name):
                return self.read(name)
            case ast.Tuple(elements):
                return tuple(self.value(element) for element in elements)
            case ast.BinOp(left, operator, right) if instruction := ARITHMETIC.get(type(operator)):
                return getattr(self.builder, instruction)(self.value(left), self.value(right))
            case ast.Attribute(array, "size"):
                return self.product(self.value(array).shape)
            case ast.Subscript(ast.Attribute(array, "shape"), ast.Constant(axis)):
                return self.value(array).shape[axis]
            case ast.Subscript(array, ast.Slice(None, end, None)) if end is not None:
                return self._part(self.value(array), RangeValue(WHOLE(0), self.value(end)))
            case ast.Subscript(array, index):
                return self._part(self.value(array), self.value(index))
            case ast.Call(ast.Name("slice"), [begin, end]):
                return RangeValue(self.value(begin), self.value(end))
            case ast.Call(ast.Name("view"), [array, begin, shape]):
                whole: ArrayValue = self.value(array)
                start = self.after(whole, self.value(begin))
                return ArrayValue(whole.dtype, start, list(self.value(shape)))
            case ast.Call(ast.Name("number"), [array, index]):  # of float64 or int32
                given: ArrayValue = self.value(array)
                address = self.after(given, self.value(index))
                kind = KINDS[given.dtype].stored
                found = self.builder.load(self.builder.inttoptr(address, pointer_to(kind)), typ=kind)
                return self.builder.sext(found, WHOLE) if given.dtype == "int32" else found
            case ast.Call(ast.Name(choice), [left, right]) if choice in CHOICES:
                one, other = self.value(left), self.value(right)
                chosen = self.builder.icmp_signed(CHOICES[choice], one, other)
                return self.builder.select(chosen, one, other)
            case _:
                raise unsupported(node)

    def read(self, name: str) -> Value:
        """Return the value of a variable."""
        like, slots = self.variables[name]
        numbers = components(like)
        return rebuilt(like, [self.builder.load(slot, typ=of.type) for slot, of in zip(slots, numbers, strict=True)])

    def assign(self, name: str, value: Value) -> None:
        """Give a variable a value. One of another kind gets slots of its own: lines that follow read those."""
        numbers = components(value)
        if name not in self.variables or _kind(self.variables[name][0]) != _kind(value):
            with self.builder.goto_entry_block():
                self.variables[name] = value, [self.builder.alloca(number.type) for number in numbers]
        for slot, number in zip(self.variables[name][1], numbers, strict=True):
            self.builder.store(number, slot)

    def product(self, numbers: Sequence[Any]) -> Any:
        """Return the product of whole numbers."""
        result = WHOLE(1)
        for number in numbers:
            result = self.builder.mul(result, number)
        return result

    def after(self, array: ArrayValue, steps: Any) -> Any:
        """Return the address of the element at a flat index."""
        return self.builder.add(array.address, self.builder.mul(steps, WHOLE(KINDS[array.dtype].bitwidth // 8)))

    def _part(self, array: ArrayValue, index: Value) -> ArrayValue:
        """Return array[index] for a range of the first axis, or for one row."""
        row = self.product(array.shape[1:])
        if isinstance(index, RangeValue):
            length = self.builder.sub(index.end, index.begin)
            return ArrayValue(
                array.dtype, self.after(array, self.builder.mul(index.begin, row)), [length, *array.shape[1:]]
            )
        return ArrayValue(array.dtype, self.after(array, self.builder.mul(index, row)), array.shape[1:])
