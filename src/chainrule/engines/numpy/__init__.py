"""The NumPy engine: every operation of `chainrule.operations.reference`, vectorized.

Every public function in these modules, except those in `arrays`, is an operation. The modules in `LATE` are imported,
and code is generated from formulas, when an operation is used first.
"""

from typing import TYPE_CHECKING

from chainrule.engines.numpy.activations import *  # noqa: F403
from chainrule.engines.numpy.convolution import *  # noqa: F403
from chainrule.engines.numpy.dense import *  # noqa: F403
from chainrule.engines.numpy.losses import *  # noqa: F403
from chainrule.engines.numpy.pooling import *  # noqa: F403
from chainrule.engines.numpy.updates import *  # noqa: F403
from chainrule.operations import generator
from chainrule.operations.array_code import array_source, loss_array_source

if TYPE_CHECKING:
    from chainrule.engines.numpy.geometry import *  # noqa: F403
    from chainrule.engines.numpy.normalization import *  # noqa: F403

LATE = ("geometry", "normalization")
__getattr__ = generator.late(__name__, globals(), {"activations": array_source, "losses": loss_array_source}, LATE)
