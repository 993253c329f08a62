"""Functions that programs are written with: `call`, for kernels linked by address, and `view`, for parts of an array.

Numba would copy the code of every kernel into the program, and again into each of the functions that it makes of a
parallel loop, and optimise all of it every time: 12 s for `numpy-cnn`, again for every other network. Linked by name, a
kernel is compiled once for a dtype, kept on disk, and a new program costs what its own lines cost.

Those lines are mostly names for arrays. `workspace[first:last].reshape(shape)` is a page of code in numba, with errors
to raise and references to count; `view` is a pointer and a shape. For `numpy-cnn` the former took 5 s, the latter 1.5.

Tried with numba 0.61 (llvmlite 0.44) and numba 0.68 (llvmlite 0.50); private to them:
- the address of a compiled kernel: `overloads[types].library.get_pointer_to_function`, registered with LLVM by
  `binding.add_symbol` (`link`);
- a call to that symbol by numba's calling convention, `context.call_conv`, which passes errors on (`call`);
- `make_array` and `populate_array` of `numba.np.arrayobj`: an array structure without an owner (`view`).
Pointers are never asked for the type they point to: llvmlite announces the end of typed pointers.
"""

from collections.abc import Sequence
from typing import Any

import llvmlite.binding as _binding
import numba as _numba
from numba.core import cgutils as _cgutils
from numba.core import types
from numba.core.errors import TypingError
from numba.extending import intrinsic
from numba.np import arrayobj as _arrayobj

from chainrule.engines.numba.toolchain import compiling

# numba and llvmlite have no type annotations.
binding: Any = _binding
arrayobj: Any = _arrayobj
cgutils: Any = _cgutils
numba: Any = _numba

_argument_types: dict[str, tuple[Any, ...]] = {}


def link(symbol: str, kernel: Any, arrays: Sequence[Any], attributes: Sequence[Any]) -> None:
    """Make `call(symbol, …)` call a kernel with arrays (dtype, axes; None: no array) and attributes like these."""
    given = [types.none if array is None else _array(*array) for array in arrays]
    arguments = (*given, *(numba.typeof(value) for value in attributes))
    if _argument_types.get(symbol, arguments) != arguments:
        raise TypeError(f"{symbol} is linked with {_argument_types[symbol]}, not {arguments}")
    compiling.once(kernel).compile(arguments)
    compiled = kernel.overloads[arguments]
    address = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)
    binding.add_symbol(symbol, address)
    _argument_types[symbol] = arguments


def _array(dtype: str, axes: int) -> Any:
    """Return numba's type of a contiguous array."""
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


@intrinsic
def view(typing_context: Any, workspace: Any, begin: Any, shape: Any) -> Any:
    """Return the elements of an array from flat index `begin` on, as an array of a shape; in compiled code only.

    Bounds are not checked, and the array is not kept alive.
    """
    if workspace.layout != "C":
        raise TypingError("a workspace must be contiguous")
    result = types.Array(workspace.dtype, len(shape), "C")

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        data, element = (
            arrayobj.make_array(workspace)(context, builder, values[0]).data,
            context.get_data_type(workspace.dtype),
        )
        first = context.cast(builder, values[1], signature.args[1], types.intp)
        sizes = [
            context.cast(builder, size, found, types.intp)
            for size, found in zip(cgutils.unpack_tuple(builder, values[2]), signature.args[2], strict=True)
        ]
        item = context.get_constant(types.intp, context.get_abi_sizeof(element))
        strides = [item]
        for size in reversed(sizes[1:]):
            strides.insert(0, builder.mul(strides[0], size))
        array = arrayobj.make_array(result)(context, builder)
        arrayobj.populate_array(
            array,
            data=builder.gep(data, [first], source_etype=element),
            shape=cgutils.pack_array(builder, sizes),
            strides=cgutils.pack_array(builder, strides),
            itemsize=item,
            meminfo=None,
        )
        return array._getvalue()

    return result(workspace, begin, shape), generate
