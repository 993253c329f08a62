"""Only one folder imports llvmlite."""

import re
from pathlib import Path

import chainrule

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
