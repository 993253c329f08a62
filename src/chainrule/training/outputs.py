"""Losses, tasks and targets of all outputs of a network.

The loss of a network with several outputs is a `JointLoss`. Its targets are packed into one array (`network.ports`).
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from chainrule.core.arrays import Array
from chainrule.network import tasks
from chainrule.network.losses import JointLoss, Loss, SingleLoss
from chainrule.network.network import Network
from chainrule.network.ports import Ports
from chainrule.network.tasks import JointTask, Task
from chainrule.training import dense
from chainrule.training.samples import Samples


def packed_samples(ports: Ports, x: Array, y: Any) -> Samples:
    """Return samples with the targets of several outputs, packed.

    ports   the network's outputs
    x       inputs (N, *input_shape)
    y       labels or targets of each output, in order or by name, as in `Samples.of`; or packed targets (N, F)

    Errors  DataError if an output has no targets, or the targets do not fit the output
    """
    if ports.is_packed(y):
        return Samples.of(x, y.astype(np.float64), ports.size)
    by_name = ports.named(y, "targets").items()
    targets = {name: Samples.of(x, values, ports.shapes[name]).targets for name, values in by_name}
    return Samples(x, ports.pack(targets, "targets").astype(np.float64))


def check_targets(network: Network, loss: Loss, samples: Samples) -> None:
    """Raise DataError if the targets of an output are outside the domain of its loss (`tasks.check`)."""
    for output_loss, _, rows in _outputs(network, loss, samples):
        tasks.check(str(output_loss), rows)


def infer_task(network: Network, loss: Loss, samples: Samples) -> Task:
    """Infer the task of each output from the targets, the loss and the last layer (`tasks.infer_task`)."""
    ends = _outputs(network, loss, samples)
    return JointTask.of([tasks.infer_task(str(term), last_layer, rows) for term, last_layer, rows in ends])


def _outputs(network: Network, loss: Loss, samples: Samples) -> list[tuple[SingleLoss, str, Any]]:
    """Return the loss, the type of the last layer and the targets as rows (M, K), for each output."""
    if not isinstance(loss, JointLoss) or network.output_ports is None:
        return [(cast("SingleLoss", loss), network.last_layer, samples.rows)]
    targets = network.output_ports.split(samples.targets)
    pairs = zip(loss.terms, network.outputs, strict=True)
    return [(term.loss, output.last_layer, dense.rows(targets[term.output])) for term, output in pairs]
