"""The values that training determines besides the parameters."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chainrule.data.normalization import Normalization
from chainrule.network.losses import Loss
from chainrule.network.target_scaling import TargetScaling
from chainrule.network.tasks import Task

if TYPE_CHECKING:
    from chainrule.data.mask_values import MaskValues


@dataclass(frozen=True)
class Fitted:
    """Values that a trainer determines before the first step and copies to the network, besides the parameters.

    normalization  normalization fitted to the training data
    loss, task     the recipe's loss, and the task inferred from the targets
    classes        class names from the data; empty: keep the model's class names
    largest_input  largest absolute value of the normalized training inputs; None if unknown
    mask_values    value of each label in the masks of an image folder; None for other data
    target_scaling  scaling of regression targets; None: training uses the targets themselves
    """

    normalization: Normalization
    loss: Loss
    task: Task | None
    classes: tuple[str, ...] = ()
    largest_input: float | None = None
    target_scaling: TargetScaling | None = None
    mask_values: "MaskValues | None" = None
