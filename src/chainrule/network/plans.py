"""Plans of networks: the operations of all layers and of the losses, forward and backward.

`plan` shows the whole. Nothing is computed here: an engine runs the plan in every step (docs/architecture.md).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from chainrule.core.arrays import Shape
from chainrule.core.plan import Builder, Plan, Tensor
from chainrule.layers.base import Activation, Layer, Parameter
from chainrule.layers.node import Wiring
from chainrule.network import loss_checks, loss_plan, losses, tasks
from chainrule.network.loss_plan import Weighting
from chainrule.network.losses import JointLoss, Loss, SingleLoss
from chainrule.network.ports import OutputEnd
from chainrule.network.tasks import JointTask, Task


@dataclass(frozen=True)
class Ending:
    """The end of an output in a training plan.

    number      number of the output's last layer, from 1
    scores      number of the layer whose output the loss reads: the last layer or, if the loss is joined with it, the
                layer before
    loss        emitted loss: the output's own, or the one that joins it with the last layer (`losses.JOINED`)
    activation  operation of the last layer if it is joined with the loss, otherwise None
    skipped     whether nothing but a joined loss reads the last layer, so that the plan needs no gradient through it
    """

    number: int
    scores: int
    loss: SingleLoss
    activation: str | None = None
    skipped: bool = False


class Connected(Protocol):
    """The parts of a `Network` that its plans depend on."""

    layers: tuple[Layer, ...]
    names: list[str]
    wiring: Wiring
    input_shape: Shape
    output_shape: Shape
    task: Task | None
    precise: bool

    @property
    def table(self) -> Mapping[str, Parameter]: ...

    @property
    def outputs(self) -> list[OutputEnd]: ...


def plan(
    self: Connected,
    loss: Loss | None = None,
    *,
    input_gradient: bool = False,
    task: Task | None = None,
    frozen: Collection[str] = frozenset(),
    weighting: Weighting | None = None,
    evaluates: bool = False,
) -> Plan:
    """Return the plan of a network for inference or, if a loss is passed, for training. This is a method of networks.

    A final softmax or sigmoid and its cross-entropy are joined into one operation on the scores (`losses.JOINED`).

    input_gradient  whether to compute the gradient with respect to the input, which training does not need
    task            task that determines the metric; None: the network's task
    frozen          names of parameters without gradient. If a layer and all layers before it are
                    frozen, no gradient is propagated to it. Frozen batch normalizations use their running
                    statistics and do not update them
    weighting       what has a weight in the loss; None: nothing
    evaluates       return a plan for inference. With a loss, its output, (2 F,), contains all outputs, packed, and then
                    what the loss of each output reads (`Ending.scores`)
    """
    if loss is not None:
        loss_checks.check_outputs(loss, self.outputs)
    # Parameters and running statistics are views of flat buffers. The builder collects operations on tensors.
    builder = Builder(_weights(self.table), training=loss is not None and not evaluates, frozen=frozen)
    source = Tensor("x", self.input_shape, "input")
    ends = endings(self, loss)
    skipped = set[int]()
    if not evaluates:
        skipped = {ending.number - 1 for ending in ends if ending.skipped}
    if isinstance(loss, JointLoss):
        skipped.add(len(self.layers) - 1)  # `Pack`
    # Forward: each layer emits its operations, and with them those of its gradients for the backward pass.
    results = [source]
    for number, (layer, numbers) in enumerate(zip(self.layers, self.wiring.inputs, strict=True)):
        inputs = [results[index] for index in numbers]
        if number in skipped:
            results.append(inputs[0])
            continue
        builder.begin(self.names[number], self.names[self.wiring.owners[number]])
        results.append(layer.joint_emit(builder, inputs))
    # Loss and metric of each output. `Builder.plan` appends the emitted gradients in reverse order: the backward pass.
    if loss is None:
        return replace(builder.plan(source, results[-1]), precise=self.precise)
    if evaluates:
        return replace(builder.plan(source, _pack_read(builder, results, ends)), precise=self.precise)
    first = ends[0]
    scores = results[first.scores]
    task = resolved_task(self, task, loss)
    measured = _measured(builder, self, first, task, results)
    if isinstance(loss, JointLoss):
        terms = [(ending.loss, results[ending.scores]) for ending in ends]
        loss_tensors = loss_plan.emit_joint(builder, loss, terms, task, measured, weighting)
    else:
        loss_tensors = loss_plan.emit(builder, first.loss, scores, task, measured, weighting)
    gradients = list[Tensor]()
    if input_gradient:
        gradients.append(source.gradient())
    return replace(builder.plan(source, scores, gradients, **loss_tensors), precise=self.precise)


def _weights(table: Mapping[str, Parameter]) -> dict[str, Tensor]:
    """Return the tensors of parameters and running statistics by name."""
    tensors = dict[str, Tensor]()
    for name, parameter in table.items():
        kind = "state"
        if parameter.trained:
            kind = "parameter"
        tensors[name] = Tensor(name, parameter.shape, kind)
    return tensors


def endings(network: Connected, loss: Loss | None) -> list[Ending]:
    """Return the end of each output in a training plan; an empty list for inference (None)."""
    if loss is None:
        return []
    inputs = network.wiring.inputs
    ends = inputs[-1] if isinstance(loss, JointLoss) else (len(inputs),)
    results = list[Ending]()
    read = set[int]()
    for numbers in inputs[:-1]:
        read.update(numbers)
    for end, term in zip(ends, losses.terms(loss), strict=True):
        activation = _activation(network, end)
        joined = None
        if activation is not None:
            joined = losses.JOINED.get((activation, term))
        if joined is None:
            results.append(Ending(end, end, term))
            read.add(end)
        else:
            results.append(Ending(end, inputs[end - 1][0], joined, activation))
    return [replace(ending, skipped=ending.number not in read) for ending in results]


def _pack_read(builder: Builder, results: Sequence[Tensor], ends: Sequence[Ending]) -> Tensor:
    """Emit and return a vector with all outputs, and then what the loss of each output reads."""
    outputs = list[Tensor]()
    scores = list[Tensor]()
    for ending in ends:
        output = results[ending.number]
        score = results[ending.scores]
        outputs.append(output.viewed((output.size,)))
        scores.append(score.viewed((score.size,)))
    flat = outputs + scores
    builder.begin("loss")
    packed = builder.activation("read", (sum(value.size for value in flat),))
    builder.forward("concatenate", flat, (packed,), axis=0)
    return packed


def _activation(network: Connected, number: int) -> str | None:
    """Return the operation of a layer that is an activation, otherwise None."""
    layer = network.layers[number - 1]
    if isinstance(layer, Activation):
        return layer.kind
    return None


def _measured(builder: Builder, network: Connected, ending: Ending, task: Task, results: list[Tensor]) -> Tensor:
    """Return the predictions whose metric is computed, those of the first output.

    The class with the largest score also has the largest probability. Other metrics need the probabilities, which the
    activation computes if a joined loss replaces its layer.
    """
    scores = results[ending.scores]
    if task.operation == "correct":
        return scores
    if not ending.skipped or ending.activation is None:
        return results[ending.number]
    builder.begin(network.names[ending.number - 1])
    probabilities = builder.activation("y", scores.shape)
    builder.forward(ending.activation, (scores,), (probabilities,))
    return probabilities


def resolved_task(network: Connected, task: Task | None, loss: Loss) -> Task:
    """Return ``task``, the network's task, or the default tasks of the losses."""
    for candidate in (task, network.task):
        if candidate is not None and isinstance(candidate, JointTask) == isinstance(loss, JointLoss):
            return candidate
    parts = list[Task]()
    for term, output in zip(losses.terms(loss), network.outputs, strict=True):
        parts.append(tasks.default_for(str(term), output.shape[0]))
    return JointTask.of(parts)
