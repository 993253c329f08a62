"""What the functions of `tiles` are in compiled code: vectors in registers, written with llvmlite.

A tile is a value like a number: an array of LLVM vectors. LLVM keeps it in registers as long as it fits there.
"""

from collections.abc import Callable, Iterable
from typing import Any

from llvmlite import ir as _ir
from numba import extending as _extending
from numba.core import cgutils as _cgutils
from numba.core import types as _types
from numba.core.typing import templates as _templates

from chainrule.engines.numba.compiling import CONFIG
from chainrule.engines.numba.processor import WIDTH

# None of these libraries says what types its functions take.
cgutils: Any = _cgutils
ir: Any = _ir
templates: Any = _templates
types: Any = _types
extending: Any = _extending


class Tile(_types.Type):
    """rows × columns vectors of numbers."""

    def __init__(self, dtype: Any, rows: int, columns: int) -> None:
        self.dtype, self.rows, self.columns = dtype, rows, columns
        self.lanes = WIDTH * 8 // dtype.bitwidth
        super().__init__(name=f"Tile({dtype}, {rows}, {columns}, {self.lanes})")


class TileModel(_extending.models.PrimitiveModel):
    """A tile in memory: an array of vectors, row by row."""

    def __init__(self, manager: Any, tile: Tile) -> None:
        vector = ir.VectorType(manager.lookup(tile.dtype).get_value_type(), tile.lanes)
        super().__init__(manager, tile, ir.ArrayType(vector, tile.rows * tile.columns))


extending.register_model(Tile)(TileModel)


class _Code:
    """The code of one call: addresses, loads and stores for its arguments."""

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        self.context, self.builder = context, builder
        self.types, self.arguments = signature.args, list(arguments)

    def number(self, which: int) -> Any:
        """A whole number among the arguments, as 64 bits."""
        return self.context.cast(self.builder, self.arguments[which], self.types[which], types.int64)

    def address(self, which: int, place: Any) -> Any:
        """The address of a place of an array among the arguments."""
        array = self.context.make_array(self.types[which])(self.context, self.builder, self.arguments[which])
        return self.builder.gep(array.data, [place])

    def after(self, address: Any, steps: Any) -> Any:
        """The address so many numbers further on."""
        return self.builder.gep(address, [steps if isinstance(steps, ir.Value) else ir.IntType(64)(steps)])

    def load(self, tile: Tile, address: Any) -> Any:
        """The vector at an address, which need not be a multiple of its size."""
        pointer = self.builder.bitcast(address, _vector(tile).as_pointer())
        return self.builder.load(pointer, align=tile.dtype.bitwidth // 8)

    def store(self, tile: Tile, vector: Any, address: Any) -> None:
        """A vector to an address."""
        pointer = self.builder.bitcast(address, _vector(tile).as_pointer())
        self.builder.store(vector, pointer, align=tile.dtype.bitwidth // 8)

    def masked(self, what: str, tile: Tile, given: list[Any], address: Any, many: Any) -> Any:
        """Load from an address, or store to it, the first so many lanes only; others are 0."""
        vector, whole, bit = _vector(tile), ir.IntType(32), ir.IntType(1)
        pointer, numbers = vector.as_pointer(), ir.VectorType(whole, tile.lanes)
        first = self.builder.insert_element(
            ir.Constant(numbers, ir.Undefined), self.builder.trunc(many, whole), whole(0)
        )
        limit = self.builder.shuffle_vector(first, ir.Constant(numbers, ir.Undefined), ir.Constant(numbers, None))
        mask = self.builder.icmp_signed("<", ir.Constant(numbers, list(range(tile.lanes))), limit)
        rest = [ir.Constant(vector, None)] if what == "load" else []
        place = [self.builder.bitcast(address, pointer), ir.IntType(32)(tile.dtype.bitwidth // 8), mask]
        kinds = [vector] * len(given) + [pointer, ir.IntType(32), ir.VectorType(bit, tile.lanes)] + [vector] * len(rest)
        kind = ir.FunctionType(vector if what == "load" else ir.VoidType(), kinds)
        name = f"llvm.masked.{what}.v{tile.lanes}f{tile.dtype.bitwidth}.p0"
        function = cgutils.get_or_insert_function(self.builder.module, kind, name)
        return self.builder.call(function, [*given, *place, *rest])

    def fold(self, tile: Tile, a: Any, b: Any, group: int) -> Any:
        """Of two vectors, the first half of every group of lanes plus its second half, side by side."""
        starts = range(0, 2 * tile.lanes, group)
        halves = [[start + k + half for start in starts for k in range(group // 2)] for half in (0, group // 2)]
        masks = [ir.Constant(ir.VectorType(ir.IntType(32), tile.lanes), half) for half in halves]
        return self.builder.fadd(*(self.builder.shuffle_vector(a, b, mask) for mask in masks))

    def exchanged(self, tile: Tile, a: Any, b: Any, apart: int) -> tuple[Any, Any]:
        """Two vectors after the second half of every group of lanes of a and the first half of b's changed places."""
        lanes = range(tile.lanes)
        kept = [lane + tile.lanes - apart if lane & apart else lane for lane in lanes]
        given = [lane + tile.lanes if lane & apart else lane + apart for lane in lanes]
        masks = [ir.Constant(ir.VectorType(ir.IntType(32), tile.lanes), mask) for mask in (kept, given)]
        first, second = (self.builder.shuffle_vector(a, b, mask) for mask in masks)
        return first, second

    def spread(self, tile: Tile, address: Any) -> Any:
        """The number at an address, in every lane."""
        return self.every(tile, self.builder.load(address))

    def every(self, tile: Tile, number: Any) -> Any:
        """A number in every lane."""
        vector = _vector(tile)
        nothing, lane = ir.Constant(vector, ir.Undefined), ir.IntType(32)
        one = self.builder.insert_element(nothing, number, lane(0))
        return self.builder.shuffle_vector(one, nothing, ir.Constant(ir.VectorType(lane, tile.lanes), None))

    def close(self) -> None:
        """End a step: an empty instruction that keeps LLVM from unrolling the loop, for which registers do not last."""
        nothing = ir.InlineAsm(ir.FunctionType(ir.VoidType(), []), "", "", side_effect=True)
        self.builder.call(nothing, [], attrs=("convergent",))

    def multiply_add(self, tile: Tile, a: Any, b: Any, total: Any) -> Any:
        """a · b + total, rounded once."""
        vector = _vector(tile)
        name = f"llvm.fma.v{tile.lanes}f{tile.dtype.bitwidth}"
        function = cgutils.get_or_insert_function(self.builder.module, ir.FunctionType(vector, [vector] * 3), name)
        return self.builder.call(function, [a, b, total])


def _vector(tile: Tile) -> Any:
    return ir.VectorType(ir.DoubleType() if tile.dtype.bitwidth == 64 else ir.FloatType(), tile.lanes)


def _with_products(code: _Code, tile: Tile, left: list[Any], right: Iterable[Any]) -> Any:
    """The tile with left[a] · right[b] added to its vector [a, b]; one right[b] at a time, or registers run out."""
    sums = code.arguments[0]
    for b, other in enumerate(right):
        for a, one in enumerate(left):
            k = a * tile.columns + b
            total = code.multiply_add(tile, one, other, code.builder.extract_value(sums, k))
            sums = code.builder.insert_value(sums, total, k)
    code.close()
    return sums


def _zeros(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    return ir.Constant(context.get_value_type(signature.return_type), None)


def _load(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    code, tile = _Code(context, builder, signature, arguments), signature.return_type
    y, step = code.address(0, code.number(1)), code.number(2)
    sums = ir.Constant(context.get_value_type(tile), None)
    for b in range(tile.columns):
        column = code.after(y, builder.mul(step, ir.IntType(64)(b)))
        for a in range(tile.rows):
            vector = code.load(tile, code.after(column, a * tile.lanes))
            sums = builder.insert_value(sums, vector, a * tile.columns + b)
    return sums


def _load_picked(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    code, tile = _Code(context, builder, signature, arguments), signature.return_type
    y, places = code.address(0, code.number(1)), code.address(2, code.number(3))
    sums = ir.Constant(context.get_value_type(tile), None)
    for b in range(tile.columns):
        column = code.after(y, builder.load(code.after(places, b)))
        for a in range(tile.rows):
            vector = code.load(tile, code.after(column, a * tile.lanes))
            sums = builder.insert_value(sums, vector, a * tile.columns + b)
    return sums


def _add_outer(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    code, tile = _Code(context, builder, signature, arguments), signature.args[0]
    x, w, step = code.address(1, code.number(2)), code.address(3, code.number(4)), code.number(5)
    left = [code.load(tile, code.after(x, a * tile.lanes)) for a in range(tile.rows)]
    right = (code.spread(tile, code.after(w, builder.mul(step, ir.IntType(64)(b)))) for b in range(tile.columns))
    return _with_products(code, tile, left, right)


def _add_picked(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    code, tile = _Code(context, builder, signature, arguments), signature.args[0]
    x, w, places = code.address(1, code.number(2)), code.address(3, code.number(4)), code.address(5, code.number(6))
    left = [code.load(tile, code.after(x, a * tile.lanes)) for a in range(tile.rows)]
    right = (code.spread(tile, code.after(w, builder.load(code.after(places, b)))) for b in range(tile.columns))
    return _with_products(code, tile, left, right)


def _at_least(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    tile, sums = signature.return_type, arguments[0]
    code = _Code(context, builder, signature, arguments)
    least = code.every(tile, code.context.cast(builder, arguments[1], signature.args[1], tile.dtype))
    for k in range(tile.rows * tile.columns):
        value = builder.extract_value(sums, k)
        value = builder.select(builder.fcmp_ordered("<=", value, least), least, value)
        sums = builder.insert_value(sums, value, k)
    return sums


def _add_products(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    code, tile = _Code(context, builder, signature, arguments), signature.args[0]
    g, step, x = code.address(1, code.number(2)), code.number(3), code.address(4, code.number(5))
    places = code.address(6, code.number(7))
    left = [code.load(tile, code.after(g, builder.mul(step, ir.IntType(64)(a)))) for a in range(tile.rows)]
    right = (code.load(tile, code.after(x, builder.load(code.after(places, b)))) for b in range(tile.columns))
    return _with_products(code, tile, left, right)


def _store(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    code, tile = _Code(context, builder, signature, arguments), signature.args[0]
    y, step = code.address(1, code.number(2)), code.number(3)
    for b in range(tile.columns):
        column = code.after(y, builder.mul(step, ir.IntType(64)(b)))
        for a in range(tile.rows):
            sums = builder.extract_value(arguments[0], a * tile.columns + b)
            code.store(tile, sums, code.after(column, a * tile.lanes))
    return context.get_dummy_value()


def _store_sums(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """As many vectors as one has lanes are added up together: halves of two become one, until a lane is a sum."""
    code, tile = _Code(context, builder, signature, arguments), signature.args[0]
    size, lanes = tile.rows * tile.columns, tile.lanes
    for first in range(0, size, lanes):
        vectors = [builder.extract_value(arguments[0], k) for k in range(first, min(first + lanes, size))]
        vectors += [ir.Constant(_vector(tile), None)] * (lanes - len(vectors))
        group = lanes  # so many lanes side by side belong to one sum
        while len(vectors) > 1:
            vectors = [code.fold(tile, *pair, group) for pair in zip(vectors[::2], vectors[1::2], strict=True)]
            group //= 2
        code.store(tile, vectors[0], code.after(code.address(1, code.number(2)), first))
    return context.get_dummy_value()


def _load_part(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    code, tile = _Code(context, builder, signature, arguments), signature.return_type
    vector = code.masked("load", tile, [], code.address(0, code.number(1)), code.number(2))
    return builder.insert_value(ir.Constant(context.get_value_type(tile), None), vector, 0)


def _store_part(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    code, tile = _Code(context, builder, signature, arguments), signature.args[0]
    vector = builder.extract_value(arguments[0], 0)
    code.masked("store", tile, [vector], code.address(1, code.number(2)), code.number(3))
    return context.get_dummy_value()


def _largest(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    tile = signature.return_type
    largest = ir.Constant(context.get_value_type(tile), None)
    for k in range(tile.rows * tile.columns):
        most, *others = (builder.extract_value(arguments[0], 4 * k + one) for one in range(4))
        for value in others:
            most = builder.select(_wins(builder, value, most), value, most)
        largest = builder.insert_value(largest, most, k)
    return largest


def _wins(builder: Any, value: Any, most: Any) -> Any:
    """Whether a number is larger or NaN, and the largest is no NaN yet."""
    return builder.and_(builder.fcmp_unordered(">", value, most), builder.fcmp_ordered("ord", most, most))


def _turn(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Of every two vectors, 1, 2, 4 … apart, the lanes that are as far apart change places."""
    code, tile = _Code(context, builder, signature, arguments), Tile(signature.args[0].dtype, 1, 1)
    x, step, y, along = code.address(0, code.number(1)), code.number(2), code.address(3, code.number(4)), code.number(5)
    lanes = range(tile.lanes)
    vectors = [code.load(tile, code.after(x, builder.mul(step, ir.IntType(64)(a)))) for a in lanes]
    apart = 1
    while apart < tile.lanes:
        for a in (a for a in lanes if not a & apart):
            vectors[a], vectors[a + apart] = code.exchanged(tile, vectors[a], vectors[a + apart], apart)
        apart *= 2
    for b, vector in enumerate(vectors):
        code.store(tile, vector, code.after(y, builder.mul(along, ir.IntType(64)(b))))
    return context.get_dummy_value()


def _largest_of_four(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    code = _Code(context, builder, signature, arguments)
    tile, whole = Tile(signature.args[0].dtype, 1, 1), ir.IntType(32)
    numbers = ir.VectorType(whole, tile.lanes)

    def cells(start: Any) -> tuple[Any, Any]:
        """Of two vectors side by side the numbers at even places and those at odd ones."""
        address = code.address(0, start)
        pair = [code.load(tile, code.after(address, k * tile.lanes)) for k in range(2)]
        masks = [ir.Constant(numbers, list(range(odd, 2 * tile.lanes, 2))) for odd in range(2)]
        even, odd = (builder.shuffle_vector(*pair, mask) for mask in masks)
        return even, odd

    def every(number: Any) -> Any:
        one = builder.insert_element(ir.Constant(numbers, ir.Undefined), builder.trunc(number, whole), whole(0))
        return builder.shuffle_vector(one, ir.Constant(numbers, ir.Undefined), ir.Constant(numbers, None))

    start, width = code.number(1), code.number(2)
    (most, b), (c, d) = cells(start), cells(builder.add(start, width))
    one, below = ir.Constant(numbers, [1] * tile.lanes), every(width)
    at = ir.Constant(numbers, None)
    for value, ahead in ((b, one), (c, below), (d, builder.add(below, one))):
        larger = _wins(builder, value, most)
        most, at = builder.select(larger, value, most), builder.select(larger, ahead, at)
    found = code.number(5)
    code.store(tile, most, code.address(3, found))
    first = builder.add(every(code.number(6)), ir.Constant(numbers, list(range(0, 2 * tile.lanes, 2))))
    places = builder.bitcast(code.address(4, found), numbers.as_pointer())
    builder.store(builder.add(at, first), places, align=4)
    return context.get_dummy_value()


def _new(arguments: Any) -> Tile | None:
    """The tile that constants at the end of the arguments ask for."""
    array, *_, rows, columns = arguments
    constant = isinstance(rows, types.IntegerLiteral) and isinstance(columns, types.IntegerLiteral)
    return Tile(array.dtype, rows.literal_value, columns.literal_value) if constant else None


def _quarter(tile: Tile) -> Tile:
    """A tile with a column for every four."""
    return Tile(tile.dtype, tile.rows, tile.columns // 4)


CODE: dict[str, tuple[Callable[[Any], Any], Callable[..., Any]]] = {  # type of the result, and what writes the code
    "zeros": (_new, _zeros),
    "load": (_new, _load),
    "load_picked": (_new, _load_picked),
    "load_part": (lambda arguments: Tile(arguments[0].dtype, 1, 1), _load_part),
    "add_outer": (lambda arguments: arguments[0], _add_outer),
    "add_picked": (lambda arguments: arguments[0], _add_picked),
    "add_products": (lambda arguments: arguments[0], _add_products),
    "store": (lambda arguments: types.none, _store),
    "store_part": (lambda arguments: types.none, _store_part),
    "store_sums": (lambda arguments: types.none, _store_sums),
    "at_least": (lambda arguments: arguments[0], _at_least),
    "largest": (lambda arguments: _quarter(arguments[0]), _largest),
    "turn": (lambda arguments: types.none, _turn),
    "largest_of_four": (lambda arguments: types.none, _largest_of_four),
}


def compile_as(function: Any, result: Callable[[Any], Any], code: Callable[..., Any]) -> None:
    """Tell numba what a function is in compiled code: the type of its result, and what writes it."""
    if CONFIG.DISABLE_JIT:
        return

    class Template(templates.AbstractTemplate):
        key = function
        prefer_literal = True

        def generic(self, args: Any, kws: Any) -> Any:
            found = result(args)
            return None if found is None else templates.signature(found, *args)

    templates.infer_global(function, types.Function(Template))
    extending.lower_builtin(function, types.VarArg(types.Any))(code)
