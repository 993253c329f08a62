"""The functions whose code is emitted by hand, as the compiler of kernels calls them."""

# The values of kernels are of any type, and llvmlite has no types.
# pyright: basic

from functools import cache
from typing import Any, NamedTuple

from chainrule.engines.compiled.compiler.intrinsics import written_by_hand
from chainrule.engines.compiled.compiler.kernel_values import (
    FLOAT64,
    INT64,
    Arithmetic,
    KernelArray,
    KernelNumber,
    Kind,
    Literal,
    TileValue,
    Unsupported,
    Value,
    known,
)


class Signature(NamedTuple):
    """Types of the result and of the arguments of a call."""

    return_type: Any
    args: tuple[Any, ...]


class ArrayType(NamedTuple):
    """The type of an array."""

    dtype: Kind


class _NativeArray(NamedTuple):
    data: Any


class Context:
    """What the emitters ask of the types of arrays, numbers and tiles."""

    def make_array(self, kind: Any) -> Any:
        return lambda context, builder, value: _NativeArray(value)

    def get_data_type(self, kind: Kind) -> Any:
        return kind.stored

    def get_value_type(self, kind: Any) -> Any:
        from chainrule.engines.compiled.compiler.vectors import machine_type

        return kind.llvm if isinstance(kind, Kind) else machine_type(kind)

    def get_dummy_value(self) -> None:
        return None

    def cast(self, builder: Any, value: Any, of: Any, to: Any) -> Any:
        number = KernelNumber(INT64 if isinstance(of, Literal) else of, value)
        arithmetic = Arithmetic()
        arithmetic.builder = builder
        return arithmetic.number(number, to).value


@cache
def _emitters() -> dict[Any, Any]:
    from chainrule.engines.compiled.compiler import elementary_code, intrinsics_code, registers

    found = {each: registers.CODE[each.__name__] for each in written_by_hand}
    return found | elementary_code.CODE | intrinsics_code.CODE


def found(function: Any) -> Any:
    """Return what emits a call of a function, given the walk and its arguments; None for any other function."""
    try:
        entry = _emitters().get(function)
    except TypeError:
        return None
    if entry is None:
        return None
    result, emitter = entry

    def emit(walk: Any, given: list[Value]) -> Value:
        types, values = zip(*(_typed(walk, each) for each in given), strict=True)
        kind = result(types)
        if kind is None:
            raise Unsupported(f"{function.__name__} with what is not known")
        value = emitter(Context(), walk.builder, Signature(kind, types), list(values))
        if value is None:
            return None
        return KernelNumber(kind, value) if isinstance(kind, Kind) else TileValue(kind, value)

    return emit


def _typed(walk: Any, value: Value) -> tuple[Any, Any]:
    if isinstance(value, KernelArray):
        return ArrayType(value.kind), value.pointer
    if isinstance(value, TileValue):
        return value.tile, value.value
    if known(value) and isinstance(value, int):
        return Literal(int(value)), walk.whole(value)
    if known(value):
        return FLOAT64, walk.number(value).value
    return value.kind, value.value
