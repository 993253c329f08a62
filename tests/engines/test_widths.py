"""The engine with narrower vector registers than this processor's: kernels of AVX2 and SSE, tested on any machine.

The tests of the engine run once more for each width, in a process of its own, whose compiled code is kept apart: tiles,
the operations with tiles in them against the reference, and a program. All other tests use the processor's own width.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chainrule.engines.numba.toolchain import WIDTH

HERE = Path(__file__).parent
SELECTED = (
    "test_tiles or (test_equals_the_reference and numba and (cross_correlate or dense or max_pool))"
    " or (test_a_program_computes_what_the_reference_defines and 2-5)"
)


@pytest.mark.parametrize("bits", [bits for bits in (128, 256) if bits < 8 * WIDTH])
def test_the_engine_with_narrower_registers(bits: int) -> None:
    files = [str(HERE / f"test_{name}.py") for name in ("tiles", "operations", "programs")]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", SELECTED, *files]
    words = {**os.environ, "CHAINRULE_VECTOR": str(bits), "CHAINRULE_EXAMPLES": "20", "PYTEST_ADDOPTS": ""}
    done = subprocess.run(command, capture_output=True, text=True, env=words, cwd=HERE.parents[1], check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "34 passed" in done.stdout, done.stdout[-300:]
