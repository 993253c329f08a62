"""Losses, tasks and targets of all outputs of a network.

The loss of a network with several outputs is a `JointLoss`. Its targets are packed into one array (`network.ports`).
"""

from __future__ import annotations

from typing import cast

import numpy as np

from chainrule.core.arrays import Array
from chainrule.network import tasks
from chainrule.network.losses import JointLoss, Loss, SingleLoss
from chainrule.network.network import Network
from chainrule.network.tasks import JointTask, Task
from chainrule.training import dense
from chainrule.training.targets import Targets


def check_targets(network: Network, loss: Loss, targets: Targets, task: Task | None = None) -> None:
    """Raise DataError if the targets of an output are outside the domain of its loss, or not of its task.

    task   task of the network, if it is known
    """
    ends = _outputs(network, loss, targets)
    parts = [None] * len(ends) if task is None else tasks.parts(task)
    for (output_loss, _, rows), part in zip(ends, parts, strict=True):
        tasks.check(str(output_loss), rows, part)


def infer_task(network: Network, loss: Loss, targets: Targets) -> Task:
    """Infer the task of each output from the targets, the loss and the last layer (`tasks.infer_task`)."""
    ends = _outputs(network, loss, targets)
    are_labels = targets.are_labels
    return JointTask.of([tasks.infer_task(str(term), layer, rows, are_labels=are_labels) for term, layer, rows in ends])


def _outputs(network: Network, loss: Loss, targets: Targets) -> list[tuple[SingleLoss, str | None, Array]]:
    """Return the loss, the type of the last layer and the targets as rows (M, K), for each output."""
    if not isinstance(loss, JointLoss) or network.output_ports is None:
        return [(cast("SingleLoss", loss), network.last_layer, targets.rows)]
    values = network.output_ports.split(np.asarray(targets.values))
    pairs = zip(loss.terms, network.outputs, strict=True)
    return [(term.loss, output.last_layer, dense.rows(values[term.output])) for term, output in pairs]
