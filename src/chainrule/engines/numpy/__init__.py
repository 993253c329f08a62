"""The NumPy engine: every operation of `chainrule.operations.reference`, vectorized.

Every public function in these modules, except those in `arrays`, is an operation. The files in `LATE` are imported in
order until one contains the operation that is needed. Most are generated from formulas (`operations.array_files`).
"""

from importlib import import_module
from typing import Any

from chainrule.engines.numpy.convolution import *  # noqa: F403
from chainrule.engines.numpy.dense import *  # noqa: F403
from chainrule.engines.numpy.pooling import *  # noqa: F403

LATE = (
    *("rectifiers", "updates", "joined_losses", "losses", "factors", "activations", "normalization", "merging"),
    *("geometry", "fixed_normalization", "elementary"),
)


def __getattr__(name: str) -> Any:
    """Return an operation, or the list of all operations, `__all__`."""
    if name == "__all__":
        return _all_names()
    if name[0] != "_" and name not in LATE:
        for file in LATE:
            module = import_module(f"{__name__}.{file}")
            if hasattr(module, name):
                globals()[name] = getattr(module, name)
                return globals()[name]
    raise AttributeError(name)


def _all_names() -> list[str]:
    """Import all files, and return the names of all operations."""
    from chainrule.operations.listing import public_functions

    functions = {**globals()}
    for file in LATE:
        functions |= vars(import_module(f"{__name__}.{file}"))
    return public_functions(__name__, functions, helpers=("arrays",))
