"""A process of `ahead`: `python -m chainrule.engines.numba.toolchain FILE PART` compiles a program's kernels."""

import ast
import sys
from pathlib import Path

# numba imports it, which takes 0.3 s, for matrix products, of which kernels have none.
sys.modules["scipy"] = None  # pyright: ignore[reportArgumentType]

from chainrule.engines.numba.toolchain.ahead import compile_from  # noqa: E402
from chainrule.engines.numba.toolchain.loading import links_of  # noqa: E402

compile_from(links_of(ast.parse(Path(sys.argv[1]).read_text(encoding="utf-8"))), float(sys.argv[2]))
