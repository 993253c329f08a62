"""The methods `train_step` and `gradients` of models, for custom training loops, as functions of a network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from chainrule.core.words import checked_options
from chainrule.data.containers import Data
from chainrule.data.normalization import Normalization
from chainrule.engines.protocol import Array
from chainrule.models.record import Record
from chainrule.network.fitted import UNFITTED
from chainrule.network.losses import Loss, LossLike
from chainrule.network.network import Network
from chainrule.network.ports import ArraysLike
from chainrule.network.tasks import Task
from chainrule.training import optimizers, outputs
from chainrule.training.components import clipping
from chainrule.training.lr_multipliers import LRMultipliers
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
class _Steps:
    """What consecutive calls of `train_step` share: the stepper with its moments, and the number of steps."""

    stepper: Stepper
    count: int = 0


@checked_options
def train_step(
    self: Network,
    x: ArraysLike,
    y: ArraysLike,
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
    x, t, weights, task, resolved = _batch(self, self, x, y, loss, sample_weight)
    resolved_optimizer = optimizers.find(optimizer)
    options: dict[str, Any] = {"weighted": weights is not None, "clip_norm": clip_norm}
    steps = _kept_steps(self, self, "train_step", resolved_optimizer, resolved, task, **options)
    rate = optimizers.choose(resolved_optimizer, learning_rate).learning_rate
    step_seed = self.seed if seed is None else seed
    outcome = steps.stepper.step(x, t, weights, step=steps.count + 1, rate=rate, seed=step_seed)
    steps.count += 1
    return outcome


@checked_options
def gradients(
    self: Network,
    x: ArraysLike,
    y: ArraysLike,
    *,
    loss: LossLike | None = None,
    sample_weight: ArrayLike | None = None,
    step: int = 1,
    seed: int | None = None,
) -> BatchGradients:
    """Return the gradients of a batch's mean loss. The parameters are not modified; running statistics are.

    The gradients of frozen parameters are 0, and `optimizer.step` does not change these parameters.

    x, y, loss, sample_weight   as in `train_step`; x may have another size, as in `predict`
    step, seed   step number, from 1, and seed of the random numbers for dropout; None: the model's seed

    Errors    as in `train_step`

    >>> optimizer = chainrule.Adam(0.01)
    >>> moments = optimizer.init(model.parameters)
    >>> for step, (x, y) in enumerate(batches, 1):
    ...     moments = optimizer.step(model, model.gradients(x, y), moments, step=step)
    """
    from chainrule.models.sizes import sized

    network = sized(self, Data.of(x, y).inputs)
    x, t, weights, task, resolved = _batch(self, network, x, y, loss, sample_weight)

    key = (f"gradients {network.input_shape}", optimizers.SGD(), resolved, task)
    stepper = _kept_steps(self, network, *key, weighted=weights is not None).stepper
    outcome, flat = stepper.gradient(x, t, weights, step=step, seed=self.seed if seed is None else seed)
    named = {
        name: flat[first:last].reshape(self.weights[name].shape)
        for name, (first, last) in self.trainable_layout.items()
    }
    return BatchGradients(outcome.loss, outcome.measured, flat, named)


def _kept_steps(
    model: Network,
    network: Network,
    method: str,
    optimizer: Optimizer,
    loss: Loss,
    task: Task,
    *,
    weighted: bool,
    clip_norm: float | None = None,
) -> _Steps:
    """Return the stepper and the step count of a method's last call if its options are the same; otherwise new ones.

    The options are those that a stepper is built for. The network is not among them, because the model and the method
    determine it: `gradients` adds the input shape to the name of the method. The model keeps one stepper per method, so
    that `gradients` between two calls of `train_step` does not reset the moments.

    network   the model, or one with the same weights for the size of the batch
    """
    cache, key = model.cached_steps, (optimizer, loss, task, clip_norm, weighted, model.frozen)
    if method not in cache or cache[method][0] != key:
        multipliers = LRMultipliers.frozen(*model.frozen)
        stepper = Stepper(
            network, optimizer, loss, task, multipliers, weighted=weighted, components=clipping(clip_norm)
        )
        cache[method] = key, _Steps(stepper)
    return cache[method][1]


def _batch(
    model: Network, network: Network, x: ArraysLike, y: ArraysLike, loss: LossLike | None, weights: ArrayLike | None
) -> tuple[Array, Array, Array | None, Task, Loss]:
    """Check a batch, and return x, targets and weights in the network's dtype, the task and the loss.

    The first batch determines the normalization and the task of an untrained model.

    network   the model, or one with the same weights for the size of the batch
    """
    resolved, data = network.check_loss(loss), Data.of(x, y, weights=weights)
    record = replace(Record.learned(network, data, resolved), task=network.task)
    examples = record.read(data)
    task = network.task or outputs.infer_task(network, resolved, examples.targets)
    if network.task is None or resolved != network.loss:
        normalization = examples.normalization or network.normalization
        if normalization == UNFITTED:
            normalization = Normalization.fit(record.default_kind(examples), examples.statistics)
        labels = record.labels.of_kind(examples.targets.kind)
        recorded: dict[str, Any] = {"labels": labels, "columns": record.columns}
        fitted = replace(network.fitted, normalization=normalization, loss=resolved, task=task, **recorded)
        for part in (model, network):
            part.adopt(fitted)
    samples, rows = examples.source.samples(np.arange(len(examples)), examples.targets)
    preparation = Preparation(network, network.normalization, target_scaling=network.target_scaling)
    return *preparation.of_targets(samples.batch(rows, preparation)), task, resolved
