"""Vectors in the code of kernels: types, addresses, loads, stores and shuffles.

A tile is an array of LLVM vectors that is handled as a value, like a float. LLVM keeps it in registers if it fits.

Tried with llvmlite 0.44 and 0.50:
- LLVM's intrinsics for fused multiply-add and masked loads and stores, declared by name (`multiply_add`, `masked`);
- an empty assembly instruction at the end of a step (`end_step`);
- the metadata `llvm.loop.unroll.count`, which makes LLVM unroll a loop (`unroll_metadata`).
Typed pointers are deprecated in llvmlite. Therefore the type of an element is never read from its pointer: each address
includes the element type (`Address`), and every `load` and `gep` specifies a type.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from chainrule.engines.compiled.compiler.kernel_arithmetic import convert
from chainrule.engines.compiled.compiler.kernel_values import (
    INT64,
    DType,
    KernelNumber,
    Literal,
    LlvmValue,
    ir,
    pointer_to,
)
from chainrule.engines.compiled.compiler.processor import COUNT, HAS_MASKS, WIDTH

# Number of iterations that are unrolled into one to reduce loop overhead. With SSE, unrolling is slower.
UNROLL_COUNT = 1 if (WIDTH, COUNT) == (16, 16) else 2
REGISTER = "w" if (WIDTH, COUNT) == (16, 32) else "v"  # LLVM's constraint for a vector register: NEON, x86

BYTES = {"float": 4, "double": 8, "i32": 4}  # LLVM type of an element → its size


@dataclass(frozen=True)
class Tile:
    """The type of a tile: rows × columns vectors of elements of a dtype."""

    dtype: DType
    rows: int
    columns: int

    @property
    def lanes(self) -> int:
        """Number of elements of a vector."""
        return WIDTH * 8 // self.dtype.bitwidth


@dataclass(frozen=True)
class ColumnOffsets:
    """The type of an array of column offsets for a tile."""

    columns: int


def llvm_type(value_type: Tile | ColumnOffsets) -> Any:
    """Return the LLVM type of a tile (an array of vectors, row by row) or of offsets (an array of integers)."""
    if isinstance(value_type, ColumnOffsets):
        return ir.ArrayType(INT64.llvm, value_type.columns)
    return ir.ArrayType(vector_of(value_type), value_type.rows * value_type.columns)


class Address(NamedTuple):
    """An address: a pointer, and the LLVM type of the elements that it points to."""

    pointer: LlvmValue
    element: Any


class CodeBuilder:
    """Emits the code of one call: addresses, loads and stores for its arguments."""

    def __init__(self, builder: Any, types: Sequence[Any], return_type: Any, arguments: Sequence[LlvmValue]) -> None:
        self.builder = builder
        self.types = types
        self.return_type = return_type
        self.arguments = arguments

    def number(self, which: int) -> LlvmValue:
        """Return an integer argument as a 64-bit value."""
        return self.converted(which, INT64)

    def converted(self, which: int, dtype: DType) -> LlvmValue:
        """Return an argument that is a number as a value of a dtype."""
        source = self.types[which]
        if isinstance(source, Literal):
            source = INT64
        return convert(self.builder, KernelNumber(source, self.arguments[which]), dtype)

    def address(self, which: int, index: LlvmValue) -> Address:
        """Return the address of an element of an array argument, given its flat index."""
        return self.advance(Address(self.arguments[which], self.types[which].dtype.stored), index)

    def column_addresses(self, which: int, offsets: int, columns: int) -> list[Address]:
        """Return the addresses of a tile's columns in an array argument. Argument `offsets` contains their offsets.

        These addresses do not change between the iterations of a loop, so LLVM computes them before the loop. Callers
        add the varying offset last.
        """
        return [self.address(which, self.builder.extract_value(self.arguments[offsets], b)) for b in range(columns)]

    def advance(self, address: Address, steps: LlvmValue | int) -> Address:
        """Return the address `steps` elements after `address`."""
        count = steps
        if not isinstance(steps, ir.Value):
            count = ir.IntType(64)(steps)
        return Address(self.builder.gep(address.pointer, [count], source_etype=address.element), address.element)

    def load_element(self, address: Address) -> LlvmValue:
        """Load the element at an address."""
        return self.builder.load(address.pointer, typ=address.element)

    def load(self, tile: Tile, address: Address) -> LlvmValue:
        """Load the vector at an address, which may be unaligned."""
        vector = vector_of(tile)
        return self.builder.load(self._pointer(address, vector), align=tile.dtype.bitwidth // 8, typ=vector)

    def store(self, vector: Any, address: Address, align: int) -> None:
        """Store a vector at an address that is a multiple of `align` bytes."""
        self.builder.store(vector, self._pointer(address, vector.type), align=align)

    def _pointer(self, address: Address, element_type: Any) -> Any:
        """Return the pointer of an address, cast to another element type if LLVM pointers are typed."""
        return self.builder.bitcast(address.pointer, pointer_to(element_type))

    def lanes_below(self, tile: Tile, count: LlvmValue, step: int = 1) -> LlvmValue:
        """Return a mask of the lanes that are below `count` and multiples of `step`."""
        limit = self.broadcast_int32(tile, count)
        lanes = [lane if lane % step == 0 else 2**31 - 1 for lane in range(tile.lanes)]
        return self.builder.icmp_signed("<", ir.Constant(ir.VectorType(ir.IntType(32), tile.lanes), lanes), limit)

    def broadcast_int32(self, tile: Tile, number: LlvmValue) -> LlvmValue:
        """Return a vector with a 32-bit integer in every lane and as many lanes as a vector of the tile."""
        numbers = ir.VectorType(ir.IntType(32), tile.lanes)
        lane = ir.IntType(32)
        undefined = ir.Constant(numbers, ir.Undefined)
        first_lane = self.builder.insert_element(undefined, self.builder.trunc(number, lane), lane(0))
        return self.builder.shuffle_vector(first_lane, undefined, ir.Constant(numbers, None))

    def masked(
        self, operation: str, tile: Tile, vectors: list[LlvmValue], address: Address, mask: LlvmValue
    ) -> LlvmValue:
        """Load or store the lanes of a tile's vector that a mask selects. Other lanes are loaded as 0.

        operation  "load" or "store"
        vectors    [] or [vector to store]
        """
        return self.masked_by(operation, vector_of(tile), vectors, address, mask)

    def masked_by(
        self, operation: str, vector: Any, vectors: list[Any], address: Address, mask: Any, outside: Any = None
    ) -> Any:
        """Load or store the lanes of a vector that a mask selects; see `masked`.

        vector   type of the vector
        outside  vector whose lanes are returned where the mask is false; None: zeros
        """
        element = {"float": "f32", "double": "f64", "i32": "i32"}[str(vector.element)]
        size = BYTES[str(vector.element)]
        passthrough = []
        if operation == "load":
            passthrough = [ir.Constant(vector, None) if outside is None else outside]
        arguments = [self._pointer(address, vector), ir.IntType(32)(size), mask]
        argument_types = (
            [vector] * len(vectors) + [argument.type for argument in arguments] + [vector] * len(passthrough)
        )
        function_type = ir.FunctionType(vector if operation == "load" else ir.VoidType(), argument_types)
        function = _declare(self.builder.module, function_type, f"llvm.masked.{operation}.v{vector.count}{element}.p0")
        return self.builder.call(function, [*vectors, *arguments, *passthrough])

    def store_first(self, tile: Tile, vector: Any, address: Address, count: LlvmValue) -> None:
        """Store the first `count` lanes of a vector; `count` is clamped to the number of lanes.

        Without AVX-512, masked stores are slow (measured on Zen 3) or not available (SSE, NEON). On these processors, a
        complete vector is stored at once, and an incomplete vector is stored in halves, quarters and so on, according
        to the bits of `count`.
        """
        if HAS_MASKS:
            self.masked_by("store", vector.type, [vector], address, self.lanes_below(tile, count))
            return
        build = self.builder
        int64 = ir.IntType(64)
        align = BYTES[str(vector.type.element)]
        with build.if_else(build.icmp_signed(">=", count, int64(tile.lanes))) as (all_lanes, some_lanes):
            with all_lanes:
                self.store(vector, address, align)
            with some_lanes:
                remaining = build.select(build.icmp_signed(">", count, int64(0)), count, int64(0))
                size = tile.lanes // 2
                while size:
                    is_set = build.icmp_signed("!=", build.and_(remaining, int64(size)), int64(0))
                    with build.if_then(is_set):
                        self.store(self.shuffle(vector, vector, range(size)), address, align)
                    rotated = self.shuffle(vector, vector, [*range(size, tile.lanes), *range(size)])
                    vector = build.select(is_set, rotated, vector)
                    next_pointer = build.select(is_set, self.advance(address, size).pointer, address.pointer)
                    address = Address(next_pointer, address.element)
                    size = size // 2

    def shuffle(self, a: LlvmValue, b: LlvmValue, lanes: Iterable[int]) -> LlvmValue:
        """Return a vector of the lanes of a and b with these indices. The indices of b follow those of a."""
        indices = list(lanes)
        mask = ir.Constant(ir.VectorType(ir.IntType(32), len(indices)), indices)
        return self.builder.shuffle_vector(a, b, mask)

    def fold(self, tile: Tile, a: LlvmValue, b: LlvmValue, group: int) -> LlvmValue:
        """Add the two halves of every group of lanes of a and b, and return all sums in one vector.

        group  number of adjacent lanes in a group
        """
        width = group // 2
        lower = list[int]()
        upper = list[int]()
        for start in range(0, 2 * tile.lanes, group):
            lower += range(start, start + width)
            upper += range(start + width, start + group)
        first = self.shuffle(a, b, lower)
        second = self.shuffle(a, b, upper)
        return self.builder.fadd(first, second)

    def exchange(self, tile: Tile, a: LlvmValue, b: LlvmValue, distance: int) -> tuple[LlvmValue, LlvmValue]:
        """Swap the second half of every group of 2·distance lanes in a with the first half of the same group in b."""
        kept = list[int]()  # lanes of a, followed by those of b
        swapped = list[int]()
        for lane in range(tile.lanes):
            if lane & distance:
                kept.append(lane + tile.lanes - distance)
                swapped.append(lane + tile.lanes)
            else:
                kept.append(lane)
                swapped.append(lane + distance)
        return self.shuffle(a, b, kept), self.shuffle(a, b, swapped)

    def load_broadcast(self, tile: Tile, address: Address) -> LlvmValue:
        """Load the element at an address into every lane."""
        return self.broadcast(tile, self.load_element(address))

    def broadcast(self, tile: Tile, number: LlvmValue) -> LlvmValue:
        """Return a vector with a value in every lane."""
        vector = vector_of(tile)
        undefined = ir.Constant(vector, ir.Undefined)
        lane = ir.IntType(32)
        first_lane = self.builder.insert_element(undefined, number, lane(0))
        return self.builder.shuffle_vector(first_lane, undefined, ir.Constant(ir.VectorType(lane, tile.lanes), None))

    def end_step(self, sums: Any) -> Any:
        """End a step of a loop with an empty assembly instruction, across which LLVM does not move loads.

        Without it, LLVM would load ahead until it runs out of registers. If loops are unrolled, all vectors of the tile
        are operands of the instruction. Without these operands, LLVM may move the products after the loads of the next
        iteration, as observed in `taps.py` (docs/design-decisions.md). A tile with more vectors than there are
        registers is not an operand.
        """
        count = 0
        if UNROLL_COUNT > 1 and sums.type.count <= COUNT:
            count = sums.type.count
        types = [sums.type.element] * count
        indices = range(count)
        if count > 1:
            result = ir.LiteralStructType(types)
        elif types:
            result = types[0]
        else:
            result = ir.VoidType()
        names = ",".join([f"={REGISTER}" for _ in indices] + [str(k) for k in indices])
        barrier = ir.InlineAsm(ir.FunctionType(result, types), "", names, side_effect=True)
        passed = self.builder.call(barrier, [self.builder.extract_value(sums, k) for k in indices])
        for k in indices:
            sums = self.builder.insert_value(sums, self.builder.extract_value(passed, k) if count > 1 else passed, k)
        return sums

    def multiply_add(self, tile: Tile, a: LlvmValue, b: LlvmValue, total: LlvmValue) -> LlvmValue:
        """Return a · b + total, rounded once if the processor has FMA and twice otherwise.

        On processors without FMA (SSE), `llvm.fma` would call a function for every lane, which made inference twenty
        times slower.
        """
        vector = vector_of(tile)
        name = f"llvm.fmuladd.v{tile.lanes}f{tile.dtype.bitwidth}"
        function = _declare(self.builder.module, ir.FunctionType(vector, [vector] * 3), name)
        return self.builder.call(function, [a, b, total])


def has_step(block: Any) -> bool:
    """Return whether a basic block contains a step of a loop that ends with `CodeBuilder.end_step`."""
    calls = (call for call in block.instructions if isinstance(call, ir.CallInstr))
    return any(isinstance(call.callee, ir.InlineAsm) for call in calls)


def unroll_metadata(module: Any) -> Any:
    """Return metadata for the last branch of a loop that makes LLVM unroll the loop `UNROLL_COUNT` times."""
    count = module.add_metadata([ir.MetaDataString(module, "llvm.loop.unroll.count"), ir.IntType(32)(UNROLL_COUNT)])
    loop = ir.MDValue(module, [], name=str(len(module.metadata)))
    loop.operands = (loop, count)  # the node is its own first operand, which makes it distinct
    return loop


def vector_of(tile: Tile) -> Any:
    """Return the LLVM type of one vector of a tile."""
    return ir.VectorType(ir.DoubleType() if tile.dtype.bitwidth == 64 else ir.FloatType(), tile.lanes)


def _declare(module: Any, function_type: Any, name: str) -> Any:
    """Return an LLVM intrinsic, declared if necessary."""
    if name in module.globals:
        return module.globals[name]
    return ir.Function(module, function_type, name)
