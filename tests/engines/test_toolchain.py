"""One folder alone touches numba and llvmlite, and it does not ask pointers for types, which llvmlite will not have."""

import inspect
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import llvmlite.binding as binding
import pytest
from llvmlite import ir
from numba.core import types

import chainrule
from chainrule.engines.numba import tiles, toolchain
from chainrule.engines.numba.toolchain import registers, vectors

SOURCE = Path(chainrule.__file__).parent
ROOM = SOURCE / "engines" / "numba" / "toolchain"
FORBIDDEN = re.compile(
    r"^\s*(from|import) (numba|llvmlite)\b"  # in templates of programs too
    r"|import_module\(.(numba|llvmlite)\b"
    r"|numba\.toolchain\.\w"
    r"|numba\.toolchain import (\w+, )*"
    r"(ahead|compiling|elementary|elementary_code|emitting|expressions|interrupts|kernels|linking|loading|machine|processor|registers"
    r"|storing|threads|vectors|windows|windows_code)\b"
    r"|\.(overloads|nopython_signatures)\b",
    re.MULTILINE,
)


def test_numba_is_touched_in_one_folder() -> None:
    found: list[str] = []
    for file in sorted(SOURCE.rglob("*.py")):
        if ROOM not in file.parents:
            hits = FORBIDDEN.finditer(file.read_text("utf-8"))
            found += [f"{file.relative_to(SOURCE)}: {hit.group()}" for hit in hits]
    assert not found


def test_the_face_has_what_it_names() -> None:
    assert sorted(toolchain.__all__) == toolchain.__all__
    assert all(hasattr(toolchain, name) for name in toolchain.__all__)


def test_every_file_of_the_folder_says_what_its_tricks_were_tried_with() -> None:
    for file in ROOM.glob("[!_]*.py"):
        assert re.search(r"Tried with numba \d\.\d+ ", file.read_text("utf-8")), file.name


NUMBERS = {types.float32: ir.FloatType(), types.int64: ir.IntType(64), types.int32: ir.IntType(32)}


class Context:
    """As much of numba's target context as the emitters of code use."""

    def make_array(self, kind: Any) -> Any:
        return lambda context, builder, value: SimpleNamespace(data=value)

    def cast(self, builder: Any, value: Any, found: Any, wanted: Any) -> Any:
        return value

    def get_data_type(self, kind: Any) -> Any:
        return NUMBERS[kind]

    def get_value_type(self, tile: vectors.Tile) -> Any:
        return ir.ArrayType(ir.VectorType(NUMBERS[tile.dtype], tile.lanes), tile.rows * tile.columns)

    def get_dummy_value(self) -> None:
        return None


TILES = {  # besides all called "tile"
    *(("add_row_products", "g"), ("store_pairs", "even"), ("store_pairs", "odd")),
    *(("multiply_add", "times"), ("multiply_add", "plus")),
}


def argument(function: str, name: str, kind: Any) -> tuple[Any, Any]:
    """Numba's and LLVM's type of an argument of a function of `tiles`; every pointer is `ptr`."""
    if name == "tile" or (function, name) in TILES:
        tile = vectors.Tile(types.float32, 2, 4 if name == "tile" or function == "multiply_add" else 1)
        return tile, Context().get_value_type(tile)
    if kind is int:
        return types.int64, ir.IntType(64)
    if kind is float:
        return types.float32, ir.FloatType()
    element = {"offsets": types.int64, "winner": types.int32}.get(name, types.float32)
    return types.Array(element, 1, "C"), ir.PointerType()


@pytest.mark.skipif(binding.llvm_version_info[0] < 17, reason="this LLVM reads typed pointers only")
@pytest.mark.parametrize("name", registers.CODE)
def test_code_is_emitted_where_pointers_have_no_types(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "_pointer_to", lambda kind: ir.PointerType())
    result, emit = registers.CODE[name]
    parameters = inspect.signature(getattr(tiles, name)).parameters.values()
    given = [argument(name, each.name, each.annotation) for each in parameters]
    kinds = [
        types.IntegerLiteral(2 * (1 + (each.name == "columns"))) if each.name in ("rows", "columns", "taps") else kind
        for each, (kind, _) in zip(parameters, given, strict=True)
    ]
    module = ir.Module()
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [kind for _, kind in given]), name)
    builder = ir.IRBuilder(function.append_basic_block())
    emit(Context(), builder, SimpleNamespace(args=kinds, return_type=result(kinds)), function.args)
    builder.ret_void()
    binding.parse_assembly(str(module)).verify()
