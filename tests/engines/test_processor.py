"""The width of vector registers is the processor's, or the one set by CHAINRULE_VECTOR."""

import sys

import pytest
from engines.processes import python

from chainrule.engines.compiled.compiler.processor import feature_string

SSE = {"sse4.2": True, "avx": False, "avx2": False, "fma": False, "avx512f": False}
AVX2 = {**SSE, "avx": True, "avx2": True, "fma": True}
AVX512 = {**AVX2, "avx512f": True, "avx512bw": True}

LOOK = """
import llvmlite.binding as binding
from chainrule.engines.compiled.compiler import machine, processor, object_files
ADD = "define <16 x float> @add(<16 x float> %a) { %b = fadd <16 x float> %a, %a ret <16 x float> %b }"
print(8 * processor.WIDTH, processor.COUNT, object_files.compiled_folder())
print("zmm" in machine._optimizing_target().emit_assembly(binding.parse_assembly(ADD)))
"""


@pytest.mark.parametrize("wrong", ["64", "1024", "wide", "256.0", " 256", "٢٥٦"])
def test_other_widths_are_refused(wrong: str) -> None:
    done = python("-c", "import chainrule.engines.native.library", CHAINRULE_VECTOR=wrong, code=1)
    assert f"OptionError: CHAINRULE_VECTOR={wrong}: expected 128" in done.stderr


def test_instructions_of_wider_registers_are_taken_away() -> None:
    assert set(feature_string(512, AVX512).split(",")) == {f"+{name}" for name in AVX512}
    narrow = feature_string(256, AVX512).split(",")
    assert {"+sse4.2", "+avx", "+avx2", "+fma", "-avx512f", "-avx512bw"} == set(narrow)
    assert {"+sse4.2", "-avx", "-avx2", "-fma", "-avx512f", "-avx512bw"} == set(feature_string(128, AVX512).split(","))


def test_programs_of_each_width_are_kept_apart() -> None:
    folders: set[str] = set()
    for bits in ("128", ""):
        first, wide = python("-c", LOOK, CHAINRULE_VECTOR=bits).stdout.splitlines()
        width, count, folder = first.split(" ", 2)
        folders.add(folder)
        if bits:
            assert (width, wide) == (bits, "False")
        assert (int(count) == 32) == (width == "512") or sys.platform == "darwin"
    assert len(folders) == 2
