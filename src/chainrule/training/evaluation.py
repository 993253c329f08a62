"""Evaluation of a network on labeled samples."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.core.arrays import Array, Floats
from chainrule.data.augmentation import Views
from chainrule.data.normalization import Normalization
from chainrule.network import losses
from chainrule.network.losses import JointLoss, Loss
from chainrule.network.network import Network
from chainrule.network.tasks import BINARY, CLASSIFICATION, JointTask, Task
from chainrule.training import outputs as network_outputs
from chainrule.training.batches import in_order
from chainrule.training.calibration import LOGITS_LOSS
from chainrule.training.history import Epoch
from chainrule.training.joint import JointEvaluation
from chainrule.training.metrics import Evaluation
from chainrule.training.recipe import Recipe
from chainrule.training.samples import Samples
from chainrule.training.streams import TrainingData


def evaluate(
    network: Network,
    samples: TrainingData,
    normalization: Normalization,
    loss: Loss,
    task: Task | None = None,
    views: Views | None = None,
    *,
    readers: int | None = None,
) -> Evaluation:
    """Evaluate a network on samples, in large batches.

    If the samples have weights w, the loss is Σ w[n] loss[n] / N. Other metrics ignore the weights, except that ignored
    positions do not count. If the network standardizes its targets, the loss is that of standardized targets, as in
    training; outputs, targets and metrics are in the units of the targets.

    task    None: infer it from the loss, the last layer and the targets
    views   average the outputs over these augmented views of each image; None: use only the image itself
    readers   processes that read ahead, as in `BatchLoader`
    """
    scaling, total, count = network.target_scaling, np.zeros(len(losses.terms(loss))), 0
    resolved_task = task or network_outputs.infer_task(network, loss, samples.probe)
    counts_only = (
        not isinstance(samples, Samples) and samples.probe.is_dense and resolved_task in (CLASSIFICATION, BINARY)
    )
    confusion, all_outputs, all_targets, all_valid = np.int64(0), list[Array](), list[Array](), list[Array]()
    for x, targets, weights in in_order(samples, normalization, network, readers):
        weighted_views = views.of(x) if views is not None else [(1.0, x)]
        outputs = np.asarray(sum(weight * network.apply(view) for weight, view in weighted_views), network.dtype)
        t = targets.astype(network.dtype, order="C")
        if scaling is not None:
            t = scaling.standardized(t).astype(network.dtype)
        total += _summed_losses(network, loss, outputs, t, weights)
        count += len(outputs)
        valid = weights[:, 1] > 0 if weights is not None and weights.ndim > 1 else None  # weights in the metric
        if counts_only:
            confusion = confusion + Evaluation(0.0, outputs, targets, resolved_task, network.classes, valid).confusion
            outputs, targets, valid = outputs[:0], targets[:0], None
        all_outputs.append(outputs)
        all_targets.append(targets)
        all_valid += [] if valid is None else [valid]
    outputs, targets = np.concatenate(all_outputs), np.concatenate(all_targets)
    if scaling is not None:
        outputs = scaling.in_units(outputs)
    if isinstance(loss, JointLoss) and network.output_ports is not None and isinstance(resolved_task, JointTask):
        split = network.output_ports.split
        return JointEvaluation.of(loss, total / count, split(outputs), split(targets), resolved_task)
    counted = (np.asarray(confusion), count) if counts_only else None
    valid = np.concatenate(all_valid) if all_valid else None
    values: tuple[Any, ...] = (outputs, targets, resolved_task, network.classes, valid, counted, loss == LOGITS_LOSS)
    return Evaluation(float(total[0]) / count, *values)


def _summed_losses(network: Network, loss: Loss, outputs: Array, t: Array, weights: Array | None) -> Floats:
    """Return the sum of each output's losses over the samples."""
    pairs: list[tuple[Array, Array]] = [(outputs, t)]
    if isinstance(loss, JointLoss) and network.output_ports is not None:
        parts = (network.output_ports.split(np.ascontiguousarray(array)) for array in (outputs, t))
        pairs = list(zip(*(part.values() for part in parts), strict=True))
    values = [
        losses.of_samples(term, network.engine, np.ascontiguousarray(p), np.ascontiguousarray(target), weights)
        for term, (p, target) in zip(losses.terms(loss), pairs, strict=True)
    ]
    return np.array([value.sum(dtype=np.float64) for value in values])


def check_monitor(
    network: Network, recipe: Recipe, task: Task, normalization: Normalization, validation: TrainingData | None
) -> None:
    """Raise OptionError if epochs will not have the metric to monitor, as an evaluation of one sample shows."""
    values, metrics = (None, None), dict[str, float]()
    if validation is not None:
        sample = validation.probe.take(np.arange(1))
        values, metrics = (0.0, 0.0), evaluate(network, sample, normalization, recipe.loss, task).further
    epoch = Epoch.of(task.metric, 1, 1, (0.0, 0.0), values)
    recipe.criterion.improvements([replace(epoch, validation_metrics=metrics)])
