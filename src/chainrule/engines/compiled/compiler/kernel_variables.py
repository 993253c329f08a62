"""Variables of compiled kernels.

A variable that is assigned more than once has a slot: stack memory, whose type is that of the first value. If a
variable is an integer on one line and a float on a later line, `TypeWidened` restarts the compilation with the wider
type.
"""

# Values in kernels may have any type, and llvmlite has no type annotations.
# pyright: basic

from dataclasses import dataclass, field
from typing import Any

from chainrule.engines.compiled.compiler.kernel_expressions import KernelExpressions
from chainrule.engines.compiled.compiler.kernel_source import KernelSource
from chainrule.engines.compiled.compiler.kernel_values import (
    DType,
    KernelArray,
    KernelNumber,
    TileValue,
    Unsupported,
    Value,
    common_dtype,
    dtype_of,
    is_constant,
    llvm_values,
    rebuild,
    slot_type,
)

AMBIGUOUS = object()  # marks a variable whose type depends on the control flow


class TypeWidened(Exception):
    """A variable needs a wider type than was assumed, so the code must be emitted again."""


@dataclass
class Slot:
    """The stack memory of a variable: an example value of its type, and one pointer per LLVM value."""

    template: Value
    pointers: list[Any]
    loops: int  # number of loops that enclose the line where the slot was created
    reads: int = 0


@dataclass
class CallFrame:
    """A call of an inlined function."""

    source: KernelSource
    path: tuple[int, ...]  # index of each enclosing call in its caller
    names: dict[str, Any] = field(default_factory=dict[str, Any])  # local variables
    calls: int = 0  # number of calls emitted so far in this function
    depth: int = 0  # number of loops and conditionals that enclose the current line
    result: Value = None  # value of a `return` outside loops and conditionals
    results: Slot | None = None  # value of a `return` inside loops or conditionals
    exit: Any = None  # basic block after the function
    done: bool = False


def has_array(value: Value) -> bool:
    """Return whether a value is an array, or a tuple that contains one."""
    return isinstance(value, KernelArray) or (
        isinstance(value, tuple) and not isinstance(value, KernelNumber | TileValue) and any(map(has_array, value))
    )


class KernelVariables(KernelExpressions):
    """Emits assignments to variables, and their values.

    widened     wider types of variables, from earlier attempts (see `TypeWidened`)
    loop_exits  targets of `continue` and `break`, for each enclosing loop
    frames      calls of inlined functions, from the outermost to the innermost
    """

    builder: Any
    widened: dict[Any, DType]
    loop_exits: list[tuple[Any, Any]]
    frames: list[CallFrame]

    @property
    def frame(self) -> CallFrame:
        """The innermost call."""
        return self.frames[-1]

    def slot(self, llvm_type: Any) -> Any:
        """Return a pointer to stack memory for an LLVM value."""
        with self.builder.goto_entry_block():
            return self.builder.alloca(llvm_type)

    def materialize(self, value: Value) -> Value:
        """Replace the Python numbers in a value by LLVM constants, so that it can be stored in slots."""
        if is_constant(value):
            return self.number(value)
        if isinstance(value, KernelArray):
            shape, strides = (tuple(map(self.materialize, part)) for part in (value.shape, value.strides))
            return KernelArray(value.dtype, value.pointer, shape, strides, value.contiguous)
        if isinstance(value, tuple) and not isinstance(value, KernelNumber | TileValue):
            parts = [self.materialize(part) for part in value]
            return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
        return value

    def new_slot(self, value: Value) -> Slot:
        """Return a new slot for values of the type of `value`."""
        return Slot(value, [self.slot(number.type) for number in llvm_values(value)], len(self.loop_exits))

    def write_slot(self, slot: Slot, value: Value) -> None:
        """Store a value in a slot."""
        for pointer, number in zip(slot.pointers, llvm_values(value), strict=True):
            self.builder.store(number, pointer)

    def read_slot(self, slot: Slot) -> Value:
        """Return the value in a slot."""
        slot.reads += 1
        pairs = zip(slot.pointers, llvm_values(slot.template), strict=True)
        numbers = [self.builder.load(pointer, typ=number.type) for pointer, number in pairs]
        return rebuild(slot.template, iter(numbers))

    def read_variable(self, name: str) -> Value:
        """Return the value of a local variable.

        Errors   KeyError if the variable has no value; Unsupported if its type is ambiguous
        """
        variable = self.frame.names[name]
        if variable is AMBIGUOUS:
            raise Unsupported(f"{name}: its values have different types")
        return self.read_slot(variable) if isinstance(variable, Slot) else variable

    def assign(self, name: str, value: Value) -> None:
        """Assign a value to a variable."""
        frame = self.frame
        if name not in frame.source.slot_variables:
            frame.names[name] = value
            return
        frame.names[name] = self._store_variable(frame.names.get(name), value, (*frame.path, name), frame.depth)

    def _store_variable(self, before: Any, value: Value, key: Any, depth: int) -> Any:
        """Store a value in a variable's slot, and return the slot. A new slot is created if the type has changed.

        before  current slot or value of the variable, or None
        key     path of the call and name of the variable
        depth   number of loops and conditionals that enclose the line
        """
        if value is None or callable(value) or isinstance(value, str | DType):
            if depth:
                raise Unsupported(f"{key[-1]}: {value!r} is assigned in a loop or conditional")
            return value
        value = self.materialize(value)
        if isinstance(value, KernelNumber) and key in self.widened:
            value = self.number(value, self.widened[key])
        both_numbers = (
            isinstance(before, Slot) and isinstance(before.template, KernelNumber) and isinstance(value, KernelNumber)
        )
        same = isinstance(before, Slot) and slot_type(before.template) == slot_type(value)
        if not same and not (both_numbers and depth):
            before = self.new_slot(value)
        elif not same:
            dtype = common_dtype(dtype_of(before.template), value.dtype)
            if dtype is not before.template.dtype:
                self.widened[key] = dtype
                raise TypeWidened
            value = self.number(value, dtype)
        if has_array(value) and before.loops < len(self.loop_exits):
            raise Unsupported(f"{key[-1]}: an array is assigned in a loop, but the variable outlives the iteration")
        self.write_slot(before, value)
        return before
