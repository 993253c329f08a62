"""Variables of compiled kernels.

A variable that is assigned more than once has a slot: stack memory, whose type is that of the first value. If a
variable is an integer on one line and a float on a later line, `TypeWidened` restarts the compilation with the wider
type.
"""

# Values in kernels may have any type, and llvmlite has no type annotations.
# pyright: basic

from typing import Any

from chainrule.engines.compiled.compiler.kernel_arithmetic import to_number
from chainrule.engines.compiled.compiler.kernel_code import KernelCode, Slot
from chainrule.engines.compiled.compiler.kernel_values import (
    DType,
    KernelArray,
    KernelNumber,
    Unsupported,
    Value,
    dtype_of,
    is_constant,
    is_tuple,
    llvm_values,
    rebuild,
    result_dtype,
    slot_type,
)

AMBIGUOUS = object()  # marks a variable whose type depends on the control flow


class TypeWidened(Exception):
    """A variable needs a wider type than was assumed, so the code must be emitted again."""


def has_array(value: Value) -> bool:
    """Return whether a value is an array, or a tuple that contains one."""
    return isinstance(value, KernelArray) or (is_tuple(value) and any(map(has_array, value)))


def stack_memory(code: KernelCode, llvm_type: Any) -> Any:
    """Return a pointer to stack memory for an LLVM value."""
    with code.builder.goto_entry_block():
        return code.builder.alloca(llvm_type)


def materialize(code: KernelCode, value: Value) -> Value:
    """Replace the Python numbers in a value by LLVM constants, so that it can be stored in slots."""
    if is_constant(value):
        return to_number(code, value)
    if isinstance(value, KernelArray):
        shape = tuple(materialize(code, size) for size in value.shape)
        strides = tuple(materialize(code, stride) for stride in value.strides)
        return KernelArray(value.dtype, value.pointer, shape, strides, value.contiguous)
    if is_tuple(value):
        parts = [materialize(code, part) for part in value]
        if hasattr(value, "_fields"):
            return type(value)(*parts)
        return tuple(parts)
    return value


def new_slot(code: KernelCode, value: Value) -> Slot:
    """Return a new slot for values of the type of `value`."""
    return Slot(value, [stack_memory(code, number.type) for number in llvm_values(value)], len(code.loop_exits))


def write_slot(code: KernelCode, slot: Slot, value: Value) -> None:
    """Store a value in a slot."""
    for pointer, number in zip(slot.pointers, llvm_values(value), strict=True):
        code.builder.store(number, pointer)


def read_slot(code: KernelCode, slot: Slot) -> Value:
    """Return the value in a slot."""
    slot.reads += 1
    pairs = zip(slot.pointers, llvm_values(slot.template), strict=True)
    numbers = [code.builder.load(pointer, typ=number.type) for pointer, number in pairs]
    return rebuild(slot.template, iter(numbers))


def read_variable(code: KernelCode, name: str) -> Value:
    """Return the value of a local variable.

    Errors   KeyError if the variable has no value; Unsupported if its type is ambiguous
    """
    variable = code.frame.names[name]
    if variable is AMBIGUOUS:
        raise Unsupported(f"{name}: its values have different types")
    if isinstance(variable, Slot):
        return read_slot(code, variable)
    return variable


def assign(code: KernelCode, name: str, value: Value) -> None:
    """Assign a value to a variable."""
    frame = code.frame
    if name not in frame.source.slot_variables:
        frame.names[name] = value
        return
    frame.names[name] = store_variable(code, frame.names.get(name), value, (*frame.path, name), frame.depth)


def store_variable(code: KernelCode, before: Any, value: Value, key: Any, depth: int) -> Any:
    """Store a value in a variable's slot, and return the slot. A new slot is created if the type has changed.

    before  current slot or value of the variable, or None
    key     path of the call and name of the variable
    depth   number of loops and conditionals that enclose the line
    """
    if value is None or callable(value) or isinstance(value, str | DType):
        if depth:
            raise Unsupported(f"{key[-1]}: {value!r} is assigned in a loop or conditional")
        return value
    stored = materialize(code, value)
    if isinstance(stored, KernelNumber) and key in code.widened:
        stored = to_number(code, stored, code.widened[key])
    slot = None
    if isinstance(before, Slot):
        slot = before
    if slot is not None and slot_type(slot.template) != slot_type(stored):
        are_numbers = isinstance(slot.template, KernelNumber) and isinstance(stored, KernelNumber)
        if are_numbers and depth:  # later iterations read the same slot
            stored = _as_in_slot(code, slot, stored, key)
        else:
            slot = None
    if slot is None:
        slot = new_slot(code, stored)
    if has_array(stored) and slot.loops < len(code.loop_exits):
        raise Unsupported(f"{key[-1]}: an array is assigned in a loop, but the variable outlives the iteration")
    write_slot(code, slot, stored)
    return slot


def _as_in_slot(code: KernelCode, slot: Slot, number: KernelNumber, key: Any) -> KernelNumber:
    """Return a number in the dtype of a slot; TypeWidened, which compiles the kernel again, if that is too narrow."""
    dtype = result_dtype(dtype_of(slot.template), number.dtype)
    if dtype is not slot.template.dtype:
        code.widened[key] = dtype
        raise TypeWidened
    return to_number(code, number, dtype)
