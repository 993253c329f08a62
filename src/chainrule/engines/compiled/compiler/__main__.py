"""Helper process of `linking`: `python -m chainrule.engines.compiled.compiler FILE FRACTION` compiles kernels.

FILE is the source of a program, and FRACTION is the position of the first kernel to compile in its list.
"""

import ast
import sys
from pathlib import Path

from chainrule.engines.compiled.compiler.linking import compile_from
from chainrule.engines.compiled.compiler.loading import links_of

compile_from(links_of(ast.parse(Path(sys.argv[1]).read_text(encoding="utf-8"))), float(sys.argv[2]))
