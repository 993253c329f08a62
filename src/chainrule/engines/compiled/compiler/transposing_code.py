"""LLVM code for the functions in `tiles` that transpose blocks of as many vectors as there are lanes.

`tile_code` describes emitters.
"""

from collections.abc import Iterable

from chainrule.engines.compiled.compiler.kernel_values import LlvmValue, ir
from chainrule.engines.compiled.compiler.vectors import Address, CodeBuilder, Tile


def transpose(code: CodeBuilder) -> None:
    """Emit the code of `tiles.transpose`."""
    tile = Tile(code.types[0].dtype, 1, 1)
    x = code.address(0, code.number(1))
    step = code.number(2)
    y = code.address(3, code.number(4))
    along = code.number(5)
    sources = [code.advance(x, code.builder.mul(step, ir.IntType(64)(a))) for a in range(tile.lanes)]
    targets = [code.advance(y, code.builder.mul(along, ir.IntType(64)(b))) for b in range(tile.lanes)]
    _store_all(code, tile, _transposed(code, tile, [code.load(tile, address) for address in sources]), targets)


def transpose_to(code: CodeBuilder) -> None:
    """Emit the code of `tiles.transpose_to`."""
    tile = Tile(code.types[0].dtype, 1, 1)
    x = code.address(0, code.number(1))
    y = code.address(3, code.number(4))
    sources, targets = (
        picked_addresses(code, *base_and_offsets, tile.lanes)
        for base_and_offsets in ((x, 2, ir.IntType(64)(0)), (y, 5, code.number(6)))
    )
    count = code.number(7)
    with code.builder.if_else(code.builder.icmp_signed(">=", count, ir.IntType(64)(tile.lanes))) as (whole, part):
        with whole:
            _store_all(code, tile, _transposed(code, tile, [code.load(tile, source) for source in sources]), targets)
        with part:
            mask = code.lanes_below(tile, count)
            rows = _transposed(code, tile, [code.masked("load", tile, [], source, mask) for source in sources])
            # The targets from `count` on are the last one again. They are stored first, and then overwritten.
            _store_all(code, tile, reversed(rows), reversed(targets))


def store_transposed(code: CodeBuilder) -> None:
    """Emit the code of `tiles.store_transposed`."""
    tile = code.types[0]
    rows = picked_addresses(code, code.address(1, code.number(2)), 3, ir.IntType(64)(0), tile.lanes)
    for first in range(0, tile.columns, tile.lanes):
        vectors = [code.builder.extract_value(code.arguments[0], first + b) for b in range(tile.lanes)]
        count = code.builder.sub(code.number(4), ir.IntType(64)(first))
        for vector, row in zip(_transposed(code, tile, vectors), rows, strict=True):
            code.store_first(tile, vector, code.advance(row, first), count)


def picked_addresses(code: CodeBuilder, base: Address, which: int, first: LlvmValue, count: int) -> list[Address]:
    """Return `count` addresses at offsets from a base address.

    which  index of the argument with the array of offsets
    first  index of the first offset in this array
    """
    offsets = code.address(which, first)
    return [code.advance(base, code.load_element(code.advance(offsets, k))) for k in range(count)]


def _transposed(code: CodeBuilder, tile: Tile, vectors: list[LlvmValue]) -> list[LlvmValue]:
    """Return the transpose of a square block of vectors, as many as there are lanes.

    For each distance d = 1, 2, 4, …, blocks of d lanes are exchanged between vectors d apart.
    """
    vectors = list(vectors)
    apart = 1
    while apart < tile.lanes:
        for a in (a for a in range(tile.lanes) if not a & apart):
            vectors[a], vectors[a + apart] = code.exchange(tile, vectors[a], vectors[a + apart], apart)
        apart *= 2
    return vectors


def _store_all(code: CodeBuilder, tile: Tile, vectors: Iterable[LlvmValue], addresses: Iterable[Address]) -> None:
    for vector, address in zip(vectors, addresses, strict=True):
        code.store(vector, address, tile.dtype.bitwidth // 8)
