"""Arrays of a kernel that is compiled: elements, parts, and memory for new ones.

New arrays are kept in a list (the head of a buffer has the address of the one before), and released where the loop
turn or the function ends in which they were made.
"""

# The values of kernels are of any type, and llvmlite has no types.
# pyright: basic

from collections.abc import Sequence
from typing import Any

from chainrule.engines.compiled.compiler import buffers
from chainrule.engines.compiled.compiler.kernel_values import (
    BOOL,
    BYTE,
    INT64,
    WHOLE,
    Arithmetic,
    KernelArray,
    KernelNumber,
    Kind,
    Unsupported,
    Value,
    ir,
    known,
    pointer_to,
)


def steps_of(arithmetic: Arithmetic, shape: Sequence[Value]) -> tuple[Value, ...]:
    """Return the strides of a contiguous array, in elements."""
    return tuple(arithmetic.product(shape[axis + 1 :]) for axis in range(len(shape)))


class Arrays(Arithmetic):
    """Emitter of the code that reads, writes, divides and makes arrays."""

    builder: Any
    allocations: int  # so far
    last_buffer: Any  # slot of the head of the list of buffers
    failed: Any  # block to which a lack of memory leads

    def contiguous(self, kind: Kind, pointer: Any, shape: Sequence[Value]) -> KernelArray:
        """Return a contiguous array."""
        return KernelArray(kind, pointer, tuple(shape), steps_of(self, shape), True)

    def at(self, array: KernelArray, steps: Value) -> Any:
        """Return the address of an element, given its offset from the first."""
        if known(steps) and steps == 0:
            return array.pointer
        return self.builder.gep(array.pointer, [self.whole(steps)], source_etype=array.kind.stored, inbounds=True)

    def load(self, array: KernelArray, address: Any) -> KernelNumber:
        """Return the element at an address."""
        value = self.builder.load(address, typ=array.kind.stored)
        if array.kind is BOOL:
            value = self.builder.icmp_signed("!=", value, BYTE(0))
        return KernelNumber(array.kind, value)

    def store(self, array: KernelArray, address: Any, value: Value) -> None:
        """Write an element at an address."""
        number = self.number(value, array.kind).value
        self.builder.store(self.builder.zext(number, BYTE) if array.kind is BOOL else number, address)

    def element(self, array: KernelArray, indices: Sequence[Value]) -> Value:
        """Return an element, or a part."""
        address, part = self.part(array, indices)
        return self.load(array, address) if part is None else part

    def part(self, array: KernelArray, indices: Sequence[Value]) -> tuple[Any, KernelArray | None]:
        """Return the address of an element, and None; or of a part, and the part: slices stand for `slice` objects."""
        steps: Value = 0
        shape: list[Value] = []
        strides: list[Value] = []
        whole_after = True  # whether all axes so far that are kept are whole but the first
        for axis, size in enumerate(array.shape):
            stride = array.strides[axis]
            index = indices[axis] if axis < len(indices) else slice(None)
            if not isinstance(index, slice):
                if known(index) and index < 0:
                    index = self.plus(size, index)
                steps = self.plus(steps, self.times(index, stride))
                whole_after = whole_after and not shape
                continue
            if index.step is not None:
                raise Unsupported("a slice with a step")
            if index.start is None and index.stop is None:
                begin, length = 0, size
            else:
                begin, length = self._bounds(index, size)
                whole_after = whole_after and not shape
            steps = self.plus(steps, self.times(begin, stride))
            shape.append(length)
            strides.append(stride)
        address = self.at(array, steps)
        if not shape:
            return address, None
        return address, KernelArray(array.kind, address, tuple(shape), tuple(strides), array.contiguous and whole_after)

    def _bounds(self, index: Any, size: Value) -> tuple[Value, Value]:
        """Return where a slice begins, and its length; it ends where the axis does."""
        begin, end = 0 if index.start is None else index.start, index.stop
        begin = self.plus(size, begin) if known(begin) and begin < 0 else begin
        if known(end) and end < 0:
            end = self.plus(size, end)
        elif end is not None:
            end = self.smaller(end, size)
        end = size if end is None else end
        length = self.minus(end, begin)
        return begin, length if known(length) or begin == 0 else self.larger(length, 0)

    def smaller(self, a: Value, b: Value) -> Value:
        """Return the smaller of two integers."""
        return self._chosen("<", min, a, b)

    def larger(self, a: Value, b: Value) -> Value:
        """Return the larger of two integers."""
        return self._chosen(">", max, a, b)

    def _chosen(self, sign: str, function: Any, a: Value, b: Value) -> Value:
        if known(a) and known(b):
            return function(a, b)
        one, other = self.whole(a), self.whole(b)
        return KernelNumber(INT64, self.builder.select(self.builder.icmp_signed(sign, one, other), one, other))

    def new(self, shape: Sequence[Value], kind: Kind, *, zeros: bool = False) -> KernelArray:
        """Return a new array, of zeros or of whatever its memory holds."""
        build = self.builder
        size = self.whole(self.times(self.product(shape), kind.bitwidth // 8))
        head = build.call(self.outside(buffers.ALLOCATE, WHOLE, [WHOLE]), [size])
        found = build.append_basic_block()
        build.cbranch(build.icmp_signed("==", head, WHOLE(0)), self.failed, found)
        build.position_at_end(found)
        self.allocations += 1
        word = pointer_to(WHOLE)
        previous, elements = (WHOLE(8 * each) for each in (buffers.PREVIOUS, buffers.ELEMENTS))
        build.store(build.load(self.last_buffer, typ=WHOLE), build.inttoptr(build.add(head, previous), word))
        build.store(head, self.last_buffer)
        data = build.load(build.inttoptr(build.add(head, elements), word), typ=WHOLE)
        pointer = build.inttoptr(data, pointer_to(kind.stored))
        if zeros:
            byte = build.bitcast(pointer, pointer_to(BYTE))
            fill = self.outside("llvm.memset.p0.i64", ir.VoidType(), [byte.type, BYTE, WHOLE, ir.IntType(1)])
            build.call(fill, [byte, BYTE(0), size, ir.IntType(1)(0)])
        return self.contiguous(kind, pointer, shape)

    def outside(self, name: str, result: Any, arguments: Sequence[Any]) -> Any:
        """Return a function that lies outside."""
        module = self.builder.module
        if name not in module.globals:
            ir.Function(module, ir.FunctionType(result, arguments), name)
        return module.globals[name]

    def release(self, mark: Any) -> None:
        """Release the buffers made since the list ended at a mark."""
        build, module = self.builder, self.builder.module
        if "release_to" not in module.globals:
            self._emit_release(module)
        slot = build.ptrtoint(self.last_buffer, WHOLE)
        build.call(module.globals["release_to"], [slot, mark])

    def _emit_release(self, module: Any) -> None:
        function = ir.Function(module, ir.FunctionType(ir.VoidType(), [WHOLE, WHOLE]), "release_to")
        function.linkage = "internal"
        function.attributes.add("noinline")
        entry, test, turn, end = (function.append_basic_block() for _ in range(4))
        build, word = ir.IRBuilder(entry), pointer_to(WHOLE)
        slot, mark = function.args
        pointer = build.inttoptr(slot, word)
        build.branch(test)
        build.position_at_end(test)
        head = build.load(pointer, typ=WHOLE)
        build.cbranch(build.icmp_signed("==", head, mark), end, turn)
        build.position_at_end(turn)
        previous = build.add(head, WHOLE(8 * buffers.PREVIOUS))
        build.store(build.load(build.inttoptr(previous, word), typ=WHOLE), pointer)
        build.call(self.outside(buffers.RELEASE, WHOLE, [WHOLE]), [head])
        build.branch(test)
        ir.IRBuilder(end).ret_void()
