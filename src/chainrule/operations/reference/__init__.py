"""The reference implementation of every operation: its equation as literal loops. All engines are tested against it.

The functions accept float32 and float64, and also complex numbers where the mathematics allows it (for complex-step
derivatives). They are written for clarity, not speed: actual computations use the engines.

Every public function in a family's file is an operation. The name of a gradient function ends with the differentiated
argument: sigmoid_dx receives dy, the gradient of the loss with respect to the result y, and returns the gradient with
respect to x. In the same way, _dw, _dp and bias_gradient return gradients with respect to parameters, predictions and
biases. The docstring of a gradient function begins with the equation. Its letters are explained in the docstring of the
operation.

Docstrings contain the headings

Shapes   shapes of the arguments  →  shapes of the results; "y like x" means that both have the same shape
Kept     arguments and results that the gradient functions read
Errors   errors for invalid arguments
Source   tutorial or paper with the equation

Common letters are n for samples, c and o for input and output channels, i and j for output rows and columns, u and v
for positions in a window, h and k for rows and columns of the image, and e for any element.
"""

from chainrule.operations.listing import public_functions
from chainrule.operations.reference.activations import *  # noqa: F403
from chainrule.operations.reference.convolution import *  # noqa: F403
from chainrule.operations.reference.correctness import *  # noqa: F403
from chainrule.operations.reference.dense import *  # noqa: F403
from chainrule.operations.reference.dropout import *  # noqa: F403
from chainrule.operations.reference.elementary import *  # noqa: F403
from chainrule.operations.reference.geometry import *  # noqa: F403
from chainrule.operations.reference.joined_losses import *  # noqa: F403
from chainrule.operations.reference.losses import *  # noqa: F403
from chainrule.operations.reference.merging import *  # noqa: F403
from chainrule.operations.reference.normalization import *  # noqa: F403
from chainrule.operations.reference.pooling import *  # noqa: F403
from chainrule.operations.reference.prelu import *  # noqa: F403
from chainrule.operations.reference.rectifiers import *  # noqa: F403
from chainrule.operations.reference.softmax import *  # noqa: F403
from chainrule.operations.reference.updates import *  # noqa: F403

__all__ = public_functions(__name__, globals(), helpers=("rows", "windows"))  # pyright: ignore[reportUnsupportedDunderAll]
