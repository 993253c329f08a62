"""Calls a kernel from a program by the address it has in this process, instead of compiling it into the program.

Numba would copy the code of every kernel into the program, and again into each of the functions that it makes of a
parallel loop, and optimise all of it every time: 12 s for `numpy-cnn`, again for every other network. Linked by name, a
kernel is compiled once for a dtype, kept on disk, and a new program costs what its own lines cost.
"""

from collections.abc import Sequence
from typing import Any

import llvmlite.binding as _binding
import numba as _numba
from numba.core import cgutils as _cgutils
from numba.core import types
from numba.extending import intrinsic

# Neither numba nor llvmlite says what types its functions take.
binding: Any = _binding
cgutils: Any = _cgutils
numba: Any = _numba

_argument_types: dict[str, tuple[Any, ...]] = {}


def link(symbol: str, kernel: Any, arrays: Sequence[Any], attributes: Sequence[Any]) -> None:
    """Make `call(symbol, …)` mean a kernel for arrays (numpy dtype, axes; None: no array) and values like these."""
    given = [types.none if array is None else _array(*array) for array in arrays]
    arguments = (*given, *(numba.typeof(value) for value in attributes))
    if _argument_types.get(symbol, arguments) != arguments:
        raise TypeError(f"{symbol} is linked with {_argument_types[symbol]}, not {arguments}")
    kernel.compile(arguments)
    compiled = kernel.overloads[arguments]
    address = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)
    binding.add_symbol(symbol, address)
    _argument_types[symbol] = arguments


def _array(dtype: str, axes: int) -> Any:
    """Numba's type of a contiguous array."""
    return types.Array(getattr(types, dtype), axes, "C")


@intrinsic(prefer_literal=True)
def call(typing_context: Any, symbol: Any, arguments: Any) -> Any:
    """Call the kernel linked as `symbol` with a tuple of arguments; in compiled code only."""
    name = symbol.literal_value
    expected = _argument_types[name]

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        packed = cgutils.unpack_tuple(builder, values[1])
        cast = [
            context.cast(builder, value, found, wanted)
            for value, found, wanted in zip(packed, arguments.types, expected, strict=True)
        ]
        convention = context.call_conv
        function = cgutils.get_or_insert_function(
            builder.module, convention.get_function_type(types.none, expected), name
        )
        status, _ = convention.call_function(builder, function, types.none, expected, cast)
        with cgutils.if_unlikely(builder, status.is_error):
            convention.return_status_propagate(builder, status)
        return context.get_dummy_value()

    return types.none(symbol, arguments), generate
