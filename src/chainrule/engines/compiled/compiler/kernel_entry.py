"""The entry of the compiler of kernels: its module, its arguments, and the lack of memory."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from chainrule.engines.compiled.compiler.kernel_code import KernelWalk, Widened
from chainrule.engines.compiled.compiler.kernel_values import (
    BOOL,
    BYTE,
    FLOAT64,
    INT64,
    KINDS,
    REAL,
    WHOLE,
    KernelNumber,
    Kind,
    Unsupported,
    Value,
    ir,
    pointer_to,
)
from chainrule.engines.compiled.compiler.signatures import NO_MEMORY, Several, is_array, is_record

# What LLVM may do with arithmetic on floats. Sums may be reordered, as vectors need; products may not:
# x (a + b) would become x a + x b, which is not 0 where a + b is, and ∞ − ∞ for a large x.
FLAGS = ("contract", "nsz", "arcp")
OF_SUMS = ("reassoc", *FLAGS)
REORDERED = {"fadd": OF_SUMS, "fsub": OF_SUMS, "fmul": FLAGS, "fdiv": FLAGS}


def machine_types(kinds: Sequence[Any]) -> list[Any]:
    """Return LLVM's types of the arguments of a kernel: of an array, its address and its shape; of None, nothing."""
    found: list[Any] = []
    for kind in kinds:
        if is_array(kind):
            found += [WHOLE] * (1 + kind[1])
        elif isinstance(kind, Several):
            found += machine_types(kind)
        elif kind is not None:
            found.append({float: REAL, bool: BYTE}.get(kind, WHOLE))
    return found


def emit_kernel(kernel: Callable[..., Any], kinds: Sequence[Any], name: str) -> Any:
    """Return a module with a kernel for arguments of such types.

    Errors   Unsupported where the kernel has a line that is not known here
    """
    widened: dict[Any, Kind] = {}
    for _ in range(100):
        module = ir.Module(name)
        try:
            _emit(ir.Function(module, ir.FunctionType(WHOLE, machine_types(kinds)), name), kernel, kinds, widened)
        except Widened:
            continue
        _with_flags(module)
        return module
    raise Unsupported("types that never settle")


def _emit(function: Any, kernel: Callable[..., Any], kinds: Sequence[Any], widened: dict[Any, Kind]) -> None:
    walk = KernelWalk(function, widened)
    numbers = iter(function.args)
    parameters = inspect.signature(kernel).parameters.values()
    arguments = [
        _as_record(_argument(walk, kind, numbers), parameter.default)
        for kind, parameter in zip(kinds, parameters, strict=True)
    ]
    walk.call(kernel, arguments, {})
    if not walk.builder.block.is_terminated:
        walk.builder.ret(WHOLE(0))
    walk.builder.position_at_end(walk.failed)
    walk.release(WHOLE(0))
    walk.builder.ret(WHOLE(NO_MEMORY))


def _argument(walk: KernelWalk, kind: Any, numbers: Any) -> Value:
    """Return an argument of a kernel, given the numbers that are passed."""
    if is_array(kind):
        of, address = KINDS.get(kind[0]), next(numbers)
        if of is None:
            raise Unsupported(f"arrays of {kind[0]}")
        shape = [KernelNumber(INT64, next(numbers)) for _ in range(kind[1])]
        return walk.contiguous(of, walk.builder.inttoptr(address, pointer_to(of.stored)), shape)
    if isinstance(kind, Several):
        return tuple(_argument(walk, each, numbers) for each in kind)
    if kind is None:
        return None
    value = next(numbers)
    if kind is bool:
        return KernelNumber(BOOL, walk.builder.icmp_signed("!=", value, BYTE(0)))
    return KernelNumber(FLOAT64 if kind is float else INT64, value)


def _as_record(value: Value, default: Any) -> Value:
    """Return the tuple passed for a record parameter as a record, so that the kernel can read its fields by name.

    A parameter is a record parameter if its default is a named tuple.
    """
    return type(default)(*value) if is_record(default) else value


def _with_flags(module: Any) -> None:
    """Let LLVM reorder sums of floats, and fuse their products with them."""
    for function in module.functions:
        for block in function.blocks:
            for each in block.instructions:
                if each.opname in REORDERED:
                    if not each.flags:
                        each.flags.extend(REORDERED[each.opname])
                elif each.opname == "call" and each.type in (ir.FloatType(), ir.DoubleType()):
                    each.fastmath.update(FLAGS)
