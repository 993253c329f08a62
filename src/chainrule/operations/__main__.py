"""`python -m chainrule.operations NAME…`: print the generated code of these element-wise operations (default: all)."""

import sys

from chainrule.errors import unknown_name
from chainrule.operations.generator import array_source, c_source, kernel_source, operations

known = operations()
for name in sys.argv[1:] or known:
    if name not in known:
        sys.exit(str(unknown_name("operation", name, [*known])))
    for gradient in (False, True):
        print("# NumPy", array_source(known[name], gradient=gradient), sep="\n")
        print("# compiled engine", kernel_source(known[name], gradient=gradient), sep="\n")
        print("/* C */", c_source(known[name], gradient=gradient, literal=lambda value: f"{value:.9g}f"), sep="\n")
