"""Plans of networks: the operations of all layers and of the losses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING

from chainrule.core.plan import Builder, Plan, Tensor
from chainrule.layers import Softmax
from chainrule.training import loss_plan, tasks
from chainrule.training.losses import JointLoss, Loss
from chainrule.training.tasks import JointTask, Task

if TYPE_CHECKING:
    from chainrule.models.network import Network

SOFTMAX_LOSS = "softmax_cross_entropy"  # softmax, fused with categorical cross-entropy


def plan_of(
    network: Network,
    loss: Loss | None,
    *,
    input_gradient: bool,
    task: Task | None,
    frozen: Collection[str],
    weighted: bool,
) -> Plan:
    """Return the plan of a network for inference or, if a loss is passed, for training. See `Network.plan`."""
    tensors = {
        name: Tensor(name, parameter.shape, "parameter" if parameter.trained else "state")
        for name, parameter in network.table.items()
    }
    builder = Builder(tensors, training=loss is not None, frozen=frozen)
    source, skipped, wiring = Tensor("x", network.input_shape, "input"), skipped_layers(network, loss), network.wiring
    results = [source]
    for number, (layer, numbers) in enumerate(zip(network.layers, wiring.inputs, strict=True)):
        inputs = [results[index] for index in numbers]
        if number not in skipped:
            builder.begin(network.names[number], network.names[wiring.owners[number]])
            inputs = [layer.joint_emit(builder, inputs)]
        results.append(inputs[0])
    x = results[-1]
    if loss is None:
        return replace(builder.plan(source, x), precise=network.precise)
    if isinstance(loss, JointLoss):
        predictions = [results[index] for index in wiring.inputs[-1]]
        pairs = zip(wiring.inputs[-1], loss.terms, strict=True)
        losses = [SOFTMAX_LOSS if index - 1 in skipped else term.loss for index, term in pairs]
        joint_task = _joint_task(network, task, loss)
        loss_tensors = loss_plan.emit_joint(builder, loss, predictions, joint_task, losses, weighted=weighted)
    else:
        resolved_task = task or network.task or tasks.default_for(str(loss), network.output_shape[0])
        loss_tensors = loss_plan.emit(builder, SOFTMAX_LOSS if skipped else loss, x, resolved_task, weighted=weighted)
    plan = builder.plan(source, x, (source.gradient(),) if input_gradient else (), **loss_tensors)
    return replace(plan, precise=network.precise)


def skipped_layers(network: Network, loss: Loss | None) -> set[int]:
    """Return the indices of layers whose results the plan does not need.

    In a training plan, these are layers of softmax that are fused with categorical cross-entropy, and a final `Pack`.
    """
    last = len(network.layers) - 1
    if isinstance(loss, JointLoss):
        ends = network.wiring.inputs[-1]
        readers = Counter(index for numbers in network.wiring.inputs for index in numbers)
        pairs = zip(ends, loss.terms, strict=True)
        fused = {end - 1 for end, term in pairs if readers[end] == 1 and _is_fused(network, end - 1, term.loss)}
        return {last, *fused}
    return {last} if loss is not None and last and _is_fused(network, last, loss) else set()


def _is_fused(network: Network, number: int, loss: Loss) -> bool:
    return loss == "categorical_cross_entropy" and isinstance(network.layers[number], Softmax)


def _joint_task(network: Network, task: Task | None, loss: JointLoss) -> JointTask:
    """Return the tasks of the outputs: ``task``, the network's task, or the default tasks of the losses."""
    for candidate in (task, network.task):
        if isinstance(candidate, JointTask):
            return candidate
    pairs = zip(loss.terms, network.outputs, strict=True)
    return JointTask.of([tasks.default_for(str(term.loss), output.shape[0]) for term, output in pairs])
