"""Helper process of `linking`: `python -m chainrule.engines.compiled.compiler FILE FRACTION` compiles kernels.

FILE contains the source of a program. The process starts with the kernel at position FRACTION (0 to 1) in the program's
list of kernels.
"""

import ast
import sys
from pathlib import Path

from chainrule.engines.compiled.compiler.linking import compile_from
from chainrule.engines.compiled.compiler.loading import links_of

compile_from(links_of(ast.parse(Path(sys.argv[1]).read_text(encoding="utf-8"))), float(sys.argv[2]))
