"""Only one folder imports llvmlite, and it does not use typed pointers, which llvmlite will remove."""

import inspect
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import llvmlite.binding as binding
import numpy as np
import pytest
from llvmlite import ir

import chainrule
from chainrule.engines.compiled import compiler
from chainrule.engines.compiled.compiler import WIDTH, add_cells, intrinsic_code, tile_code, vectors
from chainrule.engines.compiled.compiler.kernel_values import FLOAT32, INT32, INT64, Literal
from chainrule.engines.compiled.kernels import tiles

SOURCE = Path(chainrule.__file__).parent
ROOM = SOURCE / "engines" / "compiled" / "compiler"
FORBIDDEN = re.compile(
    r"^\s*(from|import) llvmlite\b"  # in templates of programs too
    r"|import_module\(.llvmlite\b"
    r"|compiled\.compiler\.\w"
    r"|compiled\.compiler import (\w+, )*"
    r"(buffers|intrinsic_code|elementary_code|program_code|llvm_guard|program_expressions|intrinsics|kernel_arithmetic|kernel_arrays|kernel_code|kernel_loops|"
    r"kernel_entry|kernel_expressions|kernel_functions|kernel_source|kernel_statements|kernel_values|kernel_variables|linking|loading|machine|"
    r"pool_code|processor|tile_code|transposing_code|signatures|object_files|threads|vectors)\b"
    r"|\.(overloads|nopython_signatures)\b",
    re.MULTILINE,
)


def test_llvmlite_is_touched_in_one_folder() -> None:
    actual: list[str] = []
    for file in sorted(SOURCE.rglob("*.py")):
        if ROOM not in file.parents:
            hits = FORBIDDEN.finditer(file.read_text("utf-8"))
            actual += [f"{file.relative_to(SOURCE)}: {hit.group()}" for hit in hits]
    assert not actual


TILES = {  # in addition to all parameters named "tile"
    *(("multiply_add", "factors"), ("multiply_add", "addends"), ("larger", "other")),
}


def argument(function: str, name: str, kind: Any) -> tuple[Any, Any]:
    """Return the type, and LLVM's, of an argument of a function of `tiles`; every pointer is `ptr`."""
    if name == "tile" or (function, name) in TILES:
        whole = function == "store_transposed"  # as many columns as lanes
        tile = vectors.Tile(FLOAT32, 1, compiler.WIDTH // 4) if whole else vectors.Tile(FLOAT32, 2, 4)
        return tile, vectors.llvm_type(tile)
    if function in ("add_outer_at", "add_vectors_at", "add_lanes_at", "add_products") and name == "offsets":
        places = vectors.ColumnOffsets(4)
        return places, vectors.llvm_type(places)
    if kind is int:
        return INT64, ir.IntType(64)
    if kind is float:
        return FLOAT32, ir.FloatType()
    element = {"offsets": INT64, "channels": INT64, "winner": INT32}.get(name, FLOAT32)
    return intrinsic_code.ArrayType(element), ir.PointerType()


@pytest.mark.skipif(binding.llvm_version_info[0] < 17, reason="this LLVM reads typed pointers only")
@pytest.mark.parametrize("name", tile_code.CODE)
def test_code_is_emitted_where_pointers_have_no_types(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "pointer_to", lambda kind: ir.PointerType())
    result, emit = tile_code.CODE[name]
    parameters = inspect.signature(getattr(tiles, name)).parameters.values()
    given = [argument(name, each.name, each.annotation) for each in parameters]
    kinds = [
        Literal(2 * (1 + (each.name == "columns"))) if each.name in ("rows", "columns", "taps") else kind
        for each, (kind, _) in zip(parameters, given, strict=True)
    ]
    module = ir.Module()
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [kind for _, kind in given]), name)
    builder = ir.IRBuilder(function.append_basic_block())
    emit(intrinsic_code.Context(), builder, SimpleNamespace(args=kinds, return_type=result(kinds)), function.args)
    builder.ret_void()
    binding.parse_assembly(str(module)).verify()


def test_a_step_that_is_no_constant_does_not_compile() -> None:
    """Only the strides that kernels name are compiled."""

    def run(x, step):
        return tiles.store_part(add_cells(tiles.zeros(x, 1, 1), x, 0, step, 0, 1), x, 0, 1)

    with pytest.raises(Exception, match="add_cells"):
        compiler.kernel(run)(np.ones(WIDTH), 2)
