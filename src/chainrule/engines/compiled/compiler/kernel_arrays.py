"""Arrays of compiled kernels: elements, views and allocation.

The buffers of new arrays form a linked list: the header of each buffer contains the address of the previous one.
Buffers are released at the end of the loop iteration or function call that allocated them.
"""

# Values in kernels may have any type, and llvmlite has no type annotations.
# pyright: basic

from collections.abc import Sequence
from typing import Any

from chainrule.engines.compiled.compiler import buffers
from chainrule.engines.compiled.compiler.kernel_arithmetic import add, as_int64, multiply, product, subtract, to_number
from chainrule.engines.compiled.compiler.kernel_code import KernelCode
from chainrule.engines.compiled.compiler.kernel_values import (
    BOOL,
    I8,
    I64,
    INT64,
    DType,
    KernelArray,
    KernelNumber,
    Unsupported,
    Value,
    ir,
    is_constant,
    pointer_to,
)


def strides_of(code: KernelCode, shape: Sequence[Value]) -> tuple[Value, ...]:
    """Return the strides of a contiguous array, in elements."""
    return tuple(product(code, shape[axis + 1 :]) for axis in range(len(shape)))


def contiguous(code: KernelCode, dtype: DType, pointer: Any, shape: Sequence[Value]) -> KernelArray:
    """Return a contiguous array with its first element at `pointer`."""
    return KernelArray(dtype, pointer, tuple(shape), strides_of(code, shape), True)


def address_at(code: KernelCode, array: KernelArray, steps: Value) -> Any:
    """Return the address of the element `steps` elements after the first."""
    if is_constant(steps) and steps == 0:
        return array.pointer
    return code.builder.gep(array.pointer, [as_int64(code, steps)], source_etype=array.dtype.stored, inbounds=True)


def load(code: KernelCode, array: KernelArray, address: Any) -> KernelNumber:
    """Return the element at an address."""
    value = code.builder.load(address, typ=array.dtype.stored)
    if array.dtype is BOOL:
        value = code.builder.icmp_signed("!=", value, I8(0))
    return KernelNumber(array.dtype, value)


def store(code: KernelCode, array: KernelArray, address: Any, value: Value) -> None:
    """Write an element at an address."""
    number = to_number(code, value, array.dtype).value
    code.builder.store(code.builder.zext(number, I8) if array.dtype is BOOL else number, address)


def read_element(code: KernelCode, array: KernelArray, indices: Sequence[Value]) -> Value:
    """Return array[indices], an element or a view."""
    address, view = locate(code, array, indices)
    if view is None:
        return load(code, array, address)
    return view


def locate(code: KernelCode, array: KernelArray, indices: Sequence[Value]) -> tuple[Any, KernelArray | None]:
    """Return the address of array[indices], and the view if this is an array; for a single element, None.

    Indices are integers and `slice` objects without a step; missing ones are the whole axis. For an array of shape
    (4, 5, 6), a[1, 2:4] has the offset 1·30 + 2·6, the shape (2, 6) and the strides (6, 1).
    """
    offset: Value = 0
    shape: list[Value] = []
    strides: list[Value] = []
    is_whole = True  # whether all axes of the view except the first are complete, so that it is contiguous
    for axis, (size, stride) in enumerate(zip(array.shape, array.strides, strict=True)):
        if axis < len(indices):
            index = indices[axis]
        else:
            index = slice(None)
        is_whole = is_whole and (index == slice(None) or not shape)
        if isinstance(index, slice):
            begin, length = _range(code, index, size)
            shape.append(length)
            strides.append(stride)
        else:
            begin = index
            if is_constant(index) and index < 0:
                begin = add(code, size, index)
        offset = add(code, offset, multiply(code, begin, stride))
    address = address_at(code, array, offset)
    if not shape:
        return address, None
    return address, KernelArray(array.dtype, address, tuple(shape), tuple(strides), array.contiguous and is_whole)


def _range(code: KernelCode, index: slice, size: Value) -> tuple[Value, Value]:
    """Return the first index and the length of a slice."""
    if index.step is not None:
        raise Unsupported("slices with a step")
    if index == slice(None):
        return (0, size)
    return _bounds(code, index, size)


def _bounds(code: KernelCode, index: Any, size: Value) -> tuple[Value, Value]:
    """Return the start and the length of a slice along an axis of this size. The end is clipped to the size."""
    begin = 0 if index.start is None else index.start
    end = index.stop
    if is_constant(begin) and begin < 0:
        begin = add(code, size, begin)
    if is_constant(end) and end < 0:
        end = add(code, size, end)
    elif end is not None:
        end = minimum(code, end, size)
    if end is None:
        end = size
    length = subtract(code, end, begin)
    return begin, length if is_constant(length) or begin == 0 else maximum(code, length, 0)


def minimum(code: KernelCode, a: Value, b: Value) -> Value:
    """Return the smaller of two integers."""
    return _select_int64(code, "<", min, a, b)


def maximum(code: KernelCode, a: Value, b: Value) -> Value:
    """Return the larger of two integers."""
    return _select_int64(code, ">", max, a, b)


def _select_int64(code: KernelCode, comparison: str, function: Any, a: Value, b: Value) -> Value:
    if is_constant(a) and is_constant(b):
        return function(a, b)
    first = as_int64(code, a)
    second = as_int64(code, b)
    return KernelNumber(INT64, code.builder.select(code.builder.icmp_signed(comparison, first, second), first, second))


def allocate(code: KernelCode, shape: Sequence[Value], dtype: DType, *, zeros: bool = False) -> KernelArray:
    """Return a new array, uninitialized unless `zeros`."""
    build = code.builder
    size = as_int64(code, multiply(code, product(code, shape), dtype.bitwidth // 8))
    head = build.call(declare_external(code, buffers.ALLOCATE, I64, [I64]), [size])
    allocated = build.append_basic_block()
    build.cbranch(build.icmp_signed("==", head, I64(0)), code.failed, allocated)
    build.position_at_end(allocated)
    code.allocations += 1
    word_pointer = pointer_to(I64)
    previous, elements = (I64(8 * index) for index in (buffers.PREVIOUS, buffers.ELEMENTS))
    build.store(build.load(code.last_buffer, typ=I64), build.inttoptr(build.add(head, previous), word_pointer))
    build.store(head, code.last_buffer)
    data = build.load(build.inttoptr(build.add(head, elements), word_pointer), typ=I64)
    pointer = build.inttoptr(data, pointer_to(dtype.stored))
    if zeros:
        byte = build.bitcast(pointer, pointer_to(I8))
        fill = declare_external(code, "llvm.memset.p0.i64", ir.VoidType(), [byte.type, I8, I64, ir.IntType(1)])
        build.call(fill, [byte, I8(0), size, ir.IntType(1)(0)])
    return contiguous(code, dtype, pointer, shape)


def declare_external(code: KernelCode, name: str, result: Any, arguments: Sequence[Any]) -> Any:
    """Return an external function, declared if necessary."""
    module = code.builder.module
    if name not in module.globals:
        ir.Function(module, ir.FunctionType(result, arguments), name)
    return module.globals[name]


def release(code: KernelCode, mark: Any) -> None:
    """Release all buffers allocated since `mark`, an earlier value of `last_buffer`."""
    build = code.builder
    module = code.builder.module
    if "release_to" not in module.globals:
        _emit_release(code, module)
    slot = build.ptrtoint(code.last_buffer, I64)
    build.call(module.globals["release_to"], [slot, mark])


def _emit_release(code: KernelCode, module: Any) -> None:
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [I64, I64]), "release_to")
    function.linkage = "internal"
    function.attributes.add("noinline")
    entry, test, body, end = (function.append_basic_block() for _ in range(4))
    build = ir.IRBuilder(entry)
    word_pointer = pointer_to(I64)
    slot, mark = function.args
    pointer = build.inttoptr(slot, word_pointer)
    build.branch(test)
    build.position_at_end(test)
    head = build.load(pointer, typ=I64)
    build.cbranch(build.icmp_signed("==", head, mark), end, body)
    build.position_at_end(body)
    previous = build.add(head, I64(8 * buffers.PREVIOUS))
    build.store(build.load(build.inttoptr(previous, word_pointer), typ=I64), pointer)
    build.call(declare_external(code, buffers.RELEASE, I64, [I64]), [head])
    build.branch(test)
    ir.IRBuilder(end).ret_void()
