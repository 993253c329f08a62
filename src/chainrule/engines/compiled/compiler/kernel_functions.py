"""Python and NumPy functions that kernels may call."""

# Values in kernels may have any type, and llvmlite has no type annotations.
# pyright: basic

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.engines.compiled.compiler.kernel_arrays import Arrays
from chainrule.engines.compiled.compiler.kernel_values import (
    BOOL,
    DTYPES,
    FLOAT64,
    INT64,
    UINT64,
    DType,
    KernelArray,
    KernelNumber,
    Unsupported,
    Value,
    dtype_of,
    is_constant,
    result_dtype,
)

INTRINSICS = {np.sqrt: "sqrt", np.log: "log", np.exp: "exp", np.ceil: "ceil", np.floor: "floor", np.rint: "rint"}


class Method:
    """A bound method of an array."""

    def __init__(self, array: KernelArray, name: str) -> None:
        self.array, self.name = array, name


class KernelFunctions(Arrays):
    """Emits calls of functions on numbers and arrays."""

    def emit_range(self, begin: Value, end: Value, step: Value, emit_iteration: Callable[[Value], None]) -> None:
        """Emit a loop over range(begin, end, step); see `KernelEmitter`."""
        raise NotImplementedError

    def new_slot(self, value: Value) -> Any:
        """Return a new slot for values of the type of `value`; see `KernelEmitter`."""
        raise NotImplementedError

    def write_slot(self, slot: Any, value: Value) -> None:
        """Store a value in a slot; see `KernelEmitter`."""
        raise NotImplementedError

    def read_slot(self, slot: Any) -> Value:
        """Return the value in a slot; see `KernelEmitter`."""
        raise NotImplementedError

    def call_builtin(self, callee: Any, arguments: list[Value], named: dict[str, Value]) -> Value:
        """Return the result of a Python or NumPy function, or NotImplemented if the function is not supported."""
        if getattr(callee, "__name__", "") == "literally":
            return arguments[0]
        if callee in (min, max):
            return self._extremum("Lt" if callee is min else "Gt", arguments)
        if callee in (abs, np.abs):
            return self._absolute(arguments[0])
        if callee is len:
            return arguments[0].shape[0] if isinstance(arguments[0], KernelArray) else len(arguments[0])
        if callee in (int, float, bool):
            return self.number(arguments[0], {int: INT64, float: FLOAT64, bool: BOOL}[callee])
        if inspect.isclass(callee) and issubclass(callee, np.generic) and callee.__name__.rstrip("_") in DTYPES:
            return self.number(arguments[0], DTYPES[callee.__name__.rstrip("_")])
        if callee in INTRINSICS:
            return self._float_function(INTRINSICS[callee], arguments[0])
        if callee is np.isfinite:
            dtype, magnitude = dtype_of(arguments[0]), self._absolute(arguments[0])
            return self.compare("Lt", magnitude, KernelNumber(dtype, dtype.llvm(float("inf"))))
        if callee is np.finfo and isinstance(arguments[0], DType):
            return np.finfo(np.dtype(arguments[0].name))
        return self._array_function(callee, arguments, named)

    def _float_function(self, name: str, value: Value) -> Value:
        dtype = dtype_of(value)
        dtype = dtype if dtype.real else FLOAT64
        return KernelNumber(dtype, self.intrinsic(name, dtype, self.number(value, dtype).value))

    def _absolute(self, value: Value) -> Value:
        if is_constant(value):
            return abs(value)
        if dtype_of(value).real:
            return self._float_function("fabs", value)
        if dtype_of(value) is UINT64:
            return value
        return self.select_number(self.compare("Lt", value, 0), self.negate(value), value)

    def select_number(self, test: KernelNumber, first: Value, second: Value) -> KernelNumber:
        """Return `first` if `test` is true, else `second`, without a branch."""
        dtype = self.common_dtype(first, second)
        return KernelNumber(
            dtype, self.builder.select(test.value, self.number(first, dtype).value, self.number(second, dtype).value)
        )

    def _extremum(self, name: str, values: Sequence[Value]) -> Value:
        best, *others = values[0] if len(values) == 1 and isinstance(values[0], tuple) else values
        for value in others:
            if is_constant(best) and is_constant(value):
                best = (min if name == "Lt" else max)(best, value)
                continue
            best = self.select_number(self.compare(name, value, best), value, best)
        return best

    def _array_function(self, callee: Any, arguments: list[Value], named: dict[str, Value]) -> Value:
        """Return the result of a NumPy function that operates on or creates an array."""
        dtypes = [named.get("dtype", arguments[1] if len(arguments) > 1 else FLOAT64)]
        if callee in (np.zeros, np.empty, np.ones):
            shape = (
                arguments[0]
                if isinstance(arguments[0], tuple) and not isinstance(arguments[0], KernelNumber)
                else (arguments[0],)
            )
            array = self.allocate(shape, self._dtype(dtypes[0]), zeros=callee is np.zeros)
            if callee is np.ones:
                self.fill_array(array, 1)
            return array
        if callee is np.empty_like and isinstance(arguments[0], KernelArray):
            return self.allocate(arguments[0].shape, arguments[0].dtype)
        if callee is np.arange and len(arguments) == 1:
            array = self.allocate((arguments[0],), INT64)
            self.emit_range(0, arguments[0], 1, lambda index: self.store(array, self.address_at(array, index), index))
            return array
        if callee is np.argmax and isinstance(arguments[0], KernelArray) and len(arguments[0].shape) == 1:
            return self._argmax(arguments[0])
        if callee is np.minimum:
            return self.elementwise(lambda x, y: self._extremum("Lt", [x, y]), *arguments)
        return NotImplemented

    def _argmax(self, array: KernelArray) -> Value:
        """Return the index of the first NaN in an array or, without NaN, of the first maximum."""
        winner, largest = self.new_slot(self.number(0)), self.new_slot(self.load(array, array.pointer))
        self.write_slot(winner, self.number(0))
        self.write_slot(largest, self.load(array, array.pointer))

        def emit_iteration(index: Value) -> None:
            best, value = self.read_slot(largest), self.load(array, self.locate(array, [index])[0])
            not_nan = self.builder.fcmp_ordered("ord", best.value, best.value)
            wins = self.builder.and_(not_nan, self.builder.fcmp_unordered(">", value.value, best.value))
            self.write_slot(largest, KernelNumber(array.dtype, self.builder.select(wins, value.value, best.value)))
            self.write_slot(
                winner, KernelNumber(INT64, self.builder.select(wins, index.value, self.read_slot(winner).value))
            )

        self.emit_range(0, array.shape[0], 1, emit_iteration)
        return self.read_slot(winner)

    def _dtype(self, dtype: Value) -> DType:
        if isinstance(dtype, DType):
            return dtype
        name = getattr(dtype, "__name__", "").rstrip("_")
        if name not in DTYPES:
            raise Unsupported(f"arrays of {dtype!r}")
        return DTYPES[name]

    def fill_array(self, array: KernelArray, value: Value) -> None:
        """Set every element of a contiguous array to a number."""
        if not (is_constant(value) or isinstance(value, KernelNumber)) or not array.contiguous:
            raise Unsupported("assigning an array to a slice, or a number to a view that is not contiguous")
        number = self.number(value, array.dtype)
        flat = self.contiguous(array.dtype, array.pointer, (self.product(array.shape),))
        self.emit_range(0, flat.shape[0], 1, lambda index: self.store(flat, self.address_at(flat, index), number))

    def call_method(self, method: "Method", arguments: list[Value]) -> Value:
        """Return the result of a method of an array."""
        array = method.array
        if method.name == "reshape" and array.contiguous:
            shape = (
                arguments[0]
                if isinstance(arguments[0], tuple) and not isinstance(arguments[0], KernelNumber)
                else tuple(arguments)
            )
            if any(is_constant(size) and size < 0 for size in shape):
                raise Unsupported("reshape to a negative size")
            return self.contiguous(array.dtype, array.pointer, shape)
        if method.name == "sum" and not arguments and len(array.shape) == 1:
            return self._sum_of_elements(array)
        raise Unsupported(f"the method {method.name} of an array, or its arguments")

    def _sum_of_elements(self, array: KernelArray) -> Value:
        """Return the sum of a one-dimensional array."""
        zero = self.number(0, array.dtype)
        total = self.new_slot(zero)
        self.write_slot(total, zero)

        def emit_iteration(index: Value) -> None:
            entry = self.load(array, self.locate(array, [index])[0])
            self.write_slot(total, self.binary("Add", self.read_slot(total), entry))

        self.emit_range(0, array.shape[0], 1, emit_iteration)
        return self.read_slot(total)

    def elementwise(self, function: Callable[[Value, Value], Value], a: Value, b: Value) -> KernelArray:
        """Apply a function elementwise, and return a new array.

        The operands are two one-dimensional int64 arrays of equal length, or one such array and a number.
        """
        first, second = (operand if isinstance(operand, KernelArray) else None for operand in (a, b))
        template = first or second
        if (
            template is None
            or len(template.shape) != 1
            or any(array and array.dtype is not INT64 for array in (first, second))
        ):
            raise Unsupported("arithmetic on arrays other than one-dimensional ones of int64")
        result = self.allocate(template.shape, template.dtype)

        def emit_iteration(index: Value) -> None:
            operands = [
                self.load(array, self.locate(array, [index])[0]) if array else value
                for array, value in ((first, a), (second, b))
            ]
            self.store(result, self.address_at(result, index), function(*operands))

        self.emit_range(0, template.shape[0], 1, emit_iteration)
        return result

    def common_dtype(self, a: Value, b: Value) -> DType:
        return result_dtype(dtype_of(a), dtype_of(b))
