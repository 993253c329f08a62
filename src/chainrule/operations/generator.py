"""Generated source code of the element-wise operations and their gradients, from the formulas in the TOML files.

NumPy, the compiled engine, JAX, the page and exported C all compute an operation's formulas `value` and `slope`, or
`stable_value` and `stable_slope` where present. `python -m chainrule.operations.generator NAME` prints the generated
code.

The gradient is dx = dy · f′(x). Where f′ is the constant 0 or 1, the result is 0 or dy without a multiplication, so
that an infinite or NaN dy does not propagate through a 0.
"""

import linecache
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from chainrule.errors import unknown_name
from chainrule.operations.array_code import array_source
from chainrule.operations.elementwise import operations
from chainrule.operations.scalar_code import c_source, kernel_source


def sources(write: Callable[..., str]) -> dict[str, str]:
    """Return the source of each element-wise operation and of its gradient, by function name.

    write   function that returns the source: `array_source`, `kernel_source`, or `c_source` with its argument `literal`
    """
    return {
        f"{name}{'_dx' if gradient else ''}": write(operation, gradient=gradient)
        for name, operation in operations().items()
        for gradient in (False, True)
    }


def define(sources: Mapping[str, str], file: str, names: dict[str, Any]) -> None:
    """Define functions in a module's namespace. `inspect.getsource` and tracebacks show their source.

    sources   source code by function name
    file      file name shown for the source
    names     the namespace
    """
    for name, source in sources.items():
        shown = f"<{file} {name}>"
        linecache.cache[shown] = (len(source), None, source.splitlines(keepends=True), shown)
        exec(compile(source, shown, "exec"), names)


def main(names: Iterable[str]) -> None:
    """Print the code generated for some element-wise operations, or for all."""
    for name in names or operations():
        if name not in operations():
            raise SystemExit(str(unknown_name("operation", name, [*operations()])))
        for gradient in (False, True):
            print("# NumPy", array_source(operations()[name], gradient=gradient), sep="\n")
            print("# compiled engine", kernel_source(operations()[name], gradient=gradient), sep="\n")
            print("/* C */", c_source(operations()[name], gradient=gradient, literal="{!r}f".format), sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
