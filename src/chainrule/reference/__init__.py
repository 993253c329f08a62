"""The definition of every operation: its equation as literal loops, with which every engine is compared.

Any dtype: float32 and float64, and complex numbers where the mathematics allows it (for complex-step derivatives).
Slow on purpose; engines do the actual computation.

Every public function of a family's file is an operation.
"""

from chainrule.families import operations
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

__all__ = operations(__name__, globals(), helpers=("checks", "normal", "windows"))  # pyright: ignore[reportUnsupportedDunderAll]
