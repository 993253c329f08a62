"""The reference implementation of every operation: its equation as literal loops. All engines are tested against it.

The functions accept float32 and float64, and also complex numbers where the mathematics allows it (for complex-step
derivatives). They are written for clarity, not speed: actual computations use the engines.

Every public function in a family's file is an operation.
"""

from chainrule.operations import public_functions
from chainrule.operations.reference.activations import *  # noqa: F403
from chainrule.operations.reference.convolution import *  # noqa: F403
from chainrule.operations.reference.dense import *  # noqa: F403
from chainrule.operations.reference.dropout import *  # noqa: F403
from chainrule.operations.reference.geometry import *  # noqa: F403
from chainrule.operations.reference.losses import *  # noqa: F403
from chainrule.operations.reference.merging import *  # noqa: F403
from chainrule.operations.reference.normalization import *  # noqa: F403
from chainrule.operations.reference.pooling import *  # noqa: F403
from chainrule.operations.reference.prelu import *  # noqa: F403
from chainrule.operations.reference.updates import *  # noqa: F403

__all__ = public_functions(__name__, globals(), helpers=("windows",))  # pyright: ignore[reportUnsupportedDunderAll]
