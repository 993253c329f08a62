"""The losses by name, and how one ends a plan.

A loss gives one number a sample; what is trained is their mean over the batch, and gradients are of that mean.
The equations are in reference/losses.py.
"""

from chainrule.errors import one_of
from chainrule.plan import Builder, Tensor

NAMES = (
    "half_squared_error",
    "mean_squared_error",
    "binary_cross_entropy",
    "categorical_cross_entropy",
    "softmax_cross_entropy",
)


def find(name: str) -> str:
    """The loss of that name (hyphens do for underscores)."""
    known = name.replace("-", "_")
    if known not in NAMES:
        raise one_of("loss", name, NAMES)
    return known


def emit(builder: Builder, loss: str, p: Tensor) -> dict[str, Tensor]:
    """End a training plan: the loss of each sample, whether it was right, and the gradient of the mean loss by p."""
    builder.begin("loss")
    target = Tensor("t", p.shape, "target")
    ends = {"target": target, "loss": builder.activation("y", ()), "correct": builder.activation("correct", ())}
    builder.forward(loss, (p, target), (ends["loss"],))
    builder.forward("correct", (p, target), (ends["correct"],))
    builder.backward(f"{loss}_dp", (p, target), (p.gradient(),), runtime={"batch": ("batch", 1)})
    return ends
