"""The definition of every operation: its equation as literal loops, with which every engine is compared.

Any dtype: float32 and float64, and complex numbers where the mathematics allows it (for complex-step derivatives).
Slow on purpose; engines do the actual computation.

Every public function of a family's file is an operation.
"""

import inspect

from chainrule.reference.activations import *  # noqa: F403
from chainrule.reference.bias import *  # noqa: F403
from chainrule.reference.convolution import *  # noqa: F403
from chainrule.reference.dense import *  # noqa: F403
from chainrule.reference.dropout import *  # noqa: F403
from chainrule.reference.geometry import *  # noqa: F403
from chainrule.reference.group_normalization import *  # noqa: F403
from chainrule.reference.losses import *  # noqa: F403
from chainrule.reference.merging import *  # noqa: F403
from chainrule.reference.normalization import *  # noqa: F403
from chainrule.reference.pooling import *  # noqa: F403
from chainrule.reference.prelu import *  # noqa: F403
from chainrule.reference.resampling import *  # noqa: F403
from chainrule.reference.response_normalization import *  # noqa: F403
from chainrule.reference.updates import *  # noqa: F403

_HELPERS = ("checks", "normal", "windows")  # files that hold no operations

__all__ = sorted(  # pyright: ignore[reportUnsupportedDunderAll]
    name
    for name, each in globals().items()
    if inspect.isfunction(each)
    and each.__module__.rpartition(".")[0] == __name__
    and each.__module__.rpartition(".")[2] not in _HELPERS
)
