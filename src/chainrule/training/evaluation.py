"""Evaluation of a network on labeled samples."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import cast

import numpy as np

from chainrule.core.arrays import Array, Bools
from chainrule.data.normalization import Normalization
from chainrule.errors import OptionError, quoted
from chainrule.network import loss_checks, losses
from chainrule.network.losses import JointLoss, Loss
from chainrule.network.network import PREDICT_BATCH, Network
from chainrule.network.plans import endings
from chainrule.network.ports import Ports
from chainrule.network.tasks import JointTask, Task
from chainrule.training import outputs as network_outputs
from chainrule.training.examples import Examples
from chainrule.training.history import Epoch
from chainrule.training.joint import JointEvaluation
from chainrule.training.metrics import FIGURES, LOGITS_LOSS, Evaluation, Metric
from chainrule.training.recipe import Recipe
from chainrule.training.samples import Batch, Preparation

EVALUATION_BATCH = 1024  # maximum number of samples that are evaluated together
EVALUATION_BYTES = 1 << 26  # maximum size of their inputs
FLOAT_BYTES = 4
RESERVED = {"loss", "mean_iou", "task", "samples", "warnings", "classes", "outputs"}.union(*FIGURES.values())


def evaluate(
    network: Network,
    examples: Examples,
    normalization: Normalization,
    loss: Loss,
    task: Task | None = None,
    *,
    weighted: bool = False,
) -> Evaluation:
    """Evaluate a network on examples, in large batches.

    Ignored positions do not count. If the network standardizes its targets, the loss is that of standardized targets;
    outputs, targets and metrics are in the units of the targets.

    task    None: infer it from the loss, the last layer and the targets
    weighted  whether the loss is Σ w[n] loss[n] / N for samples with weights w, as in training; metrics ignore them
    """
    loss_checks.check_outputs(loss, network.outputs)
    resolved_task = task or network_outputs.infer_task(network, loss, examples.targets)
    batches = _EvaluatedBatches(network, loss, resolved_task)
    for batch in _in_order(examples, normalization, network):
        batches.add(batch, weighted=weighted)
    return batches.evaluation()


class _EvaluatedBatches:
    """The outputs, targets and losses of batches that are evaluated one after the other."""

    def __init__(self, network: Network, loss: Loss, task: Task) -> None:
        self._network = network
        self._loss = loss
        self._task = task
        self._total = np.zeros(len(losses.terms(loss)))  # sum of each output's loss
        self._outputs = list[Array]()
        self._targets = list[Array]()
        self._valid = list[Array]()  # empty: all positions count
        self._losses = list[list[Array]]()  # of each batch and output, the loss of each sample

    def add(self, batch: Batch, *, weighted: bool) -> None:
        """Evaluate a batch: normalized x, targets in their units, and weights or None."""
        network = self._network
        x, targets, weights = batch
        outputs, scores = _outputs(network, self._loss, x)
        valid: Bools | None = None
        if weights is not None and weights.ndim > 2:  # of positions: two planes, for the loss and for the metric
            metric_weights = weights[:, 1]
            valid = metric_weights > 0
            if not weighted:
                weights = np.stack([metric_weights, metric_weights], axis=1)
        elif not weighted:
            weights = None
        self._add_losses(scores, targets, weights)
        self._outputs.append(outputs)
        self._targets.append(targets)
        if valid is not None:
            self._valid.append(valid)

    def _add_losses(self, scores: Sequence[Array], targets: Array, weights: Array | None) -> None:
        """Compute and record the loss of each sample of a batch, for each output."""
        network = self._network
        t = targets
        if network.target_scaling is not None:
            t = network.target_scaling.standardized(targets)
        sample_losses = _losses(network, self._loss, scores, t.astype(network.dtype, order="C"), weights)
        self._losses.append(sample_losses)
        self._total += [values.sum(dtype=np.float64) for values in sample_losses]

    def evaluation(self) -> Evaluation:
        """Return the evaluation of all batches."""
        network = self._network
        by_output = zip(*self._losses, strict=True)
        outputs, targets, *sample_losses = map(np.concatenate, (self._outputs, self._targets, *by_output))
        if network.target_scaling is not None:
            outputs = network.target_scaling.in_units(outputs)
        means = self._total / len(outputs)
        ports = network.output_ports
        if isinstance(self._loss, JointLoss) and ports is not None and isinstance(self._task, JointTask):
            values = ports.split(outputs), ports.split(targets)
            return JointEvaluation.of(self._loss, sample_losses, means, *values, self._task)
        valid = None
        if self._valid:
            valid = np.concatenate(self._valid)
        return Evaluation(
            float(means[0]),
            outputs,
            targets,
            self._task,
            network.labels,
            valid,
            self._loss == LOGITS_LOSS,
            losses=sample_losses[0],
            thresholds=network.thresholds,
        )


def _in_order(data: Examples, normalization: Normalization, network: Network) -> Iterator[Batch]:
    """Yield all samples in batches for evaluation: normalized x, targets in float64, and weights or None."""
    preparation = Preparation(network, normalization)
    source = data.source
    bytes_of_input = FLOAT_BYTES * math.prod(network.input_shape)
    size = max(1, min(EVALUATION_BATCH, EVALUATION_BYTES // bytes_of_input))
    for block in source.plan(size, None, 0):
        samples, rows = source.samples(block, data.targets)
        yield samples.batch(rows, preparation)


def _outputs(network: Network, loss: Loss, x: Array) -> tuple[Array, list[Array]]:
    """Return the outputs (N, *output_shape) for normalized x, and the scores that each output's loss reads."""
    ends = endings(network, loss)
    ports = Ports({end.name: end.shape for end in network.outputs})
    scored = None
    if any(end.activation for end in ends):
        scored = loss
    rows = network.infer(np.ascontiguousarray(x, network.dtype), PREDICT_BATCH, scored).reshape(len(x), -1)
    # With scores, a row contains the outputs, then the scores; without, the outputs are the scores.
    scores = [*ports.split(rows[:, -ports.size :]).values()]
    return rows[:, : ports.size].reshape(-1, *network.output_shape), scores


def _losses(network: Network, loss: Loss, scores: Sequence[Array], t: Array, weights: Array | None) -> list[Array]:
    """Return the loss of each sample, (N,), for each output."""
    targets = [t]
    if network.output_ports is not None:
        targets = [*network.output_ports.split(t).values()]
    results = list[Array]()
    for end, p, target in zip(endings(network, loss), scores, targets, strict=True):
        arrays = np.ascontiguousarray(p), np.ascontiguousarray(target)
        results.append(losses.of_samples(end.loss, network.engine, *arrays, weights))
    return results


def checked_metrics(metrics: object) -> Mapping[str, Metric]:
    """Return the further metrics of users, by name; OptionError for other values."""
    if metrics is None:
        return {}
    if isinstance(metrics, Mapping):
        functions = cast("Mapping[str, Metric]", metrics)
        reserved = functions.keys() & RESERVED
        if reserved:
            raise OptionError(f"metric {', '.join(sorted(reserved))}: a name of chainrule; expected another one")
        if all(map(callable, functions.values())):
            return functions
    raise OptionError(f"metrics {quoted(cast('object', metrics))}: expected functions by name, such as {{'f2': f}}")


def check_monitor(
    network: Network,
    recipe: Recipe,
    task: Task,
    normalization: Normalization,
    validation: Examples | None,
    functions: Mapping[str, Metric] | None = None,
) -> None:
    """Raise OptionError if epochs will not have the metric to monitor, as an evaluation of one sample shows.

    functions   further metrics, which are not computed, since they may need more than a sample
    """
    values = (None, None)
    names = [*checked_metrics(functions)]
    if network.output_ports is not None:
        outputs = network.output_ports.names
        names = [f"{output}_{name}" for output, name in itertools.product(outputs, names)]
    metrics = dict.fromkeys(names, 0.0)
    if recipe.monitor in names:
        raise recipe.criterion.undirected()
    if validation is None and metrics:
        raise OptionError("metrics are those of validation data; pass validation_data or validation_split too")
    if validation is not None:
        further = evaluate(network, validation.first(), normalization, recipe.loss, task).further
        values = (0.0, 0.0)
        metrics = metrics | dict.fromkeys(further, 0.0)
    epoch = Epoch.of(task.metric, 1, 1, (0.0, 0.0), values)
    recipe.criterion.improvements([replace(epoch, validation_metrics=metrics)])
