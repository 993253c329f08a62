"""The methods `train_step` and `gradients` of models, for custom training loops, as functions of a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from chainrule.core.arrays import Array, Arrays
from chainrule.core.options import checked_options
from chainrule.data.containers import Data
from chainrule.data.normalization import Normalization
from chainrule.data.sources import as_array
from chainrule.models.record import Record, loaded, loss_for
from chainrule.network.fitted import UNFITTED
from chainrule.network.loss_plan import Weighting
from chainrule.network.losses import Loss, LossLike
from chainrule.network.network import Network
from chainrule.network.ports import ArraysLike
from chainrule.network.sizes import MAX_SIZES
from chainrule.network.tasks import Task
from chainrule.training import optimizers, outputs
from chainrule.training.components import clipping
from chainrule.training.optimizers import Optimizer, OptimizerLike
from chainrule.training.options import check_option
from chainrule.training.samples import Preparation
from chainrule.training.steps.gradients import Outcome
from chainrule.training.steps.stepper import Stepper


@dataclass(frozen=True, eq=False)
class BatchGradients:
    """Gradients of the mean loss of a batch with respect to the parameters.

    loss       mean loss
    measured   mean metric of the task: accuracy, label accuracy or mean absolute error
    flat       all gradients, in the order of `Network.parameters`; they may be modified, such as for clipping
    named      gradient of each parameter by name (conv1.w, conv1.b, …), as views of ``flat``
    """

    loss: float
    measured: float
    flat: Array
    named: dict[str, Array]


@dataclass(eq=False)
class _Calls:
    """What consecutive calls of `train_step` with the same options share, or all calls of `gradients`.

    options   optimizer, clip_norm and, for `train_step`, loss
    moments   the optimizer's moments
    count     number of calls
    steppers  a cache: steppers with what they depend on, by input shape and whether batches have weights
    """

    options: tuple[Optimizer, float | None, Loss | None]
    moments: Arrays = ()
    count: int = 0
    steppers: dict[Any, Any] = field(default_factory=dict[Any, Any])

    def stepper(
        self, network: Network, loss: Loss, task: Task, frozen: tuple[str, ...], weighting: Weighting | None
    ) -> Stepper:
        """Return a stepper with the moments.

        network   the model, or one with the same weights for the size of the batch
        """
        place = (network.input_shape, weighting)
        key = (loss, task, frozen)
        if place not in self.steppers or self.steppers[place][0] != key:
            if len(self.steppers) > MAX_SIZES:
                self.steppers.clear()
            optimizer, clip_norm, _ = self.options
            components = clipping(clip_norm)
            stepper = Stepper(network, optimizer, loss, task, frozen, weighting=weighting, components=components)
            self.steppers[place] = key, stepper
        stepper = self.steppers[place][1]
        stepper.moments = self.moments
        return stepper


@checked_options
def train_step(
    self: Network,
    x: ArraysLike | Data | str,
    y: ArraysLike | None = None,
    *,
    optimizer: str | OptimizerLike = "adam",
    learning_rate: float | None = None,
    loss: LossLike | None = None,
    sample_weight: ArrayLike | None = None,
    clip_norm: float | None = None,
    seed: int | None = None,
) -> Outcome:
    """Take one training step on a batch, and return its loss, metric and gradient norm.

    Consecutive calls with the same optimizer, loss and clip_norm share the optimizer's moments; otherwise, these
    start at 0. A different ``learning_rate`` in each call is a schedule.

    x, y, loss, sample_weight, clip_norm   as in `fit`; y may be targets (N, K), such as mixed labels
    seed      seed of the random numbers for dropout; None: the model's seed

    Errors    DataError, OptionError or ShapeError for invalid arguments; NotFiniteError for infinite gradients

    >>> for x, y in batches:
    ...     loss, accuracy, norm = model.train_step(x, y, optimizer="adam", learning_rate=0.01)
    """
    check_option("clip_norm", clip_norm)
    data = loaded(self, Data.of(x, y, weights=sample_weight))
    x, t, weights, task, resolved = _batch(self, self, data, loss)
    resolved_optimizer = optimizers.find(optimizer)
    options = resolved_optimizer, clip_norm, resolved
    calls = self.calls.get("train_step")
    if calls is None or calls.options != options:
        calls = self.calls["train_step"] = _Calls(options, resolved_optimizer.init(self.parameters))
    stepper = calls.stepper(self, resolved, task, self.frozen, Weighting.of(weights))
    rate = optimizers.choose(resolved_optimizer, learning_rate).learning_rate
    step_seed = self.seed if seed is None else seed
    outcome = stepper.step(x, t, weights, step=calls.count + 1, rate=rate, seed=step_seed)
    calls.count += 1
    return outcome


@checked_options
def gradients(
    self: Network,
    x: ArraysLike | Data | str,
    y: ArraysLike | None = None,
    *,
    loss: LossLike | None = None,
    sample_weight: ArrayLike | None = None,
    step: int | None = None,
    seed: int | None = None,
) -> BatchGradients:
    """Return the gradients of a batch's mean loss. The parameters are not modified; running statistics are.

    The gradients of frozen parameters are 0, and `optimizer.step` does not change these parameters.

    x, y, loss, sample_weight   as in `train_step`; x may have another size, as in `predict`
    step, seed   step number, from 1, and seed of the random numbers for dropout; None: the number of this call, and the
                 model's seed

    Errors    as in `train_step`

    >>> optimizer = chainrule.Adam(0.01)
    >>> moments = optimizer.init(model.parameters)
    >>> for step, (x, y) in enumerate(batches, 1):
    ...     moments = optimizer.step(model, model.gradients(x, y), moments, step=step)
    """
    from chainrule.models.sizes import sized

    data = loaded(self, Data.of(x, y, weights=sample_weight))
    network = sized(self, data.inputs)
    x, t, weights, task, resolved = _batch(self, network, data, loss)

    calls = self.calls.setdefault("gradients", _Calls((optimizers.SGD(), None, None)))
    stepper = calls.stepper(network, resolved, task, self.frozen, Weighting.of(weights))
    if step is None:
        step = calls.count + 1
    outcome, flat = stepper.gradient(x, t, weights, step=step, seed=self.seed if seed is None else seed)
    calls.count += 1
    named = {
        name: flat[first:last].reshape(self.weights[name].shape)
        for name, (first, last) in self.trainable_layout.items()
    }
    return BatchGradients(outcome.loss, outcome.measured, flat, named)


def _batch(
    model: Network, network: Network, data: Data, loss: LossLike | None
) -> tuple[Array, Array, Array | None, Task, Loss]:
    """Check a batch, and return x, targets and weights in the network's dtype, the task and the loss.

    The first batch determines the normalization and the task of an untrained model.

    network   the model, or one with the same weights for the size of the batch
    """
    resolved = network.check_loss(loss_for(network, data, loss))
    record = replace(Record.learned(network, data, resolved), task=network.task)
    examples = record.read(data)
    task = network.task or outputs.infer_task(network, resolved, examples.targets)
    if network.task is None or resolved != network.loss:
        normalization = examples.normalization or network.normalization
        if normalization == UNFITTED:
            normalization = Normalization.fit(record.default_kind(examples), examples.statistics)
        labels = record.labels.of_kind(examples.targets.kind)
        fitted = replace(network.fitted, normalization=normalization, loss=resolved, task=task, labels=labels)
        for part in (model, network):
            part.adopt(fitted)
    samples, rows = examples.source.samples(np.arange(len(examples)), examples.targets)
    preparation = Preparation(network, network.normalization, target_scaling=network.target_scaling)
    return *preparation.of_targets(samples.batch(rows, preparation)), task, resolved


def batched(network: Network, x: Any, y: Any) -> tuple[Any, Any]:
    """Return a batch of one sample for a single sample and its targets; return a batch unchanged."""
    inputs = {"": x}  # one unnamed input
    shapes = {"": network.input_shape}
    if network.input_ports is not None:
        inputs = network.input_ports.named(x, "inputs")
        shapes = network.input_ports.shapes
    try:
        is_sample = list(map(np.shape, inputs.values())) == list(shapes.values())
    except ValueError:  # rows of different lengths
        is_sample = False
    if not is_sample:
        return x, y
    targets = {"": y}
    if network.output_ports is not None:
        targets = network.output_ports.named(y, "targets")
    return _with_sample_axis(inputs), _with_sample_axis(targets)


def _with_sample_axis(values: Mapping[str, Any]) -> dict[str, Array]:
    """Return the values of a sample as batches of one sample, by name."""
    return {name: as_array(value)[None] for name, value in values.items()}
