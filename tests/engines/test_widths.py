"""The engine with narrower vector registers than this processor's: kernels of AVX2 and SSE, tested on any machine.

Tiles and, for AVX2, elementary functions are compared with their definitions, in a separate process. Its compiled
code is stored separately and first tested with a small program. `make widths` runs all engine tests at both widths.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from chainrule.engines.compiled.compiler import WIDTH

pytestmark = [pytest.mark.long, pytest.mark.thorough]

HERE = Path(__file__).parent
SELECTED = {
    128: "test_tiles",
    256: "test_tiles or test_windows or test_elementary",
}


@pytest.mark.parametrize("bits", [bits for bits in SELECTED if bits < 8 * WIDTH])
def test_the_engine_with_narrower_registers(bits: int) -> None:
    files = [str(HERE / f"test_{name}.py") for name in ("tiles", "windows", "elementary", "operations")]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", SELECTED[bits], *files]
    words = {**os.environ, "CHAINRULE_VECTOR": str(bits), "CHAINRULE_EXAMPLES": "5", "PYTEST_ADDOPTS": ""}
    done = subprocess.run(command, capture_output=True, text=True, env=words, cwd=HERE.parents[1], check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert re.search(r"^\d{2,} passed, \d+ deselected in", done.stdout, re.M), done.stdout[-300:]  # and none skipped
