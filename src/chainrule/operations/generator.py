"""Generated source code of the element-wise operations and gradients, from the formulas in the TOML files.

NumPy, the compiled engine, JAX, the page and exported C all compute an operation's formulas `value` and `slope`, or
`stable_value` and `stable_slope` where present. The kernels in C, and the code for NumPy and JAX, are in files of
these engines (see `engines/native/generated_files.py` and `array_files`).

The gradient is dx = dy · f′(x). Where f′ is the constant 0 or 1, the result is 0 or dy without a multiplication, so
that an infinite or NaN dy does not propagate through a 0.

Sums and maxima over the classes, in losses and their gradients, become loops.
"""

from collections.abc import Callable

from chainrule.operations import definitions
from chainrule.operations.elementwise import operations


def sources(write: Callable[..., str]) -> dict[str, str]:
    """Return the source of each element-wise operation and of its gradient, by function name.

    write   function that returns the source: `vector_source`, or `c_source` with its argument `literal`
    """
    sources_by_name = dict[str, str]()
    for operation in operations().values():
        for gradient in (False, True):
            sources_by_name[operation.function(gradient=gradient)] = write(operation, gradient=gradient)
    return sources_by_name


def loss_sources(write: Callable[[str], str]) -> dict[str, str]:
    """Return the source of each loss and gradient of a loss, except those of whole samples, by function name.

    write   `loss_vector_source`, or `loss_c_source` with its argument `literal`
    """
    return {name: write(name) for name in definitions.losses()}
