"""The NumPy engine: every operation of `chainrule.operations.reference`, vectorized.

Every public function in these modules, except those in `arrays`, is an operation. The files in `LATE` are imported in
order until one contains the operation that is needed. Most are generated from formulas (`operations.array_files`).
"""

from importlib import import_module
from typing import Any

from chainrule.engines.numpy.convolution import *  # noqa: F403
from chainrule.engines.numpy.dense import *  # noqa: F403
from chainrule.engines.numpy.pooling import *  # noqa: F403
from chainrule.operations import public_functions

LATE = (
    *("rectifiers", "updates", "joined_losses", "losses", "factors", "activations", "normalization", "merging"),
    *("geometry", "fixed_normalization", "elementary"),
)


def __getattr__(name: str) -> Any:
    """Return an operation, or the list of all operations, `__all__`."""
    functions = {**globals()}
    for file in LATE if name not in LATE and (name[:2] != "__" or name == "__all__") else ():
        public = {key: value for key, value in vars(import_module(f"{__name__}.{file}")).items() if key[0] != "_"}
        functions |= public
        if name in public:
            globals()[name] = public[name]
            return public[name]
    if name == "__all__":
        return public_functions(__name__, functions, helpers=("arrays",))
    raise AttributeError(name)
