"""The values that training determines besides the parameters."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from chainrule.core.arrays import Shape
from chainrule.core.options import plain
from chainrule.data.normalization import Normalization
from chainrule.errors import OptionError, printable_name, quoted
from chainrule.network.labels import YES_AND_NO, Labels
from chainrule.network.losses import Loss
from chainrule.network.ports import Ports
from chainrule.network.tasks import BINARY, Task

if TYPE_CHECKING:
    from chainrule.network.scaling import TargetScaling

UNFITTED = Normalization("none")
SCALING = re.compile(r"input\.(?:(.+)\.)?(kind|gain|origin|limits|white|digits)|target\.(mean|deviation)")


@dataclass(frozen=True)
class Fitted:
    """Values that a trainer determines before the first step and copies to the network, besides the parameters.

    normalization  normalization fitted to the training data
    loss, task     the recipe's loss, and the task inferred from the targets
    labels         labels of the classes; None: keep the network's
    largest_input  largest absolute value of the normalized training inputs; None if unknown
    target_scaling  scaling of regression targets; None: training uses the targets themselves
    thresholds     smallest output that means yes, of each label; empty: ½
    """

    normalization: Normalization
    loss: Loss
    task: Task | None
    labels: Labels | None = None
    largest_input: float | None = None
    target_scaling: "TargetScaling | None" = None
    thresholds: tuple[float, ...] = ()

    def labels_after(self, current: Labels) -> Labels:
        """Return the labels after training: those of the data, or the current ones. A binary output has two classes."""
        labels = self.labels or current
        if len(labels.names) == 1 and self.task == BINARY:
            return replace(labels, names=YES_AND_NO)
        return labels


def class_counts(outputs: int) -> Shape:
    """Return the allowed numbers of class names for a number of outputs: for 1 output, also 2."""
    if outputs == 1:
        return (1, 2)
    return (outputs,)


def checked_labels(classes: object, ports: Ports | None, outputs: int) -> Labels:
    """Return the labels of a network with these class names; by default "0", "1", …, and none for several outputs.

    ports     names and shapes of several outputs; None if there is only one
    outputs   number of channels or units of the output

    Errors    OptionError for another number of names than outputs, or for equal ones
    """
    count = 0 if ports else outputs
    values: object = plain(classes)
    if classes is None:
        values = range(count)
    if not isinstance(values, Iterable):
        raise OptionError(f"classes {quoted(values)}: expected the names of the classes")
    names = tuple(map(printable_name, map(str, cast("Iterable[object]", values))))
    if len(set(names)) < len(names):
        raise OptionError(f"names of classes {', '.join(names)}: expected different ones")
    if ports and names:
        raise OptionError(f"names of classes for the outputs {ports}: expected none for several outputs")
    if len(names) not in class_counts(count):
        raise OptionError(f"{len(names)} names of classes for {count} outputs; expected as many")
    return Labels(names, chosen=classes is not None)
