"""Functions of Python and NumPy that a kernel may call."""

# The values of kernels are of any type, and llvmlite has no types.
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
    known,
    result_dtype,
)

INTRINSICS = {np.sqrt: "sqrt", np.log: "log", np.exp: "exp", np.ceil: "ceil", np.floor: "floor"}


class Method:
    """A method of an array."""

    def __init__(self, array: KernelArray, name: str) -> None:
        self.array, self.name = array, name


class KernelFunctions(Arrays):
    """Emitter of functions, on numbers and on arrays."""

    def emit_range(self, begin: Value, end: Value, step: Value, turn: Callable[[Value], None]) -> None:
        """Emit a loop, given what emits a turn."""
        raise NotImplementedError

    def new_slot(self, value: Value) -> Any:
        """Return memory for a value like this one."""
        raise NotImplementedError

    def write_slot(self, slot: Any, value: Value) -> None:
        """Keep a value in memory."""
        raise NotImplementedError

    def read_slot(self, slot: Any) -> Value:
        """Return the value in memory."""
        raise NotImplementedError

    def call_builtin(self, callee: Any, given: list[Value], named: dict[str, Value]) -> Value:
        """Return the result of a function of Python's or NumPy's; NotImplemented for one that is not known."""
        if getattr(callee, "__name__", "") == "literally":
            return given[0]
        if callee in (min, max):
            return self._extremum("Lt" if callee is min else "Gt", given)
        if callee in (abs, np.abs):
            return self._absolute(given[0])
        if callee is len:
            return given[0].shape[0] if isinstance(given[0], KernelArray) else len(given[0])
        if callee in (int, float, bool):
            return self.number(given[0], {int: INT64, float: FLOAT64, bool: BOOL}[callee])
        if inspect.isclass(callee) and issubclass(callee, np.generic) and callee.__name__.rstrip("_") in DTYPES:
            return self.number(given[0], DTYPES[callee.__name__.rstrip("_")])
        if callee in INTRINSICS:
            return self._float_function(INTRINSICS[callee], given[0])
        if callee is np.isfinite:
            kind, size = dtype_of(given[0]), self._absolute(given[0])
            return self.compare("Lt", size, KernelNumber(kind, kind.llvm(float("inf"))))
        if callee is np.finfo and isinstance(given[0], DType):
            return np.finfo(np.dtype(given[0].name))
        return self._array_function(callee, given, named)

    def _float_function(self, name: str, value: Value) -> Value:
        kind = dtype_of(value)
        kind = kind if kind.real else FLOAT64
        return KernelNumber(kind, self.intrinsic(name, kind, self.number(value, kind).value))

    def _absolute(self, value: Value) -> Value:
        if known(value):
            return abs(value)
        if dtype_of(value).real:
            return self._float_function("fabs", value)
        if dtype_of(value) is UINT64:
            return value
        return self.select_number(self.compare("Lt", value, 0), self.negate(value), value)

    def select_number(self, test: KernelNumber, one: Value, other: Value) -> KernelNumber:
        """Return one of two numbers; both are computed."""
        kind = self.common_dtype(one, other)
        return KernelNumber(
            kind, self.builder.select(test.value, self.number(one, kind).value, self.number(other, kind).value)
        )

    def _extremum(self, name: str, values: Sequence[Value]) -> Value:
        best, *others = values[0] if len(values) == 1 and isinstance(values[0], tuple) else values
        for value in others:
            if known(best) and known(value):
                best = (min if name == "Lt" else max)(best, value)
                continue
            best = self.select_number(self.compare(name, value, best), value, best)
        return best

    def _array_function(self, callee: Any, given: list[Value], named: dict[str, Value]) -> Value:
        """Return the result of a function of NumPy's on arrays."""
        kinds = [named.get("dtype", given[1] if len(given) > 1 else FLOAT64)]
        if callee in (np.zeros, np.empty, np.ones):
            shape = given[0] if isinstance(given[0], tuple) and not isinstance(given[0], KernelNumber) else (given[0],)
            found = self.allocate(shape, self._dtype(kinds[0]), zeros=callee is np.zeros)
            if callee is np.ones:
                self.fill_array(found, 1)
            return found
        if callee is np.empty_like and isinstance(given[0], KernelArray):
            return self.allocate(given[0].shape, given[0].kind)
        if callee is np.arange and len(given) == 1:
            found = self.allocate((given[0],), INT64)
            self.emit_range(0, given[0], 1, lambda place: self.store(found, self.address_at(found, place), place))
            return found
        if callee is np.argmax and isinstance(given[0], KernelArray) and len(given[0].shape) == 1:
            return self._argmax(given[0])
        if callee is np.minimum:
            return self.elementwise(lambda one, other: self._extremum("Lt", [one, other]), *given)
        return NotImplemented

    def _argmax(self, array: KernelArray) -> Value:
        """Return the index of the first NaN of an array, or else of the first of its largest entries."""
        place, most = self.new_slot(self.number(0)), self.new_slot(self.load(array, array.pointer))
        self.write_slot(place, self.number(0))
        self.write_slot(most, self.load(array, array.pointer))

        def turn(at: Value) -> None:
            best, value = self.read_slot(most), self.load(array, self.locate(array, [at])[0])
            number = self.builder.fcmp_ordered("ord", best.value, best.value)
            wins = self.builder.and_(number, self.builder.fcmp_unordered(">", value.value, best.value))
            self.write_slot(most, KernelNumber(array.kind, self.builder.select(wins, value.value, best.value)))
            self.write_slot(
                place, KernelNumber(INT64, self.builder.select(wins, at.value, self.read_slot(place).value))
            )

        self.emit_range(0, array.shape[0], 1, turn)
        return self.read_slot(place)

    def _dtype(self, given: Value) -> DType:
        if isinstance(given, DType):
            return given
        name = getattr(given, "__name__", "").rstrip("_")
        if name not in DTYPES:
            raise Unsupported(f"arrays of {given!r}")
        return DTYPES[name]

    def fill_array(self, array: KernelArray, value: Value) -> None:
        """Give every element of an array a number, or the one of another array."""
        if not (known(value) or isinstance(value, KernelNumber)) or not array.contiguous:
            raise Unsupported("an array is given an array")
        number = self.number(value, array.kind)
        flat = self.contiguous(array.kind, array.pointer, (self.product(array.shape),))
        self.emit_range(0, flat.shape[0], 1, lambda place: self.store(flat, self.address_at(flat, place), number))

    def call_method(self, method: "Method", given: list[Value]) -> Value:
        """Return the result of a method of an array."""
        array = method.array
        if method.name == "reshape" and array.contiguous:
            shape = given[0] if isinstance(given[0], tuple) and not isinstance(given[0], KernelNumber) else tuple(given)
            if any(known(each) and each < 0 for each in shape):
                raise Unsupported("reshape to a negative size")
            return self.contiguous(array.kind, array.pointer, shape)
        if method.name == "sum" and not given and len(array.shape) == 1:
            return self._sum_of_elements(array)
        raise Unsupported(f"the method {method.name}")

    def _sum_of_elements(self, array: KernelArray) -> Value:
        """Return the sum of the entries of an array."""
        zero = self.number(0, array.kind)
        total = self.new_slot(zero)
        self.write_slot(total, zero)

        def turn(place: Value) -> None:
            entry = self.load(array, self.locate(array, [place])[0])
            self.write_slot(total, self.binary("Add", self.read_slot(total), entry))

        self.emit_range(0, array.shape[0], 1, turn)
        return self.read_slot(total)

    def elementwise(self, function: Callable[[Value, Value], Value], a: Value, b: Value) -> KernelArray:
        """Return a new array of results of integers."""
        one, other = (each if isinstance(each, KernelArray) else None for each in (a, b))
        like = one or other
        if like is None or len(like.shape) != 1 or any(of and of.kind is not INT64 for of in (one, other)):
            raise Unsupported("arithmetic on arrays")
        found = self.allocate(like.shape, like.kind)

        def turn(place: Value) -> None:
            given = [
                self.load(of, self.locate(of, [place])[0]) if of else value for of, value in ((one, a), (other, b))
            ]
            self.store(found, self.address_at(found, place), function(*given))

        self.emit_range(0, like.shape[0], 1, turn)
        return found

    def common_dtype(self, a: Value, b: Value) -> DType:
        return result_dtype(dtype_of(a), dtype_of(b))
