"""The kernel compiler, which emits LLVM code directly from the source of kernels.

Kernels are written in a small subset of Python: numbers, contiguous arrays, tuples, loops over ranges, conditionals,
and calls of functions, which are inlined. All types can be inferred from the types of the arguments, so the code is
emitted in one pass over the source, in a tenth of the time needed by a compiler for full Python. If a variable is an
integer on one line and a float on a later line, the pass is restarted with the wider type (`TypeWidened`).

The arguments of a compiled kernel are the address and the shape of each array, the entries of each tuple, and numbers.
A kernel returns 0, `signatures.NO_MEMORY`, or `signatures.NOT_FINITE` if it raises FloatingPointError.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from chainrule.engines.compiled.compiler.kernel_arithmetic import FAST_MATH_FLAGS, SUM_FLAGS
from chainrule.engines.compiled.compiler.kernel_arrays import contiguous, release
from chainrule.engines.compiled.compiler.kernel_code import KernelCode
from chainrule.engines.compiled.compiler.kernel_statements import call
from chainrule.engines.compiled.compiler.kernel_values import (
    BOOL,
    DOUBLE,
    DTYPES,
    FLOAT64,
    I8,
    I64,
    INT64,
    DType,
    KernelNumber,
    Unsupported,
    Value,
    ir,
    pointer_to,
)
from chainrule.engines.compiled.compiler.kernel_variables import TypeWidened
from chainrule.engines.compiled.compiler.signatures import NO_MEMORY, TupleType, is_array, is_record

# Instructions of hand-written code; those of the kernels' own arithmetic have flags already.
INSTRUCTION_FLAGS = {"fadd": SUM_FLAGS, "fsub": SUM_FLAGS, "fmul": FAST_MATH_FLAGS, "fdiv": FAST_MATH_FLAGS}


def llvm_types(types: Sequence[Any]) -> list[Any]:
    """Return the LLVM types of a kernel's arguments. An array becomes an address and a shape; None is omitted."""
    result: list[Any] = []
    for argument_type in types:
        if is_array(argument_type):
            result += [I64] * (1 + argument_type[1])
        elif isinstance(argument_type, TupleType):
            result += llvm_types(argument_type)
        elif argument_type is not None:
            result.append({float: DOUBLE, bool: I8}.get(argument_type, I64))
    return result


def emit_kernel(kernel: Callable[..., Any], types: Sequence[Any], name: str) -> Any:
    """Return an LLVM module with a kernel compiled for arguments of the given types.

    Errors   Unsupported if the kernel uses anything outside the supported subset of Python
    """
    widened: dict[Any, DType] = {}
    for _ in range(100):
        module = ir.Module(name)
        try:
            _emit(ir.Function(module, ir.FunctionType(I64, llvm_types(types)), name), kernel, types, widened)
        except TypeWidened:
            continue
        _set_fast_math_flags(module)
        return module
    raise Unsupported("types of variables that do not converge")


def _emit(function: Any, kernel: Callable[..., Any], types: Sequence[Any], widened: dict[Any, DType]) -> None:
    code = KernelCode(function, widened, call)
    build = code.builder
    numbers = iter(function.args)
    arguments = [
        _as_record(_argument(code, argument_type, numbers), parameter.default)
        for argument_type, parameter in zip(types, inspect.signature(kernel).parameters.values(), strict=True)
    ]
    call(code, kernel, arguments, {})
    if not build.block.is_terminated:
        build.ret(I64(0))
    build.position_at_end(code.failed)
    release(code, I64(0))
    build.ret(I64(NO_MEMORY))


def _argument(code: KernelCode, argument_type: Any, numbers: Any) -> Value:
    """Return an argument of a kernel, built from the next LLVM arguments in the iterator `numbers`."""
    if is_array(argument_type):
        dtype = DTYPES.get(argument_type[0])
        address = next(numbers)
        if dtype is None:
            raise Unsupported(f"arrays of {argument_type[0]}")
        shape = [KernelNumber(INT64, next(numbers)) for _ in range(argument_type[1])]
        return contiguous(code, dtype, code.builder.inttoptr(address, pointer_to(dtype.stored)), shape)
    if isinstance(argument_type, TupleType):
        return tuple(_argument(code, item_type, numbers) for item_type in argument_type)
    if argument_type is None:
        return None
    value = next(numbers)
    if argument_type is bool:
        return KernelNumber(BOOL, code.builder.icmp_signed("!=", value, I8(0)))
    return KernelNumber(FLOAT64 if argument_type is float else INT64, value)


def _as_record(value: Value, default: Any) -> Value:
    """Convert a tuple to a record if the parameter's default is a named tuple.

    The kernel can then read the record's fields by name.
    """
    if is_record(default):
        return type(default)(*value)
    return value


def _set_fast_math_flags(module: Any) -> None:
    """Set the fast-math flags of all floating-point instructions without flags."""
    for function in module.functions:
        for block in function.blocks:
            for instruction in block.instructions:
                if instruction.opname in INSTRUCTION_FLAGS:
                    if not instruction.flags:
                        instruction.flags.extend(INSTRUCTION_FLAGS[instruction.opname])
                elif instruction.opname == "call" and instruction.type in (ir.FloatType(), ir.DoubleType()):
                    instruction.fastmath.update(FAST_MATH_FLAGS)
