"""The second process of `ahead`: `python -m chainrule.engines.numba.toolchain FILE` compiles a program's kernels."""

import sys
from pathlib import Path

from chainrule.engines.numba.toolchain.ahead import compile_backwards

compile_backwards(Path(sys.argv[1]).read_text(encoding="utf-8"))
