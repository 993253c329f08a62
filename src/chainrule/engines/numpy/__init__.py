"""The NumPy engine: every operation of `chainrule.operations.reference`, vectorized.

Every public function in these modules, except those in `arrays`, is an operation. The modules in `LATE` are imported
when an operation is used first that no other module contains.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from chainrule.engines.numpy.convolution import *  # noqa: F403
from chainrule.engines.numpy.dense import *  # noqa: F403
from chainrule.engines.numpy.pooling import *  # noqa: F403
from chainrule.operations import public_functions

if TYPE_CHECKING:
    from chainrule.engines.numpy.activations import *  # noqa: F403
    from chainrule.engines.numpy.elementary import *  # noqa: F403
    from chainrule.engines.numpy.factors import *  # noqa: F403
    from chainrule.engines.numpy.fixed_normalization import *  # noqa: F403
    from chainrule.engines.numpy.geometry import *  # noqa: F403
    from chainrule.engines.numpy.joined_losses import *  # noqa: F403
    from chainrule.engines.numpy.losses import *  # noqa: F403
    from chainrule.engines.numpy.merging import *  # noqa: F403
    from chainrule.engines.numpy.normalization import *  # noqa: F403
    from chainrule.engines.numpy.rectifiers import *  # noqa: F403
    from chainrule.engines.numpy.updates import *  # noqa: F403

LATE = (
    *(
        "rectifiers",
        "updates",
        "joined_losses",
        "losses",
        "factors",
        "activations",
        "normalization",
        "merging",
        "geometry",
    ),
    *("fixed_normalization", "elementary"),
)


def __getattr__(name: str) -> Any:
    """Return an operation of a module in `LATE`, or the list of all operations, `__all__`."""
    names = globals()
    for file in LATE if name[:2] != "__" or name == "__all__" else ():
        if name in names and name not in LATE:
            break
        functions = vars(import_module(f"{__name__}.{file}"))
        names.update({key: value for key, value in functions.items() if key[0] != "_"})
    if name == "__all__":
        names[name] = public_functions(__name__, names, helpers=("arrays",))
    if name not in names:
        raise AttributeError(name)
    return names[name]
