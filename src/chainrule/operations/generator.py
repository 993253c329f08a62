"""Generated source code of the element-wise operations and gradients, from the formulas in the TOML files.

NumPy, the compiled engine, JAX, the page and exported C all compute an operation's formulas `value` and `slope`, or
`stable_value` and `stable_slope` where present. `python -m chainrule.operations.generator NAME` prints the code for the
compiled engine and C. That for NumPy and JAX is in files of these engines (see `array_files`).

The gradient is dx = dy · f′(x). Where f′ is the constant 0 or 1, the result is 0 or dy without a multiplication, so
that an infinite or NaN dy does not propagate through a 0.

The gradients of losses that compute each element from one prediction and target are generated from their `steps`.
In C, all losses and gradients are; their sums and maxima become loops.
"""

import linecache
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from chainrule.errors import unknown_name
from chainrule.operations.definitions import generated, losses, pointwise
from chainrule.operations.elementwise import operations


def sources(write: Callable[..., str]) -> dict[str, str]:
    """Return the source of each element-wise operation and of its gradient, by function name.

    write   function that returns the source: `kernel_source`, or `c_source` with its argument `literal`
    """
    sources_by_name = dict[str, str]()
    for operation in operations().values():
        for gradient in (False, True):
            sources_by_name[operation.function(gradient=gradient)] = write(operation, gradient=gradient)
    return sources_by_name


def loss_sources(write: Callable[[str], str]) -> dict[str, str]:
    """Return the source of each loss and gradient of a loss, except those of whole samples, by function name.

    write   `loss_kernel_source`, or `loss_c_source` with its argument `literal`
    """
    return {name: write(name) for name in losses()}


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
    """Print the code generated for some element-wise operations, losses and gradients of losses, or for all."""
    from chainrule.operations.loss_code import loss_c_source, loss_kernel_source
    from chainrule.operations.scalar_code import c_source, kernel_source, pointwise_kernel_source

    literal = "{!r}f".format
    in_c = partial(c_source, literal=literal)
    loss_in_c = partial(loss_c_source, literal=literal)
    kernels = sources(kernel_source) | loss_sources(loss_kernel_source)
    functions = sources(in_c) | loss_sources(loss_in_c)
    for name in pointwise():
        kernels[name] = pointwise_kernel_source(name)
        functions[name] = loss_in_c(name)
    languages = {"# compiled engine": kernels, "/* C */": functions}
    known = list(dict.fromkeys(generated().values()))
    for name in names or known:
        if name not in known:
            raise SystemExit(str(unknown_name("operation", name, known)))
        for function, described in generated().items():
            if described != name:
                continue
            for heading, written in languages.items():
                print(heading, written[function], sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
